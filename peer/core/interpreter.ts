import { ClockWatch } from './clock-watch.ts';
import type { Effect, Engine, EngineEvent, EngineTypes, Verdict } from './engine.ts';
import type { StoreWrite } from './store.ts';

/** Where effects are carried out: real parts in a node, simulated ones in the simulator. */
export interface Outside<T extends EngineTypes> {
  /** Whether anything more is to happen. Once false it stays so: after a failure, a crash or the end nothing is. */
  isRunning(): boolean;
  /** Clocks in milliseconds: `steady` goes on at the same pace whatever the machine's, `wall`, is set to. */
  steady(): number;
  wall(): number;
  /**
   * @param place of the effect among those of its step, from 0
   * @returns false to carry out neither it nor any later one of the step
   */
  mayCarryOut?(effect: Effect<T>, place: number): boolean;
  send(to: readonly T['peer'][], message: T['message']): void;
  publish(to: readonly T['peer'][], message: T['message']): void;
  /** Ends the connection to a peer, where there are connections. */
  disconnect(peer: T['peer'], reason: string): void;
  /** @param now the time of the event that is handled, by the steady clock */
  setTimer(name: string, after: number, now: number): void;
  cancelTimer(name: string): void;
  store(writes: readonly StoreWrite[]): void;
  notify(notice: T['notice']): void;
  continueSoon(): void;
  /** A request that was waiting is answered; what asked for it hears of it next. */
  onReply?(request: T['request'], result: T['result']): void;
  /** The engine threw: it is in an unknown state. */
  onThrow(error: unknown, event: EngineEvent<T>): void;
}

type Judgement<T extends EngineTypes> = Extract<Effect<T>, { type: 'verdict' }>;

interface Waiting<T extends EngineTypes> {
  readonly request: T['request'];
  readonly answer: (result: T['result']) => void;
}

/**
 * Runs an engine: hands it one event after the other and has its effects carried out, in order, each step before the next.
 * It is the same for nodes and in the simulator, so that the two can't come to differ.
 */
export class Interpreter<T extends EngineTypes> {
  readonly #engine: Pick<Engine<T>, 'step'>;
  readonly #outside: Outside<T>;
  readonly #clockWatch = new ClockWatch();
  /** Events that arose while effects were carried out. Only our own code is the source, so they are few. */
  readonly #queue: EngineEvent<T>[] = [];
  /** By id; whoever asks bounds them. */
  readonly #waiting = new Map<number, Waiting<T>>();
  #requests = 0;
  #now = 0;
  #stepping = false;

  constructor(engine: Pick<Engine<T>, 'step'>, outside: Outside<T>) {
    this.#engine = engine;
    this.#outside = outside;
  }

  /** Whether effects are being carried out at the moment: what is handed over now waits for its turn. */
  get stepping(): boolean {
    return this.#stepping;
  }

  /** Requests without an answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  start(): void {
    this.#dispatch({ type: 'started', now: this.#time() });
  }

  /** @returns what the engine makes of it; undefined if it gives no verdict, or is busy */
  message(from: T['peer'], message: T['message']): Verdict | undefined {
    return this.#dispatch({ type: 'message', now: this.#time(), from, message });
  }

  /** What the decoder refused is rejected, whatever the engine makes of it. */
  malformed(from: T['peer'], fault: string): void {
    this.#dispatch({ type: 'malformed', now: this.#time(), from, fault });
    if (this.#outside.isRunning()) this.#outside.disconnect(from, fault);
  }

  /** @param due by the steady clock: the engine is never given an earlier time */
  timer(timer: string, due: number): void {
    this.#dispatch({ type: 'timer', now: this.#time(due), timer });
  }

  goOn(): void {
    this.#dispatch({ type: 'continue', now: this.#time() });
  }

  /**
   * Asks the engine for something.
   *
   * @param answer hears the result, maybe before this returns; what was stored for it is durable by then. Called once at
   *   most: never if the engine stops before
   */
  ask(request: T['request'], answer: (result: T['result']) => void): void {
    const id = ++this.#requests;
    this.#waiting.set(id, { request, answer });
    this.#dispatch({ type: 'request', now: this.#time(), id, request });
  }

  /** The time for an event: never before an earlier one's, nor before `least`. */
  #time(least = 0): number {
    this.#now = Math.max(this.#now, least, this.#outside.steady());
    return this.#now;
  }

  #dispatch(event: EngineEvent<T>): Verdict | undefined {
    if (this.#stepping) {
      this.#queue.push(event);
      return undefined;
    }
    if (!this.#outside.isRunning()) return undefined;
    this.#stepping = true;
    try {
      const verdict = this.#step(event);
      while (this.#queue.length > 0 && this.#outside.isRunning()) {
        const next = this.#queue.shift();
        if (next !== undefined) this.#step(next);
      }
      return verdict;
    } finally {
      this.#stepping = false;
    }
  }

  #step(event: EngineEvent<T>): Verdict | undefined {
    const outside = this.#outside;
    // At the start, before anything else, the two clocks are the same, or the next event shows it.
    if (event.type !== 'started' && event.type !== 'clock') {
      const ahead = this.#clockWatch.look(outside.steady(), outside.wall());
      if (ahead !== undefined) this.#step({ type: 'clock', now: event.now, ahead });
      if (!outside.isRunning()) return undefined;
    }
    let effects: readonly Effect<T>[];
    try {
      effects = this.#engine.step(event);
    } catch (error) {
      outside.onThrow(error, event);
      return undefined;
    }
    let verdict: Verdict | undefined;
    let place = 0;
    for (const effect of effects) {
      if (outside.mayCarryOut?.(effect, place++) === false) break;
      if (effect.type === 'verdict') verdict = this.#judge(effect, event);
      else this.#carryOut(effect, event.now);
      // A failed store, a crash, or a notice that led to the end: nothing after it may happen.
      if (!outside.isRunning()) break;
    }
    return verdict;
  }

  #judge(effect: Judgement<T>, event: EngineEvent<T>): Verdict {
    if (effect.verdict === 'reject' && event.type === 'message') {
      this.#outside.disconnect(event.from, effect.reason);
    }
    return effect.verdict;
  }

  #carryOut(effect: Exclude<Effect<T>, Judgement<T>>, now: number): void {
    const outside = this.#outside;
    switch (effect.type) {
      case 'send':
        outside.send([effect.to], effect.message);
        break;
      case 'broadcast':
        outside.send(effect.to, effect.message);
        break;
      case 'publish':
        outside.publish(effect.to, effect.message);
        break;
      case 'disconnect':
        outside.disconnect(effect.peer, effect.reason);
        break;
      case 'timer':
        outside.setTimer(effect.timer, effect.after, now);
        break;
      case 'cancel':
        outside.cancelTimer(effect.timer);
        break;
      case 'store':
        outside.store(effect.writes);
        break;
      case 'reply': {
        const waiting = this.#waiting.get(effect.id);
        if (waiting === undefined) break;
        this.#waiting.delete(effect.id);
        outside.onReply?.(waiting.request, effect.result);
        // Whoever was notified of the reply may have ended everything.
        if (outside.isRunning()) waiting.answer(effect.result);
        break;
      }
      case 'notify':
        outside.notify(effect.notice);
        break;
      case 'continue':
        outside.continueSoon();
        break;
    }
  }
}
