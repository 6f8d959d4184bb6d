import type { Address } from '../../../../shared/address.ts';
import type { Effect } from '../../../core/engine.ts';
import type { Random } from '../../../core/random.ts';
import type { StoreWrite } from '../../../core/store.ts';
import type { Chain } from './chain.ts';
import type { PowConfig, PowNotice, PowResult } from './interface.ts';
import type { PowMessage } from './messages.ts';
import type { PeerTable } from './peers.ts';
import type { PowTypes } from './types.ts';

/** An effect of the proof-of-work engine. */
export type PowEffect = Effect<PowTypes>;

const NOTHING: readonly PowEffect[] = [];

/** What the protocols of the engine share: its state, the time, and where effects go. */
export class Context {
  readonly config: PowConfig;
  readonly chain: Chain;
  readonly peers: PeerTable;
  readonly random: Random;
  /** How often each outcome was met. */
  readonly counters = new Map<string, { times: number }>();
  /** The time of the event that is being handled, in milliseconds. */
  now = 0;
  private effects: PowEffect[] = [];

  constructor(modules: { config: PowConfig; chain: Chain; peers: PeerTable; random: Random }) {
    this.config = modules.config;
    this.chain = modules.chain;
    this.peers = modules.peers;
    this.random = modules.random;
  }

  /** The effects since the last call. */
  takeEffects(): readonly PowEffect[] {
    const { effects } = this;
    if (effects.length === 0) return NOTHING;
    this.effects = [];
    return effects;
  }

  count(outcome: string, by = 1): void {
    const counter = this.counters.get(outcome);
    if (counter === undefined) this.counters.set(outcome, { times: by });
    else counter.times += by;
  }

  send(to: Address, message: PowMessage): void {
    this.effects.push({ type: 'send', to, message });
  }

  broadcast(to: readonly Address[], message: PowMessage): void {
    if (to.length > 0) this.effects.push({ type: 'broadcast', to, message });
  }

  store(writes: readonly StoreWrite[]): void {
    if (writes.length > 0) this.effects.push({ type: 'store', writes });
  }

  timer(timer: string, after: number): void {
    this.effects.push({ type: 'timer', timer, after });
  }

  cancel(timer: string): void {
    this.effects.push({ type: 'cancel', timer });
  }

  reply(id: number, result: PowResult): void {
    this.effects.push({ type: 'reply', id, result });
  }

  notify(notice: PowNotice): void {
    this.effects.push({ type: 'notify', notice });
  }

  goOn(): void {
    this.effects.push({ type: 'continue' });
  }
}
