/** An engine that says only what it is gets the commands of all others: real processes of a program that has it. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { ENGINES } from '../../peer/engines/registry.ts';
import { peerProgram } from '../../peer/program.ts';
import { viewSchema, type ViewJson } from '../../peer/web/schemas.ts';
import { commandsOf } from '../../shared/options.ts';
import { runPeer, runScript } from '../commands/run.ts';
import { eventually } from '../support/asker.ts';
import { ROOT } from '../support/built.ts';
import { Lab, freePort, freePorts, type Program } from '../support/processes.ts';
import { LOOPBACK } from '../support/wire.ts';

const PROGRAM = 'dist/test/support/dummy/main.js';
const LIMIT = 400_000;
/** How long something may take to be seen: programs must start, on a machine that does more. */
const PATIENCE = 100_000;

function newLab(): Lab {
  const lab = new Lab();
  onTestFinished(() => lab.close());
  return lab;
}

/** Waits for a line of a program. */
function says(program: Program, pattern: RegExp): Promise<RegExpExecArray> {
  return eventually(
    `it says ${pattern}`,
    () => {
      for (const line of [...program.lines, ...program.records.map(({ message }) => message)]) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      if (!program.alive) throw new Error(program.explain());
      return undefined;
    },
    PATIENCE,
  );
}

async function view(base: string): Promise<ViewJson> {
  return viewSchema.parse(await (await fetch(`${base}/view`)).json());
}

/** Waits until a node has a count. */
function counts(base: string, count: number): Promise<boolean> {
  return eventually(
    `${base} has ${count}`,
    async () => (await view(base).catch(() => undefined))?.figures[0]?.number === count,
    PATIENCE,
  );
}

describe('a network of it', () => {
  it(
    'is started, asked, shown, parted, healed and killed like every other network',
    async () => {
      const program = newLab().runIn(
        { input: 'pipe' },
        ...[PROGRAM, 'network', '--engine', 'dummy', '--nodes', '3'],
        ...['--base-port', String(await freePorts(6)), '--http-port', String(await freePort())],
      );
      const [, page = ''] = await says(program, /Status page: (http:\S+)\//);
      const api = (node: number): string => `${page}/nodes/counter-${node}/api`;
      await says(program, /^A network of 3 counters runs: the highest count\.$/);

      program.write('increment 5');
      await says(program, /^the count is 5$/);
      for (const node of [1, 2, 3]) await counts(api(node), 5);
      program.write('status');
      await says(program, /^ *node +state +port +count$/);
      await says(program, /^ *counter-3 +running +\d+ +5$/);
      program.write('increment @2 nonsense');
      await says(program, /"by"/);

      expect((await runScript(PROGRAM, ['status', '--url', page])).stdout).toMatch(
        /counter-2 +running +\d+ +5/,
      );
      // A program that has never heard of the engine.
      const unknown = await runPeer(['status', '--url', api(2)]);
      expect(unknown.stdout).toMatch(/^counter-2 at 127\.0\.0\.1:\d+: counting\n +count +5\n/);
      expect(unknown.stdout).toMatch(/\nPeers\n +address\n +127/);
      expect(unknown.stdout).toContain('the count is 5');
      expect((await runPeer(['status', '--url', page])).stdout).toContain('3 of 3 nodes run');

      program.write('partition 1 2,3');
      await says(program, /^the network is partitioned$/);
      program.write('increment @2');
      await counts(api(3), 6);
      expect((await view(api(1))).figures[0]?.number).toBe(5);
      program.write('heal');
      await counts(api(1), 6);

      program.write('kill 3');
      await says(program, /^counter-3 is down$/);
      program.write('start 3');
      await says(program, /^counter-3 runs$/);
      await counts(api(3), 6);
      program.write('quit');
      // It was told something that it did not do.
      expect(await program.ended).toEqual({ code: 1, signal: null });
    },
    LIMIT,
  );
});

it(
  'a node of it keeps its data to itself, and through a kill',
  async () => {
    const lab = newLab();
    const [port, httpPort] = [await freePort(), await freePort()];
    const start = (...more: string[]): Program =>
      lab.runIn(
        {},
        ...[PROGRAM, 'dummy', 'start', '--bind', LOOPBACK, '--port', String(port)],
        ...[
          '--http-port',
          String(httpPort),
          '--data-dir',
          lab.path('dummy'),
          '--log-format',
          'json',
          ...more,
        ],
      );
    const node = start();
    const api = `http://${LOOPBACK}:${httpPort}`;
    await says(node, /^counter is up$/);
    const headers = { 'content-type': 'application/json' };
    await fetch(`${api}/actions/increment`, { method: 'POST', headers, body: '{"by":9}' });
    await says(node, /^the count is 9$/);
    const second = start('--http-port', '0', '--port', '0');
    expect(await second.ended).toEqual({ code: 1, signal: null });
    expect(second.lines.join()).toMatch(/is in use|another process/);
    await node.kill('SIGKILL');
    const again = start();
    await counts(api, 9);
    expect(await again.kill('SIGINT')).toEqual({ code: 0, signal: null });
  },
  LIMIT,
);

it(
  'it is simulated, one seed and a campaign on all cores, and completed',
  async () => {
    const one = await runScript(PROGRAM, ['simulate', 'dummy', '--hours', '0.05', '--seed', '1', '--json']);
    expect(one).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(one.stdout)).toMatchObject({ engine: 'dummy', violations: [] });
    const many = await runScript(PROGRAM, [
      'simulate',
      'dummy',
      '--faults',
      'mixed',
      '--hours',
      '0.05',
      '--seeds',
      '1..4',
    ]);
    expect(many).toMatchObject({ code: 0 });
    expect(many.stdout).toMatch(/\b4 seeds/);
    const { stdout } = await runScript(PROGRAM, ['completion', 'bash']);
    expect(stdout).toMatch(/\bdummy:start\b/);
    expect(stdout).toMatch(/--engine\) words='pow pbft dummy'/);
  },
  LIMIT,
);

it('every engine is started under its own name, and the first of all without it', async () => {
  const help = async (...args: string[]): Promise<string> => {
    const registry = { dummy: () => import('../support/dummy/engine.ts'), ...ENGINES };
    const { program } = await peerProgram(args, registry);
    let text = '';
    for (const command of [program, ...commandsOf(program)])
      command.configureOutput({ writeOut: (more) => (text += more) }).exitOverride();
    await expect(program.parseAsync(args, { from: 'user' })).rejects.toThrow();
    return text;
  };
  const itself = await help('--help');
  expect(itself).toMatch(/^Usage: peer \[options\]/);
  expect(itself).toMatch(/Examples:\n {2}node peer\n {2}node peer -p 8001 /);
  expect(itself).toContain('node peer dummy start --http-port 0');
  for (const name of ['dummy', ...Object.keys(ENGINES)]) {
    expect(itself).toMatch(new RegExp(`\\n {2}${name} +\\S`));
    expect(await help(name, 'start', '--help')).toMatch(new RegExp(`\\n +node peer ${name} start\\b`));
  }
  const network = await help('network', '--help');
  expect(network).toMatch(/\n {2}node peer network\n/);
  for (const name of Object.keys(ENGINES)) expect(network).toContain(`network --engine ${name} `);
  expect(await help('simulate', '--help')).toMatch(/default:\s+"dummy"/);
});

describe('the promise', () => {
  /** All files of ours below a folder, by their paths. */
  function sourcesOf(...folders: readonly string[]): string[] {
    return folders.flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .map((file) => `${folder}/${file}`)
        .filter((file) => /\.(?:ts|js|html|css)$/.test(file)),
    );
  }

  it('it takes fewer than 150 lines', () => {
    const lines = readFileSync(join(ROOT, 'test/support/dummy/engine.ts'), 'utf8').split('\n');
    expect(lines.length - 1).toBeLessThan(150);
  });

  it('what all engines share names none of them', () => {
    const rooms = ['cli', 'commands', 'core', 'network', 'node', 'simulator', 'storage', 'transports', 'web'];
    const names = new RegExp(`\\b(?:${Object.keys(ENGINES).join('|')})\\b`, 'i');
    const naming = sourcesOf('shared', ...rooms.map((one) => `peer/${one}`)).filter((file) =>
      names.test(readFileSync(join(ROOT, file), 'utf8')),
    );
    expect(naming).toEqual([]);
  });

  it('nothing but its folder, the program that has it, and its tests names it', () => {
    const naming = sourcesOf('peer', 'miner', 'shared', 'test').filter(
      (file) =>
        !/^test\/(?:support\/)?dummy\//.test(file) &&
        !file.startsWith('test/output/') &&
        /\bdummy\b/i.test(readFileSync(join(ROOT, file), 'utf8')),
    );
    expect(naming).toEqual([]);
  });
});
