/** The course of a run: what is to happen and when, and the record of what has happened. */
import type { Occurrence } from './node.ts';
import { EventQueue } from './queue.ts';
import type { Violation } from './report.ts';
import type { EngineTypes } from '../core/engine.ts';
import type { SimulatedNode } from './subject.ts';
import { Digest, type TraceWriter } from './trace.ts';
import { MS, SECOND } from './units.ts';

export class Course<T extends EngineTypes> {
  readonly queue = new EventQueue<Occurrence<T>>();
  readonly digest = new Digest();
  readonly violations: Violation[] = [];
  /** Events handled so far. */
  events = 0;
  /** Whether the run is over. */
  over = false;
  /** The checker of the goal that is waited for; undefined if none is. */
  goal: string | undefined;
  private readonly writer: TraceWriter | undefined;

  /** @param writer notified of every event */
  constructor(writer?: TraceWriter) {
    this.writer = writer;
  }

  /** The time in microseconds. */
  get now(): number {
    return this.queue.time;
  }

  /** Whether a trace is written: what would be written need not be put together otherwise. */
  get traced(): boolean {
    return this.writer !== undefined;
  }

  /** Runs something at a time in microseconds. */
  call(at: number, run: () => void): void {
    this.queue.push(Math.round(at), { kind: 'call', run });
  }

  /** Runs something after so many milliseconds. */
  after(delay: number, run: () => void): void {
    this.call(this.now + Math.round(delay * MS), run);
  }

  /** Adds to the trace, if there is one, what happened to a node, or to none in particular. */
  trace(
    node: Pick<SimulatedNode, 'index'> | undefined,
    what: string,
    details: Record<string, unknown> = {},
  ): void {
    this.writer?.({ t: this.now / SECOND, node: node?.index ?? null, what, ...details });
  }

  /** Something does not hold that must. The run ends with it. */
  violate(checker: string, node: Pick<SimulatedNode, 'index'> | undefined, detail: string): void {
    this.violations.push({
      checker,
      kind: checker === this.goal ? 'liveness' : 'safety',
      at: this.now / SECOND,
      node: node?.index ?? null,
      detail,
    });
    this.trace(node, 'violated', { checker, detail });
    this.over = true;
  }
}
