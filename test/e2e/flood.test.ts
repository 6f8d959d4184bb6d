/** A real peer under floods of garbage from another process: it answers, follows, and does not grow. */
import { expect, it, onTestFinished } from 'vitest';

import type { Asker } from '../support/asker.ts';
import { eventually } from '../support/asker.ts';
import { buildChain, type PlainBlock } from '../support/chains.ts';
import { startFlood } from '../support/flood.ts';
import { residentMemory } from '../support/process-info.ts';
import { forgetImportedChains, Lab, type Peer } from '../support/processes.ts';

const DIFFICULTY = 1;
const BLOCKS = 500;
/** Floods of the same peer; the first ones fill its tables and let its memory find its size. */
const ROUNDS = 4;
/** Datagrams of each: by number, not by time, so that a slow machine sends the same. */
const DATAGRAMS = 10_000;
/** Questions asked meanwhile. */
const QUESTIONS = 12;
/** What the later floods together may add to the memory: it is the noise of a garbage collector; a leak of 2 kB for each datagram is above it. */
const GROWTH = 32 * 2 ** 20;

/** Asks for blocks and for STATS, one after the other, each again until it is answered. */
async function askAll(asker: Asker, peer: Peer, chain: readonly PlainBlock[], round: number): Promise<void> {
  for (let question = 0; question < QUESTIONS; question++) {
    const height = (round * QUESTIONS + question) % BLOCKS;
    expect((await asker.block(peer.port, height)).hash).toBe(chain[height]?.hash);
    expect((await asker.stats(peer.port)).height).toBeGreaterThanOrEqual(BLOCKS);
  }
}

it('a peer under floods of garbage answers everybody, takes a new block, and its memory stays flat', async () => {
  const lab = new Lab();
  onTestFinished(async () => {
    await lab.close();
    forgetImportedChains();
  });
  const chain = buildChain(BLOCKS + ROUNDS, { difficulty: DIFFICULTY });
  const peer = await lab.newPeer();
  await lab.importChain(peer, chain.slice(0, BLOCKS), DIFFICULTY);
  // Rounds of its own to peers that the flood made up would only take time.
  const rhythm = ['--consensus-interval', '300', '--gossip-interval', '30', '--peer-timeout', '60'];
  await peer.start({ difficulty: DIFFICULTY, extra: ['--log-level', 'info', ...rhythm] });
  const asker = await lab.asker();

  const memory: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const flood = await startFlood({
      ...{ port: peer.port, kind: 'mixed', sources: 'many', height: BLOCKS + round },
      ...{ rate: 10_000, count: DATAGRAMS },
    });
    await askAll(asker, peer, chain, round);
    const block = chain[BLOCKS + round];
    if (block === undefined) throw new Error('the chain is too short');
    // Nobody answers an ANNOUNCE, so it is sent until its block is there: the flood may drown some.
    await eventually('the announced block is in the chain', async () => {
      asker.send(peer.port, { type: 'ANNOUNCE', ...block });
      return (await asker.stats(peer.port)).hash === block.hash;
    });
    expect(await flood.over).toMatchObject({ sent: DATAGRAMS });
    await askAll(asker, peer, chain, round);
    memory.push(residentMemory(peer.program.pid));
  }
  expect(peer.program.alive, peer.program.explain()).toBe(true);
  expect((memory.at(-1) ?? NaN) - (memory[1] ?? NaN), memory.join(' ')).toBeLessThan(GROWTH);
  // It says itself what came of it all: that garbage was refused before it could cost anything.
  process.kill(peer.program.pid, 'SIGUSR2');
  const counted = await eventually('the counters are logged', () =>
    peer.program.records.find(({ message }) => message === 'counters'),
  );
  for (const name of ['not-an-object', 'too-complex', 'not-json', 'oversize', 'unknown-type', 'empty'])
    expect(counted[`malformed.${name}`], name).toBeGreaterThan(0);
});
