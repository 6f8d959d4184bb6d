/** One proof-of-work engine on a bench: events go in by hand, effects come out to be looked at. */
import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import { powCodec } from '../../../../peer/engines/pow/protocol/codec.ts';
import type { ChainTuning } from '../../../../peer/engines/pow/protocol/chain.ts';
import type { PowEffect } from '../../../../peer/engines/pow/protocol/context.ts';
import type {
  PowConfig,
  PowNotice,
  PowRequest,
  PowResult,
} from '../../../../peer/engines/pow/protocol/interface.ts';
import type { PowMessage } from '../../../../peer/engines/pow/protocol/messages.ts';
import type { PowTypes } from '../../../../peer/engines/pow/protocol/types.ts';
import { PowEngine } from '../../../../peer/engines/pow/protocol/pow.ts';
import type { EngineEvent } from '../../../../peer/core/engine.ts';
import type { MemoryStore } from '../../../../peer/storage/memory.ts';
import { storeWith, toBytes, type Datagram } from '../../../support/virtual-network.ts';

export const SELF: Address = { host: '10.0.0.1', port: 8784 };

/** An address of the test network. */
export function at(last: number, port = 8000): Address {
  return { host: `10.0.${Math.floor(last / 200)}.${(last % 200) + 2}`, port };
}

/** A datagram that an effect sends. */
export interface Sent {
  readonly to: Address;
  readonly message: PowMessage;
  readonly text: string;
}

export class Rig {
  now = 1_000;
  engine: PowEngine;
  readonly store: MemoryStore;
  /** Effects of the last event. */
  effects: readonly PowEffect[] = [];
  /** When each timer is due. */
  readonly timers = new Map<string, number>();
  readonly notices: PowNotice[] = [];
  private readonly config: PowConfig;
  private readonly tuning: ChainTuning;
  private continuing = false;
  private requests = 0;

  constructor(config: Partial<PowConfig> = {}, blocks: readonly Block[] = [], tuning: ChainTuning = {}) {
    this.tuning = tuning;
    this.config = {
      self: SELF,
      selfHosts: ['127.0.0.1', 'localhost', '127.0.1.1', '0.0.0.0', '', 'myself'],
      name: 'rig',
      difficulty: 1,
      join: [],
      consensusInterval: 300_000,
      gossipInterval: 30_000,
      peerTimeout: 60_000,
      minedBy: 'rig-miner',
      idleWord: 'idle',
      genesis: false,
      ...config,
    };
    this.store = storeWith(blocks, this.config.difficulty);
    this.engine = this.newEngine();
    this.step({ type: 'started', now: this.now });
  }

  private newEngine(): PowEngine {
    const entropy = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    return new PowEngine(this.config, { view: this.store, entropy, tuning: this.tuning });
  }

  /** Starts again from what is stored, as after a crash. */
  restart(): void {
    this.timers.clear();
    this.continuing = false;
    this.engine = this.newEngine();
    this.step({ type: 'started', now: this.now });
  }

  get height(): number {
    return this.engine.status().height;
  }

  /** Whether the engine waits for a `continue`. */
  get waits(): boolean {
    return this.continuing;
  }

  /**
   * Steps the engine and carries out what it stores.
   *
   * @param kept carries out only so many effects, as before a crash in the middle of them
   */
  step(event: EngineEvent<PowTypes>, kept = Infinity): readonly PowEffect[] {
    if (event.type === 'continue') this.continuing = false;
    this.effects = this.engine.step(event).slice(0, kept);
    for (const effect of this.effects) {
      if (effect.type === 'store') this.store.write(effect.writes);
      else if (effect.type === 'timer') this.timers.set(effect.timer, this.now + effect.after);
      else if (effect.type === 'cancel') this.timers.delete(effect.timer);
      else if (effect.type === 'notify') this.notices.push(effect.notice);
      else if (effect.type === 'continue') this.continuing = true;
    }
    return this.effects;
  }

  /** Lets a datagram arrive, through the codec; answers with what is sent because of it. */
  receive(what: Datagram, from: Address): Sent[] {
    const { message, fault } = powCodec.decode(toBytes(what));
    if (message === undefined) this.step({ type: 'malformed', now: this.now, from, fault });
    else this.step({ type: 'message', now: this.now, from, message });
    return this.sent();
  }

  /** A GOSSIP of the peer at `from`. */
  gossip(from: Address, id: string | undefined, via: Address = from): Sent[] {
    return this.receive({ type: 'GOSSIP', ...from, id, name: 'somebody' }, via);
  }

  /** A peer of our own kind joins: it repeats the id of the GOSSIP that it is greeted with. */
  join(from: Address): void {
    const greeting = this.gossip(from, undefined).find(({ message }) => message.type === 'GOSSIP')?.message;
    if (greeting?.type !== 'GOSSIP') throw new Error('no greeting');
    this.receive({ type: 'GOSSIP_REPLY', ...from, name: 'somebody', id: greeting.id }, from);
  }

  request(request: PowRequest): PowResult {
    const id = ++this.requests;
    const reply = this.step({ type: 'request', now: this.now, id, request }).find((e) => e.type === 'reply');
    if (reply?.id !== id) throw new Error('no reply');
    return reply.result;
  }

  /** Lets time pass: timers run out and long work goes on. Answers with everything sent meanwhile. */
  pass(milliseconds: number): Sent[] {
    const sent: Sent[] = [];
    const end = this.now + milliseconds;
    for (let turn = 0; turn < 100_000; turn++) {
      if (this.continuing) {
        this.step({ type: 'continue', now: this.now });
      } else {
        const [first] = [...this.timers].sort(([, a], [, b]) => a - b);
        if (first === undefined || first[1] > end) break;
        this.timers.delete(first[0]);
        this.now = Math.max(this.now, first[1]);
        this.step({ type: 'timer', now: this.now, timer: first[0] });
      }
      sent.push(...this.sent());
    }
    this.now = end;
    return sent;
  }

  /** What the last event sent. */
  sent(): Sent[] {
    return this.effects.flatMap((effect) => {
      if (effect.type !== 'send' && effect.type !== 'broadcast') return [];
      const targets = effect.type === 'send' ? [effect.to] : effect.to;
      const { message } = effect;
      return targets.map((to) => ({ to, message, text: String(powCodec.encode(message)) }));
    });
  }

  count(name: string): number {
    return this.engine.status().counters[name] ?? 0;
  }
}
