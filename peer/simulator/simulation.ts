/**
 * A whole network of engines in one process, on one virtual clock, with every fault there is. Nothing in it reads a
 * clock or draws randomness but from the seed, so a run replays exactly.
 *
 * First comes a phase with faults, in which what must never happen is watched for; then everything heals and what must
 * happen in the end is waited for. Time is counted in whole microseconds.
 */
import type { Effect, EngineEvent } from '../core/engine.ts';
import type { StoreWrite } from '../core/store.ts';
import { Chance } from './chance.ts';
import { FaultSchedule, PARTITION_KINDS } from './faults.ts';
import { healed, Network, type DropReason } from './network.ts';
import { NodeClock, SimNode, type Doom, type Occurrence, type TypeCounter } from './node.ts';
import { EventQueue } from './queue.ts';
import type { PeerTable } from './peers.ts';
import {
  NOTHING_THROWS,
  thrownDetail,
  type FaultSpan,
  type RunReport,
  type Verdict,
  type Violation,
} from './report.ts';
import { kindsOf, type Drawn } from './settings.ts';
import type {
  Body,
  EngineTypes,
  LivenessGoal,
  SimulatedNode,
  Subject,
  SubjectRun,
  World,
} from './subject.ts';
import { Digest, type TraceWriter } from './trace.ts';

/** Microseconds in a millisecond, a second and an hour. */
const MS = 1_000;
const SECOND = 1_000_000;
const HOUR = 3_600 * SECOND;
/** Time that passes before an engine that asked to continue does, as verifying a slice of blocks takes. */
const CONTINUE_DELAY = 500;
/** Time in which all nodes start. */
const START_SPREAD = 5_000 * MS;
/** What waits for a slow node, as in the buffer of a socket; more is dropped. */
const MAX_INBOX = 1_000;
/** How long it takes until two nodes are connected again of which one has ended the connection. */
const RECONNECT_DELAY = 1_000 * MS;
/** Every so many steps of a node its tables are looked at: they do not shrink by themselves. */
const GAUGE_INTERVAL = 64;
/** Events at one and the same microsecond after which a run is called stuck. */
const MAX_SIMULTANEOUS = 2_000_000;
/** How often goals are looked at. */
const GOAL_INTERVAL = SECOND;
/**
 * How many samples of the time with faults a timeline has. Nodes catch up in a small part of that, so after healing
 * samples are so many times closer together; but no two are closer than a second, as in that time little happens.
 */
const SAMPLES = 400;
const HEALING_SAMPLES = 16;
const LEAST_SAMPLE_INTERVAL = SECOND;

/** What stands for everything that happens to a node in a digest; messages have higher codes, by their types. */
const CODES = {
  started: 1,
  malformed: 2,
  continue: 3,
  timer: 4,
  request: 5,
  crashed: 6,
  disconnected: 7,
  clock: 8,
} as const;
const FIRST_MESSAGE_CODE = 16;

/** The checkers that every engine is under. */
export const COMMON_CHECKERS = [
  'no step throws',
  NOTHING_THROWS,
  'engine time never goes back',
  'every table within its bound',
  'time goes on',
] as const;

/** What a run can tell while it runs. */
export interface SimulationHooks {
  /** Told of every event. */
  readonly trace?: TraceWriter;
  /** Whether a timeline is to be kept for the report. */
  readonly timeline?: boolean;
}

type EventOf<T extends EngineTypes> = EngineEvent<T['message'], T['request'], T['peer']>;
type EffectOf<T extends EngineTypes> = Effect<T['message'], T['result'], T['notice'], T['peer']>;
type Payload<T extends EngineTypes> = T['message'] | Uint8Array;
type Delivery<T extends EngineTypes> = Occurrence<T> & { kind: 'delivery' };

export class Simulation<T extends EngineTypes> implements World<T> {
  readonly seed: number;
  readonly nodes: SimNode<T>[] = [];
  readonly lasting: readonly SimNode<T>[];
  /** Events handled so far. */
  events = 0;
  private readonly subject: Subject<T>;
  private readonly drawn: Drawn;
  private readonly hooks: SimulationHooks;
  private readonly queue = new EventQueue<Occurrence<T>>();
  private readonly network: Network;
  private readonly faults: FaultSchedule<T>;
  private readonly peers: PeerTable<T['peer']>;
  /** Pairs of nodes whose connection was ended a moment ago. */
  private readonly disconnected = new Set<number>();
  private readonly types = new Map<string, TypeCounter>();
  private readonly dropped = new Map<DropReason, number>();
  private readonly digest = new Digest();
  private readonly run: SubjectRun<T>;
  private readonly crashChance: Chance;
  /** What becomes of messages from outside: apart, so that they don't change the luck of those between nodes. */
  private readonly outsideChance: Chance;
  private readonly codec: boolean;
  private readonly violations: Violation[] = [];
  private readonly reached = new Map<string, number>();
  private readonly samples: { seconds: number[]; progress: number[][]; tips: number[] };
  /** Nodes that were slow until everything healed. */
  private readonly slow = new Set<SimNode<T>>();
  private readonly faultEnd: number;
  /** The message that was last measured. */
  private measured: { readonly payload: T['message'] | undefined; readonly size: number } = {
    payload: undefined,
    size: 0,
  };
  /** Samples begun so far, and how many of these before everything healed. */
  private sampled = 0;
  private sampledBeforeHealing = 0;
  private goal = -1;
  private goalDue = Infinity;
  private healedAt = Infinity;
  private finished = false;
  private simultaneous = 0;
  private delivered = 0;
  private sent = 0;
  private malformed = 0;
  private midStep = 0;
  private replaced = 0;
  private readonly fates = { lost: 0, torn: 0, kept: 0 };

  constructor(subject: Subject<T>, seed: number, drawn: Drawn, hooks: SimulationHooks = {}) {
    this.subject = subject;
    this.seed = seed;
    this.drawn = drawn;
    this.hooks = hooks;
    this.codec = this.setting('codec') >= 1;
    this.faultEnd = Math.round(this.setting('hours') * HOUR);
    this.crashChance = this.chance('crashes in the midst of a step');
    this.outsideChance = this.chance('network to the outside');
    const count = this.setting('nodes');
    // The last site is everywhere outside.
    this.network = new Network(
      count + 1,
      {
        latency: this.setting('latency'),
        shape: drawn.shape,
        loss: this.setting('loss') / 100,
        duplicate: this.setting('duplicate') / 100,
        reorder: this.setting('reorder') / 100,
        bandwidth: this.setting('bandwidth'),
      },
      this.chance('network'),
    );
    this.digest.text(JSON.stringify([subject.name, seed, drawn]));
    const clocks = this.chance('clocks');
    const slowness = this.chance('slow nodes');
    this.peers = subject.peers(count);
    const order = this.order(count);
    const kinds = kindsOf(drawn);
    for (let index = 0; index < count; index++) {
      const place = order.indexOf(index) - (count - kinds.length);
      const node = new SimNode<T>(index, this.peers.peerOf(index), kinds[place]);
      node.clock = new NodeClock(
        clocks.between(-1, 1) * this.setting('skew'),
        1 + clocks.between(-1, 1) * this.setting('drift') * 1e-6,
      );
      node.service = slowness.happens(this.setting('slow') / 100) ? this.setting('slow-by') * MS : 0;
      if (node.service > 0) this.slow.add(node);
      this.nodes.push(node);
    }
    const honest = order.map((index) => this.own({ index })).filter((node) => node.honest);
    this.lasting = honest.slice(0, subject.lasting(count));
    this.samples = { seconds: [], progress: this.nodes.map(() => []), tips: [] };
    this.run = subject.begin(this);
    this.faults = new FaultSchedule(this, {
      network: this.network,
      lasting: this.lasting,
      kinds: drawn.partitionKinds ?? PARTITION_KINDS,
    });
    const start = this.chance('start');
    for (const node of this.nodes) {
      this.call(start.between(0, START_SPREAD), () => {
        this.start(node);
      });
    }
    this.faults.begin(this.faultEnd);
    this.call(this.faultEnd, () => {
      this.heal();
    });
    this.sample();
  }

  /** How much of the time with faults is over, from 0 to 1. */
  get progress(): number {
    return Math.min(1, this.queue.time / this.faultEnd);
  }

  setting(name: string): number {
    const value = this.drawn.values[name];
    if (value === undefined) throw new Error(`there is no setting "${name}"`);
    return value;
  }

  peerOf(node: SimulatedNode): T['peer'] {
    return this.own(node).peer;
  }

  now(): number {
    return this.queue.time / MS;
  }

  localNow(node: SimulatedNode): number {
    return this.own(node).clock.wall(this.queue.time);
  }

  chance(label: string): Chance {
    return new Chance(this.seed, label);
  }

  after(delay: number, run: () => void): void {
    this.call(this.queue.time + Math.round(delay * MS), run);
  }

  preload(node: SimulatedNode, writes: readonly StoreWrite[]): void {
    this.own(node).store.write(writes);
  }

  violate(checker: string, node: SimulatedNode | undefined, detail: string): void {
    const goal = this.goal >= 0 && this.run.goals[this.goal]?.checker === checker;
    this.violations.push({
      checker,
      kind: goal ? 'liveness' : 'safety',
      at: this.queue.time / SECOND,
      node: node?.index ?? null,
      detail,
    });
    this.trace(node, 'violated', { checker, detail });
    this.finished = true;
  }

  /**
   * Handles up to so many events.
   *
   * @returns whether the run is over
   */
  advance(most: number): boolean {
    const { queue } = this;
    for (let left = most; left > 0 && !this.finished; left--) {
      const before = queue.time;
      const next = queue.pop();
      if (next === undefined) {
        this.finished = true;
        break;
      }
      if (queue.time > before) this.simultaneous = 0;
      else if (++this.simultaneous > MAX_SIMULTANEOUS) {
        this.violate('time goes on', undefined, `${MAX_SIMULTANEOUS} events at the same moment`);
      }
      this.events++;
      try {
        this.occur(next);
      } catch (error) {
        this.violate(
          NOTHING_THROWS,
          'node' in next ? next.node : undefined,
          `${next.kind}: ${thrownDetail(error)}`,
        );
      }
    }
    return this.finished;
  }

  /** Runs to the end. */
  finish(): RunReport {
    while (!this.advance(100_000));
    return this.report();
  }

  request(node: SimulatedNode, request: T['request']): T['result'] | undefined {
    const own = this.own(node);
    if (!own.up) return undefined;
    this.trace(own, 'request', { request });
    const id = ++own.requests;
    own.asked.set(id, request);
    this.step(own, { type: 'request', now: own.time(this.queue.time), id, request }, CODES.request);
    return own.answerTo(id);
  }

  send(to: SimulatedNode, message: T['message'], from: T['peer']): void {
    const payload = this.codec ? this.subject.codec.encode(message) : message;
    this.transmit(undefined, from, this.peerOf(to), payload, this.counter(message.type), 0);
  }

  /** Tells the trace, if there is one, of something that happened to a node, or to none in particular. */
  trace(
    node: Pick<SimulatedNode, 'index'> | undefined,
    what: string,
    details: Record<string, unknown> = {},
  ): void {
    this.hooks.trace?.({ t: this.queue.time / SECOND, node: node?.index ?? null, what, ...details });
  }

  /** Stops a node at once, as a power cut would; it starts again when the fault schedule says so. */
  crash(node: SimNode<T>): void {
    if (!node.up) return;
    this.digest.pair(CODES.crashed, node.index);
    this.trace(node, 'crashed');
    node.stop();
    this.faults.onCrash(node);
  }

  /** Has a node crash in the midst of the next step in which it does anything, or over its next write. */
  doom(node: SimNode<T>, doom: Doom): void {
    node.doomed = doom;
  }

  /** Starts a node with what its store holds. */
  start(node: SimNode<T>): void {
    if (node.engine !== undefined) return;
    this.trace(node, 'started');
    node.clock.restart();
    const entropy = this.chance(`entropy of node ${node.index} in life ${node.life}`).bytes(16);
    try {
      node.engine = this.run.engine(node, { view: node.store, entropy });
    } catch (error) {
      this.violate('no step throws', node, `starting: ${thrownDetail(error)}`);
      return;
    }
    if (node.kind !== undefined) node.corruption = this.run.corrupt(node.kind, this.body(node));
    this.run.onStart(node);
    this.step(node, { type: 'started', now: node.time(this.queue.time) }, CODES.started);
  }

  /** The machine of a node sleeps until a time in microseconds: nothing reaches it, and its timers wait with it. */
  suspend(node: SimNode<T>, until: number, counted: boolean): void {
    if (!node.up) return;
    const sleep = { from: this.queue.time, until, counted };
    node.sleep = sleep;
    this.trace(node, 'asleep', { until: until / SECOND });
    this.call(until, () => {
      if (node.sleep !== sleep) return;
      node.sleep = undefined;
      if (!counted) node.clock.sleep(until - sleep.from);
      this.trace(node, 'awake');
    });
  }

  /** A node leaves for good, and a new one, with nothing in its store, takes its place. */
  replace(node: SimNode<T>, after: number): void {
    this.replaced++;
    this.trace(node, 'left');
    node.stop();
    node.store.wipe();
    this.peers.replace(node.index);
    node.peer = this.peers.peerOf(node.index);
    this.run.onReplaced(node);
    this.after(after, () => {
      this.start(node);
    });
  }

  /** What is told at the end. */
  report(): RunReport {
    const { run, network } = this;
    if (this.hooks.timeline === true) {
      this.told(() => {
        this.look();
      }, undefined);
    }
    const { figures, distributions } = this.told(() => run.figures(), { figures: [], distributions: [] });
    const described = this.nodes.map((node) => this.told(() => run.describe(node), {}));
    return {
      engine: this.subject.name,
      progressName: this.subject.progressName,
      seed: this.seed,
      settings: this.drawn,
      violations: this.violations,
      verdicts: this.verdicts(),
      events: this.events,
      simulatedSeconds: this.queue.time / SECOND,
      network: {
        sent: this.sent,
        delivered: this.delivered,
        malformed: this.malformed,
        duplicated: network.faults.duplicated,
        reordered: network.faults.reordered,
        heldBack: network.faults.clogged,
        dropped: Object.fromEntries(this.dropped),
        byType: Object.fromEntries(
          [...this.types].map(([type, { sent, delivered }]) => [type, { sent, delivered }]),
        ),
      },
      faults: {
        partitions: Object.values(this.faults.partitions).reduce((sum, count) => sum + count, 0),
        partitionsByKind: this.faults.partitions,
        crashes: this.faults.crashes,
        crashesMidStep: this.midStep,
        lostWrites: this.fates.lost,
        tornWrites: this.fates.torn,
        replaced: this.replaced,
      },
      figures,
      distributions,
      nodes: this.nodes.map((node) => ({
        node: node.index,
        role: node.kind ?? (this.slow.has(node) ? 'slow' : 'honest'),
        sent: node.sent,
        received: node.received,
        crashes: node.crashes,
        ...described[node.index],
      })),
      timeline:
        this.hooks.timeline === true
          ? {
              ...this.samples,
              tipWords: this.subject.tipWords,
              faults: this.spans(),
              furtherFaults: this.faults.furtherSpans,
              healedAt: Math.min(this.healedAt, this.queue.time) / SECOND,
            }
          : null,
      digest: this.digest.hex,
    };
  }

  /** What the subject tells: after an error it may not be able to, and the others of a campaign are not to suffer. */
  private told<R>(tell: () => R, otherwise: R): R {
    try {
      return tell();
    } catch (error) {
      this.violate(NOTHING_THROWS, undefined, `report: ${thrownDetail(error)}`);
      return otherwise;
    }
  }

  private spans(): FaultSpan[] {
    return this.faults.spans.map(({ kind, from, to, nodes }) => ({
      kind,
      from: from / SECOND,
      to: Math.min(to, this.queue.time) / SECOND,
      nodes,
    }));
  }

  private verdicts(): Verdict[] {
    const violated = new Set(this.violations.map(({ checker }) => checker));
    const safety = [...COMMON_CHECKERS, ...this.subject.checkers].map((checker): Verdict => ({
      checker,
      kind: 'safety',
      result: violated.has(checker) ? 'violated' : 'held',
    }));
    const liveness = this.run.goals.map(({ checker }): Verdict => {
      const reached = this.reached.get(checker);
      if (reached !== undefined) return { checker, kind: 'liveness', result: 'held', reached };
      return { checker, kind: 'liveness', result: violated.has(checker) ? 'violated' : 'not reached' };
    });
    return [...safety, ...liveness];
  }

  private call(at: number, run: () => void): void {
    this.queue.push(Math.round(at), { kind: 'call', run });
  }

  /** The nodes in the order in which roles are given out: the first ones last, the last ones are Byzantine. */
  private order(count: number): readonly number[] {
    const order = Array.from({ length: count }, (_, index) => index);
    return this.subject.numbered ? this.chance('who is Byzantine').sample(order, count) : order;
  }

  /** The node behind what a subject was given: always one of ours. */
  private own({ index }: Pick<SimulatedNode, 'index'>): SimNode<T> {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  private occur(next: Occurrence<T>): void {
    switch (next.kind) {
      case 'call':
        next.run();
        break;
      case 'wake':
        if (next.node.life !== next.life) break;
        if (next.node.sleep === undefined) this.wake(next.node);
        else this.queue.push(next.node.sleep.until, next);
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
    this.queue.push(counted ? until : until + this.queue.time - from, next);
  }

  /** A slow node takes one thing after the other. */
  private enqueue(node: SimNode<T>, next: Occurrence<T> & { kind: 'delivery' | 'timer' | 'continue' }): void {
    if (node.busyUntil <= this.queue.time && node.inbox.length === 0) {
      node.busyUntil = this.queue.time + Math.round(node.service);
      this.handle(next);
    } else if (next.kind === 'delivery' && node.inbox.length >= MAX_INBOX) {
      this.drop('inbox full', node, 'from', next.from);
    } else {
      node.inbox.push(next);
      if (node.inbox.length === 1) this.queue.push(node.busyUntil, { kind: 'wake', node, life: node.life });
    }
  }

  private wake(node: SimNode<T>): void {
    const next = node.inbox.shift();
    if (next === undefined) return;
    node.busyUntil = this.queue.time + Math.round(node.service);
    if (node.inbox.length > 0) this.queue.push(node.busyUntil, { kind: 'wake', node, life: node.life });
    this.handle(next);
  }

  private handle(next: Occurrence<T> & { kind: 'delivery' | 'timer' | 'continue' }): void {
    const { node } = next;
    if (next.kind === 'delivery') {
      this.deliver(node, next);
    } else if (next.kind === 'continue') {
      if (next.life !== node.life) return;
      node.continuing = false;
      this.trace(node, 'continue');
      this.step(node, { type: 'continue', now: node.time(this.queue.time) }, CODES.continue);
    } else {
      if (node.timers.get(next.name) !== next) return;
      node.timers.delete(next.name);
      this.trace(node, 'timer', { timer: next.name });
      const now = node.time(this.queue.time, next.localDue);
      this.step(node, { type: 'timer', now, timer: next.name }, CODES.timer);
    }
  }

  private deliver(node: SimNode<T>, { from, payload, sent }: Delivery<T>): void {
    if (!node.up) {
      this.drop('node down', node, 'from', from);
      return;
    }
    let message: T['message'];
    if (payload instanceof Uint8Array) {
      this.digest.sample(payload);
      const decoded = this.subject.codec.decode(payload);
      if (decoded.fault !== undefined) {
        this.malformed++;
        this.trace(node, 'malformed', { from: this.peers.label(from), fault: decoded.fault });
        const now = node.time(this.queue.time);
        this.step(node, { type: 'malformed', now, from, fault: decoded.fault }, CODES.malformed);
        return;
      }
      message = decoded.message;
    } else {
      message = payload;
    }
    this.delivered++;
    node.received++;
    const counter = sent.type === message.type ? sent : this.counter(message.type);
    counter.delivered++;
    if (this.hooks.trace !== undefined)
      this.trace(node, message.type, { from: this.peers.label(from), message });
    if (node.honest) this.run.onMessage(node, message, from);
    else if (node.corruption?.onReceive?.(message, from) === false) return;
    const now = node.time(this.queue.time);
    this.step(node, { type: 'message', now, from, message }, FIRST_MESSAGE_CODE + counter.code);
  }

  /** @param code what stands for the event in the digest */
  private step(node: SimNode<T>, event: EventOf<T>, code: number): void {
    const { engine, life } = node;
    if (engine === undefined) return;
    if (event.now < node.told) this.violate('engine time never goes back', node, `${event.now} ms`);
    node.told = event.now;
    if (event.type !== 'started' && event.type !== 'clock') {
      const { clock } = node;
      const ahead = node.clockWatch.look(clock.steady(this.queue.time), clock.wall(this.queue.time));
      if (ahead !== undefined) this.step(node, { type: 'clock', now: event.now, ahead }, CODES.clock);
      if (this.finished || node.life !== life) return;
    }
    this.digest.pair(code, node.index);
    this.digest.number(this.queue.time);
    let effects: readonly EffectOf<T>[];
    try {
      effects = engine.step(event);
      if (++node.steps % GAUGE_INTERVAL === 0) this.checkGauges(node);
    } catch (error) {
      this.violate('no step throws', node, `${event.type}: ${thrownDetail(error)}`);
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
      if (this.finished || node.life !== life) return;
    }
  }

  private checkGauges(node: SimNode<T>): void {
    node.engine?.measure((name, size, limit) => {
      // One that is counted wrongly may be below nothing.
      if (!(size >= 0 && size <= limit))
        this.violate('every table within its bound', node, `${name}: ${size} of ${limit}`);
    });
  }

  private carryOut(node: SimNode<T>, effect: EffectOf<T>): void {
    switch (effect.type) {
      case 'send':
        if (node.honest) this.run.onSend(node, effect.message, [effect.to]);
        this.sendTo([effect.to], node, effect.message);
        break;
      case 'broadcast':
        if (node.honest) this.run.onSend(node, effect.message, effect.to);
        this.sendTo(effect.to, node, effect.message);
        break;
      case 'disconnect':
        this.disconnect(node, effect.peer);
        break;
      case 'timer':
        this.setTimer(node, effect.timer, effect.after);
        break;
      case 'cancel':
        node.timers.delete(effect.timer);
        break;
      case 'store':
        node.store.write(effect.writes);
        this.digest.number(effect.writes.length);
        for (const write of effect.writes) {
          this.digest.text(write.key);
          if (write.type === 'put') this.digest.text(write.value);
          else this.digest.number(-1);
        }
        this.trace(node, 'stored', { keys: effect.writes.length });
        if (node.honest) this.run.onStore(node, effect.writes);
        break;
      case 'reply':
        this.reply(node, effect.id, effect.result);
        break;
      case 'notify':
        this.trace(node, 'notice', { notice: effect.notice });
        this.run.onNotice(node, effect.notice);
        break;
      case 'continue':
        if (node.continuing) break;
        node.continuing = true;
        this.queue.push(this.queue.time + CONTINUE_DELAY, { kind: 'continue', node, life: node.life });
        break;
    }
  }

  private reply(node: SimNode<T>, id: number, result: T['result']): void {
    if (!node.asked.has(id)) return;
    const request = node.asked.get(id);
    node.asked.delete(id);
    node.onAnswer(id, result);
    if (node.honest) this.run.onReply(node, request, result);
  }

  /** The effect over which a crash that is due comes; undefined if it is not to come in this step. */
  private crashPlace(doom: Doom, effects: readonly EffectOf<T>[]): number | undefined {
    if (doom === 'step') return this.crashChance.below(effects.length);
    const stores = effects.flatMap(({ type }, place) => (type === 'store' ? [place] : []));
    return stores.length === 0 ? undefined : this.crashChance.pick(stores);
  }

  /** A node crashes while it carries out an effect: a write may be done, torn or lost, a broadcast be half out. */
  private crashOver(node: SimNode<T>, effect: EffectOf<T>): void {
    const chance = this.crashChance;
    if (effect.type === 'store') {
      const fate = node.store.crashDuring(effect.writes, chance);
      this.fates[fate]++;
      this.digest.text(fate);
      this.trace(node, `write ${fate}`, { keys: effect.writes.length });
    } else if (effect.type === 'broadcast') {
      this.sendTo(effect.to.slice(0, chance.below(effect.to.length + 1)), node, effect.message);
    }
    this.crash(node);
  }

  private setTimer(node: SimNode<T>, name: string, after: number): void {
    const wait = Math.max(0, after);
    const at = this.queue.time + Math.round((wait * MS) / node.clock.rate);
    const timer = { kind: 'timer', node, name, localDue: node.told + wait } as const;
    node.timers.set(name, timer);
    this.queue.push(at, timer);
  }

  /** Sends what an engine wants sent, through the hands of a Byzantine node where it is one. */
  private sendTo(to: readonly T['peer'][], node: SimNode<T>, message: T['message']): void {
    const { corruption } = node;
    if (corruption?.onSend !== undefined) {
      for (const peer of to) corruption.onSend(peer, message);
      return;
    }
    const payload = this.codec ? this.subject.codec.encode(message) : message;
    const counter = this.counter(message.type);
    for (const peer of to) this.transmit(node, node.peer, peer, payload, counter, 0);
  }

  /** @param node who sends, undefined for somebody outside */
  private transmit(
    node: SimNode<T> | undefined,
    from: T['peer'],
    to: T['peer'],
    payload: Payload<T>,
    counter: TypeCounter,
    delay: number,
  ): void {
    const { network, queue } = this;
    const { type } = counter;
    this.sent++;
    if (node !== undefined) node.sent++;
    counter.sent++;
    const target = this.find(to);
    if (target === undefined) {
      this.drop('nobody there', node, 'to', to, type);
      return;
    }
    const size = network.settings.bandwidth > 0 || payload instanceof Uint8Array ? this.sizeOf(payload) : 0;
    if (size > this.subject.maxMessage) {
      this.drop('oversize', node, 'to', to, type);
      return;
    }
    const start = queue.time + delay;
    const reason =
      node === undefined
        ? network.send(this.nodes.length, target.index, size, start, this.outsideChance)
        : network.send(node.index, target.index, size, start);
    if (reason !== undefined) {
      this.drop(reason, node, 'to', to, type);
      return;
    }
    if (this.hooks.trace !== undefined) {
      this.trace(node, 'sent', {
        to: this.peers.label(to),
        ...(from !== node?.peer && { as: this.peers.label(from) }),
        type,
        arrives: network.arrivals.map((at) => at / SECOND),
      });
    }
    for (const at of network.arrivals)
      queue.push(at, { kind: 'delivery', node: target, from, payload, sent: counter });
  }

  /** In bytes. What goes to several nodes, one after the other, is measured once. */
  private sizeOf(payload: Payload<T>): number {
    if (payload instanceof Uint8Array) return payload.length;
    if (payload !== this.measured.payload) {
      this.measured = { payload, size: this.subject.codec.encode(payload).length };
    }
    return this.measured.size;
  }

  private find(peer: T['peer']): SimNode<T> | undefined {
    const index = this.peers.find(peer);
    return index === undefined ? undefined : this.nodes[index];
  }

  /** For a moment two nodes do not hear each other; what is on its way arrives. */
  private disconnect(node: SimNode<T>, peer: T['peer']): void {
    const other = this.peers.find(peer);
    if (other === undefined) return;
    const [low, high] = [Math.min(node.index, other), Math.max(node.index, other)];
    const pair = low * this.nodes.length + high;
    if (this.disconnected.has(pair)) return;
    this.digest.pair(CODES.disconnected, node.index);
    const ways = [
      [low, high],
      [high, low],
    ] as const;
    this.disconnected.add(pair);
    this.trace(node, 'disconnected', { from: this.peers.label(peer) });
    this.network.wall(ways, true);
    this.call(this.queue.time + RECONNECT_DELAY, () => {
      this.disconnected.delete(pair);
      this.network.wall(ways, false);
    });
  }

  private counter(type: string): TypeCounter {
    let counter = this.types.get(type);
    if (counter === undefined) {
      this.types.set(type, (counter = { type, code: this.types.size, sent: 0, delivered: 0 }));
    }
    return counter;
  }

  /** A datagram to, or from, a peer is lost on its way out of, or into, a node; undefined stands for the outside. */
  private drop(
    reason: DropReason,
    node: SimNode<T> | undefined,
    way: 'to' | 'from',
    peer: T['peer'],
    type?: string,
  ): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
    if (this.hooks.trace === undefined) return;
    this.trace(node, 'dropped', { reason, [way]: this.peers.label(peer), type });
  }

  private body(node: SimNode<T>): Body<T> {
    const { life } = node;
    const chance = this.chance(`Byzantine node ${node.index} in life ${life}`);
    const after = (delay: number, run: () => void): void => {
      this.after(delay, () => {
        if (node.life === life && !this.finished) run();
      });
    };
    return {
      node,
      self: node.peer,
      chance,
      others: () => this.nodes.filter((other) => other !== node).map(({ peer }) => peer),
      now: () => this.now(),
      send: (to, payload, { from = node.peer, after: delay = 0 } = {}) => {
        const bytes = payload instanceof Uint8Array;
        const encoded = bytes || !this.codec ? payload : this.subject.codec.encode(payload);
        const sender = this.peers.sender(node.index, from);
        const counter = this.counter(bytes ? 'bytes' : payload.type);
        this.transmit(node, sender, to, encoded, counter, Math.round(delay * MS));
      },
      claim: (peer) => {
        this.peers.claim(node.index, peer);
      },
      after,
      every: (mean, run) => {
        const again = (): void => {
          after(chance.exponential(mean), () => {
            run();
            again();
          });
        };
        again();
      },
      request: (request) => this.request(node, request),
    };
  }

  /** Faults stop, whoever is down starts again, and the first goal is set. */
  private heal(): void {
    this.healedAt = this.queue.time;
    this.trace(undefined, 'healed');
    this.sampledBeforeHealing = this.sampled;
    this.sample();
    this.network.settings = healed(this.network.settings);
    this.faults.end();
    for (const node of this.nodes) {
      node.doomed = undefined;
      this.start(node);
    }
    this.run.onHealed();
    this.nextGoal();
  }

  private nextGoal(): void {
    const goal = this.run.goals[++this.goal];
    if (goal === undefined) {
      this.finished = true;
      return;
    }
    this.goalDue = this.queue.time + goal.limit * MS;
    goal.begin?.();
    this.lookAtGoal(goal);
  }

  private lookAtGoal(goal: LivenessGoal): void {
    const missing = goal.missing();
    if (missing === undefined) {
      this.trace(undefined, 'goal reached', { checker: goal.checker });
      this.reached.set(goal.checker, (this.queue.time - this.healedAt) / SECOND);
      this.nextGoal();
    } else if (this.queue.time >= this.goalDue) {
      this.violate(goal.checker, undefined, missing);
    } else {
      this.call(this.queue.time + GOAL_INTERVAL, () => {
        this.lookAtGoal(goal);
      });
    }
  }

  /** Looks at all nodes, now and again and again, where a timeline is kept. */
  private sample(): void {
    if (this.hooks.timeline !== true) return;
    this.look();
    const turn = ++this.sampled;
    this.call(this.queue.time + this.sampleInterval(), () => {
      // To look is nothing that happens.
      this.events--;
      // Healing brings a sample before this one was due, which has the next one follow earlier.
      if (turn === this.sampled) this.sample();
    });
  }

  private sampleInterval(): number {
    const interval = this.faultEnd / SAMPLES;
    if (this.healedAt === Infinity) return Math.max(LEAST_SAMPLE_INTERVAL, interval);
    // A goal may be waited for much longer than there were faults: the longer it takes, the rarer they are.
    const doublings = Math.floor((this.sampled - this.sampledBeforeHealing) / SAMPLES);
    return Math.max(LEAST_SAMPLE_INTERVAL, interval / HEALING_SAMPLES) * 2 ** doublings;
  }

  private look(): void {
    const { seconds, progress, tips } = this.samples;
    const now = this.queue.time / SECOND;
    const values = this.nodes.map((node) => this.run.progress(node));
    const most = this.run.mostTips();
    // What is looked at twice at a time, as when the run ends with a sample, is one sample.
    const place = seconds.at(-1) === now ? seconds.length - 1 : seconds.length;
    seconds[place] = now;
    for (const [index, value] of values.entries()) {
      const line = progress[index];
      if (line !== undefined) line[place] = value;
    }
    tips[place] = Math.max(tips[place] ?? 0, most);
  }
}
