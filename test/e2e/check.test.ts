/** `peer check` as a program, over real sockets: our own programs pass, and where nobody is it says so. */
import { it, type TestContext } from 'vitest';

import { runPeer } from '../commands/run.ts';
import { Lab, freePort } from '../support/processes.ts';

const DIFFICULTY = 2;
/** Some of each kind; all of them are tried in virtual time. */
const RULES = [
  'join-sync',
  'gossip-once',
  'block-chain',
  'announce-ahead',
  'sync-fork',
  'sync-liar',
  'sync-loss',
];
const MORE = [
  'odd-bytes',
  'odd-gossip',
  'odd-announce',
  'keep-alive',
  'datagrams',
  'datagram-size',
  'one-port',
];

interface Checked {
  readonly passed: boolean;
  readonly results: readonly { readonly id: string; readonly verdict: string; readonly reason?: string }[];
}

function newLab({ onTestFinished }: TestContext): Lab {
  const lab = new Lab();
  onTestFinished(() => lab.close());
  return lab;
}

function faults(report: string): string[] {
  const { results } = JSON.parse(report) as Checked;
  return results
    .filter(({ verdict }) => verdict !== 'passed')
    .map(({ id, verdict, reason = '' }) => `${verdict} ${id}: ${reason}`);
}

// They wait for what the other does or does not do, most of the time.
it.concurrent('our peer passes, joining', async (context) => {
  const { expect } = context;
  const lab = newLab(context);
  const port = await freePort();
  const peer = await lab.newPeer();
  const only = [...RULES, ...MORE].flatMap((id) => ['--only', id]);
  const checked = runPeer([
    ...['check', '--listen', String(port), '--difficulty', String(DIFFICULTY), '--json', ...only],
    ...['--gossip-interval', '1', '--peer-timeout', '20', '--wait', '60'],
  ]);
  // As a student would: if it comes first, it tries again.
  await peer.start({ difficulty: DIFFICULTY, join: [{ host: '127.0.0.1', port }] });
  const { stdout, stderr, code } = await checked;
  expect(stderr).toBe('');
  expect(faults(stdout)).toEqual([]);
  expect(code).toBe(0);
});

it.concurrent('our miner passes', async (context) => {
  const { expect } = context;
  const lab = newLab(context);
  const port = await freePort();
  const checked = runPeer([
    ...[
      'check',
      'miner',
      '--port',
      String(port),
      '--difficulty',
      String(DIFFICULTY),
      '--json',
      '--wait',
      '60',
    ],
  ]);
  lab.run('miner', '--peer-port', String(port), '--processes', '1', '--kernel', 'wasm');
  const { stdout, stderr, code } = await checked;
  expect(stderr).toBe('');
  expect(faults(stdout)).toEqual([]);
  expect(code).toBe(0);
});

it.concurrent('where nobody answers one line says so', async ({ expect }) => {
  const { stdout, stderr, code } = await runPeer([
    'check',
    `127.0.0.1:${await freePort()}`,
    '--patience',
    '0.1',
  ]);
  expect([stdout, code]).toEqual(['', 1]);
  expect(stderr).toMatch(
    /^peer: nobody answers at 127\.0\.0\.1:\d+; is the peer running, and is that its UDP port\?\n$/,
  );
});
