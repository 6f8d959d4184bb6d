/** The miner as a user runs it: a process, with our peer's server and with scripted peers of the seed. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';

import { MiningServer } from '../../peer/mining/server.ts';
import { hashBlock, readBlock, verifyBlock, type Block } from '../../shared/block.ts';
import { silentLog } from '../../shared/log.ts';
import type { WorkTemplate } from '../../shared/work.ts';
import { until, workAt } from '../mining/helpers.ts';
import { Program } from '../support/processes.ts';
import { ScriptedPeer } from './helpers.ts';

const programs: Program[] = [];
const servers: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.kill('SIGKILL')));
  for (const server of servers.splice(0)) await server.close();
});

/** Starts `node miner` with one worker, and says what it wrote if it ends too early. */
function startMiner(port: number, ...options: string[]): Program {
  const program = new Program([
    ...['miner', '--peer_host', '127.0.0.1', '--peer_port', String(port), '--processes', '1'],
    ...['--log-format', 'json', ...options],
  ]);
  programs.push(program);
  return program;
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
    await until('the server notices', () => server.miners().length === 0);
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

describe('the command line', () => {
  it('explains itself, with defaults and an example', async () => {
    const program = new Program(['miner', '--help']);
    programs.push(program);
    expect(await program.ended).toEqual({ code: 0, signal: null });
    const help = program.lines.join('\n');
    for (const option of ['peer-host', 'peer-port', 'processes', 'kernel', 'difficulty', 'name', 'log-level'])
      expect(help).toContain(`--${option} <`);
    expect(help).toContain('node miner --peer_host 127.0.0.1 --peer_port 8786 --processes 8');
    expect(help.match(/default:/g)?.length).toBeGreaterThanOrEqual(8);
  });

  it.each([
    ['--processes', '0'],
    ['--peer-port', '70000'],
    ['--kernel', 'magic'],
    ['--name', 'é'],
    ['--difficulty', '65'],
  ])('refuses %s %s in one line', async (...args) => {
    const program = new Program(['miner', ...args]);
    programs.push(program);
    expect((await program.ended).code).toBe(1);
    expect(program.lines).toHaveLength(1);
    expect(program.lines[0]).toMatch(/^miner: .*must be/);
  });
});
