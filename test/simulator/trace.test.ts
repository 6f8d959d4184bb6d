import { describe, expect, it } from 'vitest';

import { powSubject } from '../../peer/engines/pow/simulation/subject.ts';
import type { PowTypes } from '../../peer/engines/pow/protocol/types.ts';
import type { RunReport } from '../../peer/simulator/report.ts';
import { draw, type Plan } from '../../peer/simulator/settings.ts';
import { Simulation } from '../../peer/simulator/simulation.ts';
import type { Subject } from '../../peer/simulator/subject.ts';
import { Digest, type TraceLine } from '../../peer/simulator/trace.ts';
import { changed, faulty, simulation } from './plant.ts';

function traced(
  subject: Subject<PowTypes>,
  values: Record<string, number>,
): { report: RunReport; trace: TraceLine[] } {
  const ranges = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { least: value, most: value }]),
  );
  const plan: Plan = { faults: 'none', ranges, byzantineKinds: [] };
  const trace: TraceLine[] = [];
  const hooks = { trace: (line: TraceLine) => trace.push(line) };
  return { report: new Simulation(subject, 1, draw(1, plan, subject), hooks).finish(), trace };
}

describe('a trace', () => {
  const everything = {
    ...{ nodes: 5, hours: 0.3, loss: 5, duplicate: 5, partitions: 40, 'partition-length': 60, crashes: 300 },
    ...{ down: 5, 'clock-jumps': 30, churn: 10, bandwidth: 1, slow: 40, 'slow-by': 1_000 },
  };
  const { report, trace } = traced(powSubject, everything);
  const { network, faults } = report;
  const linesOf = (what: string): TraceLine[] => trace.filter((line) => line.what === what);

  it('has every datagram that was sent, with when it arrives or why it does not', () => {
    const sent = linesOf('sent');
    const dropped = linesOf('dropped');
    const atOnce = dropped.filter((line) => line['to'] !== undefined);
    expect(sent.length + atOnce.length).toBe(network.sent);
    const [first] = sent;
    expect(first?.['to']).toMatch(/^10\.0\.0\.\d:8784$/);
    expect(network.byType).toHaveProperty(String(first?.['type']));
    for (const { t, arrives } of sent) expect(Math.min(...(arrives as number[]))).toBeGreaterThanOrEqual(t);
    const reasons: Record<string, number> = {};
    for (const { reason } of dropped) reasons[String(reason)] = (reasons[String(reason)] ?? 0) + 1;
    expect(reasons).toEqual(network.dropped);
    for (const reason of ['loss', 'partition', 'bandwidth', 'nobody there', 'node down']) {
      expect(network.dropped).toHaveProperty([reason]);
    }
  });

  it('has every fault from its beginning to its end', () => {
    const begun = linesOf('partition begins');
    expect(begun.length).toBeGreaterThan(3);
    expect(begun.length).toBeLessThan(faults.partitions);
    expect(begun[0]).toMatchObject({ node: null, kind: expect.any(String) as string });
    expect(
      linesOf('partition ends')
        .map(({ nodes }) => JSON.stringify(nodes))
        .sort(),
    ).toEqual(begun.map(({ nodes }) => JSON.stringify(nodes)).sort());
    for (const { t, until } of linesOf('clogged')) expect(Number(until)).toBeGreaterThan(t);
    expect(linesOf('clogged').length).toBeGreaterThan(0);
    expect(linesOf('clock set')[0]).toMatchObject({ node: expect.any(Number) as number });
    expect(linesOf('crashed')).toHaveLength(faults.crashes);
    expect(linesOf('left')).toHaveLength(faults.replaced);
  });

  it('has what became of each write over which a node crashed', () => {
    expect(linesOf('write lost')).toHaveLength(faults.lostWrites);
    expect(linesOf('write torn')).toHaveLength(faults.tornWrites);
    const kept = linesOf('write kept');
    expect(Math.min(faults.lostWrites, faults.tornWrites, kept.length)).toBeGreaterThan(0);
    // The crash is what comes next.
    for (const line of kept) {
      const next = trace[trace.indexOf(line) + 1];
      expect([next?.what, next?.node]).toEqual(['crashed', line.node]);
    }
  });

  it('has the moment in which everything healed, and goals reached', () => {
    expect(linesOf('healed')).toEqual([{ t: 0.3 * 3_600, node: null, what: 'healed' }]);
    const goals = report.verdicts.filter(({ kind }) => kind === 'liveness');
    expect(goals.map(({ result }) => result)).toEqual(Array(4).fill('held'));
    expect(linesOf('goal reached').map(({ t, checker }) => [checker, t - 0.3 * 3_600])).toEqual(
      goals.map(({ checker, reached = 0 }) => [checker, expect.closeTo(reached, 6) as number]),
    );
    expect(linesOf('violated')).toEqual([]);
  });

  it('ends with the violation', () => {
    const violated = traced(
      changed(powSubject, () => ({ onHealed: () => JSON.parse('{') as undefined })),
      { hours: 0.02 },
    );
    const [violation] = violated.report.violations;
    expect(violated.trace.at(-1)).toEqual({
      ...{ t: 72, node: null, what: 'violated', checker: violation?.checker, detail: violation?.detail },
    });
  });

  it('does not change the run', () => {
    expect(simulation(powSubject, everything).finish().digest).toBe(report.digest);
  });
});

describe('the digest of a run', () => {
  /** Has every miner search on blocks that say this. */
  function saying(word: string): Subject<PowTypes> {
    return faulty(powSubject, (effects) =>
      effects.map((effect) => {
        if (effect.type !== 'notify' || effect.notice.kind !== 'work' || effect.notice.template === null)
          return effect;
        const template = { ...effect.notice.template, messages: [word] };
        return { ...effect, notice: { ...effect.notice, template } };
      }),
    );
  }

  it('differs where nothing but a value that is stored does', () => {
    const settings = { nodes: 1, hours: 0.05, words: 0, 'block-interval': 5 };
    const [one, other] = ['one', 'two'].map((word) => simulation(saying(word), settings).finish());
    // The word is in the blocks, and they are nowhere else than in the store.
    expect({ ...other, nodes: [], digest: one?.digest }).toEqual({ ...one, nodes: [] });
    expect(other?.digest).not.toBe(one?.digest);
    expect(simulation(saying('one'), settings).finish().digest).toBe(one?.digest);
  });

  it('differs where nothing but a message does, if messages are encoded', () => {
    const settings = { nodes: 2, hours: 0.02, words: 0, codec: 1, miners: 1, 'block-interval': 86_400 };
    const named = (name: string): RunReport =>
      simulation(
        faulty(powSubject, (effects) =>
          effects.map((effect) =>
            'message' in effect && effect.message.type === 'GOSSIP'
              ? { ...effect, message: { ...effect.message, name } }
              : effect,
          ),
        ),
        settings,
      ).finish();
    const [one, other] = [named('one'), named('three')];
    expect({ ...other, digest: one.digest }).toEqual(one);
    expect(other.digest).not.toBe(one.digest);
  });
});

describe('a digest', () => {
  const of = (take: (digest: Digest) => void): string => {
    const digest = new Digest();
    take(digest);
    return digest.hex;
  };

  it('is another one for every text, and for every division into texts', () => {
    const texts = ['', 'a', 'b', 'ab', 'ba', 'abc', 'abd', 'ab\0', 'a\0', '\0', '\uffff\uffff', 'é'];
    const all = texts.map((text) =>
      of((digest) => {
        digest.text(text);
      }),
    );
    expect(new Set(all).size).toBe(texts.length);
    const parts = [['ab', 'c'], ['a', 'bc'], ['abc']].map((division) =>
      of((digest) => {
        for (const text of division) digest.text(text);
      }),
    );
    expect(new Set(parts).size).toBe(parts.length);
  });

  it('samples bytes from all over, the last one among them', () => {
    const sample = (bytes: Uint8Array): string =>
      of((digest) => {
        digest.sample(bytes);
      });
    const zeros = sample(new Uint8Array(800));
    const seen = Array.from({ length: 800 }, (_, at) => {
      const bytes = new Uint8Array(800);
      bytes[at] = 1;
      return sample(bytes) === zeros ? -1 : at;
    }).filter((at) => at >= 0);
    expect(seen).toEqual([99, 199, 299, 399, 499, 599, 699, 799]);
    for (const length of [0, 1, 7]) expect(sample(new Uint8Array(length))).not.toBe(zeros);
    expect(sample(new Uint8Array([1, 2]))).not.toBe(sample(new Uint8Array([3, 2])));
  });
});
