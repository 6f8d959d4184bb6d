/**
 * An engine on a virtual clock. What runs it is what runs it in a node; its network, which each engine has one of, carries its
 * messages and lets the time pass.
 */
import type { Effect, Engine, EngineTypes } from '../../peer/core/engine.ts';
import { Interpreter } from '../../peer/core/interpreter.ts';
import { MemoryStore } from '../../peer/storage/memory.ts';

/** What it lives in; times in milliseconds. */
export interface VirtualTime {
  readonly now: number;
  /** Runs something so much later, after what was to run then already. */
  after(delay: number, run: () => void): void;
}

export abstract class EngineRig<T extends EngineTypes & { notice: { readonly kind: string } }> {
  store: MemoryStore;
  readonly notices: T['notice'][] = [];
  /** The results of requests, in the order in which they came. */
  readonly results: T['result'][] = [];
  /** Peers whose connection was ended, each time. Here they are connected again at once. */
  readonly disconnected: T['peer'][] = [];
  /** It crashes before the first effect for which this holds. */
  crashBefore: ((effect: Effect<T>) => boolean) | undefined;
  private readonly time: VirtualTime;
  private interpreter: Interpreter<T> | undefined;
  private readonly timers = new Map<string, number>();
  private ahead = 0;
  private continuing = false;

  constructor(time: VirtualTime, store = new MemoryStore()) {
    this.time = time;
    this.store = store;
  }

  /** Whether it runs. */
  get alive(): boolean {
    return this.interpreter !== undefined;
  }

  protected abstract send(to: readonly T['peer'][], message: T['message']): void;

  /** Has the engine begin. */
  protected run(engine: Engine<T>): void {
    const interpreter: Interpreter<T> = new Interpreter<T>(engine, {
      isRunning: () => this.interpreter === interpreter,
      steady: () => this.time.now,
      wall: () => this.time.now + this.ahead,
      mayCarryOut: (effect) => {
        if (this.crashBefore?.(effect) !== true) return true;
        this.crashBefore = undefined;
        this.crash();
        return false;
      },
      send: (to, message) => {
        this.send(to, message);
      },
      publish: (to, message) => {
        this.send(to, message);
      },
      disconnect: (peer) => this.disconnected.push(peer),
      setTimer: (name, after) => {
        const due = this.time.now + after;
        this.timers.set(name, due);
        this.time.after(after, () => {
          if (this.timers.get(name) !== due) return;
          this.timers.delete(name);
          this.interpreter?.timer(name, due);
        });
      },
      cancelTimer: (name) => this.timers.delete(name),
      store: (writes) => {
        this.store.write(writes);
      },
      notify: (notice) => this.notices.push(notice),
      continueSoon: () => {
        this.continueSoon(interpreter);
      },
      onReply: (_, result) => this.results.push(result),
      onThrow: (error) => {
        throw error;
      },
    });
    this.interpreter = interpreter;
    interpreter.start();
  }

  /** What is not stored is gone, and it does nothing until it is started again. */
  crash(): void {
    this.interpreter = undefined;
    this.timers.clear();
    this.continuing = false;
  }

  /** Its machine's clock is so many milliseconds ahead of the others' from now on. */
  setClock(ahead: number): void {
    this.ahead = ahead;
  }

  /** A message has come. */
  deliver(from: T['peer'], message: T['message']): void {
    this.interpreter?.message(from, message);
  }

  /** What is no message has come. */
  refuse(from: T['peer'], fault: string): void {
    this.interpreter?.malformed(from, fault);
  }

  /** @returns the result, undefined where it comes later */
  ask(request: T['request']): T['result'] | undefined {
    let answer: T['result'] | undefined;
    this.interpreter?.ask(request, (result) => {
      answer = result;
    });
    return answer;
  }

  /** All notices of a kind, in order. */
  reported<K extends T['notice']['kind']>(kind: K): Extract<T['notice'], { kind: K }>[] {
    return this.notices.filter((notice): notice is Extract<T['notice'], { kind: K }> => notice.kind === kind);
  }

  /** Once, however often it is asked for. */
  private continueSoon(interpreter: Interpreter<T>): void {
    if (this.continuing) return;
    this.continuing = true;
    this.time.after(0, () => {
      if (this.interpreter !== interpreter) return;
      this.continuing = false;
      interpreter.goOn();
    });
  }
}
