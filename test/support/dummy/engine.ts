/** An engine that says only what it is: its nodes gossip the highest count that they know, and take over a higher one. */
import { z } from 'zod';

import { addressKey, type Address } from '../../../shared/address.ts';
import { jsonOrUndefined } from '../../../shared/json.ts';
import { RecentMap } from '../../../peer/core/bounded.ts';
import type { Codec, Effect, EngineEvent, Engine, EngineParts, Gauge } from '../../../peer/core/engine.ts';
import type { EngineModule, NodeOffer } from '../../../peer/engines/module.ts';
import { simulatedPlainly, type PlainSubject } from '../../../peer/simulator/plain-subject.ts';

export interface Types {
  message: { readonly type: 'COUNT'; readonly count: number };
  /** By how much the count is to rise; the result is the new one. */
  request: number;
  result: number;
  /** The new count. */
  notice: number;
  peer: Address;
}
type CountEffect = Effect<Types>;

const MAX_PEERS = 64;
/** In milliseconds. */
const GOSSIP_INTERVAL = 1_000;

const codec: Codec<Types['message']> = {
  encode: ({ count }) => Buffer.from(JSON.stringify(count)),
  decode: (bytes) => {
    const text = Buffer.from(bytes).toString('latin1');
    const count = z.int().min(0).safeParse(jsonOrUndefined(text)).data;
    return count === undefined ? { fault: 'no-count' } : { message: { type: 'COUNT', count } };
  },
};

export class Counter implements Engine<Types> {
  readonly #store: EngineParts['store'];
  readonly #peers = new RecentMap<Address>(MAX_PEERS);

  constructor({ store, join }: EngineParts) {
    this.#store = store;
    for (const peer of join) this.#peers.set(addressKey(peer), peer);
  }

  get count(): number {
    return Number(this.#store.get('count') ?? 0);
  }

  get peers(): readonly Address[] {
    return this.#peers.values();
  }

  step(event: EngineEvent<Types>): readonly CountEffect[] {
    switch (event.type) {
      case 'started':
      case 'timer':
        return [this.#report(this.count), { type: 'timer', timer: 'gossip', after: GOSSIP_INTERVAL }];
      case 'message':
        this.#peers.set(addressKey(event.from), event.from);
        return event.message.count > this.count ? this.#raise(event.message.count) : [];
      case 'request': {
        const count = this.count + event.request;
        return [...this.#raise(count), { type: 'reply', id: event.id, result: count }, this.#report(count)];
      }
      default:
        return [];
    }
  }

  measure(report: Gauge): void {
    this.#peers.measure('peers', report);
  }

  #raise(count: number): CountEffect[] {
    const write = { type: 'put', key: 'count', value: String(count) } as const;
    return [
      { type: 'store', writes: [write] },
      { type: 'notify', notice: count },
    ];
  }

  #report(count: number): CountEffect {
    return { type: 'broadcast', to: this.peers, message: { type: 'COUNT', count } };
  }
}

const status = z.object({ count: z.int(), peers: z.array(z.string()) });

export const node: NodeOffer<Types, z.infer<typeof status>> = {
  member: 'counter',
  options: [],
  setup: (_, parts) => {
    const counter = new Counter(parts);
    const peers = (): string[] => counter.peers.map(addressKey);
    return { engine: counter, codec, status: () => ({ count: counter.count, peers: peers() }) };
  },
  face: {
    status,
    phase: ({ peers }) =>
      peers.length > 0 ? { text: 'counting', tone: 'good' } : { text: 'alone', tone: 'warn' },
    figures: [
      {
        ...{ name: 'count', title: 'Count', help: 'The highest count that this node has heard of' },
        ...{ of: ({ count }) => count, metric: { name: 'dummy_highest', type: 'gauge' }, column: true },
      },
    ],
    tables: [
      {
        ...{ name: 'peers', title: 'Peers', help: 'Other nodes that this one knows' },
        columns: [{ title: 'Address' }],
        rows: (running) => running.status().peers.map((peer) => [peer]),
      },
    ],
    series: [
      {
        ...{ name: 'count', title: 'The count', help: 'How the count has risen', draw: 'value' },
        lines: [{ title: 'count', of: ({ count }) => count }],
      },
    ],
    journals: [
      {
        ...{ name: 'counts', title: 'What happened', help: 'Every rise of the count' },
        of: (count) => ({ text: `the count is ${count}`, tone: 'good', counter: 'raised' }),
      },
    ],
    actions: [
      {
        ...{ name: 'increment', title: 'Increment', help: 'Raises the count at all nodes' },
        schema: z.strictObject({ by: z.int().min(1).max(100).default(1).describe('By how much') }),
        run: ({ by }: { by: number }, running) => `the count is ${running.request(by)}`,
      },
    ],
    ready: ({ peers }) => (peers.length > 0 ? undefined : 'No other node is known.'),
  },
};

/** What the simulator has to know. */
export const PLAIN: PlainSubject<Types> = {
  ...{ name: 'dummy', title: 'the highest count', codec, maxMessage: 100, progressName: 'count' },
  engine: (parts) => new Counter(parts),
  progress: (store) => Number(store.get('count') ?? 0),
  request: () => 1,
  answered: (count) => count,
};

export const engine: EngineModule = {
  ...{ name: 'dummy', title: 'the highest count', description: 'nodes that agree on a count', commands: {} },
  node: () => Promise.resolve(node),
  simulated: () => Promise.resolve(simulatedPlainly(PLAIN)),
};
