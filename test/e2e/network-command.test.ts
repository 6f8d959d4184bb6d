/** `peer network`: real peers and miners behind one page, and nothing of them left at the end. */
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { minedNodes } from '../../peer/engines/pow/node/network.ts';
import { nodesSchema } from '../../peer/web/schemas.ts';
import { CommandNetwork } from '../support/command-network.ts';
import { eventually } from '../support/asker.ts';
import { Terminal, terminalNote } from '../support/terminal.ts';
import { Lab, freePort, freePorts } from '../support/processes.ts';
import { LOOPBACK } from '../support/wire.ts';

const LIMIT = 400_000;
/** How long something may take to be seen on a terminal. */
const PATIENCE = 100_000;

/** A lab that ends with the test. Our programs notice that the main one is killed, and end too. */
function newLab(): Lab {
  const lab = new Lab();
  onTestFinished(() => lab.close());
  return lab;
}

/** How the system calls the state of a process: T if it is stopped. */
function processState(pid: number): string {
  return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).trim();
}

/** The process of a peer. */
function pidOf(network: CommandNetwork, node: number): number {
  const row = network.processes().find((one) => one.includes(` --name node-${node} `));
  return Number.parseInt(row ?? '', 10);
}

it(
  'parts and heals a network of which both parts mine, and it settles on one chain',
  async () => {
    const network = await CommandNetwork.start(newLab(), { nodes: 3, miners: 2 });
    const all = [1, 2, 3];
    await network.agree(all, 1);
    const parted = await network.order('/partition', { groups: [['node-1', 'node-2'], ['node-3']] });
    expect(parted.partitioned).toBe(true);
    expect(parted.nodes.map(({ name, group, miners }) => [name, group, miners])).toEqual([
      ['node-1', 0, 1],
      ['node-2', 0, 0],
      ['node-3', 1, 1],
    ]);
    // From here on no block gets from one part to the other: each mines its own.
    const parting = await network.highest(all);
    const [first, second, third] = await network.hashesAt(all, parting + 2);
    expect(first).not.toBe(third);
    expect(second).not.toBe(third);
    // Nodes that are started again while the network is parted are parted too.
    for (const node of [1, 3]) await network.order(`/nodes/node-${node}/kill`);
    for (const node of [1, 3]) await network.order(`/nodes/node-${node}/start`);
    const restarted = await network.highest([1, 3]);
    await network.hashesAt([1, 3], restarted + 2);
    expect(await network.hash(1, parting + 2)).toBe(first);
    expect(await network.hash(3, parting + 2)).toBe(third);

    const healed = await network.order('/heal');
    expect([healed.partitioned, ...healed.nodes.map(({ group }) => group)]).toEqual([
      false,
      null,
      null,
      null,
    ]);
    await network.agree(all, (await network.highest(all)) + 2);
    await network.agree(all, parting + 2);
    await network.program.kill('SIGINT');
  },
  LIMIT,
);

it(
  'kills, starts, pauses and resumes nodes, and refuses what makes no sense with a problem',
  async () => {
    const network = await CommandNetwork.start(newLab(), { nodes: 2, miners: 1 });
    const states = async (): Promise<string[]> =>
      (await network.get('/nodes', nodesSchema)).nodes.map(({ state }) => state);
    await network.agree([1, 2], 1);
    const { height } = await network.status(2);
    const pid = pidOf(network, 2);

    await network.order('/nodes/node-2/kill');
    expect(await states()).toEqual(['running', 'down']);
    expect(() => processState(pid)).toThrow();
    await network.order('/nodes/node-2/start');
    expect(await states()).toEqual(['running', 'running']);
    expect((await network.status(2)).height).toBeGreaterThanOrEqual(height);
    expect(pidOf(network, 2)).not.toBe(pid);
    await network.agree([1, 2], height + 1);

    await network.order('/nodes/node-1/pause');
    expect(await states()).toEqual(['paused', 'running']);
    expect(processState(pidOf(network, 1))).toMatch(/^T/);
    const paused = await network.ask('/nodes/node-1/api/status');
    expect(paused).toMatchObject({ status: 503, body: { detail: 'node-1 is paused.' } });
    await network.order('/nodes/node-1/resume');
    expect(processState(pidOf(network, 1))).not.toMatch(/^T/);
    await network.agree([1, 2], (await network.highest([1, 2])) + 1);

    // The API of a node is passed on as it is, its events as they come.
    const events = await fetch(`${network.url}/nodes/node-2/api/events`);
    const reader = events.body?.getReader();
    const first = await reader?.read();
    expect(new TextDecoder().decode(first?.value as Uint8Array)).toMatch(/^retry: \d+\n\nevent: status\n/);
    await reader?.cancel();
    const word = await network.ask('/nodes/node-2/api/words', { word: 'passed on' });
    expect(word).toMatchObject({ status: 202, body: { word: 'passed on' } });

    const wrong: [number, string, unknown?, RequestInit?][] = [
      [404, '/nodes/node-3/kill', {}],
      [404, '/nodes/node-1/explode', {}],
      [404, '/nodes/node-3/api/status'],
      [404, '/nodes/node-1/api/blocks/999999999'],
      [404, '/status'],
      [400, '/nodes/node-1/api/blocks?limit=none'],
      [400, '/nodes/node-1/api/words', { word: 'much too long for a word' }],
      [400, '/nodes/node-1/kill', { now: true }],
      [400, '/nodes/node-1/kill', '{'],
      [400, '/partition', {}],
      [400, '/partition', { groups: [['node-1', 'node-2']] }],
      [400, '/partition', { groups: [['node-1'], []] }],
      [400, '/partition', { groups: [['node-1'], ['node-3']] }],
      [400, '/partition', { groups: [['node-1'], ['node-1', 'node-2']] }],
      [409, '/heal', {}],
      [409, '/nodes/node-1/start', {}],
      [409, '/nodes/node-1/resume', {}],
      [405, '/nodes', {}],
      [405, '/heal'],
      [405, '/nodes/node-1/api/status', undefined, { method: 'DELETE' }],
      [413, '/partition', { groups: [['x'.repeat(5_000)]] }],
      [415, '/heal', undefined, { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } }],
      [
        403,
        '/heal',
        undefined,
        {
          method: 'POST',
          body: '{}',
          headers: { 'content-type': 'application/json', origin: 'http://elsewhere.example' },
        },
      ],
    ];
    for (const [status, path, body, init] of wrong) {
      const answer = await network.ask(path, body, init);
      expect({ path, body, status: answer.status, type: answer.type }).toEqual({
        ...{ path, body, status, type: 'application/problem+json' },
      });
      expect(answer.body).toMatchObject({ status, detail: expect.stringMatching(/^\S.*\.$/) as string });
    }
    expect(await states()).toEqual(['running', 'running']);
    expect((await network.ask('/openapi.json')).body).toMatchObject({
      paths: { '/partition': { post: {} }, '/nodes/{name}/{action}': { post: {} } },
    });
    await network.program.kill('SIGINT');
  },
  LIMIT,
);

it.each([
  ['Ctrl-C ends it, and', 'SIGINT', 0],
  ['a kill -9 of the main process', 'SIGKILL', null],
] as const)(
  '%s leaves no process, not even a paused one, no folder and no port',
  async (_, signal, code) => {
    const network = await CommandNetwork.start(newLab(), { nodes: 2, miners: 2 });
    await network.order('/nodes/node-2/pause');
    const processes = network.processes();
    // Two peers, two miners, and what sees to the rest.
    expect(processes.length).toBe(5);
    const end = await network.program.kill(signal);
    expect(end.code).toBe(code);
    await network.leavesNothing(processes);
    await network.leavesPorts(2);
  },
  LIMIT,
);

it(
  'does what comes through a pipe, says what it can not do, and goes on',
  async () => {
    const network = await CommandNetwork.start(newLab(), { nodes: 3, miners: 1 });
    for (const line of [
      ...['# a comment', '', 'help', 'kill 2', 'kill 2', 'kill 7', 'kill', 'explode', 'start node-2'],
      ...['pause 3', 'resume 3', 'partition 1 2,3', 'heal', 'heal', 'partition 1 1', 'word good morning 2'],
      ...['word hello node-9'],
      ...['word this is much too long', 'wait 0.01', 'wait soon', 'status', 'quit'],
    ])
      network.program.write(line);
    const { code } = await network.program.ended;
    const { lines } = network.program;
    expect(lines).toEqual(
      expect.arrayContaining([
        ...['node-2 is down', 'node-2 runs', 'node-3 is paused', 'node-3 runs'],
        ...['the network is partitioned', 'the network is healed', '"good morning" waits at node-2'],
        ...['3 of 3 nodes run', 'ending …'],
        ...['peer: node-2 is down already.', 'peer: There is no node "7".'],
        ...['peer: There is no node "node-9".'],
        ...[
          'peer: which node? Name it by its number.',
          'peer: there is no command "explode"; "help" lists them',
        ],
        ...['peer: The network is not partitioned.', 'peer: node-1 can only be in one group.'],
        ...['peer: a word is 1 to 19 printable ASCII characters'],
        ...['peer: how long? A number of seconds, at most 86400'],
      ]),
    );
    expect(lines.filter((line) => /^ {2}node-\d +running/.test(line)).length).toBe(3);
    // So that a script that calls it notices.
    expect(code).toBe(1);
  },
  LIMIT,
);

describe.skipIf(terminalNote !== '')(`on a terminal${terminalNote}`, () => {
  it(
    'asks for commands, completes them, and Ctrl-C, which is a key there, ends it',
    async () => {
      const lab = newLab();
      const folder = lab.path('terminal');
      mkdirSync(folder, { recursive: true });
      const base = await freePorts(2);
      const terminal = new Terminal(`peer network --nodes 1 --miners 0 --base-port ${base}`, {
        env: { TMPDIR: folder },
      });
      onTestFinished(() => {
        terminal.close();
      });
      const shows = (text: string, from = 0): Promise<unknown> =>
        eventually(`the terminal shows ${text}`, () => terminal.screen.includes(text, from), PATIENCE).catch(
          (error: unknown) => {
            throw new Error(`${String(error)}; it shows ${JSON.stringify(terminal.screen)}`);
          },
        );
      await shows('Status page: http://');
      await shows('> ');
      // What comes all at once was pasted, and is not completed.
      terminal.press('stat');
      await shows('stat');
      const typed = terminal.screen.length;
      terminal.press('\t');
      await shows('us', typed);
      terminal.press('\r');
      await shows('1 of 1 nodes run');
      terminal.press('kill 1\r');
      await shows('node-1 is down');
      terminal.press('kill 1\r');
      await shows('peer: node-1 is down already.');
      terminal.press('\u0003');
      expect(await terminal.ended).toBe(0);
      expect(readdirSync(folder)).toEqual([]);
    },
    LIMIT,
  );
});

it('a program that is to be supervised says so where nobody can', async () => {
  const lab = newLab();
  const free = await freePort();
  for (const args of [
    [
      'peer',
      '--port',
      '0',
      '--bind',
      LOOPBACK,
      '--miner-port',
      '0',
      '--http-port',
      '0',
      '--data-dir',
      lab.path('none'),
    ],
    ['miner', '--peer-port', String(free), '--processes', '1'],
  ]) {
    const program = lab.run(...args, '--supervised');
    expect((await program.ended).code).toBe(1);
    expect(
      program.lines.filter((line) => line.includes('--supervised is for programs that start this one'))
        .length,
    ).toBe(1);
  }
});

it(
  'runs twice at once on ports of its own choice, without input, and keeps a data folder that it was given',
  async () => {
    const lab = newLab();
    const kept = lab.path('kept');
    const networks = await Promise.all([
      CommandNetwork.start(lab, { nodes: 1, miners: 1, basePort: 0, extra: ['--data-dir', kept] }),
      CommandNetwork.start(lab, { nodes: 2, miners: 0, basePort: 0 }),
    ]);
    const [one, two] = networks;
    expect(one.url).not.toBe(two.url);
    await one.agree([1], 2);
    const addresses = await Promise.all(
      networks.map(async (network) =>
        (await network.get('/nodes', nodesSchema)).nodes.map(({ address }) => address),
      ),
    );
    expect(new Set(addresses.flat().map(({ port }) => port)).size).toBe(3);
    // They are two networks, not one.
    expect((await two.status(1)).height).toBe(0);
    const height = (await one.status(1)).height;
    expect(
      (await Promise.all(networks.map((network) => network.program.kill('SIGTERM')))).map(({ code }) => code),
    ).toEqual([0, 0]);
    expect(existsSync(join(kept, 'node-1'))).toBe(true);
    const again = await CommandNetwork.start(lab, { nodes: 1, miners: 0, extra: ['--data-dir', kept] });
    expect((await again.status(1)).height).toBeGreaterThanOrEqual(height);
    await again.program.kill('SIGINT');
  },
  LIMIT,
);

it(
  'says in one line what it can not do, and leaves nothing',
  async () => {
    const lab = newLab();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    onTestFinished(() => {
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const bases = [await freePorts(2), await freePorts(2)].map(String);
    const cases: [string[], RegExp][] = [
      [['--nodes', '0'], /whole number from 1 to 64/],
      [['--nodes', '65'], /whole number from 1 to 64/],
      [['--nodes', '2', '--miners', '3'], /--miners: 2 peers can have 2 at most/],
      [['--engine', 'raft'], /'raft' is invalid. It must be one of pow, pbft/],
      [['--engine', 'pbft', '--nodes', '3'], /--nodes: a cluster has 4 replicas at the least/],
      [['--engine', 'pbft', '--miners', '1'], /--miners is for --engine pow/],
      [['--application', 'kv'], /--application is for --engine pbft/],
      [['--engine', 'pbft', '--data-dir', '/dev/null/x'], /can't create the data folder \/dev\/null\/x/],
      [['--nodes', '2', '--base-port', '65533'], /--base-port: it is 65532 at the highest/],
      [
        ['--nodes', '1', '--base-port', String(port)],
        new RegExp(`port ${port} is in use; choose others with --base-port`),
      ],
      [
        ['--nodes', '1', '--base-port', bases[0] ?? '', '--http-port', String(port)],
        /in use; choose another with --http-port/,
      ],
      [
        ['--nodes', '1', '--base-port', bases[1] ?? '', '--data-dir', '/dev/null/x'],
        /can't create the data folder/,
      ],
    ];
    const runs = cases.map(([args, message]) => {
      return { message, program: lab.runIn({ env: { TMPDIR: lab.path('') } }, 'peer', 'network', ...args) };
    });
    for (const { message, program } of runs) {
      const { code } = await program.ended;
      const errors = program.lines.filter((line) => line.startsWith('peer: '));
      expect(errors.length).toBe(1);
      expect(errors[0]).toMatch(message);
      expect(code).toBe(1);
    }
  },
  LIMIT,
);

it('gives miners to nodes far from each other, the first one always', () => {
  const mined = (nodes: number, miners: number): number[] => [...minedNodes(nodes, miners)];
  expect(mined(5, 2)).toEqual([0, 3]);
  expect(mined(5, 0)).toEqual([]);
  expect(mined(4, 4)).toEqual([0, 1, 2, 3]);
  for (let nodes = 1; nodes <= 20; nodes++)
    for (let miners = 0; miners <= nodes; miners++) {
      expect(mined(nodes, miners).length).toBe(miners);
      expect(mined(nodes, miners).every((node) => node < nodes)).toBe(true);
    }
});
