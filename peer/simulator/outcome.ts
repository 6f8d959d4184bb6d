/** How a run ended: its parts, put together to a report. */
import type { Course } from './course.ts';
import type { FaultSchedule } from './faults.ts';
import type { Goals } from './goals.ts';
import { HOST_CHECKERS, type Hosts } from './hosts.ts';
import type { Network } from './network.ts';
import type { SimNode } from './node.ts';
import {
  NOTHING_THROWS,
  thrownDetail,
  type FaultSpan,
  type RunReport,
  type Timeline,
  type Verdict,
} from './report.ts';
import type { Sampler } from './sampler.ts';
import type { Drawn } from './settings.ts';
import type { EngineTypes } from '../core/engine.ts';
import type { Subject, SubjectRun } from './subject.ts';
import type { Traffic } from './traffic.ts';
import { SECOND } from './units.ts';

/** The checker that no run stays at the same moment for ever. */
export const TIME_GOES_ON = 'time goes on';

/** The checkers that every engine is under. */
const COMMON_CHECKERS = [
  HOST_CHECKERS.throws,
  NOTHING_THROWS,
  HOST_CHECKERS.time,
  HOST_CHECKERS.bounds,
  TIME_GOES_ON,
] as const;

/** What a report is made of. */
export interface Outcome<T extends EngineTypes> {
  readonly subject: Pick<Subject<T>, 'checkers' | 'name' | 'progressName' | 'tipWords'>;
  readonly seed: number;
  readonly drawn: Drawn;
  readonly course: Pick<Course<T>, 'digest' | 'events' | 'now' | 'violate' | 'violations'>;
  readonly run: Pick<SubjectRun<T>, 'describe' | 'figures' | 'goals'>;
  readonly nodes: readonly SimNode<T>[];
  /** Nodes that were slow until everything healed. */
  readonly slow: ReadonlySet<SimNode<T>>;
  readonly network: Pick<Network, 'faults'>;
  readonly traffic: Pick<Traffic<T>, 'delivered' | 'dropped' | 'malformed' | 'sent' | 'types'>;
  readonly hosts: Pick<Hosts<T>, 'fates' | 'midStep'>;
  readonly faults: Pick<FaultSchedule<T>, 'crashes' | 'furtherSpans' | 'partitions' | 'spans'>;
  /** How many nodes left for good. */
  readonly replaced: number;
  readonly goals: Pick<Goals<T>, 'reached'>;
  /** Undefined if no timeline was recorded. */
  readonly sampler: Pick<Sampler<T>, 'look' | 'samples'> | undefined;
  /** When everything healed, in microseconds; Infinity if it has not. */
  readonly healedAt: number;
}

/** What is reported at the end. */
export function reportOf<T extends EngineTypes>(outcome: Outcome<T>): RunReport {
  const { course, faults, hosts, network, run, sampler, subject, traffic } = outcome;
  /** What the subject reports: after an error it may not be able to, and the others of a campaign are not to suffer. */
  const reported = <R>(report: () => R, otherwise: R): R => {
    try {
      return report();
    } catch (error) {
      course.violate(NOTHING_THROWS, undefined, `report: ${thrownDetail(error)}`);
      return otherwise;
    }
  };
  reported(() => {
    sampler?.look();
  }, undefined);
  const { figures, distributions } = reported(() => run.figures(), { figures: [], distributions: [] });
  const described = outcome.nodes.map((node) => reported(() => run.describe(node), {}));
  return {
    engine: subject.name,
    progressName: subject.progressName,
    seed: outcome.seed,
    settings: outcome.drawn,
    violations: course.violations,
    verdicts: verdictsOf(outcome),
    events: course.events,
    simulatedSeconds: course.now / SECOND,
    network: {
      sent: traffic.sent,
      delivered: traffic.delivered,
      malformed: traffic.malformed,
      duplicated: network.faults.duplicated,
      reordered: network.faults.reordered,
      heldBack: network.faults.clogged,
      dropped: Object.fromEntries(traffic.dropped),
      byType: Object.fromEntries(
        [...traffic.types].map(([type, { sent, delivered }]) => [type, { sent, delivered }]),
      ),
    },
    faults: {
      partitions: Object.values(faults.partitions).reduce((sum, count) => sum + count, 0),
      partitionsByKind: faults.partitions,
      crashes: faults.crashes,
      crashesMidStep: hosts.midStep,
      lostWrites: hosts.fates.lost,
      tornWrites: hosts.fates.torn,
      replaced: outcome.replaced,
    },
    figures,
    distributions,
    nodes: outcome.nodes.map((node) => ({
      node: node.index,
      role: node.kind ?? (outcome.slow.has(node) ? 'slow' : 'honest'),
      sent: node.sent,
      received: node.received,
      crashes: node.crashes,
      ...described[node.index],
    })),
    timeline: timelineOf(outcome),
    digest: course.digest.hex,
  };
}

function verdictsOf<T extends EngineTypes>({ course, goals, run, subject }: Outcome<T>): Verdict[] {
  const violated = new Set(course.violations.map(({ checker }) => checker));
  const safety = [...COMMON_CHECKERS, ...subject.checkers].map((checker): Verdict => ({
    checker,
    kind: 'safety',
    result: violated.has(checker) ? 'violated' : 'held',
  }));
  const liveness = run.goals.map(({ checker }): Verdict => {
    const reached = goals.reached.get(checker);
    if (reached !== undefined) return { checker, kind: 'liveness', result: 'held', reached };
    return { checker, kind: 'liveness', result: violated.has(checker) ? 'violated' : 'not reached' };
  });
  return [...safety, ...liveness];
}

function timelineOf<T extends EngineTypes>({
  course,
  faults,
  healedAt,
  sampler,
  subject,
}: Outcome<T>): Timeline | null {
  if (sampler === undefined) return null;
  return {
    ...sampler.samples,
    tipWords: subject.tipWords,
    faults: faults.spans.map(({ kind, from, to, nodes }): FaultSpan => ({
      kind,
      from: from / SECOND,
      to: Math.min(to, course.now) / SECOND,
      nodes,
    })),
    furtherFaults: faults.furtherSpans,
    healedAt: Math.min(healedAt, course.now) / SECOND,
  };
}
