import { spawn } from 'node:child_process';

import { describe, expect, onTestFinished, test } from 'vitest';

import { networkText } from '../../peer/cli/network-text.ts';
import { statusOf } from '../../peer/cli/view-status.ts';
import { face } from '../../peer/engines/pow/face/face.ts';
import { listen } from '../../peer/web/http.ts';
import { hashRate } from '../../peer/web/page/format.ts';
import { engineSchema, type NodesJson } from '../../peer/web/schemas.ts';
import { addressKey } from '../../shared/address.ts';
import { silentLog } from '../../shared/log.ts';
import { painter } from '../../shared/text-table.ts';
import { at } from '../engines/pow/protocol/rig.ts';
import { buildChain, mineBlock } from '../support/chains.ts';
import { freePort } from '../support/processes.ts';
import { Terminal, terminalNote } from '../support/terminal.ts';
import { LOOPBACK } from '../support/wire.ts';
import { DIFFICULTY, WebRig, hostileBlock } from '../web/web-rig.ts';
import { runHere, runPeer } from './run.ts';

const plain = buildChain(12, { difficulty: DIFFICULTY });
const chain = [...plain, hostileBlock(plain.at(-1) ?? null)];
const POW = statusOf(face);
const TIP = chain.at(-1)?.hash ?? '';
/** Anything that would do something to a terminal; line ends are ours. */
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

/** A peer that is asked over HTTP, with everything in it that came from the network. */
async function served(): Promise<{
  readonly rig: WebRig;
  readonly url: string;
  readonly close: () => Promise<void>;
}> {
  const rig = new WebRig(chain);
  rig.meet(at(1), { height: 5, hash: plain[4]?.hash ?? '' });
  rig.attach();
  rig.engine.request({ kind: 'submit-word', word: 'waiting' });
  const server = await listen(rig.web.app, { bind: LOOPBACK, port: 0, log: silentLog });
  onTestFinished(async () => {
    await server.close();
    rig.web.close();
    expect(rig.faults).toEqual([]);
  });
  return { rig, url: `http://${LOOPBACK}:${server.address.port}`, close: () => server.close() };
}

/** Runs `peer status` that goes on, and tells its lines as they come. */
function watching(args: readonly string[]): { next(): Promise<string>; stop(): Promise<number | null> } {
  const child = spawn(process.execPath, ['peer', 'status', '--watch', '--interval', '0.05', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let text = '';
  let wake: () => void = () => undefined;
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more;
    wake();
  });
  void ended.then(() => {
    wake();
  });
  return {
    next: async () => {
      while (!text.includes('\n')) {
        if (child.exitCode !== null) throw new Error('it has ended');
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const end = text.indexOf('\n');
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      return line;
    },
    stop: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
}

test('everything that the page shows is printed, and what came from the network draws nothing', async () => {
  const { url } = await served();
  const { stdout, stderr, code } = await runPeer(['status', '--url', `${url}/`]);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  expect(stdout).toMatch(new RegExp(`height +12\\n +tip +${TIP}\\n`));
  expect(stdout).toMatch(/difficulty +1 zero; one hash in 16 fits\n/);
  expect(stdout).toMatch(/time per block +16 ms; by our miners alone/);
  for (const heading of ['Latest blocks', 'Peers', 'Miners', 'Who mined how many', 'Words that wait'])
    expect(stdout).toContain(`\n${heading}\n`);
  expect(stdout).toMatch(/hash rate +1\.00 kH\/s/);
  expect(stdout).toMatch(new RegExp(`${addressKey(at(1)).replaceAll('.', '\\.')} +4 +behind`));
  expect(stdout).toMatch(/Words that wait\n {2}waiting\n/);
  expect(stdout).not.toMatch(CONTROLS);
});

test('as JSON it is what the API gives', async () => {
  const { rig, url } = await served();
  const { stdout } = await runPeer(['status', '--url', url, '--json']);
  const { status, words } = JSON.parse(stdout) as { status: unknown; words: unknown };
  expect(status).toEqual(await rig.json('/status'));
  expect(words).toMatchObject({ words: ['waiting'] });
});

test('with --watch a line is written whenever something has changed, also when the peer is gone', async () => {
  const { rig, url, close } = await served();
  const lines = watching(['--url', url]);
  expect(await lines.next()).toMatch(
    new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ .*height=12 tip=${TIP} .*words=1$`),
  );
  rig.engine.request({ kind: 'submit-word', word: 'another' });
  expect(await lines.next()).toMatch(/words=2$/);
  const block = mineBlock(chain.at(-1) ?? null, { difficulty: DIFFICULTY });
  rig.engine.receive({ type: 'ANNOUNCE', block }, at(1));
  expect(await lines.next()).toMatch(new RegExp(`height=13 tip=${block.hash} `));
  await close();
  expect(await lines.next()).toMatch(/nothing answers at/);
  expect(await lines.stop()).toBe(0);
});

test('with --watch --json a line is one JSON object', async () => {
  const { url } = await served();
  const lines = watching(['--url', url, '--json']);
  expect(JSON.parse(await lines.next())).toMatchObject({ status: { height: 13 } });
  await lines.stop();
});

test.each([
  [
    'nobody listens',
    async () => `http://${LOOPBACK}:${await freePort()}`,
    /^peer: nothing answers at http:\S+ \(is a peer running/,
  ],
  [
    'there is something else',
    async () => `${(await served()).url}/openapi.json`,
    /^peer: \S+ does not answer as a peer does/,
  ],
] as const)('one clear line where %s', async (_, address, message) => {
  for (const more of [[], ['--watch'], ['--json']]) {
    const { stdout, stderr, code } = await runHere(['status', '--url', await address(), ...more]);
    expect({ stdout, code }).toEqual({ stdout: '', code: 1 });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n').length).toBe(1);
  }
});

test('an address that is none is refused', async () => {
  for (const url of ['8998', 'ftp://127.0.0.1/'])
    expect(await runHere(['status', `--url=${url}`])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/It must be the address of a status page/) as string,
    });
});

describe.skipIf(terminalNote !== '')(`on a terminal${terminalNote}`, () => {
  test('it has colours, unless NO_COLOR is set', async () => {
    const { url } = await served();
    for (const [value, colours] of [
      ['', true],
      ['1', false],
    ] as const) {
      const terminal = new Terminal(`peer status --url ${url}`, { env: { NO_COLOR: value } });
      expect(await terminal.ended).toBe(0);
      expect(terminal.screen).toContain(TIP);
      expect(terminal.screen.includes('\u001b[1m')).toBe(colours);
    }
  });

  test('with --watch it is drawn anew in the same place, as far as there is room', async () => {
    const { rig, url } = await served();
    const terminal = new Terminal(`peer status --watch --interval 0.05 --url ${url}`, {
      prepare: 'stty rows 8 cols 60; exec',
    });
    await terminal.shows('height');
    rig.engine.request({ kind: 'submit-word', word: 'another' });
    const from = terminal.screen.length;
    await terminal.shows('\u001b[J', from);
    const [, ...drawings] = terminal.screen.split('\u001b[H');
    // The last one may be half drawn.
    for (const drawing of drawings.slice(0, -1)) {
      const lines = drawing.replaceAll(/\u001b\[[\d;]*[A-Za-z]/g, '').split('\n');
      expect(lines.length).toBeLessThanOrEqual(8);
      for (const line of lines) expect(line.replace(/\r$/, '').length).toBeLessThanOrEqual(60);
    }
    await terminal.pressing('\u0003', '');
    expect(await terminal.ended).toBe(0);
  });
});

test('a network is a table of its nodes', () => {
  const node = (
    name: string,
    state: 'running' | 'down',
    group: number | null,
  ): NodesJson['nodes'][number] => {
    return { name, api: '', address: { host: LOOPBACK, port: 10_001 }, state, group, miners: 1 };
  };
  const nodes = [
    { ...node('node-1', 'running', 0), status: null },
    { ...node('node-2', 'down', 1), status: null },
  ];
  const text = networkText({ partitioned: true, nodes }, POW, painter(false));
  expect(text).toMatch(/^1 of 2 nodes run; the network is partitioned\n/);
  expect(text).toMatch(/\n {2}node-1 +running +1 +10001\b/);
  expect(text).toMatch(/\n {2}node-2 +down +2 /);
});

test('heights are those of blocks, one peer is one, and what happened to the chain is told of', async () => {
  const { rig, url } = await served();
  rig.meet(at(2), { height: 15, hash: `${'a'.repeat(63)}0` });
  rig.report(
    { kind: 'chain-adopted', height: 7, hash: TIP, added: 2, depth: 1, returnedWords: 0 },
    { kind: 'false-chain', target: { height: 7, hash: TIP }, claimedBy: [at(2)], fault: 'It is false.' },
    { kind: 'chain-unavailable', target: { height: 9, hash: TIP } },
  );
  const { stdout } = await runPeer(['status', '--url', url]);
  expect(stdout).toMatch(/ 14 +ahead +\S/);
  expect(stdout).toMatch(
    new RegExp(
      `\nForks\n +height +tip +peers +whose\n +14 +a{16}… +1 +ahead\n +12 +${TIP.slice(0, 16)}… +2 +ours\n`,
    ),
  );
  expect(stdout).toContain('reorganisation: 1 block of ours gave way to 2; height 6 afterwards');
  expect(stdout).toContain('false chain: 1 peer falsely claimed one up to height 6: It is false.');
  expect(stdout).toContain('claimed chain: nobody serves one up to height 8: ');
});

test('what a peer does is told in words', () => {
  const phase = (phase: string, peers: number): string =>
    face.phase({ phase, peers } as Parameters<typeof face.phase>[0]).text;
  expect(phase('following', 1)).toBe('following the network');
  expect(phase('following', 0)).toBe('no other peer is there');
  expect(phase('joining', 0)).toBe('looking for other peers');
});

test.each([80, 70])('a network fits a terminal of %s columns', async (width) => {
  const names = Array.from({ length: 12 }, (_, index) => `node-${index + 1}`);
  const { rig } = await served();
  const status = { ...engineSchema.loose().parse(await rig.json('/status')), height: 1_000_000 };
  const nodes = names.map((name, index) => ({
    ...{ name, api: '', address: { host: LOOPBACK, port: 10_001 + 2 * index }, group: 1, miners: 1 },
    ...{ state: 'running' as const, status },
  }));
  const text = networkText({ partitioned: true, nodes }, POW, Object.assign(painter(false), { width }));
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width);
  // What tells one node from the other is there.
  for (const name of names) expect(text).toContain(`  ${name} `);
  expect(text).toMatch(/ 999,999 /);
});

test('tables are cut where there is too much, and say how much was left out', async () => {
  const { rig, url } = await served();
  for (let word = 0; word < 40; word++) rig.engine.request({ kind: 'submit-word', word: `word ${word}` });
  const { stdout } = await runPeer(['status', '--url', url]);
  expect(stdout).toContain('  word 10\n  … and 29 more\n');
});

test('rates are short', () => {
  expect([0, 12, 1_234, 98_700_000, 2e15].map(hashRate)).toEqual([
    ...['0 H/s', '12 H/s', '1.23 kH/s', '98.7 MH/s', '2.00 PH/s'],
  ]);
});
