/**
 * What every engine is: a deterministic state machine. Events come in with the time and everything an engine
 * wants done goes out as effects, in order; it reads no clock, opens nothing and awaits nothing. So the same code
 * runs over sockets and in the simulator, and a run replays exactly from its events.
 */
import type { Address } from '../../shared/address.ts';
import type { Gauge } from './bounded.ts';
import type { StoreView, StoreWrite } from './store.ts';

export type { Gauge };

/**
 * What happens to an engine. `now` is in milliseconds on a clock that never goes back, which is for how long things take;
 * at the start it shows the time since 1970. A `Peer` is whoever its transport
 * can tell apart: an address where anybody may send, the number of a member where each proves who it is.
 */
export type EngineEvent<Message, Request, Peer = Address> =
  /** The first event of all: the engine arms its timers and greets the network. */
  | { readonly type: 'started'; readonly now: number }
  /** A message that passed the engine's own decoder arrived. */
  | { readonly type: 'message'; readonly now: number; readonly from: Peer; readonly message: Message }
  /** Something arrived that the decoder refused. */
  | { readonly type: 'malformed'; readonly now: number; readonly from: Peer; readonly fault: string }
  /** A timer that the engine set has run out. */
  | { readonly type: 'timer'; readonly now: number; readonly timer: string }
  /**
   * The machine's clock is so many milliseconds ahead of `now`, behind if they are negative: somebody has set it, or the
   * machine has slept. Until the first of these it shows the same.
   */
  | { readonly type: 'clock'; readonly now: number; readonly ahead: number }
  /** The engine asked, with a `continue` effect, to go on with long work. */
  | { readonly type: 'continue'; readonly now: number }
  /** A local user or miner asks for something; answered by a `reply` effect with the same `id`. */
  | { readonly type: 'request'; readonly now: number; readonly id: number; readonly request: Request };

/** What an engine wants done. Effects are carried out in order. */
export type Effect<Message, Result, Notice, Peer = Address> =
  | { readonly type: 'send'; readonly to: Peer; readonly message: Message }
  /** The same message to each of several peers. */
  | { readonly type: 'broadcast'; readonly to: readonly Peer[]; readonly message: Message }
  /** Ends the connection to a peer that has proved to misbehave, where there are connections. */
  | { readonly type: 'disconnect'; readonly peer: Peer; readonly reason: string }
  /** Sets, or sets anew, the timer of that name. */
  | { readonly type: 'timer'; readonly timer: string; readonly after: number }
  | { readonly type: 'cancel'; readonly timer: string }
  /** All or none of the writes; durable before any later effect is carried out. */
  | { readonly type: 'store'; readonly writes: readonly StoreWrite[] }
  /** Answers a request. */
  | { readonly type: 'reply'; readonly id: number; readonly result: Result }
  /** Tells the log, the metrics, the page and the miners what happened. */
  | { readonly type: 'notify'; readonly notice: Notice }
  /** One `continue` event, however many of these, after everything else that waits had its turn. */
  | { readonly type: 'continue' };

/** An engine: see the top of this file. */
export interface Engine<Message, Request, Result, Notice, Peer = Address> {
  /** Takes one event and says what is to be done, in order. Bounded: a few milliseconds of work at most. */
  step(event: EngineEvent<Message, Request, Peer>): readonly Effect<Message, Result, Notice, Peer>[];
  /** Tells how full each queue, table and cache is, and the bound that it never exceeds. */
  measure(tell: Gauge): void;
}

/** The types of an engine, in one. */
export interface EngineTypes {
  message: { readonly type: string };
  request: unknown;
  result: unknown;
  notice: unknown;
  peer: unknown;
}

/** An engine of these types. */
export type EngineOf<T extends EngineTypes> = Engine<
  T['message'],
  T['request'],
  T['result'],
  T['notice'],
  T['peer']
>;

/** What an engine over datagrams may need, besides its configuration. */
export interface EngineParts {
  /** What it has stored. */
  readonly store: StoreView;
  /** Random bytes, at least 16. */
  readonly entropy: Uint8Array;
  /** Nodes that it is told of at the start. */
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
