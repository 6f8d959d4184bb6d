/** PBFT replicas as processes: the command lines of the README, killed, restarted, robbed of their data and cut off. */
import { rmSync } from 'node:fs';

import { expect, it, vi, type TestContext } from 'vitest';

import { Cluster, type ReplicaProcess } from '../support/cluster.ts';
import { eventually } from '../support/asker.ts';
import { checkLinearizable, keyValueModel, type Observation } from '../support/linearizability.ts';
import { Lab, freePort, freePorts } from '../support/processes.ts';
import { seededRandom } from '../support/random.ts';
import { LOOPBACK } from '../support/wire.ts';

/** Many processes on a machine that does more. */
const LIMIT = 300_000;

// They wait for timers of replicas a good part of the time.
vi.setConfig({ maxConcurrency: 2 });

function newLab({ onTestFinished }: TestContext): Lab {
  const lab = new Lab();
  onTestFinished(() => lab.close());
  return lab;
}

/**
 * Waits until all of these are as far as the furthest, and none has executed another batch than the others. The last
 * ones may have come to one of them as a state.
 */
async function agree(replicas: readonly ReplicaProcess[]): Promise<void> {
  await replicas[0]?.until('all are equally far', () => {
    const reached = replicas.map((replica) => replica.reached());
    return reached.every((one) => one === reached[0]);
  });
  const all = new Map<number, string>();
  for (const replica of replicas) {
    for (const [sequence, digest] of replica.executed()) {
      expect({ sequence, digest: all.get(sequence) ?? digest }).toEqual({ sequence, digest });
      all.set(sequence, digest);
    }
  }
}

it.concurrent(
  'four replicas, told of one only, find each other; what is submitted at any of them all execute in one order',
  async (context) => {
    const { replicas } = await Cluster.start(newLab(context));
    const answers = await Promise.all(
      replicas.flatMap((replica) => [1, 2, 3].map((one) => replica.ask(`submit ${replica.index}.${one}`))),
    );
    expect(answers.toSorted()).toEqual(answers.map((_, index) => `entry ${index + 1}`).toSorted());
    // Each has the order of its own, and everybody says the same of it.
    const digests = await Promise.all(replicas.map((replica) => replica.ask('submit /length')));
    expect(new Set(digests).size).toBe(1);
    expect(digests[0]).toMatch(/^12 entries, digest [0-9a-f]{64}$/);
    await agree(replicas);
  },
  LIMIT,
);

it.concurrent(
  'when the primary is killed, the rest change the view and go on; started again, it catches up',
  async (context) => {
    const cluster = await Cluster.start(newLab(context));
    const [primary, ...others] = cluster.replicas;
    expect(await cluster.at(2).ask('submit before')).toBe('entry 1');
    await primary?.kill9();
    expect(await cluster.at(2).ask('submit during')).toBe('entry 2');
    for (const replica of others) {
      await replica.says('new view', ({ view, primary: next }) => Number(view) >= 1 && next !== 'replica-0');
    }
    expect(await cluster.at(3).ask('submit more')).toBe('entry 3');
    await cluster.at(0).start();
    // Nothing new is submitted: it hears by itself what it missed.
    await agree(cluster.replicas);
    expect(cluster.at(0).executed().size).toBeGreaterThanOrEqual(3);
    expect(await cluster.at(0).ask('submit after')).toBe('entry 4');
    await agree(cluster.replicas);
  },
  LIMIT,
);

it.concurrent(
  'a replica that has lost its data gets the state from the others, and is of use again',
  async (context) => {
    const cluster = await Cluster.start(newLab(context), { application: 'kv', checkpointInterval: 4 });
    for (let key = 0; key < 12; key++) {
      expect(await cluster.at(1).ask(`put key-${key} ${'x'.repeat(key)}y`)).toBe('stored');
    }
    const robbed = cluster.at(3);
    await robbed.kill9();
    rmSync(robbed.dataDir, { recursive: true });
    await robbed.start();
    await robbed.says('the state is fetched');
    // Beyond what it may have voted for, it votes again.
    for (let key = 12; key < 24; key++) {
      expect(await cluster.at(1).ask(`put key-${key} y`)).toBe('stored');
    }
    await agree(cluster.replicas);
    // Without it there is no quorum now.
    await cluster.at(1).kill9();
    expect(await robbed.ask('put last z')).toBe('stored');
    expect(await cluster.at(2).ask('get key-11')).toBe(JSON.stringify(`${'x'.repeat(11)}y`));
  },
  LIMIT,
);

/** What the replicas say of an answer, as the answer itself. */
function answerOf(operation: readonly unknown[], text: string): string {
  const known: Readonly<Record<string, object>> = {
    stored: { stored: true },
    deleted: { deleted: true },
    'there was nothing to delete': { deleted: false },
    swapped: { swapped: true },
  };
  const found = known[text];
  if (found !== undefined) return JSON.stringify(found);
  const [, not = '', there = ''] = /^(not swapped: it is )?(absent|".*")$/.exec(text) ?? [];
  if (there === '' || (not === '') !== (operation[0] === 'get')) throw new Error(`what is "${text}"?`);
  const value = there === 'absent' ? null : (JSON.parse(there) as string);
  return JSON.stringify(not === '' ? { value } : { swapped: false, value });
}

/** An operation as it is typed. */
function typed(operation: readonly (string | null)[]): string {
  return operation.map((part) => part ?? 'absent').join(' ');
}

it.concurrent(
  'what clients of all replicas see while one after the other is killed is linearizable',
  async (context) => {
    const cluster = await Cluster.start(newLab(context), { application: 'kv', checkpointInterval: 8 });
    const history: Observation[] = [];
    let done = false;
    const client = async (replica: ReplicaProcess): Promise<void> => {
      const random = seededRandom(replica.index);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
      for (let life = 0, count = 0; !done;) {
        if (!replica.program.alive) {
          // Whoever was answered by it starts anew with it.
          life++;
          await replica.start();
        }
        const key = pick(['x', 'y']);
        const value = `${replica.index}.${count++}`;
        const operation = pick([
          ...[
            ['get', key],
            ['get', key],
            ['put', key, value],
            ['delete', key],
          ],
          ...[
            ['cas', key, null, value],
            ['cas', key, pick(['0.1', '1.1', '2.1', '3.1']), value],
          ],
        ] as const);
        const invoked = performance.now();
        const line = await replica.ask(typed(operation)).catch(() => undefined);
        // It may say that the answer is no longer known.
        const text = line?.startsWith('peer: ') === true ? undefined : line;
        const returned = text === undefined ? undefined : performance.now();
        const answer = text === undefined ? undefined : answerOf(operation, text);
        const seen = { client: `${replica.index}/${life}`, invoked, returned, answer };
        history.push({ ...seen, operation: JSON.stringify(operation) });
      }
    };
    const answered = (): number => history.filter(({ answer }) => answer !== undefined).length;
    const clients = cluster.replicas.map(client);
    for (const victim of cluster.replicas.slice(0, 3)) {
      const before = answered();
      await victim.until('the clients go on', () => answered() >= before + 40);
      await victim.kill9();
      const after = answered();
      await victim.until('the rest goes on', () => answered() >= after + 20);
      await victim.until('it is there again', () => victim.program.alive);
    }
    done = true;
    await Promise.all(clients);
    expect(checkLinearizable(history, keyValueModel)).toEqual({ linearizable: true });
    // The checker would see it if one answer were not what it was.
    const last = history.findLastIndex(({ operation }) => operation.startsWith('["get"'));
    const forged = history.map((seen, at) =>
      at === last ? { ...seen, answer: '{"value":"forged"}' } : seen,
    );
    expect(checkLinearizable(forged, keyValueModel).linearizable).toBe(false);
    await agree(cluster.replicas);
  },
  LIMIT,
);

it.concurrent(
  'a replica of another cluster is refused, and both say so',
  async (context) => {
    const lab = newLab(context);
    const [port, other] = [await freePort(), await freePort()];
    const start = (own: number, ...args: string[]): ReturnType<Lab['runIn']> =>
      lab.runIn(
        { input: 'pipe' },
        ...['peer', 'pbft', 'start', '-p', String(own), '--data-dir', lab.path(String(own))],
        ...['--log-format', 'json', ...args],
      );
    const one = start(port, '-i', '0', '-n', '4');
    const two = start(other, '-i', '1', '-n', '5', '-b', `${LOOPBACK}:${port}`);
    const says = (program: typeof one, message: string): Promise<unknown> =>
      eventually(
        message,
        () => program.records.some((record) => record.message === message),
        LIMIT / 2,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${one.explain()}\n${two.explain()}`);
      });
    await says(one, 'tcp: a connection is refused');
    await says(two, 'tcp: a peer refuses us');
  },
  LIMIT,
);

it.concurrent(
  'commands that come through a pipe are done one after the other, errors make the exit code 1',
  async (context) => {
    const cluster = await Cluster.start(newLab(context), { application: 'kv' });
    const { program } = cluster.at(3);
    const lines = ['# a comment', '', 'put a "two words"', 'get a', 'cas a absent new', 'cas b absent new'];
    for (const line of [...lines, 'delete b', 'get b', 'wait 0.01', 'explode', 'put a', 'wait soon']) {
      program.write(line);
    }
    for (const line of ['s get a', 'st', 'p', 'h', 'q']) program.write(line);
    const { code } = await program.ended;
    expect(program.lines.slice(0, 6)).toEqual([
      ...['stored', '"two words"', 'not swapped: it is "two words"', 'swapped', 'deleted', 'absent'],
    ]);
    expect(program.lines.filter((line) => line.startsWith('peer: '))).toEqual([
      'peer: there is no command "explode"; "help" lists them',
      expect.stringMatching(/^peer: put takes a key and a value, as in: /),
      'peer: how long? A number of seconds, at most 86400',
    ]);
    const text = program.lines.join('\n');
    expect(text).toMatch(/ {2}replica +replica-3, one of 4 in demo-4, application kv/);
    expect(text).toMatch(/ replica-3 +[0-9a-f]{16} +127\.0\.0\.1:\d+ +this one/);
    expect(text).toMatch(/submit <operation>, s +have something executed/);
    expect(code).toBe(1);
  },
  LIMIT,
);

it.concurrent(
  'the end of a pipe is not that of the replica; a line without an answer says so in time',
  async (context) => {
    const lab = newLab(context);
    const cluster = await Cluster.create(lab, { extra: ['--answer-timeout', '0.2'] });
    const alone = cluster.at(0);
    await alone.start();
    expect(await alone.ask('submit nobody hears it')).toBe(
      'peer: no answer within 0.2 s; it may be executed all the same',
    );
    await alone.program.kill('SIGTERM').then(({ code }) => {
      expect(code).toBe(1);
    });
    const unheard = lab.run(
      ...['peer', 'pbft', 'start', '-p', '0', '-i', '0', '--data-dir', lab.path('unheard')],
      ...['--log-format', 'json'],
    );
    await eventually(
      'it runs without standard input',
      () => unheard.records.some(({ message }) => message === 'replica is up'),
      LIMIT / 2,
    );
    expect(unheard.alive).toBe(true);
    expect((await unheard.kill('SIGTERM')).code).toBe(0);
  },
  LIMIT,
);

it.concurrent(
  'peer network runs a cluster: it goes on without its primary, and a node that was cut off catches up',
  async (context) => {
    const lab = newLab(context);
    const program = lab.runIn(
      { input: 'pipe' },
      ...['peer', 'network', '--engine', 'pbft', '--base-port', String(await freePorts(8))],
    );
    const says = (pattern: RegExp, from = 0): Promise<number> =>
      eventually(
        `it says ${pattern}`,
        () => {
          const at = program.lines.findIndex((line, index) => index >= from && pattern.test(line));
          if (at === -1 && !program.alive) throw new Error('it has ended');
          return at === -1 ? undefined : at + 1;
        },
        LIMIT / 2,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${program.explain()}`);
      });
    /** Asks for the state of all until a line of it shows what is to be. */
    const shows = async (pattern: RegExp): Promise<void> => {
      await eventually(
        `the status shows ${pattern}`,
        async () => {
          const from = program.lines.length;
          program.write('status');
          const at = await says(/^\d of 4 nodes run/, from);
          await says(/^ {2}replica-3 /, at);
          return program.lines.slice(at, at + 6).some((line) => pattern.test(line));
        },
        LIMIT / 2,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${program.explain()}`);
      });
    };
    await says(/^A cluster of 4 replicas runs the application "log"; 1 of them may fail/);
    program.write('submit one');
    await says(/^entry 1$/);
    program.write('kill 0');
    program.write('submit @1 two');
    await says(/^entry 2$/);
    await says(/view change: the primary is given up/);
    await says(/new view .*primary=replica-[123]/);
    await shows(/^ {2}replica-0 +down/);
    program.write('start 0');
    program.write('partition 3');
    program.write('submit @0 three');
    await says(/^entry 3$/);
    await shows(/^ {2}replica-3 +running +1 .* 0$/);
    program.write('heal');
    program.write('submit @3 four');
    await says(/^entry 4$/);
    await shows(/^ {2}replica-3 +running .* 3$/);
    program.write('submit @9 x');
    await says(/^peer: There is no node "9"/);
    program.write('quit');
    expect((await program.ended).code).toBe(1);
  },
  LIMIT,
);
