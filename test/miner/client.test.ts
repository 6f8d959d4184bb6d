import { afterEach, describe, expect, it } from 'vitest';

import { PeerClient } from '../../miner/client.ts';
import type { FoundBlock } from '../../shared/mining-wire.ts';
import { type TestClient, until } from '../engines/pow/node/mining/helpers.ts';
import { ScriptedPeer } from './helpers.ts';

const HASH = 'ab'.repeat(28) + '00000000';
const JOB = { height: 3, previous_hash: HASH };
const HELLO = { agent: 'test', processes: 2 };
const FOUND: FoundBlock = {
  height: 3,
  previousHash: HASH,
  messages: ['a'],
  minedBy: 'me',
  difficulty: 1,
  timestamp: 1,
  nonce: 'n',
  hash: HASH,
  job: undefined,
};

const peers: ScriptedPeer[] = [];
const clients: PeerClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const peer of peers.splice(0)) await peer.close();
});

async function listen(greet?: (miner: TestClient) => void, port?: number): Promise<ScriptedPeer> {
  const peer = await ScriptedPeer.start(greet, port);
  peers.push(peer);
  return peer;
}

/** A client that pauses for `firstPause` at first, and everything that it says happened. */
function join(port: number, firstPause = 5): { client: PeerClient; events: string[]; pauses: number[] } {
  const client = new PeerClient({
    peer: { host: '127.0.0.1', port },
    hello: HELLO,
    random: () => 1,
    firstPause,
  });
  clients.push(client);
  const events: string[] = [];
  const pauses: number[] = [];
  client.on('connected', () => events.push('connected'));
  client.on('job', (job, modern) => events.push(`job ${job.height} ${modern ? 'modern' : 'seed'}`));
  client.on('wait', () => events.push('wait'));
  client.on('result', ({ status }) => events.push(status));
  client.on('garbled', (fault) => events.push(fault));
  client.on('lost', (reason, connected, pause) => {
    events.push(`lost: ${reason}${connected ? '' : ' (never connected)'}`);
    pauses.push(pause);
  });
  client.start();
  return { client, events, pauses };
}

/** Some time in which nothing should happen. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('with a seed’s peer', () => {
  it('understands jobs without any framing, cut anywhere, and says nothing', async () => {
    const peer = await listen();
    const { client, events } = join(peer.port);
    await until('it connects', () => peer.miners.length === 1);
    const bytes = Buffer.from(
      `${JSON.stringify(JOB)}${JSON.stringify({ ...JOB, height: 4 })}  ${JSON.stringify(JOB)}`,
    );
    for (const byte of bytes) {
      peer.miners[0]?.socket.write(Uint8Array.of(byte));
      if (byte % 7 === 0) await new Promise(setImmediate);
    }
    await until('all jobs are understood', () => events.length === 4);
    expect(events).toEqual(['connected', 'job 3 seed', 'job 4 seed', 'job 3 seed']);
    client.tellRate(5);
    await settle();
    expect(peer.miners[0]?.received).toEqual([]);
  });

  it('speaks first with a block', async () => {
    const peer = await listen((miner) => {
      miner.send(JOB);
    });
    const { client, events } = join(peer.port);
    await until('the job comes', () => events.includes('job 3 seed'));
    client.submit(FOUND);
    expect(await peer.miners[0]?.next()).toEqual({
      height: 3,
      previous_hash: HASH,
      messages: ['a'],
      minedBy: 'me',
      difficulty: 1,
      timestamp: 1,
      nonce: 'n',
      hash: HASH,
    });
  });
});

describe('with our peer', () => {
  it('says HELLO once, at the first job with a protocol, and then its rate', async () => {
    const peer = await listen((miner) => {
      miner.send({ ...JOB, protocol: 1 });
      miner.send({ ...JOB, protocol: 1, height: 4 });
      miner.send({ type: 'WAIT' });
      miner.send({ type: 'RESULT', status: 'stale' });
    });
    const { client, events } = join(peer.port);
    await until('everything is understood', () => events.length === 5);
    expect(events).toEqual(['connected', 'job 3 modern', 'job 4 modern', 'wait', 'stale']);
    client.tellRate(1234.4);
    const miner = peer.miners[0];
    expect(await miner?.next()).toEqual({ type: 'HELLO', ...HELLO });
    expect(await miner?.next()).toEqual({ type: 'RATE', hashes_per_second: 1234 });
  });

  it('does not hand in blocks faster than a peer takes them', async () => {
    const peer = await listen((miner) => {
      miner.send({ ...JOB, protocol: 1 });
    });
    const { client, events } = join(peer.port);
    await until('the job comes', () => events.length === 2);
    const start = performance.now();
    for (let nonce = 0; nonce < 6; nonce++) client.submit({ ...FOUND, nonce: String(nonce) });
    const miner = peer.miners[0];
    await until('all blocks arrive', () => miner?.received.length === 7);
    expect(performance.now() - start).toBeGreaterThan(45);
    expect(miner?.received.slice(1).map(({ nonce }) => nonce)).toEqual(['0', '1', '2', '3', '4', '5']);
  });
});

describe('whatever the peer does', () => {
  it('it goes on after messages that it does not understand', async () => {
    const peer = await listen((miner) => {
      miner.send('{nonsense}{"type":"NEWS"}{"height":-1}{"type":"RESULT"}');
      miner.send(JOB);
    });
    const { events } = join(peer.port);
    await until('the job comes', () => events.includes('job 3 seed'));
    expect(events).toEqual(['connected', 'not-json', 'unknown-type', 'bad-job', 'bad-result', 'job 3 seed']);
  });

  it('it leaves a stream that is no JSON, and comes back later', async () => {
    let greeting = 'SSH-2.0-OpenSSH_9.2\r\n';
    const peer = await listen((miner) => {
      miner.send(greeting);
      greeting = JSON.stringify(JOB);
    });
    const { events } = join(peer.port);
    await until('the job comes', () => events.includes('job 3 seed'));
    expect(events).toEqual(['connected', 'lost: the peer sent no JSON objects', 'connected', 'job 3 seed']);
  });

  it('it waits longer and longer for a peer that is not there', async () => {
    const peer = await listen();
    const { port } = peer;
    await peer.close();
    const { events, pauses } = join(port, 4);
    await until('it has tried some times', () => pauses.length === 4);
    expect(pauses).toEqual([4, 8, 16, 32]);
    expect(new Set(events)).toEqual(
      new Set(['lost: nothing listens at that address (ECONNREFUSED) (never connected)']),
    );
  });

  it('it comes back at once after a connection that was good, less hastily after one that was not', async () => {
    let rounds = 0;
    const peer = await listen((miner) => {
      if (++rounds >= 3) miner.send(JOB);
      miner.socket.end();
    });
    const { pauses } = join(peer.port, 3);
    await until('it has come again and again', () => pauses.length === 5);
    expect(pauses).toEqual([3, 6, 3, 3, 3]);
  });

  it('it never waits longer than half a minute', async () => {
    const peer = await listen();
    const { port } = peer;
    await peer.close();
    const { pauses } = join(port, 1e6);
    await until('it has failed', () => pauses.length === 1);
    expect(pauses).toEqual([30_000]);
  });

  it('it ends when it is closed', async () => {
    const peer = await listen((miner) => {
      miner.send(JOB);
    });
    const { client, events } = join(peer.port);
    await until('the job comes', () => events.length === 2);
    client.submit(FOUND);
    client.close();
    await peer.miners[0]?.end();
    expect(peer.miners[0]?.received).toHaveLength(1);
    await settle();
    expect(events).toHaveLength(2);
    expect(peer.miners).toHaveLength(1);
  });
});
