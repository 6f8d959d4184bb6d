/**
 * What a PBFT cluster commits, how long a request takes, and how long it takes to get over a dead primary and to hand the
 * state to a new replica. Run from the compiled tree:
 *
 *     node dist/test/bench/pbft.bench.js [requests] [keys]
 *
 * The ceiling: whatever else is done, each request is signed by its client and verified by each of the n - 1 other
 * replicas; all other signatures are shared by the requests of a batch. So c cores can't commit more than
 * c / (sign + (n - 1) verify) requests a second, with the times of this machine, measured beside them.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { DEFAULT_PBFT_CONFIG, type PbftConfig } from '../../peer/engines/pbft/protocol/interface.ts';
import { keyPairOf, verifierOf } from '../../shared/ed25519.ts';
import { median, quantile } from './figures.ts';
import { runInMemory, type Load } from './pbft-memory.ts';
import type { ReplicaAnswer, ReplicaOrder } from './pbft-replica.ts';
import { argument } from './measure.ts';

const requests = argument(0, 'requests', 8_000);
const keys = argument(1, 'keys', 100_000);
/** Requests under way at each replica: enough to fill batches, within the window of a client. */
const OUTSTANDING = 100;
/** Signatures that are measured at a time. */
const SIGNATURES = 400;
/** How long a request may wait before the primary is given up, in the recovery that is measured. */
const VIEW_CHANGE_TIMEOUT = 1_000;
const RECOVERIES = 5;
/** Without batches everything takes longer: fewer do. */
const UNBATCHED_SHARE = 0.1;

/** Milliseconds that a signature takes, to make and to verify. */
function measureSignatures(): { readonly sign: number; readonly verify: number } {
  const pair = keyPairOf('07'.repeat(32));
  const verifier = verifierOf(pair.publicKey);
  const texts = Array.from({ length: SIGNATURES }, (_, index) => `request number ${index} of a benchmark`);
  const signing = performance.now();
  const signatures = texts.map((text) => pair.sign(text));
  const verifying = performance.now();
  for (const [index, text] of texts.entries()) {
    if (!verifier.verify(text, signatures[index] ?? '')) throw new Error('a signature is wrong');
  }
  return {
    sign: (verifying - signing) / SIGNATURES,
    verify: (performance.now() - verifying) / SIGNATURES,
  };
}

/** Requests a second that signatures allow at most, at this moment. */
function ceiling(nodes: number, cores: number): number {
  const { sign, verify } = measureSignatures();
  return (1000 * cores) / (sign + (nodes - 1) * verify);
}

/** Measures a load, and the ceiling before and after it, because whatever else runs changes both. */
async function measured(
  name: string,
  { nodes, cores }: { readonly nodes: number; readonly cores: number },
  load: () => Load | Promise<Load>,
): Promise<void> {
  const before = ceiling(nodes, cores);
  const result = await load();
  show(name, result, (before + ceiling(nodes, cores)) / 2);
}

function figure(value: number, unit: string): string {
  return `${(value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)).padStart(7)} ${unit}`;
}

function show(name: string, { answered, elapsed, latencies }: Load, limit: number): void {
  const rate = (1000 * answered) / elapsed;
  const times = [0.5, 0.95, 0.99].map((share) => figure(quantile(latencies, share), 'ms'));
  console.log(
    `  ${name.padEnd(30)}${figure(rate, 'requests/s')}  ${(rate / limit).toFixed(2)} of the ceiling ${figure(limit, '')} | p50 p95 p99 ${times.join(' ')}`,
  );
}

/** A replica that is a process. */
class Replica {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor() {
    this.#process = fork(fileURLToPath(new URL('./pbft-replica.js', import.meta.url)));
    this.#ended = once(this.#process, 'exit');
  }

  ask<T extends ReplicaAnswer['type']>(
    order: ReplicaOrder,
    type: T,
  ): Promise<Extract<ReplicaAnswer, { type: T }>> {
    return new Promise((resolve, reject) => {
      const ended = (): void => {
        reject(new Error('a replica has ended'));
      };
      this.#process.once('exit', ended);
      this.#process.once('message', (answer: ReplicaAnswer) => {
        this.#process.off('exit', ended);
        if (answer.type === type) resolve(answer as Extract<ReplicaAnswer, { type: T }>);
        else reject(new Error(`it answers ${answer.type}, not ${type}`));
      });
      this.#process.send(order);
    });
  }

  /** May be called again. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

interface ClusterPlan {
  readonly nodes: number;
  /** Whether states are kept on disk. */
  readonly durable: boolean;
  readonly config?: Partial<PbftConfig>;
  /** Replicas that are started at first. */
  readonly started?: number;
}

/** Replicas that are connected with each other; ended, and their data removed, when the work is done. */
async function withCluster(
  { nodes, durable, config = {}, started = nodes }: ClusterPlan,
  work: (replicas: Replica[], start: (index: number) => Promise<Replica>) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gossip-bench-'));
  const replicas: Replica[] = [];
  let first: string | undefined;
  const start = async (index: number): Promise<Replica> => {
    const replica = new Replica();
    replicas.push(replica);
    const dataDir = durable ? join(folder, String(index)) : undefined;
    const plan = { index, nodes, first, dataDir, config };
    const { address } = await replica.ask({ type: 'start', plan }, 'started');
    first ??= address;
    return replica;
  };
  try {
    for (let index = 0; index < started; index++) await start(index);
    // All are connected, and everything is compiled.
    await loadAll(replicas, 200);
    await work(replicas, start);
  } finally {
    await Promise.all(replicas.map((replica) => replica.kill()));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Has one replica submit. */
function loadOne(
  replica: Replica | undefined,
  count: number,
  { outstanding = OUTSTANDING, keys: different = 1000, firstKey = 0 } = {},
): Promise<Extract<ReplicaAnswer, { type: 'loaded' }>> {
  if (replica === undefined) throw new Error('there is no such replica');
  return replica.ask({ type: 'load', requests: count, outstanding, keys: different, firstKey }, 'loaded');
}

/** Has all replicas submit at once. */
async function loadAll(replicas: readonly Replica[], each: number, outstanding = OUTSTANDING): Promise<Load> {
  const start = performance.now();
  const loads = await Promise.all(replicas.map((replica) => loadOne(replica, each, { outstanding })));
  const latencies = loads.flatMap((load) => load.latencies);
  return { answered: latencies.length, elapsed: performance.now() - start, latencies };
}

const cores = availableParallelism();
console.log(`${cores} cores, Node ${process.version}; ${OUTSTANDING} requests under way at each replica`);
const variants = [
  {
    name: `batches of ${DEFAULT_PBFT_CONFIG.batchSize} at most`,
    batchSize: DEFAULT_PBFT_CONFIG.batchSize,
    share: 1,
  },
  { name: 'one request in a batch', batchSize: 1, share: UNBATCHED_SHARE },
];

for (const nodes of [4, 7]) {
  console.log(`n = ${nodes}, in one process, one core, nothing kept`);
  for (const { name, batchSize, share } of variants) {
    const config = { ...DEFAULT_PBFT_CONFIG, batchSize };
    runInMemory(nodes, 200, OUTSTANDING, config);
    await measured(name, { nodes, cores: 1 }, () =>
      runInMemory(nodes, Math.round(requests * share), OUTSTANDING, config),
    );
  }
}
for (const nodes of [4, 7]) {
  for (const durable of [false, true]) {
    console.log(
      `n = ${nodes}, a process each, TCP on loopback, ${durable ? 'kept on disk' : 'nothing kept'}`,
    );
    for (const { name, batchSize, share } of variants) {
      await withCluster({ nodes, durable, config: { batchSize } }, async (replicas) => {
        const machine = { nodes, cores };
        await measured(name, machine, () => loadAll(replicas, Math.round((requests * share) / nodes)));
        if (batchSize > 1) {
          await measured('one at a time, of one client', machine, () =>
            loadAll(replicas.slice(1, 2), 100, 1),
          );
        }
      });
    }
  }
}

console.log(`recovery from the death of the primary, n = 4, timeout ${VIEW_CHANGE_TIMEOUT} ms`);
const recoveries: number[] = [];
for (let round = 0; round < RECOVERIES; round++) {
  await withCluster(
    { nodes: 4, durable: true, config: { viewChangeTimeout: VIEW_CHANGE_TIMEOUT } },
    async (replicas) => {
      // While all were started, another one may have become it.
      const { primary } = await loadOne(replicas[0], 1);
      await replicas[primary]?.kill();
      const [client] = replicas.filter((_, index) => index !== primary);
      const one = await client?.ask({ type: 'one' }, 'one');
      if (one !== undefined) recoveries.push(one.latency);
    },
  );
}
console.log(
  `  a request made at once is answered after ${figure(median(recoveries), 'ms')} (${figure(Math.min(...recoveries), '')} to ${figure(Math.max(...recoveries), '')}), ${(median(recoveries) / VIEW_CHANGE_TIMEOUT).toFixed(2)} timeouts`,
);

console.log(`the state of ${keys.toLocaleString('en')} keys for a replica that has none, n = 4`);
await withCluster({ nodes: 4, durable: true, started: 3 }, async (replicas, start) => {
  const each = Math.ceil(keys / replicas.length);
  const began = performance.now();
  const loads = await Promise.all(
    replicas.map((replica, index) => loadOne(replica, each, { keys: each, firstKey: index * each })),
  );
  console.log(
    `  filled at ${figure((1000 * keys) / (performance.now() - began), 'keys/s')}, n = 4 without one`,
  );
  const executed = Math.max(...loads.map((load) => load.executed));
  await pause(1000);
  const late = await start(3);
  const { pages, waited } = await late.ask({ type: 'reach', executed }, 'reached');
  console.log(
    `  ${pages} pages after ${figure(waited, 'ms')} from its start, ${figure((1000 * keys) / waited, 'keys/s')}`,
  );
});
