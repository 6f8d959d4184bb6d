import { describe, expect, test } from 'vitest';

import { LOG_LEVELS, type Log, type LogData, type LogLevel } from '../../../../shared/log.ts';
import type { PbftNotice } from '../../../../peer/engines/pbft/protocol/interface.ts';
import { PbftReporter } from '../../../../peer/engines/pbft/node/report.ts';
import type { Progress } from '../../../../peer/node/progress.ts';

interface Line {
  level: LogLevel;
  message: string;
  data: LogData;
}

function reporter(now?: () => number): { reporter: PbftReporter; lines: Line[]; progress: string[] } {
  const lines: Line[] = [];
  const write =
    (level: LogLevel) =>
    (message: string, data: LogData = {}) => {
      lines.push({ level, message, data });
    };
  const log: Log = { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
  const progress: string[] = [];
  const bar: Progress = {
    start: (total) => progress.push(`start ${total}`),
    update: (done, total) => progress.push(`${done}/${total}`),
    stop: () => progress.push('stop'),
  };
  return { reporter: new PbftReporter(log, bar, now), lines, progress };
}

const DIGEST = 'ab'.repeat(32);
/** Text such as any client may submit; no line above debug may hold it. */
const EVIL = 'evil<script>\u001b[2J';

/** One notice of every kind. */
const NOTICES: PbftNotice[] = [
  {
    ...{ kind: 'executed', sequence: 3, view: 0, digest: DIGEST },
    requests: [{ client: 1, timestamp: 1, operation: EVIL, result: EVIL }],
    phases: { prepare: 1, commit: 2, total: 3 },
  },
  { kind: 'executed', sequence: 4, view: 0, digest: DIGEST, requests: [], phases: undefined },
  { kind: 'view-change-started', view: 1, reason: 'timeout' },
  { kind: 'view-change-started', view: 2, reason: 'no new view' },
  { kind: 'view-entered', view: 2, primary: 2, carried: 1 },
  { kind: 'checkpoint', sequence: 100, digest: DIGEST },
  { kind: 'transfer-started', sequence: 200, executed: 4 },
  { kind: 'transfer-progress', pages: 10, total: 20 },
  { kind: 'transfer-finished', sequence: 200, pages: 20 },
  { kind: 'diverged', sequence: 300, digest: DIGEST },
  { kind: 'time-refused', primary: 1, difference: 700_400 },
  { kind: 'time-refused', primary: 1, difference: 700_500 },
  { kind: 'offence', member: 3, rule: 'bad-signature' },
];

describe('what a replica tells people', () => {
  test('a line for each thing that matters, and what happens all the time at debug only', () => {
    const { reporter: reported, lines } = reporter();
    reported.onReply({ status: 'answered', timestamp: 1, result: EVIL, waited: 1.25 });
    reported.onReply({ status: 'rejected', reason: EVIL });
    for (const notice of NOTICES) reported.report(notice);
    expect(lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      'debug: answered',
      'info: executed',
      // One that executes nothing.
      'debug: executed',
      'warn: view change: the primary is given up',
      'warn: view change: the primary is given up',
      'warn: new view',
      'debug: checkpoint',
      'info: behind: fetching the state of others',
      'info: the state is fetched',
      'error: our state was not that of the others; it is thrown away',
      ...['warn', 'debug'].map(
        (level) =>
          `${level}: a batch is refused: its primary and we have clocks that are too far apart; set them`,
      ),
      'warn: a member did what no correct one does',
    ]);
    expect(lines.at(-3)?.data).toEqual({ primary: 'replica-1', difference: '700s' });
    expect(lines[3]?.data).toEqual({ view: 1, why: 'a request waits for too long' });
    expect(lines.at(-1)?.data).toEqual({ replica: 'replica-3', rule: 'bad-signature' });
  });

  test('no text of others stands above debug', () => {
    const { reporter: reported, lines } = reporter();
    for (const notice of NOTICES) reported.report(notice);
    const loud = lines.filter(({ level }) => LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf('debug'));
    expect(JSON.stringify(loud)).not.toContain('evil');
  });

  test('the first batches are seen, and of many only some', () => {
    let now = 0;
    const { reporter: reported, lines } = reporter(() => now);
    const executed = (count: number): string => {
      lines.length = 0;
      for (let i = 0; i < count; i++) {
        const requests = [{ client: 1, timestamp: i, operation: 'x', result: 'y' }];
        reported.report({
          kind: 'executed',
          sequence: i,
          view: 0,
          digest: DIGEST,
          requests,
          phases: undefined,
        });
      }
      return lines.map(({ level }) => level[0]).join('');
    };
    expect(executed(8)).toBe('iiiiiddd');
    now += 10_000;
    expect(executed(4)).toBe('iidd');
  });

  test('a transfer shows its progress, which ends with it and with the node', () => {
    const { reporter: reported, progress } = reporter();
    for (const notice of NOTICES) reported.report(notice);
    expect(progress).toEqual(['stop', '10/20', 'stop']);
    reported.close();
    expect(progress.at(-1)).toBe('stop');
  });

  test('a member that breaks the same rule again is warned of once', () => {
    const { reporter: reported, lines } = reporter();
    for (const rule of ['one', 'one', 'two', 'one']) reported.report({ kind: 'offence', member: 1, rule });
    reported.report({ kind: 'offence', member: 2, rule: 'one' });
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'debug', 'warn', 'debug', 'warn']);
  });
});
