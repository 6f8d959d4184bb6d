import { messageOf } from '../../shared/errors.ts';
import type { Codec, Decoded, Engine, EngineTypes, Gauge, Verdict } from '../core/engine.ts';
import { Interpreter } from '../core/interpreter.ts';
import type { Store, StoreWrite } from '../core/store.ts';
import type { Transport } from '../transports/transport.ts';

/** The longest time, in milliseconds (25 days), that Node's timers take: they would let longer ones run out at once. */
const MAX_TIMER = 2 ** 31 - 1;
/** Kinds of malformed input that are counted apart; a codec has a few dozen, this only bounds a careless one. */
const MAX_FAULTS = 128;
/** Requests that may wait for answers by default: each is a few hundred bytes, and engines have bounds of their own. */
const MAX_ASKED = 4_096;

/** What an {@link EngineHost} brings together. */
export interface HostParts<T extends EngineTypes> {
  engine: Engine<T>;
  codec: Codec<T['message']>;
  transport: Transport<T['peer']>;
  store: Store;
  /**
   * Completes a message by what only the outside knows before the engine gets it: at once, or else, by way of `later`,
   * when that is known. By default every message is complete.
   */
  complete?(
    message: T['message'],
    from: T['peer'],
    later: (message: T['message']) => void,
  ): T['message'] | undefined;
  /** Notified of everything that the engine notifies, in order, while its effects are being carried out. */
  onNotice(notice: T['notice']): void;
  /** A request was answered; called as {@link onNotice} is. */
  onReply?(request: T['request'], result: T['result']): void;
  /**
   * Called once, if the host can't go on; it has then stopped by itself, though {@link EngineHost.close} still gives
   * back what it holds.
   */
  onFailure(error: HostError): void;
  /** Most requests that {@link EngineHost.ask} lets wait at once. */
  maxAsked?: number;
  /** A clock in milliseconds since 1970 that goes on at the same pace whatever its wall clock is set to; the machine's by default. */
  clock?: () => number;
  /** The clock that people see, and set, in milliseconds since 1970; the machine's by default, or `clock` where that is given. */
  wallClock?: () => number;
}

/** Why a host could not go on. */
export class HostError extends Error {
  override name = 'HostError';
  /** `store`: what must be stored can't be written; `transport`: the socket broke; `engine`: a fault of the program. */
  readonly source: 'store' | 'transport' | 'engine';

  constructor(source: HostError['source'], cause: unknown) {
    super(`the ${source} failed: ${messageOf(cause)}`, { cause });
    this.source = source;
  }
}

/**
 * Why a request has no answer. `busy`: too many wait, and it was not handed to the engine; `closed`: the node does not run;
 * `unanswered`: the node ended before there was an answer, and what was asked for may be done all the same.
 */
export type AskFault = 'busy' | 'closed' | 'unanswered';

const ASK_FAULTS: Readonly<Record<AskFault, string>> = {
  busy: 'too many requests have no answer yet; try again in a moment',
  closed: 'this node does not run any more',
  unanswered: 'this node ended before there was an answer; what was asked for may be done all the same',
};

/** A request has no answer; the message is one sentence for people. */
export class AskError extends Error {
  override name = 'AskError';
  readonly fault: AskFault;

  constructor(fault: AskFault) {
    super(ASK_FAULTS[fault]);
    this.fault = fault;
  }
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
export class EngineHost<T extends EngineTypes> {
  readonly #parts: HostParts<T>;
  readonly #interpreter: Interpreter<T>;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #maxAsked: number;
  /** What fails the requests that have no answer yet. */
  readonly #asked = new Set<(error: AskError) => void>();
  readonly #counters = { messages: 0, malformed: {} as Record<string, number> };
  #state: 'new' | 'running' | 'stopped' = 'new';
  #continuing: NodeJS.Immediate | undefined;
  #failure: HostError | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: HostParts<T>) {
    this.#parts = parts;
    this.#maxAsked = parts.maxAsked ?? MAX_ASKED;
    const steady = parts.clock ?? (() => performance.timeOrigin + performance.now());
    const wall = parts.wallClock ?? parts.clock ?? Date.now;
    const { transport } = parts;
    this.#interpreter = new Interpreter(parts.engine, {
      isRunning: () => this.#state === 'running',
      steady,
      wall,
      send: (to, message) => {
        this.#send(to, message);
      },
      publish: (to, message) => {
        if (transport.publish) transport.publish(parts.codec.encode(message));
        else this.#send(to, message);
      },
      disconnect: (peer, reason) => {
        transport.disconnect?.(peer, reason);
      },
      setTimer: (name, after, now) => {
        this.#setTimer(name, after, now);
      },
      cancelTimer: (name) => {
        clearTimeout(this.#timers.get(name));
        this.#timers.delete(name);
      },
      store: (writes) => {
        this.#store(writes);
      },
      notify: (notice) => {
        parts.onNotice(notice);
      },
      continueSoon: () => {
        this.#continueSoon();
      },
      onReply: (request, result) => {
        parts.onReply?.(request, result);
      },
      // An engine that throws is in an unknown state. What it has stored is sound; what it does next may not be.
      onThrow: (error) => {
        this.fail(new HostError('engine', error));
      },
    });
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

  measure(report: Gauge): void {
    report('awaited answers', this.#asked.size, this.#maxAsked);
  }

  /** Gives the engine its first event. */
  start(): void {
    if (this.#state !== 'new') throw new Error('a host starts once');
    this.#state = 'running';
    this.#guard(() => {
      this.#interpreter.start();
    });
  }

  /**
   * Takes bytes from the transport. Before `start` and after the end they are passed over.
   *
   * @returns what is made of them, for transports that pass them on
   */
  receive(bytes: Uint8Array, from: T['peer']): Verdict {
    if (this.#state !== 'running') return 'ignore';
    const { message, fault } = this.#decode(bytes);
    let verdict: Verdict | undefined;
    if (fault === undefined) {
      this.#counters.messages++;
      const take = (complete: T['message']): void => {
        if (this.#state !== 'running') return;
        this.#guard(() => {
          verdict = this.#interpreter.message(from, complete);
        });
      };
      const parts = this.#parts;
      const ready = parts.complete ? parts.complete(message, from, take) : message;
      if (ready !== undefined) take(ready);
    } else {
      this.#countFault(fault);
      this.#guard(() => {
        this.#interpreter.malformed(from, fault);
      });
      verdict = 'reject';
    }
    return verdict ?? 'ignore';
  }

  /**
   * Asks the engine for something, also from within a notice.
   *
   * @returns the answer, durable where the engine stored something for it, as soon as the engine gives it
   * @throws AskError if there is none
   */
  ask(request: T['request']): Promise<T['result']> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'running') throw new AskError('closed');
      if (this.#asked.size >= this.#maxAsked) throw new AskError('busy');
      this.#asked.add(reject);
      this.#guard(() => {
        this.#interpreter.ask(request, (result) => {
          this.#asked.delete(reject);
          resolve(result);
        });
      });
    });
  }

  /**
   * Asks the engine for something that it answers at once.
   *
   * @throws HostError if the host has failed, or fails before the answer
   * @throws Error if it does not run, if the engine does not answer at once, or from within a notice (defer it)
   */
  request(request: T['request']): T['result'] {
    if (this.#state !== 'running') throw this.#failure ?? new Error('the host does not run');
    if (this.#interpreter.stepping) {
      throw new Error('a request from within a notice can not be answered at once');
    }
    let answer: { readonly result: T['result'] } | undefined;
    this.#guard(() => {
      this.#interpreter.ask(request, (result) => {
        answer = { result };
      });
    });
    if (answer === undefined) throw this.#failure ?? new Error('the engine gave no answer');
    return answer.result;
  }

  /** Stops everything, as when the transport breaks: no further effect is carried out. */
  fail(error: HostError): void {
    if (this.#state === 'stopped') return;
    this.#failure = error;
    this.#stop();
    this.#parts.onFailure(error);
  }

  /** Ends: timers are cancelled, requests fail, the transport and the store are given back. May be called again. */
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
    const asked = [...this.#asked];
    this.#asked.clear();
    for (const reject of asked) reject(new AskError('unanswered'));
  }

  /** Has something carried out in which only faults of the program throw. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error instanceof HostError ? error : new HostError('engine', error));
    }
  }

  /** A codec is pure, so one that throws (a stack that overflows, say) has done no harm, whoever caused it. */
  #decode(bytes: Uint8Array): Decoded<T['message']> {
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

  #send(to: readonly T['peer'][], message: T['message']): void {
    if (to.length === 0) return;
    const { codec, transport } = this.#parts;
    const bytes = codec.encode(message);
    for (const peer of to) transport.send(bytes, peer);
  }

  #store(writes: readonly StoreWrite[]): void {
    try {
      this.#parts.store.write(writes);
    } catch (error) {
      throw new HostError('store', error);
    }
  }

  #setTimer(name: string, after: number, now: number): void {
    clearTimeout(this.#timers.get(name));
    // Node's timers may be a fraction of a millisecond early; the engine is never given a time before it asked for.
    const wait = Math.min(Math.max(after, 0), MAX_TIMER);
    const due = now + wait;
    this.#timers.set(
      name,
      setTimeout(() => {
        this.#timers.delete(name);
        this.#guard(() => {
          this.#interpreter.timer(name, due);
        });
      }, wait),
    );
  }

  /** By `setImmediate`, so that sockets and timers have their turn between the slices of long work. */
  #continueSoon(): void {
    this.#continuing ??= setImmediate(() => {
      this.#continuing = undefined;
      this.#guard(() => {
        this.#interpreter.goOn();
      });
    });
  }
}
