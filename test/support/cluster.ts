/** Replicas of a PBFT cluster as processes, driven through their standard input. */
import { writeFileSync } from 'node:fs';

import { replicaName } from '../../peer/engines/pbft/protocol/interface.ts';
import { demonstrationKey } from '../../peer/engines/pbft/node/members.ts';
import { eventually } from './asker.ts';
import { freePort, type Lab, type LogRecord, type Program } from './processes.ts';
import { LOOPBACK } from './wire.ts';

/** How long something may take: many programs run at once, on a machine that does more. */
const PATIENCE = 120_000;

export interface ClusterPlan {
  readonly nodes?: number;
  readonly application?: 'log' | 'kv';
  /** Sequence numbers between checkpoints. */
  readonly checkpointInterval?: number;
  /** In seconds; not so short that a busy machine gives up primaries that do their best. */
  readonly viewChangeTimeout?: number;
  /** Further arguments of each replica. */
  readonly extra?: readonly string[];
}

/** A replica that can be killed and started again on its data. */
export class ReplicaProcess {
  readonly index: number;
  readonly port: number;
  readonly dataDir: string;
  readonly #cluster: Cluster;
  readonly #lives: Program[] = [];
  /** Lines of the running process that were answers to earlier lines. */
  #read = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(cluster: Cluster, index: number, port: number, dataDir: string) {
    this.#cluster = cluster;
    this.index = index;
    this.port = port;
    this.dataDir = dataDir;
  }

  get program(): Program {
    const program = this.#lives.at(-1);
    if (program === undefined) throw new Error('it was never started');
    return program;
  }

  /** The log of all its lives. */
  get records(): LogRecord[] {
    return this.#lives.flatMap(({ records }) => records);
  }

  /** Starts it and waits until it runs. */
  async start(): Promise<void> {
    this.#lives.push(this.#cluster.run(this));
    this.#read = 0;
    await this.says('replica is up');
  }

  async kill9(): Promise<void> {
    await this.program.kill('SIGKILL');
  }

  /** Waits for a line of the log of this life. */
  says(message: string, test: (record: LogRecord) => boolean = () => true): Promise<LogRecord> {
    const { program } = this;
    return this.until(`replica ${this.index} says ${message}`, () => {
      const found = program.records.find((record) => record.message === message && test(record));
      if (found === undefined && !program.alive) throw new Error('it has ended');
      return found;
    });
  }

  /** Types a line, and waits for the one line that answers it. One at a time, others wait. */
  ask(line: string): Promise<string> {
    const answer = this.#last.then(async () => {
      const { program } = this;
      const at = this.#read++;
      program.write(line);
      return program.line(at);
    });
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  /** The digests of the batches that it has executed, by sequence number. */
  executed(): Map<number, string> {
    const executed = this.records.filter(({ message }) => message === 'executed');
    return new Map(executed.map(({ sequence, digest }) => [Number(sequence), String(digest)]));
  }

  /** The highest sequence number whose state it has, be it executed or fetched from others. */
  reached(): number {
    const reached = this.records.filter(
      ({ message }) => message === 'executed' || message === 'the state is fetched',
    );
    return Math.max(0, ...reached.map(({ sequence }) => Number(sequence)));
  }

  async until<T>(
    what: string,
    look: () => T | undefined | false | Promise<T | undefined | false>,
  ): Promise<T> {
    try {
      return await eventually(what, look, PATIENCE);
    } catch (error) {
      throw new Error(`${String(error)}\n${this.#cluster.explain()}`, { cause: error });
    }
  }
}

/** Replicas of the demonstration cluster; each but the first is told the address of the first one only. */
export class Cluster {
  readonly replicas: readonly ReplicaProcess[];
  readonly #lab: Lab;
  readonly #plan: ClusterPlan;

  private constructor(lab: Lab, plan: ClusterPlan, ports: readonly number[]) {
    this.#lab = lab;
    this.#plan = plan;
    this.replicas = ports.map(
      (port, index) => new ReplicaProcess(this, index, port, lab.path(`replica-${port}`)),
    );
  }

  /** A cluster that does not run yet. */
  static async create(lab: Lab, plan: ClusterPlan = {}): Promise<Cluster> {
    const ports: number[] = [];
    while (ports.length < (plan.nodes ?? 4)) ports.push(await freePort());
    return new Cluster(lab, plan, ports);
  }

  /** A cluster of which all replicas run and are connected with each other. */
  static async start(lab: Lab, plan: ClusterPlan = {}): Promise<Cluster> {
    const cluster = await Cluster.create(lab, plan);
    await Promise.all(cluster.replicas.map((replica) => replica.start()));
    await Promise.all(
      cluster.replicas.map((replica) =>
        Promise.all(
          cluster.replicas
            .filter((other) => other !== replica)
            .map(({ index }) =>
              replica.says('member connected', ({ member }) => member === replicaName(index)),
            ),
        ),
      ),
    );
    return cluster;
  }

  /** A replica of this cluster. */
  at(index: number): ReplicaProcess {
    const replica = this.replicas[index];
    if (replica === undefined) throw new RangeError(`there is no replica ${index}`);
    return replica;
  }

  run(replica: ReplicaProcess): Program {
    const {
      nodes = 4,
      application = 'log',
      checkpointInterval = 100,
      viewChangeTimeout = 2,
      extra = [],
    } = this.#plan;
    const [first] = this.replicas;
    return this.#lab.runIn(
      { input: 'pipe' },
      ...['peer', 'pbft', 'start', '-p', String(replica.port), '-i', String(replica.index)],
      ...['-n', String(nodes), '--data-dir', replica.dataDir, '--application', application],
      ...(first === undefined || replica === first ? [] : ['-b', `${LOOPBACK}:${first.port}`]),
      ...['--checkpoint-interval', String(checkpointInterval)],
      ...['--view-change-timeout', String(viewChangeTimeout)],
      // A page that somebody looks at is asked for with `extra`.
      ...['--http-port', '0', '--log-format', 'json', '--log-level', 'debug', ...extra],
    );
  }

  /** What all of them said last. */
  explain(): string {
    return this.replicas.map(({ program }) => program.explain()).join('\n');
  }
}

/**
 * Writes a members file with the keys that everybody knows.
 *
 * @param ports of the members, on loopback
 */
export function writeMembersFile(path: string, cluster: string, ports: readonly number[]): void {
  const members = ports.map((port, index) => ({
    publicKey: demonstrationKey(index).publicKey,
    address: `${LOOPBACK}:${port}`,
  }));
  writeFileSync(path, JSON.stringify({ cluster, members }));
}
