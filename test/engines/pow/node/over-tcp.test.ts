/** Proof of work over the framed TCP that PBFT uses: neither engine, codec, host nor transport knows of the other one. */
import { afterEach, expect, test } from 'vitest';

import { addressKey, type Address } from '../../../../shared/address.ts';
import { generateKeyPair } from '../../../../shared/ed25519.ts';
import { silentLog } from '../../../../shared/log.ts';
import { powCodec } from '../../../../peer/engines/pow/protocol/codec.ts';
import { PowEngine } from '../../../../peer/engines/pow/protocol/pow.ts';
import { EngineHost, HostError } from '../../../../peer/node/host.ts';
import { openTcpMesh, type TcpMesh } from '../../../../peer/transports/tcp.ts';
import type { Transport } from '../../../../peer/transports/transport.ts';
import { eventually } from '../../../support/asker.ts';
import { buildChain, mineBlock, type PlainBlock } from '../../../support/chains.ts';
import { storeWith } from '../../../support/virtual-network.ts';
import type { PowTypes } from '../../../../peer/engines/pow/protocol/types.ts';

const LOOPBACK = '127.0.0.1';
const DIFFICULTY = 1;

type PowHost = EngineHost<PowTypes>;

interface Node {
  readonly mesh: TcpMesh;
  readonly engine: PowEngine;
  readonly host: PowHost;
}

/** A mesh for an engine whose peers are addresses: those at which the members are, in their order. */
function byAddress(mesh: TcpMesh, addresses: readonly Address[]): Transport {
  const members = new Map(addresses.map((address, member) => [addressKey(address), member]));
  return {
    local: mesh.local,
    send(bytes, to) {
      const member = members.get(addressKey(to));
      if (member !== undefined) mesh.send(bytes, member);
    },
    close: () => mesh.close(),
  };
}

const failures: HostError[] = [];
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

/** Peers that are all connected with each other and run: one for each of these chains. */
async function peersWith(chains: readonly (readonly PlainBlock[])[]): Promise<Node[]> {
  const keys = chains.map(generateKeyPair);
  const members = keys.map(({ publicKey }) => ({ publicKey }));
  const hosts: PowHost[] = [];
  const meshes: TcpMesh[] = [];
  const addresses: Address[] = [];
  for (const [self, key] of keys.entries()) {
    const mesh = await openTcpMesh(
      {
        ...{ bind: LOOPBACK, port: 0, cluster: 'proof of work', self, key, members },
        ...{ bootstrap: [...addresses], bufferFrames: 1_000, log: silentLog },
      },
      {
        onMessage: (bytes, from) => {
          const address = addresses[from];
          if (address !== undefined) hosts[self]?.receive(bytes, address);
        },
        onError: (error) => hosts[self]?.fail(new HostError('transport', error)),
      },
    );
    open.push(mesh);
    meshes.push(mesh);
    addresses.push(mesh.local);
  }
  await eventually('everybody is connected with everybody', () =>
    meshes.every((mesh) => mesh.peers().every(({ state }) => state === 'up')),
  );
  const nodes = meshes.map((mesh, place): Node => {
    const store = storeWith(chains[place] ?? [], DIFFICULTY);
    const config = {
      self: mesh.local,
      selfHosts: [LOOPBACK],
      name: `peer ${place}`,
      difficulty: DIFFICULTY,
      // All the others of each of them are to come by GOSSIP.
      join: addresses.slice(0, place === 0 ? 0 : 1),
      consensusInterval: 500,
      gossipInterval: 500,
      peerTimeout: 60_000,
      minedBy: 'test',
      idleWord: 'idle',
      genesis: false,
    };
    const engine = new PowEngine(config, { view: store, entropy: Buffer.alloc(32, place) });
    const host: PowHost = new EngineHost({
      ...{ engine, codec: powCodec, transport: byAddress(mesh, addresses), store },
      onNotice: () => undefined,
      onFailure: (error) => failures.push(error),
    });
    hosts.push(host);
    open.unshift(host);
    return { mesh, engine, host };
  });
  for (const { host } of nodes) host.start();
  return nodes;
}

test('three peers find each other, agree on the longest chain and pass on what is mined', async () => {
  const plan = { difficulty: DIFFICULTY };
  const longest = buildChain(120, { ...plan, minedBy: 'longest' });
  const nodes = await peersWith([buildChain(40, plan), longest, []]);
  const heights = (): number[] => nodes.map(({ engine }) => engine.status().height);
  await eventually('all have the longest chain', () => heights().every((height) => height === 120));
  await eventually('each knows both others', () =>
    nodes.every(({ engine }) => engine.status().peers.filter(({ verified }) => verified).length === 2),
  );
  const block = mineBlock(longest.at(-1) ?? null, plan);
  expect(nodes[2]?.host.request({ kind: 'submit-block', block })).toMatchObject({ status: 'accepted' });
  await eventually('all have the new block', () => heights().every((height) => height === 121));
  expect(nodes.map(({ engine }) => engine.status().hash)).toEqual([block.hash, block.hash, block.hash]);
  for (const { host, mesh } of nodes) {
    expect(host.counters.malformed).toEqual({});
    expect(mesh.counters.dropped).toEqual({});
    expect(mesh.counters.received).toBeGreaterThan(10);
  }
  expect(failures).toEqual([]);
});
