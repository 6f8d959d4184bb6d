import { createSocket } from 'node:dgram';

import { afterEach, describe, expect, test } from 'vitest';

import { hashBlock, meetsDifficulty, type Block } from '../../../../shared/block.ts';
import { UserError } from '../../../../shared/errors.ts';
import { silentLog } from '../../../../shared/log.ts';
import { openPowNode, type PowNode, type PowNodeOptions } from '../../../../peer/engines/pow/node/open.ts';
import { MemoryStore } from '../../../../peer/storage/memory.ts';

const OPTIONS: PowNodeOptions = {
  port: 0,
  bind: '127.0.0.1',
  host: undefined,
  name: 'test',
  join: [],
  difficulty: 1,
  minerPort: 0,
  minerBind: '127.0.0.1',
  genesis: true,
  consensusInterval: 0.05,
  gossipInterval: 0.05,
  peerTimeout: 60,
  minedBy: 'test',
  idleWord: 'idle',
  http: undefined,
};

/** A store whose disk is full when the test says so. */
class FullStore extends MemoryStore {
  full = false;
  closes = 0;

  override write(...args: Parameters<MemoryStore['write']>): void {
    if (this.full) throw new UserError("can't write the chain: no space left on the device");
    super.write(...args);
  }

  override close(): Promise<void> {
    this.closes++;
    return super.close();
  }
}

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const node of open.splice(0)) await node.close();
});

async function openNode(options: Partial<PowNodeOptions> = {}): Promise<{
  node: PowNode;
  store: FullStore;
  failures: Error[];
}> {
  const store = new FullStore();
  const failures: Error[] = [];
  const node = await openPowNode(
    { ...OPTIONS, ...options },
    {
      store,
      log: silentLog,
      bar: false,
      onFailure: (error) => failures.push(error),
      resolve: (name) =>
        name === 'known.example' ? Promise.resolve('127.0.0.1') : Promise.reject(new Error('ENOTFOUND')),
    },
  );
  open.push(node);
  return { node, store, failures };
}

/** A genesis at difficulty 1. */
function mineGenesis(): Block {
  for (let nonce = 0; ; nonce++) {
    const block = { height: 0, minedBy: 'test', messages: ['hello'], nonce: String(nonce), timestamp: 1 };
    const hash = hashBlock(block, '');
    if (meetsDifficulty(hash, 1)) return { ...block, hash };
  }
}

/** Waits until the node takes blocks, which it does not before it has asked whether there is a chain. */
async function settled(node: PowNode): Promise<void> {
  while (node.status().phase === 'joining' || node.status().phase === 'asking') {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a node', () => {
  test('opens on free ports, takes a block, and closes more than once', async () => {
    const { node, store, failures } = await openNode();
    expect(node.address).toEqual({ host: '127.0.0.1', port: expect.any(Number) as number });
    expect(node.address.port).toBeGreaterThan(0);
    expect(node.minerAddress?.port).toBeGreaterThan(0);
    await settled(node);
    const block = mineGenesis();
    expect(node.request({ kind: 'submit-block', block })).toEqual({ status: 'accepted' });
    expect(node.status()).toMatchObject({ height: 1, hash: block.hash });
    await Promise.all([node.close(), node.close()]);
    expect(store.closes).toBe(1);
    expect(failures).toEqual([]);
  });

  test('that can not store a block does not say that it has it, and stops with the reason', async () => {
    const { node, store, failures } = await openNode();
    await settled(node);
    store.full = true;
    expect(() => node.request({ kind: 'submit-block', block: mineGenesis() })).toThrow('no space left');
    expect(failures).toEqual([new UserError("can't write the chain: no space left on the device")]);
    store.full = false;
    expect(() => node.request({ kind: 'submit-block', block: mineGenesis() })).toThrow('no space left');
    expect([...store.entries()]).toEqual([]);
    await node.close();
    expect(store.closes).toBe(1);
  });

  test('finds peers that it was told of by name, whether the name has an address or not', async () => {
    const { node: first } = await openNode();
    const { node: second } = await openNode({
      join: [
        { host: 'known.example', port: first.address.port },
        { host: 'unknown.example', port: 9 },
      ],
    });
    while (second.status().peers.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(second.status().peers[0]?.address).toEqual(first.address);
    // The name is asked for again, by the transport, in the rounds of gossip.
    while (second.counters().transport.dropped['unresolved'] === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });

  test('knows a peer by its address, whatever it is called', async () => {
    const { node } = await openNode();
    const socket = createSocket('udp4');
    open.push({ close: () => new Promise<void>((resolve) => socket.close(resolve)) });
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { port } = socket.address();
    const names = ['known.example', 'localhost', '127.0.0.1', 'KNOWN.example', 'unknown.example'];
    for (const [index, host] of names.entries()) {
      const gossip = JSON.stringify({ type: 'GOSSIP', host, port, id: `${index}`, name: 'x' });
      socket.send(gossip, node.address.port, '127.0.0.1');
    }
    while ((node.status().counters['gossip.accepted'] ?? 0) < names.length)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(node.status().peers.map(({ address }) => address)).toEqual([{ host: '127.0.0.1', port }]);
  });

  test('that can not be opened has closed what it was given', async () => {
    const { node } = await openNode();
    for (const taken of [{ port: node.address.port }, { minerPort: node.minerAddress?.port }]) {
      const store = new FullStore();
      const parts = { store, log: silentLog, bar: false, onFailure: () => undefined };
      await expect(openPowNode({ ...OPTIONS, ...taken }, parts)).rejects.toThrow(UserError);
      expect(store.closes).toBe(1);
    }
  });

  test('serves no miners when told so', async () => {
    const { node } = await openNode({ minerPort: undefined });
    expect(node.minerAddress).toBeUndefined();
    expect(node.miners()).toEqual([]);
  });
});
