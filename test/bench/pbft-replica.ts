/** A replica for benchmarks: a process that does what its parent says, through the channel between them. */
import { NodeBuilder, Request, type PbftConfig } from '../../peer/engines/pbft/library.ts';

export interface ReplicaPlan {
  readonly index: number;
  readonly nodes: number;
  /** Address of the first replica, unless this is the first. */
  readonly first: string | undefined;
  /** Undefined if it keeps nothing. */
  readonly dataDir: string | undefined;
  readonly config: Partial<PbftConfig>;
}

/** What it is told. */
export type ReplicaOrder =
  | { readonly type: 'start'; readonly plan: ReplicaPlan }
  /** Has requests executed, so many under way at all times. */
  | {
      readonly type: 'load';
      readonly requests: number;
      readonly outstanding: number;
      /** Different keys, from the first on. */
      readonly keys: number;
      readonly firstKey: number;
    }
  /** One request, and how long it took. */
  | { readonly type: 'one' }
  /** Waits until it has executed so much. */
  | { readonly type: 'reach'; readonly executed: number };

/** What it answers, in the order in which it was told. */
export type ReplicaAnswer =
  | { readonly type: 'started'; readonly address: string }
  | {
      readonly type: 'loaded';
      readonly latencies: readonly number[];
      readonly executed: number;
      readonly primary: number;
    }
  | { readonly type: 'one'; readonly latency: number }
  | { readonly type: 'reached'; readonly pages: number; readonly waited: number };

/** Characters of a value: a short one. */
const VALUE_LENGTH = 32;

function report(answer: ReplicaAnswer): void {
  process.send?.(answer);
}

let node = new NodeBuilder(0).withIndex(0, 4).build();
let pages = 0;

async function load(order: Extract<ReplicaOrder, { type: 'load' }>): Promise<void> {
  const { requests, outstanding, keys, firstKey } = order;
  const latencies: number[] = [];
  let submitted = 0;
  const client = async (): Promise<void> => {
    while (submitted < requests) {
      const number = submitted++;
      const value = String(number).padStart(VALUE_LENGTH, '0');
      const started = performance.now();
      await node.submit(Request.of('put', `key ${firstKey + (number % keys)}`, value));
      latencies.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: outstanding }, client));
  const { executed, primary } = node.status();
  report({ type: 'loaded', latencies, executed, primary });
}

async function obey(order: ReplicaOrder): Promise<void> {
  switch (order.type) {
    case 'start': {
      const { index, nodes, first, dataDir, config } = order.plan;
      const builder = new NodeBuilder(0).withIndex(index, nodes).withApplication('kv').withConfig(config);
      if (first !== undefined) builder.withBootstrapPeer(first);
      if (dataDir !== undefined) builder.withDataDir(dataDir);
      node = builder.build();
      node.on('notice', (notice) => {
        if (notice.kind === 'transfer-finished') pages = notice.pages;
      });
      await node.start();
      report({ type: 'started', address: `127.0.0.1:${node.address.port}` });
      break;
    }
    case 'load':
      await load(order);
      break;
    case 'one': {
      const started = performance.now();
      await node.submit(Request.of('put', 'one', 'more'));
      report({ type: 'one', latency: performance.now() - started });
      break;
    }
    case 'reach': {
      const started = performance.now();
      while (node.status().executed < order.executed) await new Promise((resolve) => setTimeout(resolve, 5));
      report({ type: 'reached', pages, waited: performance.now() - started });
      break;
    }
  }
}

process.on('message', (order: ReplicaOrder) => void obey(order));
process.on('disconnect', () => process.exit());
