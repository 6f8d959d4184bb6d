/** How the peer and ours come to have the same chain: when they meet, and before a rule that begins there. */
import { verifyBlock, type Block } from '../../../../shared/block.ts';
import type { Claim } from './actor.ts';
import type { Lab } from './lab.ts';
import { ABSENT_AFTER, ATTEMPTS, FIRST_CHAIN, MAX_CHAIN, READ_WINDOW, SYNC_SILENCE } from './limits.ts';
import { extend } from './mine.ts';
import { Unjudged } from './rule.ts';
import { consensus, untilTip } from './tips.ts';

/**
 * Meets the peer: waits for one that joins, has ours gossip to it, and has it and them agree on a chain: its own, or
 * one that it is given.
 *
 * @param waitFor how long one that joins may take to come
 * @returns false if nobody is there
 */
export async function meet(lab: Lab, waitFor: number): Promise<boolean> {
  const { joins } = lab.options;
  if (lab.mines) lab.setChain(await extend(lab.mine, [], FIRST_CHAIN));
  if (joins) {
    const first = await lab.until(() => lab.heard[0], waitFor);
    if (first === undefined) return false;
  }
  for (const actor of lab.cast) lab.keepGossiping(actor);
  lab.silentSince = lab.ground.now();
  lab.gossip(lab.silent);
  if (joins) {
    const gossiped = await lab.until(() => lab.watch.gossips[0], lab.patience);
    const synced = await untilTip(lab, (claim) => lab.isTip(claim), SYNC_SILENCE * lab.patience);
    lab.joined = { gossiped: gossiped !== undefined, synced };
    if (synced) return true;
  } else if (!(await lab.alive(ABSENT_AFTER))) {
    return false;
  }
  const claim = await lab.stats();
  if (claim !== undefined && claim.hash !== null) await takeOver(lab, claim);
  else if (lab.mines && !(await consensus(lab, (one) => lab.isTip(one)))) await report(lab, 0);
  return true;
}

/**
 * Brings the peer, if need be, to the chain that ours have: rules begin there.
 *
 * @throws Unjudged if it does not get there
 */
export async function level(lab: Lab): Promise<void> {
  await bring(lab);
  // How it got there is of no interest.
  lab.begin();
}

async function bring(lab: Lab): Promise<void> {
  const at = (claim: Claim): boolean => {
    if (claim.hash !== null && claim.hash === lab.offered?.hash && lab.offered.height === lab.chain.length)
      lab.setChain([...lab.chain, lab.offered]);
    return lab.isTip(claim);
  };
  if (lab.chain.length > 0 && (await untilTip(lab, at, lab.patience / ATTEMPTS))) {
    lab.setChain(lab.chain);
    return;
  }
  const claim = await lab.stats();
  if (claim === undefined) throw new Unjudged('it does not answer STATS');
  if (claim.hash !== null && (await takeOver(lab, claim))) return;
  if (lab.chain.length > 0 && lab.mines) {
    // A longer chain than it claims is one that it has to move to.
    const lead = Math.min(MAX_CHAIN, Math.max(1, claim.height + 1 - lab.chain.length));
    lab.setChain(await lab.extended(lead));
    if (await consensus(lab, at)) return;
    if (claim.hash === null && (await report(lab, 0))) return;
  }
  throw new Unjudged('its chain is not one that it could be brought to from here');
}

/** Announces the blocks of our chain from a height on, one after the other. */
async function report(lab: Lab, from: number): Promise<boolean> {
  for (const block of lab.chain.slice(from)) {
    lab.announce(lab.cast[0], block);
    if (!(await untilTip(lab, ({ hash }) => hash === block.hash))) return false;
  }
  return true;
}

/** Has ours go on from the chain that the peer has, if that can be read and is valid. */
async function takeOver(lab: Lab, { hash, height }: Claim): Promise<boolean> {
  if (height > MAX_CHAIN) return false;
  const chain: Block[] = [];
  for (let from = 0; from <= height; from += READ_WINDOW) {
    const heights = Array.from({ length: Math.min(READ_WINDOW, height + 1 - from) }, (_, at) => from + at);
    for (const block of await Promise.all(heights.map((at) => lab.block(at)))) {
      if (block === undefined) return false;
      const fault = verifyBlock(block, chain.at(-1) ?? null, lab.options.difficulty);
      if (fault !== undefined) return false;
      chain.push(block);
      if (block.hash !== hash) continue;
      lab.setChain(chain);
      return true;
    }
  }
  return false;
}
