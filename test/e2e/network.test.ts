/** Real peers and real miners as processes on loopback: mining, words, partition by killing, and crashes. */
import { expect, it, type TestContext } from 'vitest';

import { eventually } from '../support/asker.ts';
import { Lab, type Peer, type PeerPlan } from '../support/processes.ts';
import { seededRandom } from '../support/random.ts';
import { pause } from '../support/asker.ts';
import { firstFault, type WireBlock } from '../support/wire.ts';

/** High enough that a fast machine does not mine thousands of blocks, low enough that a slow one mines some. */
const DIFFICULTY = 4;
const LIMIT = 300_000;

/** A lab that ends with the test, and fails it if a peer broke what it promises to everybody. */
function newLab({ onTestFinished }: TestContext): Lab {
  const lab = new Lab();
  onTestFinished(async () => {
    await lab.close();
    expect((await lab.asker()).rules.violations).toEqual([]);
  });
  return lab;
}

/** Waits until all peers stand at the same tip, with at least `least` blocks, and reads the chain from each. */
async function agreedChain(lab: Lab, peers: readonly Peer[], least: number): Promise<WireBlock[]> {
  const [first, ...others] = peers;
  if (first === undefined) throw new Error('no peers');
  const tip = await eventually(
    `${peers.length} peers agree on ${least} blocks or more`,
    async () => {
      const claims = await Promise.all(peers.map((peer) => peer.stats()));
      const [one] = claims;
      return (
        one !== undefined && one.height >= least && new Set(claims.map(({ hash }) => hash)).size === 1 && one
      );
    },
    60_000,
  ).catch((error: unknown) => {
    throw new Error([String(error), ...peers.map((peer) => peer.program.explain())].join('\n'));
  });
  const asker = await lab.asker();
  const chain = await asker.chain(first.port, tip.height);
  expect(firstFault(chain, DIFFICULTY)).toBeUndefined();
  for (const other of others) expect(await asker.chain(other.port, tip.height)).toEqual(chain);
  return chain;
}

/** Everything said in a chain. */
function words(chain: readonly WireBlock[]): Set<string> {
  return new Set(chain.flatMap(({ messages }) => messages));
}

it.concurrent(
  'three peers mine, take words, are torn apart, diverge, lag, crash, and end with equal chains',
  async (context) => {
    const lab = newLab(context);
    const asker = await lab.asker();
    const [a, b, c] = [await lab.newPeer(), await lab.newPeer(), await lab.newPeer()];
    const plan = (peer: Peer, name: string): PeerPlan => ({
      difficulty: DIFFICULTY,
      name,
      minedBy: name,
      join: [a, b, c].filter((other) => other !== peer),
    });
    await a.start({ ...plan(a, 'Anna'), genesis: true });
    await b.start(plan(b, 'Berta'));
    await c.start(plan(c, 'Carla'));

    // Together: everybody follows the one who mines, and words end up in blocks.
    let miner = lab.startMiner(a);
    await c.reaches('three blocks', ({ height }) => height >= 3);
    const said = ['hello', 'from', 'an end-to-end test', '<i>"quoted"</i>'];
    let { height: read } = await a.stats();
    const seen = new Set<string>();
    await eventually('the words are in the chain', async () => {
      for (const word of said) if (!seen.has(word)) asker.send(a.port, { type: 'NEW_WORD', word });
      const { height } = await a.stats();
      for (; read < height; read++)
        for (const word of (await asker.block(a.port, read)).messages) seen.add(word);
      return said.every((word) => seen.has(word));
    });
    await miner.kill('SIGTERM');
    const together = await agreedChain(lab, [a, b, c], 4);
    expect([...words(together)]).toEqual(expect.arrayContaining(said));
    expect(new Set(together.map(({ minedBy }) => minedBy))).toEqual(new Set(['Anna']));

    // Apart: Anna mines alone, with a word of hers, while the others are dead.
    await Promise.all([b.kill9(), c.kill9()]);
    miner = lab.startMiner(a);
    await a.reaches('a branch', ({ height }) => height >= together.length + 2);
    let lost: WireBlock | undefined;
    await eventually('a word of her branch is mined', async () => {
      asker.send(a.port, { type: 'NEW_WORD', word: 'orphaned' });
      const { height } = await a.stats();
      for (; read < height && lost === undefined; read++) {
        const block = await asker.block(a.port, read);
        if (block.messages.includes('orphaned')) lost = block;
      }
      return lost !== undefined;
    });
    await miner.kill('SIGTERM');
    const branch = await asker.chain(a.port);
    await a.kill9();

    // Berta comes back alone: all that she had is there at once, and her own branch grows longer than Anna's.
    await b.start(plan(b, 'Berta'));
    const { height: kept } = await b.stats();
    expect(kept).toBeGreaterThanOrEqual(together.length);
    expect(await asker.chain(b.port, together.length)).toEqual(together);
    miner = lab.startMiner(b);
    await b.reaches('a longer branch', ({ height }) => height >= branch.length + 2);
    await miner.kill('SIGTERM');

    // Healed: Anna gives up her branch for the longer one, Carla catches up.
    await a.start(plan(a, 'Anna'));
    await c.start(plan(c, 'Carla'));
    const healed = await agreedChain(lab, [a, b, c], branch.length + 2);
    expect(healed.slice(0, together.length)).toEqual(together);
    expect(healed[together.length]?.minedBy).toBe('Berta');
    expect(healed.map(({ hash }) => hash)).not.toContain(lost?.hash);

    // And go on: Anna's word, which went with her branch, is mined again.
    miner = lab.startMiner(a);
    let again = false;
    read = healed.length;
    await eventually('the orphaned word is mined again', async () => {
      const { height } = await a.stats();
      for (; read < height; read++) again ||= (await asker.block(a.port, read)).messages.includes('orphaned');
      return again;
    });
    await miner.kill('SIGTERM');
    const end = await agreedChain(lab, [a, b, c], healed.length + 1);
    expect(words(end)).toContain('orphaned');
  },
  LIMIT,
);

it.concurrent(
  'kill -9 at any moment while mining loses nothing that was announced',
  async (context) => {
    const lab = newLab(context);
    const asker = await lab.asker();
    const peer = await lab.newPeer();
    const plan: PeerPlan = { difficulty: DIFFICULTY, genesis: true, minedBy: 'Crash' };
    const random = seededRandom(20);
    await peer.start(plan);
    const miner = lab.startMiner(peer);
    for (let round = 0; round < 6; round++) {
      const before = asker.announced.length;
      await eventually('blocks are announced', () => asker.announced.length > before + 1);
      // Somewhere in the time that a few blocks take.
      await pause(random() * 200);
      await peer.kill9();
      const reported = [...asker.announced];
      await peer.start(plan);
      const chain = await asker.chain(peer.port);
      expect(firstFault(chain, DIFFICULTY)).toBeUndefined();
      const missing = reported.filter(({ block }) => chain[block.height]?.hash !== block.hash);
      expect(missing).toEqual([]);
    }
    expect(asker.announced.length).toBeGreaterThanOrEqual(12);
    expect(miner.alive).toBe(true);
  },
  LIMIT,
);

it.concurrent(
  'SIGTERM ends a peer and a miner in good order, and the chain is there at the next start',
  async (context) => {
    const lab = newLab(context);
    const peer = await lab.newPeer();
    const plan: PeerPlan = { difficulty: DIFFICULTY, genesis: true };
    await peer.start(plan);
    const miner = lab.startMiner(peer);
    const { height } = await peer.reaches('two blocks', (claim) => claim.height >= 2);
    const ends = await Promise.all([miner.kill('SIGTERM'), peer.program.kill('SIGTERM')]);
    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
    await peer.start({ difficulty: DIFFICULTY });
    const again = await peer.stats();
    expect(again.height).toBeGreaterThanOrEqual(height);
    expect(firstFault(await (await lab.asker()).chain(peer.port), DIFFICULTY)).toBeUndefined();
  },
  LIMIT,
);

it.concurrent(
  'a second peer on the same data is refused with a sentence',
  async (context) => {
    const lab = newLab(context);
    const peer = await lab.startPeer({ difficulty: DIFFICULTY, genesis: true });
    const second = lab.run('peer', '--port', '0', '--miner-port', '0', '--data-dir', peer.dataDir);
    const { code } = await second.ended;
    expect(code).toBe(1);
    expect(second.explain()).toContain(peer.dataDir);
    expect((await peer.stats()).height).toBe(0);
  },
  LIMIT,
);
