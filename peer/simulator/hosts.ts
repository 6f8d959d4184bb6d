/** The hosts of all engines: they have them step, carry out what they want done, and crash in the midst of it. */
import type { Effect, EngineEvent, EngineTypes } from '../core/engine.ts';
import type { Chance } from './chance.ts';
import { CODES } from './codes.ts';
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

type EventOf<T extends EngineTypes> = EngineEvent<T['message'], T['request'], T['peer']>;
type EffectOf<T extends EngineTypes> = Effect<T['message'], T['result'], T['notice'], T['peer']>;

interface Modules<T extends EngineTypes> {
  readonly traffic: Pick<Traffic<T>, 'broadcast' | 'disconnect'>;
  /** Who is told of what honest engines do. */
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

  /** Asks an engine for something; undefined if its node is down, or crashes over it. */
  request(node: SimNode<T>, request: T['request']): T['result'] | undefined {
    if (!node.up) return undefined;
    this.course.trace(node, 'request', { request });
    const id = ++node.requests;
    node.asked.set(id, request);
    this.step(node, { type: 'request', now: node.time(this.course.now), id, request }, CODES.request);
    return node.answerTo(id);
  }

  /** @param code what stands for the event in the digest */
  step(node: SimNode<T>, event: EventOf<T>, code: number): void {
    const { course } = this;
    const { engine, life } = node;
    if (engine === undefined) return;
    if (event.now < node.told) course.violate(HOST_CHECKERS.time, node, `${event.now} ms`);
    node.told = event.now;
    if (event.type !== 'started' && event.type !== 'clock') {
      const { clock } = node;
      const ahead = node.clockWatch.look(clock.steady(course.now), clock.wall(course.now));
      if (ahead !== undefined) this.step(node, { type: 'clock', now: event.now, ahead }, CODES.clock);
      if (course.over || node.life !== life) return;
    }
    course.digest.pair(code, node.index);
    course.digest.number(course.now);
    let effects: readonly EffectOf<T>[];
    try {
      effects = engine.step(event);
      if (++node.steps % GAUGE_INTERVAL === 0) this.checkGauges(node);
    } catch (error) {
      course.violate(HOST_CHECKERS.throws, node, `${event.type}: ${thrownDetail(error)}`);
      return;
    }
    if (effects.length === 0) return;
    const crashAt = node.doomed === undefined ? undefined : this.crashPlace(node.doomed, effects);
    if (crashAt !== undefined) {
      node.doomed = undefined;
      this.midStep++;
    }
    let place = 0;
    for (const effect of effects) {
      if (place++ === crashAt) {
        this.crashOver(node, effect);
        return;
      }
      this.carryOut(node, effect);
      // What is told of it may have ended the run, or the node.
      if (course.over || node.life !== life) return;
    }
  }

  private checkGauges(node: SimNode<T>): void {
    node.engine?.measure((name, size, limit) => {
      // One that is counted wrongly may be below nothing.
      if (!(size >= 0 && size <= limit))
        this.course.violate(HOST_CHECKERS.bounds, node, `${name}: ${size} of ${limit}`);
    });
  }

  private carryOut(node: SimNode<T>, effect: EffectOf<T>): void {
    const { course } = this;
    const { run, traffic } = this.modules;
    switch (effect.type) {
      case 'send':
        if (node.honest) run.onSend(node, effect.message, [effect.to]);
        this.send([effect.to], node, effect.message);
        break;
      case 'broadcast':
        if (node.honest) run.onSend(node, effect.message, effect.to);
        this.send(effect.to, node, effect.message);
        break;
      case 'disconnect':
        traffic.disconnect(node, effect.peer);
        break;
      case 'timer':
        this.setTimer(node, effect.timer, effect.after);
        break;
      case 'cancel':
        node.timers.delete(effect.timer);
        break;
      case 'store':
        node.store.write(effect.writes);
        course.digest.number(effect.writes.length);
        for (const write of effect.writes) {
          course.digest.text(write.key);
          if (write.type === 'put') course.digest.text(write.value);
          else course.digest.number(-1);
        }
        course.trace(node, 'stored', { keys: effect.writes.length });
        if (node.honest) run.onStore(node, effect.writes);
        break;
      case 'reply':
        this.reply(node, effect.id, effect.result);
        break;
      case 'notify':
        course.trace(node, 'notice', { notice: effect.notice });
        run.onNotice(node, effect.notice);
        break;
      case 'continue':
        if (node.continuing) break;
        node.continuing = true;
        course.queue.push(course.now + CONTINUE_DELAY, { kind: 'continue', node, life: node.life });
        break;
    }
  }

  private reply(node: SimNode<T>, id: number, result: T['result']): void {
    if (!node.asked.has(id)) return;
    const request = node.asked.get(id);
    node.asked.delete(id);
    node.onAnswer(id, result);
    if (node.honest) this.modules.run.onReply(node, request, result);
  }

  /** The effect over which a crash that is due comes; undefined if it is not to come in this step. */
  private crashPlace(doom: Doom, effects: readonly EffectOf<T>[]): number | undefined {
    const { crashChance } = this.modules;
    if (doom === 'step') return crashChance.below(effects.length);
    const stores = effects.flatMap(({ type }, place) => (type === 'store' ? [place] : []));
    return stores.length === 0 ? undefined : crashChance.pick(stores);
  }

  /** A node crashes while it carries out an effect: a write may be done, torn or lost, a broadcast be half out. */
  private crashOver(node: SimNode<T>, effect: EffectOf<T>): void {
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

  private setTimer(node: SimNode<T>, name: string, after: number): void {
    const wait = Math.max(0, after);
    const at = this.course.now + Math.round((wait * MS) / node.clock.rate);
    const timer = { kind: 'timer', node, name, localDue: node.told + wait } as const;
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
