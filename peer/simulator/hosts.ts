/** The hosts of all engines: they have them step, carry out what they want done, and crash in the midst of it. */
import type { Effect, Engine, EngineEvent, EngineTypes } from '../core/engine.ts';
import { Interpreter } from '../core/interpreter.ts';
import type { StoreWrite } from '../core/store.ts';
import type { Chance } from './chance.ts';
import { CODES, FIRST_MESSAGE_CODE } from './codes.ts';
import type { Course } from './course.ts';
import type { Doom, SimNode } from './node.ts';
import { thrownDetail } from './report.ts';
import type { SubjectRun } from './subject.ts';
import type { Traffic } from './traffic.ts';
import { MS } from './units.ts';

/** Time that passes before an engine that asked to continue does, as verifying a slice of blocks takes. */
const CONTINUE_DELAY = 500;
/** Every so many steps of a node its tables are looked at: they do not shrink by themselves. */
const GAUGE_INTERVAL = 64;

/** The checkers of engines. */
export const HOST_CHECKERS = {
  throws: 'no step throws',
  time: 'engine time never goes back',
  bounds: 'every table within its bound',
} as const;

interface Modules<T extends EngineTypes> {
  readonly traffic: Pick<Traffic<T>, 'broadcast' | 'counter' | 'disconnect'>;
  /** Whether nodes are connected, so that a connection can be ended. */
  readonly connected: boolean;
  /** Who is notified of what honest engines do. */
  readonly run: Pick<SubjectRun<T>, 'onNotice' | 'onReply' | 'onSend' | 'onStore'>;
  /** Where in a step a crash comes. */
  readonly crashChance: Chance;
  /** A node has crashed. */
  readonly onCrash: (node: SimNode<T>) => void;
}

export class Hosts<T extends EngineTypes> {
  /** Crashes in the midst of a step, and what became of writes over which they came. */
  midStep = 0;
  readonly fates = { lost: 0, torn: 0, kept: 0 };
  private readonly course: Course<T>;
  private readonly modules: Modules<T>;

  constructor(course: Course<T>, modules: Modules<T>) {
    this.course = course;
    this.modules = modules;
  }

  /** Stops a node at once, as a power cut would. */
  crash(node: SimNode<T>): void {
    if (!node.up) return;
    this.course.digest.pair(CODES.crashed, node.index);
    this.course.trace(node, 'crashed');
    node.stop();
    this.modules.onCrash(node);
  }

  /** Asks an engine for something; undefined if its node is down, crashes over it, or does not answer at once. */
  request(node: SimNode<T>, request: T['request']): T['result'] | undefined {
    const { life } = node;
    let answer: T['result'] | undefined;
    this.ask(node, request, (result) => {
      answer = result;
    });
    return node.life === life ? answer : undefined;
  }

  /**
   * Asks an engine for something.
   *
   * @param onResult called once, maybe before this returns, unless the node crashes before
   */
  ask(node: SimNode<T>, request: T['request'], onResult: (result: T['result']) => void): void {
    if (!node.up) return;
    this.course.trace(node, 'request', { request });
    node.host?.ask(request, onResult);
  }

  /** Has a node run an engine, until it stops. */
  open(node: SimNode<T>, engine: Engine<T>): void {
    const { course } = this;
    const { run, traffic, connected } = this.modules;
    const { life } = node;
    /** The effect of the step at hand over which a crash comes. */
    let crashAt: number | undefined;
    node.engine = engine;
    node.host = new Interpreter<T>(
      {
        step: (event) => {
          const effects = this.step(node, engine, event);
          crashAt = node.doomed && this.crashPlace(node.doomed, effects);
          if (crashAt !== undefined) {
            node.doomed = undefined;
            this.midStep++;
          }
          return effects;
        },
      },
      {
        isRunning: () => node.life === life && !course.over,
        steady: () => node.clock.steady(course.now),
        wall: () => node.clock.wall(course.now),
        mayCarryOut: (effect, place) => {
          if (place === crashAt) this.crashOver(node, effect);
          return place !== crashAt;
        },
        send: (to, message) => {
          if (node.honest) run.onSend(node, message, to);
          this.send(to, node, message);
        },
        publish: (to, message) => {
          if (node.honest) run.onSend(node, message, to);
          this.send(to, node, message);
        },
        disconnect: (peer) => {
          if (connected) traffic.disconnect(node, peer);
        },
        setTimer: (name, after, now) => {
          this.setTimer(node, name, after, now);
        },
        cancelTimer: (name) => {
          node.timers.delete(name);
        },
        store: (writes) => {
          this.store(node, writes);
        },
        notify: (notice) => {
          course.trace(node, 'notice', { notice });
          run.onNotice(node, notice);
        },
        continueSoon: () => {
          if (node.continuing) return;
          node.continuing = true;
          course.queue.push(course.now + CONTINUE_DELAY, { kind: 'continue', node, life });
        },
        onReply: (request, result) => {
          if (node.honest) run.onReply(node, request, result);
        },
        onThrow: (error, event) => {
          course.violate(HOST_CHECKERS.throws, node, `${event.type}: ${thrownDetail(error)}`);
        },
      },
    );
  }

  private step(node: SimNode<T>, engine: Engine<T>, event: EngineEvent<T>): readonly Effect<T>[] {
    const { course } = this;
    if (event.now < node.latest) course.violate(HOST_CHECKERS.time, node, `${event.now} ms`);
    node.latest = event.now;
    const code =
      event.type === 'message'
        ? FIRST_MESSAGE_CODE + this.modules.traffic.counter(event.message.type).code
        : CODES[event.type];
    course.digest.pair(code, node.index);
    course.digest.number(course.now);
    const effects = engine.step(event);
    if (++node.steps % GAUGE_INTERVAL === 0) this.checkGauges(node, engine);
    return effects;
  }

  private checkGauges(node: SimNode<T>, engine: Engine<T>): void {
    engine.measure((name, size, limit) => {
      // One that is counted wrongly may be below nothing.
      if (!(size >= 0 && size <= limit))
        this.course.violate(HOST_CHECKERS.bounds, node, `${name}: ${size} of ${limit}`);
    });
  }

  private store(node: SimNode<T>, writes: readonly StoreWrite[]): void {
    const { course } = this;
    node.store.write(writes);
    course.digest.number(writes.length);
    for (const write of writes) {
      course.digest.text(write.key);
      if (write.type === 'delete') course.digest.number(-1);
      else if (typeof write.value === 'string') course.digest.text(write.value);
      else course.digest.sample(write.value);
    }
    course.trace(node, 'stored', { keys: writes.length });
    if (node.honest) this.modules.run.onStore(node, writes);
  }

  /** The effect over which a crash that is due comes; undefined if it is not to come in this step. */
  private crashPlace(doom: Doom, effects: readonly Effect<T>[]): number | undefined {
    if (effects.length === 0) return undefined;
    const { crashChance } = this.modules;
    if (doom === 'step') return crashChance.below(effects.length);
    const stores = effects.flatMap(({ type }, place) => (type === 'store' ? [place] : []));
    return stores.length === 0 ? undefined : crashChance.pick(stores);
  }

  /** A node crashes while it carries out an effect: a write may be done, torn or lost, a broadcast be half out. */
  private crashOver(node: SimNode<T>, effect: Effect<T>): void {
    const { crashChance } = this.modules;
    if (effect.type === 'store') {
      const fate = node.store.crashDuring(effect.writes, crashChance);
      this.fates[fate]++;
      this.course.digest.text(fate);
      this.course.trace(node, `write ${fate}`, { keys: effect.writes.length });
    } else if (effect.type === 'broadcast') {
      this.send(effect.to.slice(0, crashChance.below(effect.to.length + 1)), node, effect.message);
    }
    this.crash(node);
  }

  private setTimer(node: SimNode<T>, name: string, after: number, now: number): void {
    const wait = Math.max(0, after);
    const at = this.course.now + Math.round((wait * MS) / node.clock.rate);
    const timer = { kind: 'timer', node, name, localDue: now + wait } as const;
    node.timers.set(name, timer);
    this.course.queue.push(at, timer);
  }

  /** Sends what an engine wants sent, through the hands of a Byzantine node where it is one. */
  private send(to: readonly T['peer'][], node: SimNode<T>, message: T['message']): void {
    const { corruption } = node;
    if (corruption?.onSend === undefined) {
      this.modules.traffic.broadcast(to, node, message);
      return;
    }
    for (const peer of to) corruption.onSend(peer, message);
  }
}
