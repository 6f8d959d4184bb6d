/** A checker that can't fail says nothing: engines with faults planted in them, each of which must be found: PBFT. */
import { describe, expect, it } from 'vitest';

import { ROUND_TIMER } from '../../../../peer/engines/pbft/protocol/catch-up.ts';
import type { PbftNotice } from '../../../../peer/engines/pbft/protocol/interface.ts';
import type {
  MessageOf,
  PbftMessage,
  PreparedProof,
} from '../../../../peer/engines/pbft/protocol/messages.ts';
import { Signing } from '../../../../peer/engines/pbft/protocol/signing.ts';
import { stubKeys } from '../../../../peer/engines/pbft/simulation/keys.ts';
import { pbftSubject } from '../../../../peer/engines/pbft/simulation/subject.ts';
import type { PbftTypes } from '../../../../peer/engines/pbft/protocol/types.ts';
import { CHECKERS } from '../../../../peer/engines/pbft/simulation/watch.ts';
import {
  faulty,
  simulation,
  violations,
  wrapped,
  type EffectOf,
  type Fault,
} from '../../../simulator/plant.ts';

type PbftFault = Fault<PbftTypes>;
type PbftEffect = EffectOf<PbftTypes>;

const SETTINGS = { nodes: 4, hours: 0.05, 'view-change-timeout': 5, 'checkpoint-interval': 10 };
/** A seed in which the one Byzantine node of four is number 0, and so the first primary. */
const RELAY_FIRST = 3;
/** One in which a mixer is heard before the true votes are. */
const MIXER_SEED = 3;
/** What all that is signed in a simulation begins with. */
const CLUSTER = 'simulated';
const DIGEST = 'd'.repeat(64);

/** The one checker that a fault must set off. */
function found(fault: PbftFault, settings: Readonly<Record<string, number>> = {}): string | undefined {
  const [first, ...more] = violations(faulty(pbftSubject, fault), { ...SETTINGS, ...settings });
  // Of a batch each request may be one.
  expect(more.filter(({ checker }) => checker !== first?.checker)).toEqual([]);
  return first?.checker;
}

const asIs: PbftFault = (effects) => effects;

/** Has a node, or all of them, tell something else than the engine does; undefined stands for nothing. */
function telling(change: (notice: PbftNotice) => PbftNotice | undefined, node?: number): PbftFault {
  return (effects, _, { index }) =>
    effects.flatMap((effect): PbftEffect[] => {
      if (effect.type !== 'notify' || (node ?? index) !== index) return [effect];
      const notice = change(effect.notice);
      return notice === undefined ? [] : [{ type: 'notify', notice }];
    });
}

/** Has users answered otherwise, or not at all. */
function answering(change: (result: string) => string | undefined, node: number): PbftFault {
  return (effects, _, { index }) =>
    effects.flatMap((effect): PbftEffect[] => {
      if (effect.type !== 'reply' || effect.result.status !== 'answered' || node !== index) return [effect];
      const result = change(effect.result.result);
      return result === undefined ? [] : [{ ...effect, result: { ...effect.result, result } }];
    });
}

/** The same, of batches that are executed. */
function executing(
  change: (notice: Extract<PbftNotice, { kind: 'executed' }>) => PbftNotice | undefined,
  node?: number,
): PbftFault {
  return telling((notice) => (notice.kind === 'executed' ? change(notice) : notice), node);
}

/** Has a node send something else, or more, than its engine does. */
function sending(change: (message: PbftMessage) => readonly PbftMessage[], node?: number): PbftFault {
  return (effects, _, { index }) =>
    effects.flatMap((effect): readonly PbftEffect[] =>
      (effect.type === 'send' || effect.type === 'broadcast') && (node ?? index) === index
        ? change(effect.message).map((message) => ({ ...effect, message }))
        : [effect],
    );
}

/** Has a node say nothing from some time on, so that it is given up as primary; time is in steps of its own. */
function silentAfter(steps: number, node = 0): PbftFault {
  let count = 0;
  return (effects, _, { index }) =>
    index === node && ++count > steps
      ? effects.filter(({ type }) => type !== 'send' && type !== 'broadcast')
      : effects;
}

function both(one: PbftFault, other: PbftFault): PbftFault {
  return (effects, event, node) => other(one(effects, event, node), event, node);
}

const isCommit = (message: PbftMessage): message is MessageOf<'COMMIT'> => message.type === 'COMMIT';

describe('a planted fault is found', () => {
  it('finds none where none is planted', () => {
    expect(violations(faulty(pbftSubject, asIs), SETTINGS)).toEqual([]);
    const faults = { crashes: 100, down: 10, partitions: 30, loss: 10, kv: 0 };
    expect(violations(faulty(pbftSubject, asIs), { ...SETTINGS, ...faults })).toEqual([]);
  });

  it('when a node decides something else', () => {
    const fault = executing((notice) => ({ ...notice, digest: DIGEST }), 2);
    expect(found(fault)).toBe(CHECKERS.agreement);
  });

  it('when a node executes something else, or with another result', () => {
    const nothing = executing((notice) => ({ ...notice, requests: [] }), 2);
    expect(found(nothing)).toBe(CHECKERS.agreement);
    const other = executing(
      ({ requests, ...notice }) => ({
        ...notice,
        requests: requests.map((request) => ({ ...request, result: '0' })),
      }),
      // The first to tell would be believed.
      2,
    );
    expect([CHECKERS.agreement, CHECKERS.answers]).toContain(found(other));
  });

  it('when a request is executed twice', () => {
    let first: Extract<PbftNotice, { kind: 'executed' }> | undefined;
    const fault = executing((notice) => {
      if (notice.sequence === 1) first ??= notice;
      return notice.sequence === 5 ? { ...notice, requests: first?.requests ?? [] } : notice;
    });
    expect(found(fault)).toBe(CHECKERS.once);
  });

  it('when something is executed that nobody has asked for', () => {
    const request = { client: 1, timestamp: 1, operation: 'x', result: 'y' };
    const fault = executing((notice) => ({ ...notice, requests: [request] }));
    expect(found(fault)).toBe(CHECKERS.valid);
  });

  it('when an answer is not the result', () => {
    const fault = answering(() => '0', 1);
    expect(found(fault)).toBe(CHECKERS.answers);
  });

  it('when an answer is told of what is never executed', () => {
    const fault: PbftFault = (effects, event) => {
      if (event.type !== 'request') return effects;
      const result = { status: 'answered', timestamp: 5, result: 'y', waited: 1 } as const;
      return [...effects, { type: 'reply', id: event.id, result }];
    };
    expect(found(fault)).toBe(CHECKERS.answers);
  });

  it('when a reply is not the result', () => {
    const fault = sending(
      (message) =>
        message.type === 'REPLY'
          ? [
              {
                ...message,
                reply: { ...message.reply, results: message.reply.results.map(([at]) => [at, '0']) },
              },
            ]
          : [message],
      3,
    );
    expect(found(fault)).toBe(CHECKERS.answers);
  });

  it('when the application answers wrongly everywhere', () => {
    // Whatever is put is lost.
    const fault: PbftFault = (effects) =>
      JSON.parse(
        JSON.stringify(effects).replaceAll(String.raw`\"stored\":true`, String.raw`\"stored\":1`),
      ) as PbftEffect[];
    expect(found(fault)).toBe(CHECKERS.linearizable);
  });

  it('when a node has another state', () => {
    const fault = telling(
      (notice) => (notice.kind === 'checkpoint' ? { ...notice, digest: DIGEST } : notice),
      2,
    );
    expect(found(fault)).toBe(CHECKERS.states);
  });

  it('when a node leaves out a sequence number', () => {
    const fault = executing((notice) => (notice.sequence === 3 ? undefined : notice), 2);
    expect(found(fault)).toBe(CHECKERS.gaps);
  });

  it('when a node votes for two things', () => {
    const fault = sending(
      (message) =>
        isCommit(message) ? [message, { ...message, vote: { ...message.vote, digest: DIGEST } }] : [message],
      2,
    );
    expect(found(fault)).toBe(CHECKERS.contradiction);
  });

  it('when a node votes in a view that it has given up', () => {
    let old: PbftMessage | undefined;
    const fault = sending((message) => {
      if (isCommit(message)) old ??= message;
      return message.type === 'VIEW_CHANGE' && old !== undefined ? [message, old] : [message];
    }, 2);
    // A checkpoint would end what was voted for before it.
    expect(found(both(fault, silentAfter(40)), { 'checkpoint-interval': 900 })).toBe(CHECKERS.back);
  });

  it('when a view change leaves out what was prepared', () => {
    const fault = sending(
      (message) =>
        message.type === 'VIEW_CHANGE'
          ? [{ ...message, change: { ...message.change, prepared: [] } }]
          : [message],
      2,
    );
    expect(found(both(fault, silentAfter(40)), { 'checkpoint-interval': 900 })).toBe(CHECKERS.prepared);
  });

  it('when a node says two things of the state, of the view that it wants, or where it is', () => {
    const other = 'A'.repeat(86) + '==';
    const checkpoints = sending((message) =>
      message.type === 'CHECKPOINT'
        ? [message, { ...message, vote: { ...message.vote, digest: DIGEST } }]
        : [message],
    );
    const changes = sending((message) =>
      message.type === 'VIEW_CHANGE'
        ? [message, { ...message, change: { ...message.change, signature: other } }]
        : [message],
    );
    const entered = telling((notice) =>
      notice.kind === 'view-entered' ? { ...notice, view: notice.view - 1 } : notice,
    );
    const fetched = executing((notice) =>
      notice.sequence === 5 ? { kind: 'transfer-finished', sequence: 1, pages: 1 } : notice,
    );
    for (const [fault, checker, detail] of [
      [checkpoints, CHECKERS.contradiction, /^two states after 10/],
      [both(changes, silentAfter(40)), CHECKERS.contradiction, /^two of view change 1/],
      [both(entered, silentAfter(40)), CHECKERS.back, /^to 0 from 1/],
      [fetched, CHECKERS.gaps, /^it went back to 1/],
    ] as const) {
      const [first] = violations(faulty(pbftSubject, fault), SETTINGS);
      expect(first).toMatchObject({ checker, detail: expect.stringMatching(detail) as string });
    }
  });

  it('when a view change names a proof that is older than what its node has committed to since', () => {
    const oldest = new Map<number, PreparedProof>();
    const named = sending((message) => {
      if (message.type !== 'VIEW_CHANGE' || message.change.replica !== 2) return [message];
      const prepared = message.change.prepared.map((proof) => {
        const known = oldest.get(proof.header.sequence) ?? proof;
        oldest.set(proof.header.sequence, known);
        return known;
      });
      return [{ ...message, change: { ...message.change, prepared } }];
    }, 2);
    // The first two primaries give up one after the other, so that what is carried over is committed to in two views.
    const tired = sending((message) =>
      message.type === 'PRE_PREPARE' &&
      message.header.sequence > 6 * (message.header.view + 1) &&
      message.header.view < 2
        ? []
        : [message],
    );
    const settings = { 'checkpoint-interval': 900 };
    expect(violations(faulty(pbftSubject, tired), { ...SETTINGS, ...settings })).toEqual([]);
    expect(found(both(named, tired), settings)).toBe(CHECKERS.prepared);
  });

  it.each(['PRE_PREPARE', 'PREPARE', 'COMMIT', 'CHECKPOINT', 'VIEW_CHANGE', 'NEW_VIEW', 'REQUEST'] as const)(
    'when a %s is stored after it is sent',
    (type) => {
      const late: PbftFault = (effects) => {
        const reported = effects.some((effect) => effect.type === 'broadcast' || effect.type === 'send');
        if (!reported || !effects.some((effect) => 'message' in effect && effect.message.type === type))
          return effects;
        return [
          ...effects.filter((effect) => effect.type !== 'store'),
          ...effects.filter((effect) => effect.type === 'store'),
        ];
      };
      const viewChange = type === 'VIEW_CHANGE' || type === 'NEW_VIEW';
      expect(found(viewChange ? both(late, silentAfter(40)) : late)).toBe(CHECKERS.reported);
    },
  );

  it.each(['REQUEST', 'PRE_PREPARE'])('when a %s goes out whose timestamp is not set aside', (type) => {
    const fault: PbftFault = (effects) =>
      effects.map((effect) =>
        effect.type === 'store'
          ? { ...effect, writes: effect.writes.filter(({ key }) => key !== 'pbft/timestamp') }
          : effect,
      );
    // Those of the primary are in its proposals, those of others go to it.
    const one: PbftFault = (effects, event, node) =>
      (node.index === 0) === (type === 'PRE_PREPARE') ? fault(effects, event, node) : effects;
    expect(found(one)).toBe(CHECKERS.reported);
    expect(found(one, { crashes: 2_000, down: 1 })).toBe(CHECKERS.reported);
  });

  it('when a node shows a new view and does not keep what it names', () => {
    const fault: PbftFault = (effects) =>
      effects.map((effect) =>
        effect.type === 'store'
          ? { ...effect, writes: effect.writes.filter(({ key }) => !key.startsWith('pbft/named/')) }
          : effect,
      );
    expect(found(both(fault, silentAfter(40)))).toBe(CHECKERS.reported);
  });

  it('when an honest node is accused', () => {
    const notice = { kind: 'offence', member: 3, rule: 'planted' } as const;
    const fault: PbftFault = (effects, event) =>
      event.type === 'timer' ? [...effects, { type: 'notify', notice }] : effects;
    expect(found(fault)).toBe(CHECKERS.blamed);
  });

  it('when a node takes an honest primary for a liar, because a signature of it came in two texts', () => {
    const shown = new Map<string, string>();
    const fault: PbftFault = (effects, event, { index }) => {
      if (event.type !== 'message' || event.message.type !== 'NEW_VIEW') return effects;
      const { view, signature } = event.message.newView;
      const key = `${index} ${view}`;
      const known = shown.get(key) ?? signature;
      shown.set(key, known);
      if (known === signature) return effects;
      const notice = { kind: 'offence', member: view % SETTINGS.nodes, rule: 'planted' } as const;
      return [...effects, { type: 'notify', notice }];
    };
    const settings = { ...SETTINGS, latency: 200, 'real-keys': 1 };
    const simulated = (subject: typeof pbftSubject): readonly string[] =>
      simulation(subject, settings, ['relay'], { seed: RELAY_FIRST })
        .finish()
        .violations.map(({ checker: name }) => name);
    expect(simulated(faulty(pbftSubject, fault))).toEqual([CHECKERS.blamed]);
    expect(simulated(pbftSubject)).toEqual([]);
  });

  it.each([
    ['STABLE', CHECKERS.blamed],
    ['DECIDED', CHECKERS.agreement],
  ] as const)(
    'when nodes do not look whether the votes of a %s are for the same, and one mixes them: %s',
    (type, checker) => {
      const settings = { ...SETTINGS, latency: 100, operations: 2_000 };
      const signings = stubKeys(MIXER_SEED, SETTINGS.nodes).map(
        (keys, self) => new Signing({ cluster: CLUSTER, replicas: SETTINGS.nodes, self }, keys),
      );
      /** Makes all votes say what the first one does, as they do for somebody who does not compare. */
      const taken = (message: PbftMessage): PbftMessage => {
        if (message.type === 'STABLE' && type === 'STABLE') {
          const digest = message.certificate[0]?.digest ?? '';
          const certificate = message.certificate.map((vote) => {
            const signing = signings[vote.replica];
            return signing?.isCheckpoint(vote) === true ? signing.checkpoint({ ...vote, digest }) : vote;
          });
          return { ...message, certificate };
        }
        if (message.type === 'DECIDED' && type === 'DECIDED') {
          const digest = message.commits[0]?.digest ?? '';
          const commits = message.commits.map((vote) => {
            const signing = signings[vote.replica];
            return signing?.isVote('commit', vote) === true
              ? signing.vote('commit', { ...vote, digest })
              : vote;
          });
          return { ...message, commits };
        }
        return message;
      };
      const credulous = wrapped(pbftSubject, (engine) => ({
        step: (event) =>
          engine.step(event.type === 'message' ? { ...event, message: taken(event.message) } : event),
        measure: (report) => {
          engine.measure(report);
        },
      }));
      const simulated = (subject: typeof pbftSubject): readonly string[] =>
        simulation(subject, settings, ['mixer'], { seed: MIXER_SEED })
          .finish()
          .violations.map(({ checker: name }) => name);
      expect(simulated(credulous)[0]).toBe(checker);
      expect(simulated(pbftSubject)).toEqual([]);
    },
  );

  it('when nodes take their clocks once, at the start, and their machines sleep', () => {
    const deaf = wrapped(pbftSubject, (engine) => ({
      step: (event) => (event.type === 'clock' ? [] : engine.step(event)),
      measure: (report) => {
        engine.measure(report);
      },
    }));
    const sleep = { suspensions: 12, 'suspension-length': 1_500 };
    const settings = { ...SETTINGS, ...sleep, hours: 3, operations: 20, 'view-change-timeout': 30 };
    const simulated = (subject: typeof pbftSubject): readonly string[] =>
      simulation(subject, settings, [], { seed: 2 })
        .finish()
        .violations.map(({ checker }) => checker);
    expect(simulated(deaf)).toEqual(['after healing every operation is answered whose node kept running']);
    expect(simulated(pbftSubject)).toEqual([]);
  });

  it('when an operation is never answered', () => {
    const fault = answering(() => undefined, 2);
    expect(found(fault)).toMatch(/every operation is answered/);
  });

  it('when honest primaries are given up over and over, though all get there in time', () => {
    // Time-outs far shorter than they should be, and never doubled: with luck a view lasts long enough.
    const fault: PbftFault = (effects) =>
      effects.map((effect) =>
        effect.type === 'timer' && effect.timer !== ROUND_TIMER ? { ...effect, after: 80 } : effect,
      );
    const settings = { hours: 0.01, latency: 100, 'view-change-timeout': 10, operations: 3_000 };
    const subject = faulty(pbftSubject, fault);
    const report = simulation(subject, { ...SETTINGS, ...settings }).finish();
    expect(report.violations).toMatchObject([
      { kind: 'liveness', checker: expect.stringMatching(/no more views/) as string },
    ]);
    expect(
      report.verdicts.filter(({ kind, result }) => kind === 'liveness' && result === 'held'),
    ).toHaveLength(2);
    // The same is told of a run in which all is well.
    const { figures, verdicts } = simulation(pbftSubject, { ...SETTINGS, ...settings }).finish();
    expect(figures).toContainEqual({
      title: 'views needed after healing',
      value: 0,
      unit: 'of 2 allowed',
      additive: false,
    });
    expect(verdicts.every(({ result }) => result === 'held')).toBe(true);
  });

  it('when a node never gets anywhere', () => {
    // Nobody tells it anything, and what it is asked for it says it has not taken.
    const fault: PbftFault = (effects, event, { index }) =>
      effects
        .flatMap((effect): PbftEffect[] => {
          if (effect.type === 'broadcast') return [{ ...effect, to: effect.to.filter((to) => to !== 2) }];
          return effect.type === 'send' && effect.to === 2 ? [] : [effect];
        })
        .concat(
          event.type === 'request' && index === 2
            ? [{ type: 'reply', id: event.id, result: { status: 'rejected', reason: 'planted' } }]
            : [],
        );
    expect(found(fault)).toMatch(/have executed the same/);
  });
});
