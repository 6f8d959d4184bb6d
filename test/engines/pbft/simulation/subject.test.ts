/** What the simulator holds PBFT to, and what it lets its Byzantine replicas do. */
import { describe, expect, it } from 'vitest';

import type { PbftNotice } from '../../../../peer/engines/pbft/protocol/interface.ts';
import { faultyOf } from '../../../../peer/engines/pbft/protocol/quorum.ts';
import { realKeys, stubKeys } from '../../../../peer/engines/pbft/simulation/keys.ts';
import { AgreedOrder } from '../../../../peer/engines/pbft/simulation/order.ts';
import { pbftSubject } from '../../../../peer/engines/pbft/simulation/subject.ts';
import type { PbftTypes } from '../../../../peer/engines/pbft/protocol/types.ts';
import { KeyValueModel, LogModel } from '../../../../peer/engines/pbft/simulation/users.ts';
import { draw, type Plan } from '../../../../peer/simulator/settings.ts';
import { Simulation } from '../../../../peer/simulator/simulation.ts';
import type { SimulatedNode } from '../../../../peer/simulator/subject.ts';
import { faulty, simulation, type EffectOf, type Fault } from '../../../simulator/plant.ts';

const MIXED: Plan = {
  faults: 'mixed',
  ranges: { hours: { least: 0.02, most: 0.02 }, nodes: { least: 7, most: 7 } },
  byzantineKinds: [],
};

function mixed(seed: number, plan: Partial<Plan> = {}): Simulation<PbftTypes> {
  const drawn = draw(seed, { ...MIXED, ...plan }, pbftSubject);
  return new Simulation(pbftSubject, seed, drawn, { timeline: true });
}

describe('nodes that may do anything', () => {
  it('are never more than f, those that lose their store included', () => {
    let replacedEver = 0;
    for (const count of [0, 1, 2]) {
      const ranges = { ...MIXED.ranges, hours: { least: 0.3, most: 0.3 }, churn: { least: 60, most: 60 } };
      const plan = { faults: 'none', ranges, byzantineKinds: Array<string>(count).fill('silent') } as const;
      const report = mixed(1, plan).finish();
      expect(report.violations).toEqual([]);
      const replaced = report.timeline?.faults.filter(({ kind }) => kind === 'replaced') ?? [];
      const nodes = new Set(replaced.flatMap((span) => span.nodes));
      expect(nodes.size + count).toBe(faultyOf(7));
      replacedEver += replaced.length;
      for (const { node, role } of report.nodes) {
        if (role === 'silent') expect(nodes.has(Number(node))).toBe(false);
      }
    }
    expect(replacedEver).toBeGreaterThan(10);
  });

  it('have any number, that of the first primary too', () => {
    const places = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      for (const { index, honest } of mixed(seed).nodes) if (!honest) places.add(index);
    }
    expect([...places].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});

describe('the most views of honest nodes between two samples', () => {
  /** How many there were, over time, and how often a node has changed its view. */
  function views(crashes: number): { counts: readonly number[]; changes: number } {
    const settings = { nodes: 7, hours: 0.2, latency: 1, 'view-change-timeout': 2, crashes, down: 8 };
    const report = simulation(pbftSubject, settings, [], { timeline: true }).finish();
    const changes = report.figures.find(({ title }) => title === 'view changes')?.value ?? 0;
    // Before the first sample nobody had started.
    return { counts: report.timeline?.tips.slice(1) ?? [], changes };
  }

  it('are more than one when the view changes, though that takes but a few milliseconds', () => {
    const { counts, changes } = views(100);
    expect(changes).toBeGreaterThan(0);
    const changing = counts.filter((count) => count > 1);
    expect(changing.length).toBeGreaterThan(0);
    expect(changing.length).toBeLessThan(counts.length / 10);
  });

  it('are one where all are in the same view, however far they have got', () => {
    const { counts, changes } = views(0);
    expect(changes).toBe(0);
    expect(new Set(counts)).toEqual(new Set([1]));
  });
});

describe('a member that misbehaves as a client only', () => {
  it('has no primary given up, though it tells each member something else', () => {
    // It often stays away for longer than the time-out: what the primary then lacks has to be passed on to it
    // again, or it is given up before the next time makes that too old to wait for.
    const settings = {
      ...{ nodes: 4, hours: 0.1, latency: 30 },
      ...{ 'message-buffer': 40, 'view-change-timeout': 2 },
    };
    const report = simulation(pbftSubject, settings, ['framer']).finish();
    expect(report.violations).toEqual([]);
    expect(report.figures.find(({ title }) => title === 'view changes')).toMatchObject({ value: 0 });
    expect(report.network.byType['REQUEST']?.sent).toBeGreaterThan(100);
  });
});

describe('the first primary', () => {
  // The same node is Byzantine whatever its kind.
  const seeds = Array.from({ length: 100 }, (_, seed) => seed).filter((seed) => {
    const plan = { faults: 'none', byzantineKinds: ['silent'] } as const;
    return mixed(seed, plan).nodes[0]?.honest === false;
  });

  it.each(Object.keys(pbftSubject.byzantine))('may be of the kind "%s"', (kind) => {
    const ranges = { ...MIXED.ranges, 'view-change-timeout': { least: 2, most: 2 } };
    const [seed = 0] = seeds;
    const report = mixed(seed, { faults: 'none', ranges, byzantineKinds: [kind] }).finish();
    expect(report.violations).toEqual([]);
    expect(report.nodes[0]?.['role']).toBe(kind);
    const answered = report.figures.find(({ title }) => title === 'operations answered');
    expect(answered?.value).toBeGreaterThan(5);
  });
});

describe('keys', () => {
  it.each([
    ['real ones', realKeys],
    ['stand-ins', stubKeys],
  ])('that are %s sign for their member only, and always the same', (_, make) => {
    const [zero, one] = make(1, 2);
    const signature = zero?.sign('text') ?? '';
    expect(signature).toMatch(/^[A-Za-z0-9+/]{86}==$/);
    expect(zero?.sign('text')).toBe(signature);
    expect(one?.verify(0, 'text', signature)).toBe(true);
    expect(one?.verify(0, 'other', signature)).toBe(false);
    for (const member of [1, 2]) expect(one?.verify(member, 'text', signature)).toBe(false);
    expect(make(2, 2)[0]?.sign('text')).not.toBe(signature);
  });
});

describe('connections', () => {
  it('that an engine ends are there again after a moment', () => {
    const fault: Fault<PbftTypes> = (effects, event, { index }) =>
      index === 1 && event.type === 'message' && event.from === 0
        ? [...effects, { type: 'disconnect', peer: 0, reason: 'planted' } satisfies EffectOf<PbftTypes>]
        : effects;
    const report = simulation(faulty(pbftSubject, fault), { nodes: 4, hours: 0.05 }).finish();
    expect(report.violations).toEqual([]);
    const { dropped } = report.network;
    expect(dropped.partition).toBeGreaterThan(50);
    // It goes on hearing of the other one.
    expect(report.nodes[1]?.['received']).toBeGreaterThan(100);
  });
});

describe('the agreed order', () => {
  const nodes = [0, 1].map((index) => ({ index, honest: true }) as SimulatedNode);
  const [node, other] = nodes as [SimulatedNode, SimulatedNode];

  function orderWith(violations: string[]): AgreedOrder {
    return new AgreedOrder({
      model: new KeyValueModel(),
      isHonest: () => true,
      violate: (checker) => violations.push(checker),
    });
  }

  function executed(
    sequence: number,
    client: number,
    operation: string,
    result: string,
  ): Extract<PbftNotice, { kind: 'executed' }> {
    const requests = [{ client, timestamp: sequence, operation, result }];
    return { kind: 'executed', sequence, view: 0, digest: 'd', requests, phases: undefined };
  }

  const put = '["put","a","1"]';
  const stored = '{"stored":true}';

  it('is not linearizable if something takes effect before what was answered before it was asked for', () => {
    for (const [after, wanted] of [
      ['first', []],
      ['second', ['linearizable']],
    ] as const) {
      const violations: string[] = [];
      const order = orderWith(violations);
      for (const client of [0, 1]) order.onSubmit(client, put);
      order.onExecuted(node, executed(1, 0, put, stored));
      order.onExecuted(node, executed(2, 1, put, stored));
      // Whoever has the first answer asks for the second, or the other way round.
      if (after === 'first') order.onAnswer(other, 2, stored, order.onAnswer(node, 1, stored, 0));
      else order.onAnswer(node, 1, stored, order.onAnswer(other, 2, stored, 0));
      expect(violations).toEqual(wanted);
    }
  });

  it('may be told after the answer, but must be in the end', () => {
    const violations: string[] = [];
    const order = orderWith(violations);
    order.onSubmit(0, put);
    expect(order.onAnswer(node, 1, stored, 0)).toBe(0);
    order.onExecuted(node, executed(1, 0, put, stored));
    order.onEnd();
    expect(violations).toEqual([]);
    order.onAnswer(node, 5, stored, 0);
    order.onEnd();
    expect(violations).toEqual(['answers']);
  });

  it('has no results but those of the operations', () => {
    const violations: string[] = [];
    const order = orderWith(violations);
    for (const operation of [put, '["get","a"]']) order.onSubmit(0, operation);
    order.onExecuted(node, executed(1, 0, put, stored));
    order.onExecuted(node, executed(2, 0, '["get","a"]', '{"value":"2"}'));
    expect(violations).toEqual(['linearizable']);
  });
});

describe('the models of applications', () => {
  it('of a key-value store', () => {
    const model = new KeyValueModel();
    const answers = [
      '["get","k"]',
      '["cas","k","x","1"]',
      '["cas","k",null,"1"]',
      '["put","k","2"]',
      '["cas","k","2","3"]',
      '["get","k"]',
      '["delete","k"]',
      '["delete","k"]',
    ].map((operation) => model.execute(operation));
    expect(answers).toEqual([
      '{"value":null}',
      '{"swapped":false,"value":null}',
      '{"swapped":true}',
      '{"stored":true}',
      '{"swapped":true}',
      '{"value":"3"}',
      '{"deleted":true}',
      '{"deleted":false}',
    ]);
    expect(model.execute('noise')).toBeUndefined();
  });

  it('of a log', () => {
    const model = new LogModel();
    expect(['["append","a"]', '["append","b"]', '{}'].map((operation) => model.execute(operation))).toEqual([
      '{"index":1}',
      '{"index":2}',
      undefined,
    ]);
  });
});
