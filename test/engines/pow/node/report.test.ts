import { describe, expect, test } from 'vitest';

import type { Block } from '../../../../shared/block.ts';
import { LOG_LEVELS, type Log, type LogData, type LogLevel } from '../../../../shared/log.ts';
import type { PowNotice } from '../../../../peer/engines/pow/protocol/interface.ts';
import { ProgressLines, type Progress } from '../../../../peer/node/progress.ts';
import { Reporter } from '../../../../peer/engines/pow/node/report.ts';

interface Line {
  level: LogLevel;
  message: string;
  data: LogData;
}

function gather(): { lines: Line[]; log: Log } {
  const lines: Line[] = [];
  const write =
    (level: LogLevel) =>
    (message: string, data: LogData = {}) => {
      lines.push({ level, message, data });
    };
  return {
    lines,
    log: { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') },
  };
}

class FakeProgress implements Progress {
  readonly calls: string[] = [];
  start(total: number): void {
    this.calls.push(`start ${total}`);
  }
  update(done: number, total: number): void {
    this.calls.push(`update ${done}/${total}`);
  }
  stop(): void {
    this.calls.push('stop');
  }
}

function reporter(): { reporter: Reporter; lines: Line[]; progress: FakeProgress } {
  const { lines, log } = gather();
  const progress = new FakeProgress();
  return { reporter: new Reporter(log, progress), lines, progress };
}

const HASH = `${'ab'.repeat(28)}00000000`;
/** Text such as anybody may send; no line above debug may hold it. */
const EVIL = 'evil<script>\u001b[2J';
const block: Block = { height: 7, minedBy: EVIL, messages: [EVIL], nonce: EVIL, timestamp: 1, hash: HASH };
const target = { height: 9, hash: HASH };
const evilPeer = { host: EVIL, port: 1 };

/** One notice of every kind and shape. */
const NOTICES: PowNotice[] = [
  { kind: 'work', template: null },
  {
    kind: 'work',
    template: { height: 8, previousHash: HASH, messages: [EVIL], minedBy: 'us', difficulty: 8 },
  },
  { kind: 'peer-joined', peer: evilPeer, name: EVIL, peers: 1 },
  { kind: 'peer-joined', peer: evilPeer, name: EVIL, peers: 2 },
  { kind: 'peer-dropped', peer: evilPeer, peers: 1 },
  { kind: 'peer-dropped', peer: evilPeer, peers: 0 },
  { kind: 'block', block, source: 'mined' },
  { kind: 'block', block, source: 'announced' },
  { kind: 'consensus-started', peers: 3 },
  { kind: 'sync-started', target, forkPoint: 3, peers: 2 },
  { kind: 'sync-progress', verified: 2, total: 5 },
  { kind: 'chain-adopted', height: 9, hash: HASH, added: 5, depth: 0, returnedWords: 0 },
  { kind: 'chain-adopted', height: 9, hash: HASH, added: 5, depth: 2, returnedWords: 1 },
  { kind: 'false-chain', target, claimedBy: [evilPeer], fault: 'wrong-hash' },
  { kind: 'chain-unavailable', target },
  { kind: 'consensus-finished', outcome: 'alone', answers: 0, height: 9 },
  { kind: 'consensus-finished', outcome: 'current', answers: 2, height: 9 },
  { kind: 'consensus-finished', outcome: 'adopted', answers: 2, height: 9 },
  { kind: 'consensus-finished', outcome: 'failed', answers: 2, height: 9 },
  { kind: 'waiting' },
];

test('no text from the network stands above debug, whatever the notice', () => {
  const { reporter: subject, lines } = reporter();
  for (const notice of NOTICES) subject.report(notice);
  const loud = lines.filter(({ level }) => level !== 'debug');
  expect(loud.length).toBeGreaterThan(10);
  expect(JSON.stringify(loud)).not.toContain('evil');
  // At debug it is there for whoever looks for it.
  expect(JSON.stringify(lines)).toContain('evil');
  expect(lines.every(({ level }) => LOG_LEVELS.includes(level))).toBe(true);
});

describe('lines for people', () => {
  const said = (...notices: PowNotice[]): string[] => {
    const { reporter: subject, lines } = reporter();
    for (const notice of notices) subject.report(notice);
    return lines
      .filter(({ level }) => level !== 'debug')
      .map(({ level, message, data }) => `${level}: ${message} ${JSON.stringify(data)}`);
  };

  test('blocks, ours and those of others', () => {
    expect(
      said({ kind: 'block', block, source: 'mined' }, { kind: 'block', block, source: 'announced' }),
    ).toEqual([
      `info: block mined by us {"height":7,"hash":"${HASH}"}`,
      `info: block {"height":7,"hash":"${HASH}"}`,
    ]);
  });

  test('a reorganisation has its depth', () => {
    expect(
      said({ kind: 'chain-adopted', height: 9, hash: HASH, added: 5, depth: 2, returnedWords: 1 }),
    ).toEqual([`warn: reorganisation {"depth":2,"added":5,"height":8,"hash":"${HASH}","returnedWords":1}`]);
  });

  test('only the first peer and the loss of the last are worth a line', () => {
    const joined = (peers: number): PowNotice => ({ kind: 'peer-joined', peer: evilPeer, name: '', peers });
    const dropped = (peers: number): PowNotice => ({ kind: 'peer-dropped', peer: evilPeer, peers });
    expect(said(joined(1), joined(2), dropped(1), dropped(0))).toHaveLength(2);
  });

  test('that nothing changes is said once, and again after something changed', () => {
    const alone: PowNotice = { kind: 'consensus-finished', outcome: 'alone', answers: 0, height: 0 };
    const waiting: PowNotice = { kind: 'waiting' };
    const mined: PowNotice = { kind: 'block', block, source: 'mined' };
    const current: PowNotice = { kind: 'consensus-finished', outcome: 'current', answers: 1, height: 8 };
    expect(said(alone, waiting, alone, waiting)).toHaveLength(2);
    expect(said(current, current, mined, current)).toHaveLength(3);
    // That nobody is there has nothing to do with our own blocks.
    expect(said(alone, mined, alone)).toHaveLength(2);
  });

  const finished = (outcome: 'alone' | 'current', answers: number, height: number): PowNotice => {
    return { kind: 'consensus-finished', outcome, answers, height };
  };
  const joined: PowNotice = { kind: 'peer-joined', peer: evilPeer, name: '', peers: 1 };
  const dropped: PowNotice = { kind: 'peer-dropped', peer: evilPeer, peers: 0 };

  test('who has met a peer is not alone, whether or not it has answered', () => {
    expect(said(joined, finished('alone', 0, 0))).toEqual([
      'info: joined: the first peer is there {}',
      'info: no peer has answered yet which chain it has; asking again {"peers":1}',
    ]);
    expect(said(finished('alone', 0, 0), joined, dropped, finished('alone', 0, 0))).toEqual([
      'info: no other peer so far; looking again {}',
      'info: joined: the first peer is there {}',
      'info: no peer is left; the hosts given with --join are still greeted {}',
    ]);
  });

  test('nobody is in step with a network that has no block', () => {
    expect(said(finished('current', 2, 0))).toEqual(['info: no peer has a chain so far {"answers":2}']);
    expect(said(finished('current', 2, 7))).toEqual([
      'info: in step with the network {"height":6,"answers":2}',
    ]);
  });

  test('chains are named by the height of their last block', () => {
    expect(
      said(
        { kind: 'sync-started', target, forkPoint: 3, peers: 2 },
        { kind: 'chain-adopted', height: 9, hash: HASH, added: 5, depth: 0, returnedWords: 0 },
        { kind: 'chain-unavailable', target },
      ),
    ).toEqual([
      `info: sync started {"from":4,"to":8,"hash":"${HASH}","peers":2}`,
      `info: sync finished {"added":5,"height":8,"hash":"${HASH}"}`,
      `warn: nobody serves a claimed chain {"height":8,"hash":"${HASH}"}`,
    ]);
  });
});

describe('progress', () => {
  test('runs from the start of a sync to its end, however it ends', () => {
    const started: PowNotice = { kind: 'sync-started', target, forkPoint: 3, peers: 2 };
    for (const end of [
      { kind: 'chain-adopted', height: 9, hash: HASH, added: 5, depth: 0, returnedWords: 0 },
      { kind: 'false-chain', target, claimedBy: [], fault: 'wrong-hash' },
      { kind: 'chain-unavailable', target },
      { kind: 'consensus-finished', outcome: 'failed', answers: 1, height: 4 },
    ] satisfies PowNotice[]) {
      const { reporter: subject, progress } = reporter();
      subject.report(started);
      subject.report({ kind: 'sync-progress', verified: 2, total: 5 });
      subject.report(end);
      expect(progress.calls).toEqual(['start 5', 'update 2/5', 'stop']);
    }
  });

  test('closing takes it off the terminal', () => {
    const { reporter: subject, progress } = reporter();
    subject.close();
    expect(progress.calls).toEqual(['stop']);
  });

  test('without a terminal there is a line every ten seconds', () => {
    const { lines, log } = gather();
    let now = 0;
    const progress = new ProgressLines(log, () => now);
    progress.start();
    now = 9_999;
    progress.update(1, 100);
    expect(lines).toEqual([]);
    now = 10_000;
    progress.update(2, 100);
    now = 15_000;
    progress.update(3, 100);
    now = 20_000;
    progress.update(4, 100);
    expect(lines.map(({ data }) => data)).toEqual([
      { verified: 2, total: 100 },
      { verified: 4, total: 100 },
    ]);
  });
});
