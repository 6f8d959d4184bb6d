/**
 * What every engine is: a deterministic state machine. Events come in with the time and everything an engine
 * wants done goes out as effects, in order; it reads no clock, opens nothing and awaits nothing. So the same code
 * runs over sockets and in the simulator, and a run replays exactly from its events.
 *
 * Which engine needs what:
 *
 * | what | for |
 * |---|---|
 * | `reply` in the step of its request | proof of work (a miner's block, words); reading a state |
 * | `reply` in a later step | agreement among replicas, by stake, by history: an operation is answered once it is decided |
 * | `request` by a worker of the node | proof of work: the miner. By stake: contracts that are executed apart. By history: hashing above 1 MH/s |
 * | `publish`, `verdict` | by stake and by history, over gossip: proposals, certificates, votes in blocks |
 * | `disconnect` | engines with members: an offence that its sender has proved itself |
 * | `clock` | whoever puts the time of people into what is agreed upon |
 * | `store` before `send` | all that vote: a vote is durable before anybody hears it |
 * | bytes and ranges of the store | by stake, by history: blocks and a state of accounts; text by key does for the others |
 * | `check`, `root` and `rewind` of an application | see `application.ts` |
 */
import type { Address } from '../../shared/address.ts';
import type { Gauge } from './bounded.ts';
import type { StoreView, StoreWrite } from './store.ts';

export type { Gauge };

/** The types of an engine, in one: what all that runs engines is parametrised by. */
export interface EngineTypes {
  message: { readonly type: string };
  request: unknown;
  result: unknown;
  notice: unknown;
  /** Whoever its transport can tell apart: an address where anybody may send, the number of a member where each proves who it is. */
  peer: unknown;
}

/**
 * What happens to an engine. `now` is in milliseconds on a clock that never goes back, which is for how long things take;
 * at the start it shows the time since 1970.
 */
export type EngineEvent<T extends EngineTypes> =
  /** The first event of all: the engine arms its timers and greets the network. */
  | { readonly type: 'started'; readonly now: number }
  /** A message that passed the engine's own decoder arrived. On a gossip transport `from` is who passed it on. */
  | {
      readonly type: 'message';
      readonly now: number;
      readonly from: T['peer'];
      readonly message: T['message'];
    }
  /** Something arrived that the decoder refused. */
  | { readonly type: 'malformed'; readonly now: number; readonly from: T['peer']; readonly fault: string }
  /** A timer that the engine set has run out. */
  | { readonly type: 'timer'; readonly now: number; readonly timer: string }
  /**
   * The machine's clock is so many milliseconds ahead of `now`, behind if they are negative: somebody has set it, or the
   * machine has slept. Until the first of these it shows the same.
   */
  | { readonly type: 'clock'; readonly now: number; readonly ahead: number }
  /** The engine asked, with a `continue` effect, to go on with long work. */
  | { readonly type: 'continue'; readonly now: number }
  /** A local user, miner or worker asks for something; answered by a `reply` effect with the same `id`, in this step or later. */
  | { readonly type: 'request'; readonly now: number; readonly id: number; readonly request: T['request'] };

/**
 * What an engine makes of a message, for transports that pass messages on: `accept` has it passed on, `ignore` has it
 * dropped without blame (it is known, old, or of a state that is not ours), `reject` is an offence of whoever sent it, which
 * every honest node would have seen before it passed the message on.
 */
export type Verdict = 'accept' | 'ignore' | 'reject';

/** What an engine wants done. Effects are carried out in order. */
export type Effect<T extends EngineTypes> =
  | { readonly type: 'send'; readonly to: T['peer']; readonly message: T['message'] }
  /** The same message to each of several peers. */
  | { readonly type: 'broadcast'; readonly to: readonly T['peer'][]; readonly message: T['message'] }
  /** To everybody who takes part, by whatever way is cheapest: gossip where the transport has it, else to each of `to`. */
  | { readonly type: 'publish'; readonly to: readonly T['peer'][]; readonly message: T['message'] }
  /**
   * On the message of this step; the last one counts, and without any it is ignored. A sender that is rejected loses its
   * connection, where there are connections and nobody passes messages on. What the decoder refused is rejected by itself.
   */
  | { readonly type: 'verdict'; readonly verdict: 'accept' | 'ignore' }
  | { readonly type: 'verdict'; readonly verdict: 'reject'; readonly reason: string }
  /** Ends the connection to a peer of which another message, or a later step, has shown that it misbehaves. */
  | { readonly type: 'disconnect'; readonly peer: T['peer']; readonly reason: string }
  /** Sets, or sets anew, the timer of that name. */
  | { readonly type: 'timer'; readonly timer: string; readonly after: number }
  | { readonly type: 'cancel'; readonly timer: string }
  /** All or none of the writes; durable before any later effect is carried out. */
  | { readonly type: 'store'; readonly writes: readonly StoreWrite[] }
  /** Answers a request, of this step or an earlier one, once. */
  | { readonly type: 'reply'; readonly id: number; readonly result: T['result'] }
  /** Notifies the log, the metrics, the page and the miners of what happened. */
  | { readonly type: 'notify'; readonly notice: T['notice'] }
  /** One `continue` event, however many of these, after everything else that waits had its turn. */
  | { readonly type: 'continue' };

/** An engine: see the top of this file. */
export interface Engine<T extends EngineTypes> {
  /** Takes one event and returns what is to be done, in order. Bounded: a few milliseconds of work at most. */
  step(event: EngineEvent<T>): readonly Effect<T>[];
  /** Reports how full each queue, table and cache is, and the bound that it never exceeds. */
  measure(report: Gauge): void;
}

/** What an engine over datagrams may need, besides its configuration. */
export interface EngineParts {
  /** What the engine has stored. */
  readonly store: StoreView;
  /** Random bytes, at least 16. */
  readonly entropy: Uint8Array;
  /** Nodes that the engine is given at the start. */
  readonly join: readonly Address[];
}

/** What a decoder makes of bytes from the network: a message, or the rule that they break. */
export type Decoded<Message> =
  | { readonly message: Message; readonly fault?: never }
  | { readonly fault: string; readonly message?: never };

/** How an engine's messages look on the wire. Pure, and never throws on what came from the network. */
export interface Codec<Message> {
  decode(bytes: Uint8Array): Decoded<Message>;
  encode(message: Message): Uint8Array;
}
