/**
 * A whole network of engines in one process, on one virtual clock, with every fault there is. Nothing in it reads a
 * clock or draws randomness but from the seed, so a run replays exactly.
 *
 * First comes a phase with faults, in which what must never happen is watched for; then everything heals and what must
 * happen in the end is waited for. Time is counted in whole microseconds.
 */
import type { StoreWrite } from '../core/store.ts';
import { bodyOf } from './body.ts';
import { Chance } from './chance.ts';
import { Course } from './course.ts';
import { Dispatcher } from './dispatcher.ts';
import { FaultSchedule, PARTITION_KINDS } from './faults.ts';
import { Goals } from './goals.ts';
import { HOST_CHECKERS, Hosts } from './hosts.ts';
import { healed, Network } from './network.ts';
import { NodeClock, SimNode, type Doom } from './node.ts';
import { reportOf, TIME_GOES_ON } from './outcome.ts';
import type { PeerTable } from './peers.ts';
import { NOTHING_THROWS, thrownDetail, type RunReport } from './report.ts';
import { Sampler } from './sampler.ts';
import { kindsOf, type Drawn } from './settings.ts';
import type { EngineTypes } from '../core/engine.ts';
import type { SimulatedNode, Subject, SubjectRun, World } from './subject.ts';
import type { TraceWriter } from './trace.ts';
import { Traffic } from './traffic.ts';
import { HOUR, MS, SECOND } from './units.ts';

/** Time in which all nodes start. */
const START_SPREAD = 5_000 * MS;
/** Events at one and the same microsecond after which a run is called stuck. */
const MAX_SIMULTANEOUS = 2_000_000;

/** What a run can report while it runs. */
export interface SimulationHooks {
  /** Notified of every event. */
  readonly trace?: TraceWriter;
  /** Whether a timeline is to be recorded for the report. */
  readonly timeline?: boolean;
}

export class Simulation<T extends EngineTypes> implements World<T> {
  readonly seed: number;
  readonly nodes: readonly SimNode<T>[];
  readonly lasting: readonly SimNode<T>[];
  private readonly subject: Subject<T>;
  private readonly drawn: Drawn;
  private readonly course: Course<T>;
  private readonly network: Network;
  private readonly peers: PeerTable<T['peer']>;
  private readonly traffic: Traffic<T>;
  private readonly run: SubjectRun<T>;
  private readonly hosts: Hosts<T>;
  private readonly dispatcher: Dispatcher<T>;
  private readonly faults: FaultSchedule<T>;
  private readonly goals: Goals<T>;
  private readonly sampler: Sampler<T> | undefined;
  /** Nodes that were slow until everything healed. */
  private readonly slow: ReadonlySet<SimNode<T>>;
  private readonly faultEnd: number;
  private healedAt = Infinity;
  private simultaneous = 0;
  private replaced = 0;

  constructor(subject: Subject<T>, seed: number, drawn: Drawn, hooks: SimulationHooks = {}) {
    this.subject = subject;
    this.seed = seed;
    this.drawn = drawn;
    this.faultEnd = Math.round(this.setting('hours') * HOUR);
    const count = this.setting('nodes');
    const course = new Course<T>(hooks.trace);
    this.course = course;
    course.digest.text(JSON.stringify([subject.name, seed, drawn]));
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
    this.peers = subject.peers(count);
    const order = this.order(count);
    this.nodes = this.populate(count, order);
    this.slow = new Set(this.nodes.filter(({ service }) => service > 0));
    const honest = order.map((index) => this.own({ index })).filter((node) => node.honest);
    this.lasting = honest.slice(0, subject.lasting(count));
    const { nodes, network, peers } = this;
    const traffic = new Traffic(course, {
      nodes,
      network,
      peers,
      subject,
      encoded: this.setting('codec') >= 1,
      outsideChance: this.chance('network to the outside'),
    });
    this.traffic = traffic;
    const run = subject.begin(this);
    this.run = run;
    this.hosts = new Hosts(course, {
      traffic,
      connected: subject.numbered,
      run,
      crashChance: this.chance('crashes in the midst of a step'),
      onCrash: (node) => {
        this.faults.onCrash(node);
      },
    });
    this.dispatcher = new Dispatcher(course, { traffic, run });
    this.goals = new Goals(course, run.goals);
    this.sampler =
      hooks.timeline === true ? new Sampler(course, { nodes, run, faultEnd: this.faultEnd }) : undefined;
    this.faults = new FaultSchedule(this, {
      network,
      lasting: this.lasting,
      kinds: drawn.partitionKinds ?? PARTITION_KINDS,
    });
    this.begin();
  }

  /** Events handled so far. */
  get events(): number {
    return this.course.events;
  }

  /** How much of the time with faults is over, from 0 to 1. */
  get progress(): number {
    return Math.min(1, this.course.now / this.faultEnd);
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
    return this.course.now / MS;
  }

  localNow(node: SimulatedNode): number {
    return this.own(node).clock.wall(this.course.now);
  }

  chance(label: string): Chance {
    return new Chance(this.seed, label);
  }

  after(delay: number, run: () => void): void {
    this.course.after(delay, run);
  }

  preload(node: SimulatedNode, writes: readonly StoreWrite[]): void {
    this.own(node).store.write(writes);
  }

  violate(checker: string, node: SimulatedNode | undefined, detail: string): void {
    this.course.violate(checker, node, detail);
  }

  request(node: SimulatedNode, request: T['request']): T['result'] | undefined {
    return this.hosts.request(this.own(node), request);
  }

  ask(node: SimulatedNode, request: T['request'], onResult: (result: T['result']) => void): void {
    this.hosts.ask(this.own(node), request, onResult);
  }

  send(to: SimulatedNode, message: T['message'], from: T['peer']): void {
    const { traffic } = this;
    const payload = traffic.encode(message);
    traffic.transmit(undefined, from, this.peerOf(to), payload, traffic.counter(message.type), 0);
  }

  trace(
    node: Pick<SimulatedNode, 'index'> | undefined,
    what: string,
    details: Record<string, unknown> = {},
  ): void {
    this.course.trace(node, what, details);
  }

  /**
   * Handles up to so many events.
   *
   * @returns whether the run is over
   */
  advance(most: number): boolean {
    const { course, dispatcher } = this;
    const { queue } = course;
    for (let left = most; left > 0 && !course.over; left--) {
      const before = queue.time;
      const next = queue.pop();
      if (next === undefined) {
        course.over = true;
        break;
      }
      if (queue.time > before) this.simultaneous = 0;
      else if (++this.simultaneous > MAX_SIMULTANEOUS) {
        course.violate(TIME_GOES_ON, undefined, `${MAX_SIMULTANEOUS} events at the same moment`);
      }
      course.events++;
      try {
        dispatcher.dispatch(next);
      } catch (error) {
        course.violate(
          NOTHING_THROWS,
          'node' in next ? next.node : undefined,
          `${next.kind}: ${thrownDetail(error)}`,
        );
      }
    }
    return course.over;
  }

  /** Runs to the end. */
  finish(): RunReport {
    while (!this.advance(100_000));
    return this.report();
  }

  /** What is reported at the end. */
  report(): RunReport {
    const { course, drawn, faults, goals, healedAt, hosts, network, nodes } = this;
    const { replaced, run, sampler, seed, slow, subject, traffic } = this;
    return reportOf({
      ...{ course, drawn, faults, goals, healedAt, hosts, network, nodes },
      ...{ replaced, run, sampler, seed, slow, subject, traffic },
    });
  }

  /** Stops a node at once, as a power cut would; it starts again when the fault schedule says so. */
  crash(node: SimNode<T>): void {
    this.hosts.crash(node);
  }

  /** Has a node crash in the midst of the next step in which it does anything, or over its next write. */
  doom(node: SimNode<T>, doom: Doom): void {
    node.doomed = doom;
  }

  /** Starts a node with what its store holds. */
  start(node: SimNode<T>): void {
    const { course, hosts, nodes, peers, run, traffic } = this;
    if (node.engine !== undefined) return;
    course.trace(node, 'started');
    node.clock.restart();
    const entropy = this.chance(`entropy of node ${node.index} in life ${node.life}`).bytes(16);
    try {
      hosts.open(node, run.engine(node, { view: node.store, entropy }));
    } catch (error) {
      course.violate(HOST_CHECKERS.throws, node, `starting: ${thrownDetail(error)}`);
      return;
    }
    if (node.kind !== undefined) {
      const chance = this.chance(`Byzantine node ${node.index} in life ${node.life}`);
      const body = bodyOf(node, chance, { course, nodes, peers, traffic, hosts });
      node.corruption = run.corrupt(node.kind, body);
    }
    run.onStart(node);
    node.host?.start();
  }

  /** The machine of a node sleeps until a time in microseconds: nothing reaches it, and its timers wait with it. */
  suspend(node: SimNode<T>, until: number, counted: boolean): void {
    if (!node.up) return;
    const sleep = { from: this.course.now, until, counted };
    node.sleep = sleep;
    this.trace(node, 'asleep', { until: until / SECOND });
    this.course.call(until, () => {
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
    node.store.clear();
    this.peers.replace(node.index);
    node.peer = this.peers.peerOf(node.index);
    this.run.onReplaced(node);
    this.after(after, () => {
      this.start(node);
    });
  }

  /** The nodes in the order in which roles are given out: the first ones last, the last ones are Byzantine. */
  private order(count: number): readonly number[] {
    const order = Array.from({ length: count }, (_, index) => index);
    return this.subject.numbered ? this.chance('who is Byzantine').sample(order, count) : order;
  }

  private populate(count: number, order: readonly number[]): SimNode<T>[] {
    const clocks = this.chance('clocks');
    const slowness = this.chance('slow nodes');
    const kinds = kindsOf(this.drawn);
    return Array.from({ length: count }, (_, index) => {
      const place = order.indexOf(index) - (count - kinds.length);
      const node = new SimNode<T>(index, this.peers.peerOf(index), kinds[place]);
      node.clock = new NodeClock(
        clocks.between(-1, 1) * this.setting('skew'),
        1 + clocks.between(-1, 1) * this.setting('drift') * 1e-6,
      );
      node.service = slowness.happens(this.setting('slow') / 100) ? this.setting('slow-by') * MS : 0;
      return node;
    });
  }

  private begin(): void {
    const { course } = this;
    const start = this.chance('start');
    for (const node of this.nodes) {
      course.call(start.between(0, START_SPREAD), () => {
        this.start(node);
      });
    }
    this.faults.begin(this.faultEnd);
    course.call(this.faultEnd, () => {
      this.heal();
    });
    this.sampler?.begin();
  }

  /** The node behind what a subject was given: always one of ours. */
  private own({ index }: Pick<SimulatedNode, 'index'>): SimNode<T> {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  /** Faults stop, whoever is down starts again, and the first goal is set. */
  private heal(): void {
    this.healedAt = this.course.now;
    this.trace(undefined, 'healed');
    this.sampler?.onHealed();
    this.network.settings = healed(this.network.settings);
    this.faults.end();
    for (const node of this.nodes) {
      node.doomed = undefined;
      this.start(node);
    }
    this.run.onHealed();
    this.goals.begin();
  }
}
