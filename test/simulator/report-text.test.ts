import { describe, expect, it } from 'vitest';

import type { CampaignResult } from '../../peer/simulator/campaign.ts';
import { formatNumber } from '../../shared/text-table.ts';
import { campaignText, failureLine, formatTime, runText } from '../../peer/simulator/report-text.ts';
import type { RunReport } from '../../peer/simulator/report.ts';
import { plantedEngine, plantedReport, VIOLATION } from './planted.ts';

const SURROUNDINGS = {
  engine: plantedEngine,
  command: 'COMMAND',
  wallSeconds: 2,
  colour: false,
  width: Infinity,
};

function textOf(report: Partial<RunReport> = {}): string {
  return runText(plantedReport(report), SURROUNDINGS);
}

/** The one line that has this in it. */
function lineWith(text: string, part: string): string {
  const lines = text.split('\n').filter((line) => line.includes(part));
  expect(lines, `lines with "${part}"`).toHaveLength(1);
  return lines[0] ?? '';
}

describe('the report of a run', () => {
  it('says whether everything held, and which command runs it again', () => {
    const text = textOf();
    expect(text).toContain('plants, seed 1: everything held\n');
    expect(text).not.toContain('Violations');
    expect(text).toContain('\ndigest 0123456789abcdef\nreplay COMMAND\n');
  });

  it('tells of a violation with its place and detail, and of what each checker found', () => {
    const text = textOf({
      violations: [VIOLATION, { ...VIOLATION, kind: 'liveness', node: null, at: 7_200 }],
      verdicts: [
        { checker: 'A', kind: 'safety', result: 'held' },
        { checker: 'B', kind: 'safety', result: 'violated' },
        { checker: 'C', kind: 'liveness', result: 'held', reached: 90 },
        { checker: 'D', kind: 'liveness', result: 'not reached' },
      ],
    });
    expect(text).toContain('plants, seed 1: VIOLATED\n');
    expect(text).toContain('  safety, at 12.5 s, node 3: nothing is planted: a plant\n');
    expect(text).toContain('  liveness, at 2.00 h: nothing is planted: a plant\n');
    expect(text).toContain(
      '  ✓ A: held\n  ✗ B: violated\n  ✓ C: reached 90 s after healing\n  - D: not reached\n',
    );
  });

  it('names the settings that are not as in a quiet network', () => {
    const values = { nodes: 7, hours: 1, loss: 12.345, latency: 50, 'fails-at': 3 };
    const text = textOf({ settings: { values, shape: 'uniform', byzantine: ['fox', 'hen'] } });
    expect(lineWith(text, 'nodes 7')).toBe(
      '  nodes 7, hours 1 h, loss 12.3 %, fails-at 3, latency-shape uniform, byzantine fox,hen',
    );
  });

  it('shows no control character of what came from a network', () => {
    const text = textOf({
      violations: [{ ...VIOLATION, detail: 'a\u001b[31m\nb' }],
      nodes: [{ node: 0, tip: '\u0007' }],
    });
    expect(text).toContain('a\\u001b[31m\\u000ab');
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  it('has a line for each figure, distribution, type of message, reason of a drop and fault', () => {
    const figures = { count: 1_000, least: 1, median: 2.345, p90: 3, p99: 4, most: 5, buckets: [] };
    const text = textOf({ distributions: [{ title: 'delay', unit: 'ms', ...figures }] });
    expect(lineWith(text, 'blocks').split(/ +/)).toEqual(['', 'blocks', '5']);
    expect(lineWith(text, 'delay').split(/ +/)).toEqual([
      '',
      'delay',
      '1,000',
      '1',
      '2.35',
      '3',
      '4',
      '5',
      'ms',
    ]);
    expect(lineWith(text, 'HELLO').split(/ +/)).toEqual(['', 'HELLO', '100', '90']);
    expect(lineWith(text, 'node down')).toMatch(/ 5$/);
    expect(lineWith(text, 'in the midst of a step')).toMatch(/ 1$/);
    expect(lineWith(text, 'message faults')).toMatch(/ 10$/);
    // What did not happen is not told.
    expect(text).not.toContain('torn');
  });

  it('lines the nodes up below their titles', () => {
    const nodes = [
      { node: 0, role: 'honest', height: 12_345 },
      { node: 10, role: 'fox', height: 7 },
    ];
    const lines = textOf({ nodes }).split('\n');
    const at = lines.indexOf('Nodes');
    expect(lines.slice(at + 1, at + 4)).toEqual([
      '  node  role    height',
      '     0  honest  12,345',
      '    10  fox          7',
    ]);
  });

  it('says how fast it was', () => {
    expect(lineWith(textOf({ simulatedSeconds: 7_200, events: 5_000 }), 'simulated in')).toBe(
      '2.00 h simulated in 2 s, 3,600 times as fast as real time; 5,000 events, 2,500 a second',
    );
  });

  it('fits into a terminal: texts go on in the next line, tables stand closer', () => {
    const long = {
      checker: 'nothing is planted, '.repeat(6).trim(),
      kind: 'safety',
      result: 'held',
    } as const;
    const row = Object.fromEntries(
      Array.from({ length: 9 }, (_, column) => [`column${column}`, 'x'.repeat(8)]),
    );
    const report = plantedReport({
      violations: [{ ...VIOLATION, detail: 'a plant, '.repeat(20) }],
      verdicts: [long],
      nodes: [{ node: 0, ...row }],
      simulatedSeconds: 7_200_000,
    });
    for (const colour of [false, true]) {
      const text = runText(report, { ...SURROUNDINGS, colour, width: 87 });
      const plain = text.replace(/\u001b\[\d+m/g, '');
      for (const line of plain.split('\n')) expect(line.length).toBeLessThanOrEqual(87);
      expect(plain.replace(/\s+/g, ' ')).toContain(`${long.checker}: held`);
    }
    expect(runText(report, SURROUNDINGS)).toContain(`✓ ${long.checker}: held\n`);
  });

  it('of one that was stopped says so, and promises nothing', () => {
    const text = runText(plantedReport(), { ...SURROUNDINGS, complete: false });
    expect(text).toMatch(/: everything held so far\n {2}stopped before the end\n/);
    expect(textOf()).not.toContain('stopped');
  });

  it('has colours only where they are wanted', () => {
    const plain = textOf();
    const coloured = runText(plantedReport(), { ...SURROUNDINGS, colour: true });
    expect(plain).not.toContain('\u001b');
    expect(coloured).toContain('\u001b[32m');
    expect(coloured.replace(/\u001b\[\d+m/g, '')).toBe(plain);
  });
});

describe('the report of a campaign', () => {
  const sums = {
    simulatedSeconds: 7_200,
    events: 123_456,
    messageFaults: 1_000,
    partitions: 2,
    partitionsByKind: { symmetric: 0, 'one-way': 2, 'isolate-one': 0, swizzle: 0 },
    crashes: 3,
    crashesMidStep: 1,
    lostWrites: 4,
    tornWrites: 5,
    replaced: 6,
    byzantine: 7,
    figures: { blocks: 8 },
  };
  const result: CampaignResult = {
    complete: true,
    seeds: 20,
    failed: 0,
    failures: [],
    furtherFailures: [],
    deaths: [],
    sums,
    peaks: { summit: 9 },
    counted: 20,
    next: null,
    unfinishedEvents: 0,
    digest: 'abc',
  };
  const write = (given: Partial<CampaignResult>, keepGoing = true, rest: string | null = null): string =>
    campaignText(
      { ...result, ...given },
      { ...SURROUNDINGS, keepGoing, rest, replay: (seed) => `REPLAY ${seed}` },
    );

  it('adds up, and tells its digest and its command', () => {
    const text = write({});
    expect(text).toContain('plants, 20 seeds: everything held\n');
    expect(lineWith(text, 'simulated hours')).toMatch(/ 2$/);
    expect(lineWith(text, 'events  ')).toMatch(/ 123,456$/);
    expect(lineWith(text, 'Byzantine nodes')).toMatch(/ 7$/);
    expect(lineWith(text, 'blocks')).toMatch(/ 8$/);
    expect(lineWith(text, 'summit, at most')).toMatch(/ 9$/);
    expect(text).toContain('\ndigest abc\nreplay COMMAND\n');
  });

  it('tells each failure with the command that runs its seed again', () => {
    const failures = [{ seed: 17, violations: [VIOLATION] }];
    const text = write({ failed: 3, failures, furtherFailures: [18, 19] });
    expect(text).toContain('plants, 20 seeds: 3 of them VIOLATED\n');
    expect(text).toContain('Violations of the first 1\n');
    expect(text).toContain(
      '  seed 17: safety, at 12.5 s, node 3: nothing is planted: a plant\n    REPLAY 17\n',
    );
    expect(text).toContain('\nFurther seeds that failed\n  REPLAY 18\n  REPLAY 19\n');
    expect(write({ failed: 1, failures })).not.toContain('first');
    expect(write({ failed: 1, failures }, false)).toContain('\n  it ended with the first that failed;');
  });

  it('names the seeds over which workers died, with the commands that run them', () => {
    const deaths = [{ seed: 17, reason: 'out of \u0007memory' }];
    const text = write({ complete: false, digest: null, deaths });
    expect(text).toContain(
      '\nSeeds over which a worker died\n  seed 17: out of \\u0007memory\n    REPLAY 17\n',
    );
  });

  it('tells of a failure in one line as soon as it is found', () => {
    const other = { ...VIOLATION, checker: 'a\nb' };
    const failure = { seed: 17, violations: [VIOLATION, VIOLATION, other] };
    expect(failureLine(failure, (seed) => `REPLAY ${seed}`)).toBe(
      'seed 17: nothing is planted; a\\u000ab: REPLAY 17',
    );
  });

  it('that was stopped before any seed was done does not say that everything held', () => {
    const text = write({ complete: false, digest: null, seeds: 0, unfinishedEvents: 1_234 }, true, 'REST');
    expect(text).toContain('plants, 0 seeds: nothing was checked\n');
    expect(text).not.toContain('everything held');
    // Nor that nothing went wrong, or what has not been run can be run again.
    for (const zero of ['Over all seeds', 'crashes', 'simulated in', 'replay'])
      expect(text).not.toContain(zero);
    expect(text).toMatch(
      /\n {2}1,234 events of seeds that were not done are not counted\n\ngo on with REST\n$/,
    );
  });

  it('that was stopped has no digest', () => {
    const text = write({ complete: false, digest: null });
    expect(text).toContain('stopped before the end');
    expect(text).not.toContain('digest');
    expect(write({ complete: false, digest: null }, true, 'REST')).toMatch(
      /\nreplay COMMAND\ngo on with REST\n$/,
    );
  });
});

it('numbers and times are short', () => {
  expect([0, 12, 1_234_567, 0.001234, 12.345, 1_234.5].map(formatNumber)).toEqual([
    ...['0', '12', '1,234,567', '0.00123', '12.3', '1,235'],
  ]);
  expect([0, 59.94, 3_599, 3_600, 90_000].map(formatTime)).toEqual([
    '0 s',
    '59.9 s',
    '3,599 s',
    '1.00 h',
    '25.00 h',
  ]);
});
