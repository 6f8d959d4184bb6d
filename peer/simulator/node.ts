import type { Engine, EngineTypes } from '../core/engine.ts';
import type { Corruption, SimulatedNode } from './subject.ts';
import type { Interpreter } from '../core/interpreter.ts';
import { SimulatedStore } from './store.ts';

/** What the clocks of all nodes show at the start, in milliseconds since 1970: a moment in November 2023. */
const EPOCH = 1_700_000_000_000;

/** How many messages of a type were sent and arrived. */
export interface TypeCounter {
  readonly type: string;
  /** Stands for the type in a digest. */
  readonly code: number;
  sent: number;
  delivered: number;
}

/** Something that is to happen at some time. */
export type Occurrence<T extends EngineTypes> =
  /** A datagram arrives. */
  | {
      readonly kind: 'delivery';
      readonly node: SimNode<T>;
      readonly from: T['peer'];
      readonly payload: T['message'] | Uint8Array;
      /** What counts messages of the type as which it was sent. */
      readonly sent: TypeCounter;
    }
  | NodeTimer<T>
  | { readonly kind: 'continue'; readonly node: SimNode<T>; readonly life: number }
  /** A slow node is free again. */
  | { readonly kind: 'wake'; readonly node: SimNode<T>; readonly life: number }
  /** A fault, a miner, a user: whatever is no engine's business. */
  | { readonly kind: 'call'; readonly run: () => void };

/** When a crash comes: over any effect of the next step that has some, or over the next that writes to the store. */
export type Doom = 'step' | 'store';

/** A timer that an engine set. */
export interface NodeTimer<T extends EngineTypes> {
  readonly kind: 'timer';
  readonly node: SimNode<T>;
  readonly name: string;
  /** When it runs out by the node's own clock: the engine is never given an earlier time. */
  readonly localDue: number;
}

/** The clocks of a node, which are wrong, and go too fast or too slow. What they are given is in microseconds since the start. */
export class NodeClock {
  /** The node's milliseconds in a true one. */
  readonly rate: number;
  private readonly skew: number;
  /** By how much the wall clock was set, in all and before the node started, and how long the other one has stood still since. */
  private set = 0;
  private setBefore = 0;
  private asleep = 0;

  /** @param skew in milliseconds */
  constructor(skew: number, rate: number) {
    this.skew = skew;
    this.rate = rate;
  }

  /** Somebody sets the wall clock, by so many milliseconds. */
  jump(by: number): void {
    this.set += by;
  }

  /** The node starts: what it measures by begins with what its wall clock shows. */
  restart(): void {
    this.setBefore = this.set;
    this.asleep = 0;
  }

  /** The machine has slept for so many microseconds, and its steady clock has stood still. */
  sleep(length: number): void {
    this.asleep += (length / 1000) * this.rate;
  }

  /** What it measures by, which nobody sets, in milliseconds. */
  steady(now: number): number {
    return EPOCH + this.skew + (now / 1000) * this.rate + this.setBefore - this.asleep;
  }

  /** What people see, in milliseconds since 1970. */
  wall(now: number): number {
    return EPOCH + this.skew + (now / 1000) * this.rate + this.set;
  }
}

/** A node of the simulated network: an engine with its store, its clock and its timers. */
export class SimNode<T extends EngineTypes> implements SimulatedNode {
  readonly index: number;
  /** What others call it. */
  peer: T['peer'];
  /** The kind of a Byzantine or foreign node. */
  readonly kind: string | undefined;
  readonly store = new SimulatedStore();
  clock = new NodeClock(0, 1);
  /** Time in microseconds that it takes for each event; 0 for a node that is not slow. */
  service = 0;
  engine: Engine<T> | undefined;
  /** What runs it. */
  host: Interpreter<T> | undefined;
  corruption: Corruption<T> | undefined;
  /** Counts starts and stops: what belongs to an earlier life is passed over. */
  life = 0;
  /** A crash that is due in the midst of a step. */
  doomed: Doom | undefined;
  readonly timers = new Map<string, NodeTimer<T>>();
  readonly inbox: (Occurrence<T> & { kind: 'delivery' | 'timer' | 'continue' })[] = [];
  busyUntil = 0;
  continuing = false;
  /** While its machine sleeps: since when and until when, in microseconds, and whether its steady clock goes on meanwhile. */
  sleep: { readonly from: number; readonly until: number; readonly counted: boolean } | undefined;
  /** The time of the last event, in milliseconds. */
  latest = 0;
  steps = 0;
  sent = 0;
  received = 0;
  crashes = 0;

  constructor(index: number, peer: T['peer'], kind: string | undefined) {
    this.index = index;
    this.peer = peer;
    this.kind = kind;
  }

  get honest(): boolean {
    return this.kind === undefined;
  }

  get up(): boolean {
    return this.engine !== undefined && this.sleep === undefined;
  }

  /** Everything that is not in the store is gone. */
  stop(): void {
    this.life++;
    this.engine = undefined;
    this.host = undefined;
    this.corruption = undefined;
    this.timers.clear();
    this.inbox.length = 0;
    this.continuing = false;
    this.doomed = undefined;
    this.sleep = undefined;
    this.latest = 0;
  }
}
