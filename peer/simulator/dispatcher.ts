/** When what is due reaches an engine: at once, when a slow node gets to it, or when its machine wakes. */
import type { Course } from './course.ts';
import type { Occurrence, SimNode } from './node.ts';
import type { EngineTypes } from '../core/engine.ts';
import type { SubjectRun } from './subject.ts';
import type { Traffic } from './traffic.ts';

/** What waits for a slow node, as in the buffer of a socket; more is dropped. */
const MAX_INBOX = 1_000;

type Delivery<T extends EngineTypes> = Occurrence<T> & { kind: 'delivery' };
/** What an engine is notified of. */
type Due<T extends EngineTypes> = Occurrence<T> & { kind: 'delivery' | 'timer' | 'continue' };

interface Modules<T extends EngineTypes> {
  readonly traffic: Pick<Traffic<T>, 'decode' | 'drop' | 'onDelivered' | 'onMalformed'>;
  readonly run: Pick<SubjectRun<T>, 'onMessage'>;
}

export class Dispatcher<T extends EngineTypes> {
  private readonly course: Course<T>;
  private readonly modules: Modules<T>;

  constructor(course: Course<T>, modules: Modules<T>) {
    this.course = course;
    this.modules = modules;
  }

  dispatch(next: Occurrence<T>): void {
    switch (next.kind) {
      case 'call':
        next.run();
        break;
      case 'wake':
        if (next.node.life !== next.life) break;
        if (next.node.sleep === undefined) this.wake(next.node);
        else this.course.queue.push(next.node.sleep.until, next);
        break;
      default: {
        const { node } = next;
        if (node.sleep !== undefined && next.kind !== 'delivery') this.putOff(next, node.sleep);
        else if (node.service === 0) this.handle(next);
        else this.enqueue(node, next);
      }
    }
  }

  /** What comes due while a machine sleeps does so when it wakes, or, if its clock has stood still, as much later. */
  private putOff(
    next: Occurrence<T> & { kind: 'timer' | 'continue' },
    { from, until, counted }: NonNullable<SimNode<T>['sleep']>,
  ): void {
    const { course } = this;
    course.queue.push(counted ? until : until + course.now - from, next);
  }

  /** A slow node takes one thing after the other. */
  private enqueue(node: SimNode<T>, next: Due<T>): void {
    const { course } = this;
    if (node.busyUntil <= course.now && node.inbox.length === 0) {
      node.busyUntil = course.now + Math.round(node.service);
      this.handle(next);
    } else if (next.kind === 'delivery' && node.inbox.length >= MAX_INBOX) {
      this.modules.traffic.drop('inbox full', node, 'from', next.from);
    } else {
      node.inbox.push(next);
      if (node.inbox.length === 1) this.wakeLater(node);
    }
  }

  private wake(node: SimNode<T>): void {
    const next = node.inbox.shift();
    if (next === undefined) return;
    node.busyUntil = this.course.now + Math.round(node.service);
    if (node.inbox.length > 0) this.wakeLater(node);
    this.handle(next);
  }

  private wakeLater(node: SimNode<T>): void {
    this.course.queue.push(node.busyUntil, { kind: 'wake', node, life: node.life });
  }

  private handle(next: Due<T>): void {
    const { course } = this;
    const { node } = next;
    if (next.kind === 'delivery') {
      this.deliver(node, next);
    } else if (next.kind === 'continue') {
      if (next.life !== node.life) return;
      node.continuing = false;
      course.trace(node, 'continue');
      node.host?.goOn();
    } else {
      if (node.timers.get(next.name) !== next) return;
      node.timers.delete(next.name);
      course.trace(node, 'timer', { timer: next.name });
      node.host?.timer(next.name, next.localDue);
    }
  }

  private deliver(node: SimNode<T>, { from, payload, sent }: Delivery<T>): void {
    const { run, traffic } = this.modules;
    if (!node.up) {
      traffic.drop('node down', node, 'from', from);
      return;
    }
    let message: T['message'];
    if (payload instanceof Uint8Array) {
      const decoded = traffic.decode(payload);
      if (decoded.fault !== undefined) {
        traffic.onMalformed(node, from, decoded.fault);
        node.host?.malformed(from, decoded.fault);
        return;
      }
      message = decoded.message;
    } else {
      message = payload;
    }
    traffic.onDelivered(node, from, message, sent);
    if (node.honest) run.onMessage(node, message, from);
    else if (node.corruption?.onReceive?.(message, from) === false) return;
    node.host?.message(from, message);
  }
}
