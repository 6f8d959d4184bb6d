/** Real peers and miners on a bad network: see `lossy-proxy.ts` for how it is made. */
import { describe, expect, it, type TestContext } from 'vitest';

import { addressKey, type Address } from '../../shared/address.ts';
import { eventually } from '../support/asker.ts';
import { LossyNetwork, StreamProxy, exponentialDelay } from '../support/lossy-proxy.ts';
import { Lab, type Peer, type Program } from '../support/processes.ts';
import { LOOPBACK, firstFault, otherHost, type WireBlock } from '../support/wire.ts';

const DIFFICULTY = 4;
const LIMIT = 300_000;
/** One in five is lost, one in five comes twice, one in five is overtaken, and all are late. */
const BAD = { loss: 0.2, duplication: 0.2, reordering: 0.2, delay: exponentialDelay(1, 15, 150) };
/** Loopback addresses beyond the first are what the network is made of; macOS has none. */
const HAS_LOOPBACKS = (await otherHost(0)) !== LOOPBACK;

function newLab({ onTestFinished }: TestContext): Lab {
  const lab = new Lab();
  onTestFinished(async () => {
    await lab.close();
    expect((await lab.asker()).rules.violations).toEqual([]);
  });
  return lab;
}

/** Waits until all peers stand at the same tip, and compares their chains block by block. */
async function agreedChain(lab: Lab, peers: readonly Peer[]): Promise<WireBlock[]> {
  await eventually(
    'all peers stand at one tip',
    async () => {
      const claims = await Promise.all(peers.map((peer) => peer.stats()));
      return claims[0]?.hash !== null && new Set(claims.map(({ hash }) => hash)).size === 1;
    },
    90_000,
  ).catch((error: unknown) => {
    throw new Error([String(error), ...peers.map((peer) => peer.program.explain())].join('\n'));
  });
  const asker = await lab.asker();
  const chains = await Promise.all(peers.map((peer) => asker.chain(peer.port)));
  const [chain = []] = chains;
  expect(firstFault(chain, DIFFICULTY)).toBeUndefined();
  for (const other of chains) expect(other).toEqual(chain);
  return chain;
}

describe.runIf(HAS_LOOPBACKS)(
  'on a network that loses, doubles, reorders and delays',
  { concurrent: true },
  () => {
    it(
      'five peers join, follow, take words, are torn apart, and end with equal chains',
      async (context) => {
        const lab = newLab(context);
        const asker = await lab.asker();
        const network = new LossyNetwork(7);
        lab.onClose(() => {
          network.close();
        });
        network.setAll(BAD);
        const peers: Peer[] = [];
        const addresses: Address[] = [];
        for (const name of ['Anna', 'Berta', 'Carla', 'Dora', 'Emma']) {
          const peer = await lab.newPeer();
          const address = await network.add(peer.port);
          // Everybody knows one other at first: the rest is for gossip to find out.
          await peer.start({
            difficulty: DIFFICULTY,
            name,
            minedBy: name,
            genesis: peers.length === 0,
            join: addresses.slice(-1),
            extra: ['--host', address.host],
          });
          peers.push(peer);
          addresses.push(address);
        }
        const [anna, berta, carla, dora, emma] = peers;
        if (!anna || !berta || !carla || !dora || !emma) throw new Error('there are five');

        // All get to know all, in spite of the losses.
        await eventually(
          'everybody has heard of everybody',
          () =>
            peers.every((peer) => {
              const { records } = peer.program;
              const heard = records
                .filter(({ message }) => message === 'peer joined')
                .map((one) => one['peer']);
              return addresses.every(
                (address) => address.port === peer.port || heard.includes(addressKey(address)),
              );
            }),
          60_000,
        ).catch((error: unknown) => {
          throw new Error([String(error), ...peers.map((peer) => peer.program.explain())].join('\n'));
        });

        // The last follows blocks that the first one's miner finds; words end up in them.
        let miner = lab.startMiner(anna);
        const said = ['through', 'thick and', 'thin'];
        await emma.reaches('five blocks', ({ height }) => height >= 5);
        await eventually('the words are in the chain', async () => {
          for (const word of said) asker.send(anna.port, { type: 'NEW_WORD', word });
          const words = (await asker.chain(anna.port)).flatMap(({ messages }) => messages);
          return said.every((word) => words.includes(word));
        });
        await miner.kill('SIGTERM');
        const together = await agreedChain(lab, peers);

        // Apart: two miners make two branches.
        const [here, there] = [
          [anna, berta],
          [carla, dora, emma],
        ];
        network.partition(
          here.map(({ port }) => port),
          there.map(({ port }) => port),
        );
        miner = lab.startMiner(anna);
        const second = lab.startMiner(dora);
        const apart = ({ height }: { height: number }): boolean => height >= together.length + 3;
        await Promise.all([berta.reaches('a branch', apart), emma.reaches('another branch', apart)]);
        await Promise.all([miner.kill('SIGTERM'), second.kill('SIGTERM')]);
        const [branch, other] = [await asker.chain(berta.port), await asker.chain(emma.port)];
        expect(branch[together.length]?.minedBy).toBe('Anna');
        expect(other[together.length]?.minedBy).toBe('Dora');

        // Healed: one of the branches is everybody's.
        network.heal();
        const healed = await agreedChain(lab, peers);
        expect(healed.slice(0, together.length)).toEqual(together);
        expect(['Anna', 'Dora']).toContain(healed[together.length]?.minedBy);

        // One-way: Emma's datagrams reach nobody for a while, hers are the announcements of a miner.
        network.partitionOneWay(
          [emma.port],
          [anna, berta, carla, dora].map(({ port }) => port),
        );
        const third = lab.startMiner(emma);
        await emma.reaches('a branch nobody hears of', ({ height }) => height >= healed.length + 3);
        await third.kill('SIGTERM');
        expect((await anna.stats()).height).toBe(healed.length);
        network.heal();
        const end = await agreedChain(lab, peers);
        expect(end.length).toBeGreaterThanOrEqual(healed.length + 3);
        expect(end.at(-1)?.minedBy).toBe('Emma');

        const { lost, duplicated, heldBack, blocked } = network.counters();
        for (const count of [lost, duplicated, heldBack, blocked]) expect(count).toBeGreaterThan(10);
        expect(network.strangers).toBe(0);
      },
      LIMIT,
    );
  },
);

it.concurrent(
  'a miner survives cut, refused, slow and half-open connections, and a peer that was killed',
  async (context) => {
    const lab = newLab(context);
    const plan = { difficulty: DIFFICULTY, genesis: true } as const;
    const peer = await lab.startPeer(plan);
    const proxy = await StreamProxy.open(3, { host: LOOPBACK, port: peer.minerPort });
    lab.onClose(() => {
      proxy.close();
    });
    const miner: Program = lab.run(
      'miner',
      ...['--peer-host', LOOPBACK, '--peer-port', String(proxy.port), '--processes', '1'],
      ...['--log-format', 'json'],
    );
    const grows = async (what: string): Promise<void> => {
      const { height } = await peer.stats();
      await peer.reaches(what, (claim) => claim.height >= height + 2);
    };
    await grows('blocks');

    for (let round = 0; round < 3; round++) {
      const { connections } = proxy;
      proxy.cut();
      await eventually('it connects again', () => proxy.connections > connections);
      await grows('blocks after a cut');
    }

    proxy.set({ refusing: true });
    proxy.cut();
    await eventually('it notices', () => miner.records.some(({ message }) => message === 'lost the peer'));
    proxy.set({ refusing: false });
    await grows('blocks after refusals');

    proxy.set({ delay: exponentialDelay(5, 30, 200), bandwidth: 3000 });
    await grows('blocks over a slow line');
    proxy.set({ delay: () => 0, bandwidth: Infinity });

    // The peer hears the miner, the miner not the peer; then the other way round; then neither.
    proxy.set({ silentToClient: true });
    await peer.stats();
    proxy.set({ silentToClient: false });
    await grows('blocks after silence of the peer');
    proxy.set({ silentToServer: true });
    await peer.stats();
    proxy.set({ silentToServer: false });
    await grows('blocks after silence of the miner');

    // Half open: the peer is killed and back before the miner hears anything of it.
    proxy.set({ silentToClient: true, silentToServer: true });
    await peer.kill9();
    await peer.start(plan);
    proxy.set({ silentToClient: false, silentToServer: false });
    await grows('blocks after a kill');
    expect(firstFault(await (await lab.asker()).chain(peer.port), DIFFICULTY)).toBeUndefined();
    const { code } = await miner.kill('SIGTERM');
    expect(code).toBe(0);
  },
  LIMIT,
);
