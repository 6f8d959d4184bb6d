/** An engine that is none: its runs come out as the test says, so that what looks at runs can be tested. */
import { workerData } from 'node:worker_threads';

import { DONE, type CampaignSetup } from '../../peer/simulator/campaign-task.ts';
import type { SimulatedEngine } from '../../peer/simulator/offer.ts';
import type { RunReport, Violation } from '../../peer/simulator/report.ts';
import { draw, type SettingSpec } from '../../peer/simulator/settings.ts';
import { Digest } from '../../peer/simulator/trace.ts';

const setting = (description: string): SettingSpec => ({
  description,
  unit: '',
  bounds: { least: 0, most: 1e9 },
  whole: true,
  initial: 0,
});

const settings = {
  'fails-at': setting('every so many seeds one fails; 0 for none'),
  'dies-at': setting('the seed whose worker ends'),
  'throws-at': setting('the seed over which the simulator itself fails'),
  'waits-at': setting('the seed whose run waits until another seed is done'),
  'endless-from': setting('the first of the seeds whose runs never end'),
  length: { ...setting('events of a run'), initial: 10 },
};

export const VIOLATION: Violation = {
  checker: 'nothing is planted',
  kind: 'safety',
  at: 12.5,
  node: 3,
  detail: 'a plant',
};

/** A report in which everything held, except for what is given. */
export function plantedReport(given: Partial<RunReport> = {}): RunReport {
  return {
    engine: 'planted',
    progressName: 'height',
    seed: 1,
    settings: { values: { nodes: 7, hours: 1 }, shape: 'exponential', byzantine: [] },
    violations: [],
    verdicts: [],
    events: 10,
    simulatedSeconds: 3_600,
    network: {
      sent: 100,
      delivered: 90,
      malformed: 0,
      duplicated: 1,
      reordered: 2,
      heldBack: 3,
      dropped: { loss: 4, 'node down': 5 },
      byType: { HELLO: { sent: 100, delivered: 90 } },
    },
    faults: {
      partitions: 1,
      partitionsByKind: { symmetric: 0, 'one-way': 1, 'isolate-one': 0, swizzle: 0 },
      crashes: 2,
      crashesMidStep: 1,
      lostWrites: 1,
      tornWrites: 0,
      replaced: 0,
    },
    figures: [
      { title: 'blocks', value: 5, unit: '' },
      { title: 'summit', value: 7, unit: '', additive: false },
    ],
    distributions: [],
    nodes: [],
    timeline: null,
    digest: '0123456789abcdef',
    ...given,
  };
}

/** How many seeds of the campaign are done, if this is one of its workers. */
function seedsDone(): number {
  const { shared } = workerData as CampaignSetup;
  return Number(Atomics.load(new BigInt64Array(shared), DONE));
}

export const plantedEngine: SimulatedEngine = {
  name: 'planted',
  title: 'plants',
  examples: [],
  settings,
  byzantine: { fox: 'steals', hen: 'is stolen' },
  mostByzantine: (nodes) => nodes - 1,
  simulate(seed, plan) {
    const drawn = draw(seed, plan, this);
    const value = (name: keyof typeof settings): number => drawn.values[name] ?? 0;
    let events = 0;
    return {
      get events() {
        return events;
      },
      progress: 1,
      now: () => 0,
      advance(most) {
        if (seed > 0 && seed === value('dies-at')) process.exit(7);
        if (seed > 0 && seed === value('throws-at')) throw new Error('oops');
        if (seed > 0 && seed === value('waits-at') && seedsDone() === 0) return false;
        const first = value('endless-from');
        const length = first > 0 && seed >= first ? Infinity : value('length');
        events = Math.min(events + most, length);
        return events === length;
      },
      report() {
        const digest = new Digest();
        digest.number(seed);
        const every = value('fails-at');
        const fails = every > 0 && seed % every === 0;
        const violations = fails ? [VIOLATION] : [];
        const [blocks] = plantedReport().figures;
        const summit = { title: 'summit', value: seed, unit: '', additive: false };
        const figures = [...(blocks ? [blocks] : []), summit];
        return plantedReport({ seed, settings: drawn, violations, events, figures, digest: digest.hex });
      },
    };
  },
};
