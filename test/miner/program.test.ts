/** The miner as a user runs it: a process, with our peer's server and with scripted peers of the seed. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { MiningServer } from '../../peer/engines/pow/node/mining/server.ts';
import { hashBlock, readBlock, verifyBlock, type Block } from '../../shared/block.ts';
import { silentLog } from '../../shared/log.ts';
import type { WorkTemplate } from '../../shared/work.ts';
import { until, workAt } from '../engines/pow/node/mining/helpers.ts';
import { Program } from '../support/processes.ts';
import { ScriptedPeer } from './helpers.ts';

const programs: Program[] = [];
const servers: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.kill('SIGKILL')));
  for (const server of servers.splice(0)) await server.close();
});

/** Runs `node miner`. */
function run(...args: string[]): Program {
  const program = new Program(['miner', ...args]);
  programs.push(program);
  return program;
}

/** Starts `node miner` for a peer, with one worker. */
function startMiner(port: number, ...options: string[]): Program {
  return run(
    ...['--peer_host', '127.0.0.1', '--peer_port', String(port), '--processes', '1'],
    ...['--log-format', 'json', ...options],
  );
}

function said(program: Program, message: string): boolean {
  return program.records.some((record) => record.message === message);
}

/** Our server with a chain of its own behind it. */
async function startServer(
  first: WorkTemplate,
  port = 0,
): Promise<{ server: MiningServer; port: number; chain: Block[] }> {
  const chain: Block[] = [];
  let template = first;
  const server: MiningServer = new MiningServer(
    { bind: '127.0.0.1', port },
    {
      log: silentLog,
      now: Date.now,
      entropy: randomBytes,
      submit: (block) => {
        if (block.height !== template.height) return { status: 'stale' };
        chain.push(block);
        template = { ...template, height: block.height + 1, previousHash: block.hash };
        server.setTemplate(template);
        return { status: 'accepted' };
      },
    },
  );
  servers.push(server);
  const address = await server.listen();
  server.setTemplate(template);
  return { server, port: address.port, chain };
}

describe('node miner, for our peer', () => {
  it('is on this machine where --peer_host has no value', async () => {
    const { server, port } = await startServer(workAt(0, ['one'], 64));
    run('--peer_host', '--peer_port', String(port), '--processes', '2');
    await until('it has connected', () => server.miners()[0]?.processes === 2);
  });

  it('mines a chain from its genesis on, and ends with Ctrl-C', async () => {
    const { server, port, chain } = await startServer(workAt(0, ['one', 'two'], 3));
    const program = startMiner(port);
    await until('five blocks are mined', () => chain.length >= 5);
    let below: Block | null = null;
    for (const block of chain) {
      expect(verifyBlock(block, below, 3)).toBeUndefined();
      expect(block).toMatchObject({ minedBy: 'tester', messages: ['one', 'two'] });
      below = block;
    }
    expect(server.miners()).toMatchObject([{ agent: 'gossip-miner', processes: 1, rejected: 0 }]);
    expect(said(program, 'connected to the peer')).toBe(true);
    await until('it is told', () => said(program, 'the peer accepted the block'));
    process.kill(program.pid, 'SIGINT');
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(program.records.at(-1)).toMatchObject({ message: 'stopped', rejected: 0 });
    expect(program.records.at(-1)?.['found']).toBeGreaterThanOrEqual(5);
    for (const total of ['hashes', 'rate', 'accepted', 'stale', 'best', 'uptime'])
      expect(program.records.at(-1)).toHaveProperty(total);
    await until('the server notices', () => server.miners().length === 0);
  });

  it('puts the messages into the order that it found a nonce for', async () => {
    // The hash of the block below, the name and the messages fill two of SHA-256's blocks; a nonce of 38 characters
    // stays within the third.
    const messages = ['first', 'second one', 'third', 'number four', 'the last'];
    const minedBy = 'x'.repeat(128 - 64 - messages.join('').length);
    const { server, port, chain } = await startServer({ ...workAt(1, messages, 2), minedBy });
    startMiner(port, '--kernel', 'wasm');
    const reordered = (): Block[] => chain.filter((block) => block.messages.join() !== messages.join());
    await until('blocks of other orders are mined', () => reordered().length >= 3);
    let below = { height: 0, hash: workAt(1).previousHash };
    for (const block of chain) {
      expect(verifyBlock(block, below, 2)).toBeUndefined();
      expect(block.messages.toSorted()).toEqual(messages.toSorted());
      below = block;
    }
    expect(server.miners()).toMatchObject([{ rejected: 0 }]);
  });

  it('leaves work that is stale at once', async () => {
    // Nobody finds 30 zeros: only new work ends this.
    const { server, port, chain } = await startServer(workAt(1, ['hello'], 30));
    startMiner(port);
    await until('it mines', () => server.miners()[0]?.agent === 'gossip-miner');
    server.setTemplate(workAt(2, ['hello'], 2));
    // The scripted chain takes only height 1, so the block comes back as stale; that it came is the point.
    await until('a block of the new work comes', () => (server.miners()[0]?.stale ?? 0) > 0);
    expect(chain).toEqual([]);
  });

  it('comes back when the peer was restarted', async () => {
    const { server, port, chain } = await startServer(workAt(0, ['hello'], 2));
    const program = startMiner(port);
    await until('it mines', () => chain.length > 0);
    await server.close();
    await until('it notices', () => said(program, 'lost the peer'));
    const again = await startServer(workAt(0, ['hello'], 2), port);
    await until('it mines again', () => again.chain.length > 0);
    expect(program.alive).toBe(true);
  });

  it('shares the work with another miner: their nonces begin differently', async () => {
    const { server, port, chain } = await startServer(workAt(0, ['hello'], 3));
    startMiner(port);
    startMiner(port);
    await until('both have mined', () => {
      const miners = server.miners();
      return miners.length === 2 && miners.every(({ accepted }) => accepted > 0);
    });
    expect(new Set(chain.map(({ nonce }) => nonce.slice(0, 3))).size).toBe(2);
  });

  it('ends at once with a second signal', async () => {
    const { server, port } = await startServer(workAt(1, ['hello'], 30));
    const program = startMiner(port);
    await until('it mines', () => server.miners()[0]?.agent === 'gossip-miner');
    // Stopped, it gets both in the same moment.
    for (const signal of ['SIGSTOP', 'SIGINT', 'SIGTERM', 'SIGCONT'] as const)
      process.kill(program.pid, signal);
    expect(await program.ended).toEqual({ code: 130, signal: null });
  });
});

describe('node miner, for a seed’s peer', () => {
  it('mines unframed, coalesced, repeated jobs that say little, and never says anything but blocks', async () => {
    const below = 'ab'.repeat(32);
    const first = JSON.stringify({ height: 20, previous_hash: below });
    const peer = await ScriptedPeer.start((miner) => {
      miner.send(first + first);
    });
    servers.push(peer);
    startMiner(peer.port, '--difficulty', '3', '--name', 'me', '--kernel', 'reference');
    await until('it connects', () => peer.miners.length === 1);
    const miner = peer.miners[0];
    const repeat = setInterval(() => miner?.send(first), 5);
    const read = readBlock(await miner?.next());
    if (typeof read === 'string') throw new Error(read);
    expect(verifyBlock(read, { height: 19, hash: below }, 3)).toBeUndefined();
    expect(read).toMatchObject({ height: 20, minedBy: 'me', messages: ['gossip-miner'] });
    expect(read.timestamp).toBeLessThanOrEqual(Date.now() / 1000);
    // The repeated job is not mined a second time.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(miner?.received).toHaveLength(1);
    clearInterval(repeat);
    miner?.send({
      minedBy: 'Somebody Else',
      previous_hash: read.hash,
      height: 21,
      difficulty: 2,
      messages: ['world'],
    });
    const next = readBlock(await miner?.next());
    if (typeof next === 'string') throw new Error(next);
    expect(verifyBlock(next, read, 2)).toBeUndefined();
    expect(next).toMatchObject({ minedBy: 'Somebody Else', messages: ['world'] });
    expect(hashBlock(next, read.hash)).toBe(next.hash);
    expect(miner?.received.every((object) => !('type' in object))).toBe(true);
  });

  it('hands in the messages in the order that it found a nonce for', async () => {
    const below = 'ab'.repeat(32);
    const messages = ['first', 'second one', 'third', 'number four', 'the last'];
    const minedBy = 'x'.repeat(128 - 64 - messages.join('').length);
    let height = 1;
    const peer = await ScriptedPeer.start((miner) => {
      miner.send({ height, previous_hash: below, messages, minedBy, difficulty: 2 });
    });
    servers.push(peer);
    startMiner(peer.port, '--kernel', 'wasm');
    await until('it connects', () => peer.miners.length === 1);
    const orders = new Set<string>();
    while (orders.size < 3) {
      const block = readBlock(await peer.miners[0]?.next());
      if (typeof block === 'string') throw new Error(block);
      expect(verifyBlock(block, { height: height - 1, hash: below }, 2)).toBeUndefined();
      expect(block.messages.toSorted()).toEqual(messages.toSorted());
      orders.add(block.messages.join());
      peer.miners[0]?.send({ height: ++height, previous_hash: below, messages, minedBy, difficulty: 2 });
    }
  });

  it('survives garbage of every kind', async () => {
    const garbage = ['\u0000\u0001', '[[[[', `{"a":${'{'.repeat(100)}`, `{"a":"${'x'.repeat(20_000)}`, ''];
    const peer = await ScriptedPeer.start((miner) => {
      const text = garbage.shift();
      if (text === undefined) miner.send({ height: 0, difficulty: 2 });
      else miner.socket.end(text);
    });
    servers.push(peer);
    const program = startMiner(peer.port);
    await until('it has seen two kinds', () => peer.miners.length >= 2);
    garbage.length = 0;
    await until('it mines nonetheless', () => peer.miners.at(-1)?.received.length === 1);
    expect(program.alive).toBe(true);
    expect(program.lines).toEqual([]);
  });
});

describe('signals', () => {
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gossip-miner-test-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  /** An option file that can be changed. */
  function optionFile(content: string): { readonly path: string; set(content: string): void } {
    const path = join(directory, 'options.json');
    const set = (next: string): void => {
      writeFileSync(path, next);
    };
    set(content);
    return { path, set };
  }

  /** The port of a peer that has no work. */
  async function startIdlePeer(): Promise<number> {
    const peer = await ScriptedPeer.start();
    servers.push(peer);
    return peer.port;
  }

  it('SIGUSR2 pauses the search and lets it go on', async () => {
    const { port, chain } = await startServer(workAt(0, ['hello'], 2));
    const program = startMiner(port);
    await until('it mines', () => chain.length > 0);
    process.kill(program.pid, 'SIGUSR2');
    await until('it pauses', () => said(program, 'paused'));
    // What was on its way still comes.
    let seen = { length: -1, at: 0 };
    await until('no block comes for a while', () => {
      if (chain.length !== seen.length) seen = { length: chain.length, at: performance.now() };
      return performance.now() > seen.at + 500;
    });
    process.kill(program.pid, 'SIGUSR2');
    await until('it mines again', () => chain.length > seen.length);
    expect(said(program, 'mining again')).toBe(true);
  });

  it('SIGHUP takes the number of workers from the option file; what is wrong in it changes nothing', async () => {
    const file = optionFile('{"processes": 1}');
    const program = run(
      ...['--peer-port', String(await startIdlePeer()), '--log-format', 'json', '--config', file.path],
    );
    await until('it runs', () => said(program, 'connected to the peer'));
    file.set('{"processes": 3}');
    process.kill(program.pid, 'SIGHUP');
    const changes = (): unknown[] =>
      program.records
        .filter(({ message }) => message === 'another number of workers')
        .map((record) => record['processes']);
    await until('there are three', () => changes().length === 1);
    expect(changes()).toEqual([3]);
    file.set('{"processes": 0}');
    process.kill(program.pid, 'SIGHUP');
    await until('it is warned of', () =>
      program.records.some(({ message }) =>
        message.startsWith(`option file ${file.path}: "processes": It must`),
      ),
    );
    file.set('{"processes": 2}');
    process.kill(program.pid, 'SIGHUP');
    await until('there are two', () => changes().length === 2);
    expect(changes()).toEqual([3, 2]);
    expect(program.alive).toBe(true);
  });

  it('SIGHUP changes nothing where the command line says how many there are', async () => {
    const file = optionFile('{"processes": 3}');
    const program = startMiner(await startIdlePeer(), '--config', file.path);
    await until('it runs', () => said(program, 'connected to the peer'));
    process.kill(program.pid, 'SIGHUP');
    await until('it says so', () =>
      said(program, 'the number of processes was given on the command line or in the environment, and stays'),
    );
    expect(said(program, 'another number of workers')).toBe(false);
  });

  it('SIGHUP ends a miner without an option file', async () => {
    const program = startMiner(await startIdlePeer());
    await until('it runs', () => said(program, 'connected to the peer'));
    process.kill(program.pid, 'SIGHUP');
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(said(program, 'stopped')).toBe(true);
  });
});

describe('the benchmark', () => {
  it('writes JSON with lasting names, and nothing else in a pipe', async () => {
    const program = run(
      ...['--benchmark', '--json', '--benchmark-seconds', '0.05', '--processes', '2'],
      ...['--kernel', 'reference', '--difficulty', '7'],
    );
    expect(await program.ended).toEqual({ code: 0, signal: null });
    const report = JSON.parse(program.lines.join('\n')) as Record<string, unknown>;
    const number = expect.any(Number) as number;
    expect(report).toEqual({
      node: process.version,
      cpu: expect.any(String) as string,
      cores: number,
      difficulty: 7,
      seconds_per_measurement: 0.05,
      kernels: [
        {
          kernel: 'reference',
          available: true,
          description: expect.any(String) as string,
          hashes_per_second: number,
          cycles_per_nonce: expect.toSatisfy(
            (value) => value === null || typeof value === 'number',
          ) as number,
          ratio_to_reference: 1,
          scaling: [
            { threads: 1, hashes_per_second: number, ratio: 1 },
            { threads: 2, hashes_per_second: number, ratio: number },
          ],
          seconds_per_block: number,
        },
      ],
    });
  });

  it('is a table for people', async () => {
    const program = run(
      ...['--benchmark', '--benchmark-seconds', '0.05', '--processes', '1', '--kernel', 'reference'],
    );
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(program.lines[1]).toMatch(/^one thread +rate +cycles\/nonce +to reference$/);
    expect(program.lines.at(-1)).toMatch(/^ {2}a block of difficulty 8 every .* on average$/);
  });

  it('has --json to itself', async () => {
    const program = run('--json');
    expect((await program.ended).code).toBe(1);
    expect(program.lines).toEqual(['miner: --json is for --benchmark; the log has --log-format json']);
  });
});

describe('the command line', () => {
  it('explains itself, with defaults and an example', async () => {
    const program = run('--help');
    expect(await program.ended).toEqual({ code: 0, signal: null });
    const help = program.lines.join('\n');
    expect(help).toContain('--peer-host [host]');
    for (const option of ['peer-port', 'processes', 'kernel', 'difficulty', 'name', 'log-level'])
      expect(help).toContain(`--${option} <`);
    for (const explained of ['p pauses', '+ and -', 'q ends', 'SIGUSR2', 'SIGHUP', '--benchmark', '--json'])
      expect(help).toContain(explained);
    expect(help).toContain('node miner --peer_host 127.0.0.1 --peer_port 8786 --processes 8');
    expect(help.match(/default:/g)?.length).toBeGreaterThanOrEqual(8);
  });

  it.each([
    ['--processes', '0'],
    ['--peer-port', '70000'],
    ['--kernel', 'magic'],
    ['--name', 'é'],
    ['--difficulty', '65'],
    ['--niceness', '20'],
    ['--benchmark-seconds', '0'],
  ])('refuses %s %s in one line', async (...args) => {
    const program = run(...args);
    expect((await program.ended).code).toBe(1);
    expect(program.lines).toHaveLength(1);
    expect(program.lines[0]).toMatch(/^miner: .*must be/);
  });
});
