/** A second engine with the key of a first one, and a store of its own: a machine that was copied, say. */
import type { PbftEffect } from '../protocol/context.ts';
import type { PbftEngine } from '../protocol/pbft.ts';
import type { PbftMessage } from '../protocol/messages.ts';
import type { MemoryStore } from '../../../storage/memory.ts';
import type { Body } from '../../../simulator/subject.ts';
import type { PbftTypes } from '../protocol/types.ts';

/** How long an engine waits that asked to go on, in milliseconds. */
const CONTINUE_DELAY = 1;

export class Twin {
  private readonly body: Body<PbftTypes>;
  private readonly engine: PbftEngine;
  private readonly store: MemoryStore;
  private readonly localNow: () => number;
  /** Counts how often each timer was set, so that one that was set anew is known. */
  private readonly timers = new Map<string, number>();
  private reported = 0;
  private readonly hears: (member: number) => boolean;

  /** @param options.hears whether it talks with a member */
  constructor(
    body: Body<PbftTypes>,
    options: {
      engine: PbftEngine;
      store: MemoryStore;
      localNow: () => number;
      hears: (member: number) => boolean;
    },
  ) {
    this.body = body;
    this.engine = options.engine;
    this.store = options.store;
    this.localNow = options.localNow;
    this.hears = options.hears;
  }

  start(): void {
    this.carryOut(this.engine.step({ type: 'started', now: this.now() }));
  }

  onMessage(from: number, message: PbftMessage): void {
    this.carryOut(this.engine.step({ type: 'message', now: this.now(), from, message }));
  }

  private now(): number {
    this.reported = Math.max(this.reported, this.localNow());
    return this.reported;
  }

  private carryOut(effects: readonly PbftEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'store') this.store.write(effect.writes);
      else if (effect.type === 'send') this.send(effect.to, effect.message);
      else if (effect.type === 'broadcast') for (const to of effect.to) this.send(to, effect.message);
      else if (effect.type === 'timer') this.setTimer(effect.timer, effect.after);
      else if (effect.type === 'cancel') this.nextTimer(effect.timer);
      else if (effect.type === 'continue') this.goOn();
    }
  }

  private send(to: number, message: PbftMessage): void {
    if (this.hears(to)) this.body.send(to, message);
  }

  private setTimer(timer: string, after: number): void {
    const count = this.nextTimer(timer);
    this.body.after(after, () => {
      if (this.timers.get(timer) !== count) return;
      this.carryOut(this.engine.step({ type: 'timer', now: this.now(), timer }));
    });
  }

  private nextTimer(timer: string): number {
    const count = (this.timers.get(timer) ?? 0) + 1;
    this.timers.set(timer, count);
    return count;
  }

  private goOn(): void {
    this.body.after(CONTINUE_DELAY, () => {
      this.carryOut(this.engine.step({ type: 'continue', now: this.now() }));
    });
  }
}
