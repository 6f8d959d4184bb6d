import type { Address } from '../../shared/address.ts';
import { messageOf } from '../../shared/errors.ts';
import { ClockWatch } from '../core/clock-watch.ts';
import type { Codec, Decoded, Effect, Engine, EngineEvent } from '../core/engine.ts';
import type { Store } from '../core/store.ts';
import type { Transport } from '../transports/transport.ts';

/** The longest time, in milliseconds (25 days), that Node's timers take: they would let longer ones run out at once. */
const MAX_TIMER = 2 ** 31 - 1;
/** Kinds of malformed input that are counted apart; a codec has a few dozen, this only bounds a careless one. */
const MAX_FAULTS = 128;

/** What an {@link EngineHost} brings together. */
export interface HostParts<Message, Request, Result, Notice, Peer = Address> {
  engine: Engine<Message, Request, Result, Notice, Peer>;
  codec: Codec<Message>;
  transport: Transport<Peer>;
  store: Store;
  /**
   * Completes a message by what only the outside knows before the engine gets it: at once, or else, by way of `later`,
   * when that is known. By default every message is complete.
   */
  complete?(message: Message, from: Peer, later: (message: Message) => void): Message | undefined;
  /** Told of everything the engine notifies, in order, while its effects are being carried out. */
  onNotice(notice: Notice): void;
  /**
   * Told once, if the host can't go on; it has then stopped by itself, though {@link EngineHost.close} still gives
   * back what it holds.
   */
  onFailure(error: HostError): void;
  /** A clock in milliseconds since 1970 that goes on at the same pace whatever its wall clock is set to; the machine's by default. */
  clock?: () => number;
  /** The clock that people see, and set, in milliseconds since 1970; the machine's by default, or `clock` where that is given. */
  wallClock?: () => number;
}

/** What kept a host from going on. */
export class HostError extends Error {
  override name = 'HostError';
  /** `store`: what must be kept can't be written; `transport`: the socket broke; `engine`: a fault of the program. */
  readonly source: 'store' | 'transport' | 'engine';

  constructor(source: HostError['source'], cause: unknown) {
    super(`the ${source} failed: ${messageOf(cause)}`, { cause });
    this.source = source;
  }
}

/** A request and, once the engine has given it, the answer. */
interface Asked<Result> {
  readonly id: number;
  answer?: { readonly result: Result };
}

/** What a host has counted. */
export interface HostCounters {
  /** Messages that the codec took. */
  readonly messages: number;
  /** Input that it refused, by the rule that was broken. */
  readonly malformed: Readonly<Record<string, number>>;
}

/**
 * Runs an engine in the real world: gives it messages, timers and requests as events, one after the other, and
 * carries out the effects of each, in order, before the next. A `store` effect is durable before anything after it
 * happens; if it fails, nothing after it happens at all and the host stops.
 */
export class EngineHost<Message, Request, Result, Notice, Peer = Address> {
  readonly #parts: HostParts<Message, Request, Result, Notice, Peer>;
  readonly #clock: () => number;
  readonly #wallClock: () => number;
  readonly #clockWatch = new ClockWatch();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  /** Events that arose while effects were carried out. Only our own code is the source, so they are few. */
  readonly #queue: EngineEvent<Message, Request, Peer>[] = [];
  readonly #counters = { messages: 0, malformed: {} as Record<string, number> };
  #state: 'new' | 'running' | 'stopped' = 'new';
  #stepping = false;
  #continuing: NodeJS.Immediate | undefined;
  #now = 0;
  #requests = 0;
  /** The request that is being stepped; an answer to any other comes too late for anybody to hear it. */
  #request: Asked<Result> | undefined;
  #failure: HostError | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: HostParts<Message, Request, Result, Notice, Peer>) {
    this.#parts = parts;
    this.#clock = parts.clock ?? (() => performance.timeOrigin + performance.now());
    this.#wallClock = parts.wallClock ?? parts.clock ?? Date.now;
  }

  get counters(): HostCounters {
    return this.#counters;
  }

  /** Whether events are taken: after `start` and before `close` or a failure. */
  get running(): boolean {
    return this.#state === 'running';
  }

  /** Whether a slice of long work is still to be done. */
  get continuing(): boolean {
    return this.#continuing !== undefined;
  }

  /** Gives the engine its first event. */
  start(): void {
    if (this.#state !== 'new') throw new Error('a host starts once');
    this.#state = 'running';
    this.#dispatch({ type: 'started', now: this.#time() });
  }

  /** Takes bytes from the transport. Before `start` and after the end they are passed over. */
  receive(bytes: Uint8Array, from: Peer): void {
    if (this.#state !== 'running') return;
    const { message, fault } = this.#decode(bytes);
    if (fault === undefined) {
      this.#counters.messages++;
      const take = (complete: Message): void => {
        this.#dispatch({ type: 'message', now: this.#time(), from, message: complete });
      };
      const parts = this.#parts;
      const ready = parts.complete ? parts.complete(message, from, take) : message;
      if (ready !== undefined) take(ready);
    } else {
      this.#countFault(fault);
      this.#dispatch({ type: 'malformed', now: this.#time(), from, fault });
    }
  }

  /**
   * Asks the engine for something and gives its answer, durable where the engine stored something for it.
   *
   * @throws HostError if the host has failed, or fails before the answer
   * @throws Error if it does not run, if the engine does not answer, or from within a notice (defer it)
   */
  request(request: Request): Result {
    if (this.#state !== 'running') throw this.#failure ?? new Error('the host does not run');
    if (this.#stepping) throw new Error('a request from within a notice can not be answered at once');
    const asked: Asked<Result> = { id: ++this.#requests };
    this.#request = asked;
    this.#dispatch({ type: 'request', now: this.#time(), id: asked.id, request });
    this.#request = undefined;
    if (asked.answer === undefined) throw this.#failure ?? new Error('the engine gave no answer');
    return asked.answer.result;
  }

  /** Stops everything, as when the transport breaks: no further effect is carried out. */
  fail(error: HostError): void {
    if (this.#state === 'stopped') return;
    this.#failure = error;
    this.#stop();
    this.#parts.onFailure(error);
  }

  /** Ends: timers are cancelled, the transport and the store given back. May be called again. */
  close(): Promise<void> {
    this.#stop();
    this.#closed ??= this.#release();
    return this.#closed;
  }

  async #release(): Promise<void> {
    try {
      await this.#parts.transport.close();
    } finally {
      await this.#parts.store.close();
    }
  }

  #stop(): void {
    this.#state = 'stopped';
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    clearImmediate(this.#continuing);
    this.#queue.length = 0;
  }

  /** The time for an event: never before an earlier one's, nor before `least`. */
  #time(least = 0): number {
    this.#now = Math.max(this.#now, least, this.#clock());
    return this.#now;
  }

  /** A codec is pure, so one that throws (a stack that overflows, say) has done no harm, whoever caused it. */
  #decode(bytes: Uint8Array): Decoded<Message> {
    try {
      return this.#parts.codec.decode(bytes);
    } catch {
      return { fault: 'decoder-failed' };
    }
  }

  #countFault(fault: string): void {
    const { malformed } = this.#counters;
    const known = Object.hasOwn(malformed, fault) || Object.keys(malformed).length < MAX_FAULTS;
    const name = known ? fault : 'other';
    malformed[name] = (malformed[name] ?? 0) + 1;
  }

  #dispatch(first: EngineEvent<Message, Request, Peer>): void {
    if (this.#stepping) {
      this.#queue.push(first);
      return;
    }
    this.#stepping = true;
    try {
      for (
        let event: EngineEvent<Message, Request, Peer> | undefined = first;
        event !== undefined && this.#state === 'running';
        event = this.#queue.shift()
      ) {
        this.#step(event);
      }
    } finally {
      this.#stepping = false;
    }
  }

  #step(event: EngineEvent<Message, Request, Peer>): void {
    try {
      // At the start, before anything else, the two are the same, or the next event tells.
      if (event.type !== 'started' && event.type !== 'clock') {
        this.#lookAtClock(event.now);
        if (!this.running) return;
      }
      for (const effect of this.#parts.engine.step(event)) {
        this.#carryOut(effect, event);
        // A failed store, or a notice that led to close(): nothing after it may happen.
        if (!this.running) return;
      }
    } catch (error) {
      // An engine that throws is in an unknown state. What it has stored is sound; what it does next may not be.
      this.fail(error instanceof HostError ? error : new HostError('engine', error));
    }
  }

  #lookAtClock(now: number): void {
    const ahead = this.#clockWatch.look(this.#clock(), this.#wallClock());
    if (ahead !== undefined) this.#step({ type: 'clock', now, ahead });
  }

  #carryOut(
    effect: Effect<Message, Result, Notice, Peer>,
    { now }: EngineEvent<Message, Request, Peer>,
  ): void {
    const { transport, codec, store } = this.#parts;
    switch (effect.type) {
      case 'send':
        transport.send(codec.encode(effect.message), effect.to);
        break;
      case 'broadcast': {
        if (effect.to.length === 0) break;
        const bytes = codec.encode(effect.message);
        for (const to of effect.to) transport.send(bytes, to);
        break;
      }
      case 'disconnect':
        transport.disconnect?.(effect.peer, effect.reason);
        break;
      case 'timer':
        this.#setTimer(effect.timer, effect.after, now);
        break;
      case 'cancel':
        clearTimeout(this.#timers.get(effect.timer));
        this.#timers.delete(effect.timer);
        break;
      case 'store':
        try {
          store.write(effect.writes);
        } catch (error) {
          throw new HostError('store', error);
        }
        break;
      case 'reply':
        if (effect.id === this.#request?.id) this.#request.answer = { result: effect.result };
        break;
      case 'notify':
        this.#parts.onNotice(effect.notice);
        break;
      case 'continue':
        this.#continueSoon();
        break;
    }
  }

  #setTimer(name: string, after: number, now: number): void {
    clearTimeout(this.#timers.get(name));
    // Node's timers may be a fraction of a millisecond early; the engine is never told a time before it asked for.
    const wait = Math.min(Math.max(after, 0), MAX_TIMER);
    const due = now + wait;
    this.#timers.set(
      name,
      setTimeout(() => {
        this.#timers.delete(name);
        this.#dispatch({ type: 'timer', now: this.#time(due), timer: name });
      }, wait),
    );
  }

  /** By `setImmediate`, so that sockets and timers have their turn between the slices of long work. */
  #continueSoon(): void {
    this.#continuing ??= setImmediate(() => {
      this.#continuing = undefined;
      this.#dispatch({ type: 'continue', now: this.#time() });
    });
  }
}
