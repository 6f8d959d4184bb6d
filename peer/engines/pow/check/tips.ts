/** Where the peer's chain ends, and having it agree with the others where that is. */
import type { Claim, Heard } from './actor.ts';
import type { Lab } from './lab.ts';
import { CALLS, LOOKS, SYNC_LIMIT, SYNC_SILENCE } from './limits.ts';

/** What it takes to ask the peer again and again. */
type Asked = Pick<Lab, 'ground' | 'patience' | 'stats' | 'pause'>;
/** What it takes to have it act meanwhile, and to see that it does. */
type Called = Asked & Pick<Lab, 'cast' | 'heard' | 'send'>;

/**
 * Calls for a consensus, again and again, until the peer's chain ends in a block that suits.
 *
 * @param suits looks at every tip on the way
 * @returns whether it came to that
 */
export function consensus(lab: Called, suits: (claim: Claim) => boolean): Promise<boolean> {
  return callConsensus(lab, () => tipSuits(lab, suits));
}

/** Calls for a consensus, again and again, until something comes of it. */
export async function callConsensus(lab: Called, done: () => boolean | Promise<boolean>): Promise<boolean> {
  const began = lab.ground.now();
  let called = -Infinity;
  for (;;) {
    const now = lab.ground.now();
    if (now - Math.max(began, progressSince(lab.heard, began)) > SYNC_SILENCE * lab.patience) return false;
    if (now - began > SYNC_LIMIT * lab.patience) return false;
    if (now - called >= lab.patience / CALLS) {
      called = now;
      lab.send(lab.cast[0], { type: 'CONSENSUS' });
    }
    if (await done()) return true;
    await lab.pause(lab.patience / LOOKS);
  }
}

/** When the peer last asked one of ours for a block that it had not asked it for before. */
function progressSince(heard: readonly Heard[], began: number): number {
  let last = began;
  const asked = new Set<string>();
  for (const { at, actor, message } of heard) {
    if (message?.['type'] !== 'GET_BLOCK') continue;
    const what = `${actor.name} ${String(message['height'])}`;
    if (!asked.has(what)) last = at;
    asked.add(what);
  }
  return last;
}

/** Looks at the peer's STATS until they suit, or the patience is over. */
export async function untilTip(
  lab: Asked,
  suits: (claim: Claim) => boolean,
  limit = lab.patience,
): Promise<boolean> {
  const end = lab.ground.now() + limit;
  for (;;) {
    if (await tipSuits(lab, suits)) return true;
    if (lab.ground.now() >= end) return false;
    await lab.pause(lab.patience / LOOKS);
  }
}

export async function tipSuits(
  lab: Pick<Asked, 'stats'>,
  suits: (claim: Claim) => boolean,
): Promise<boolean> {
  const claim = await lab.stats();
  return claim !== undefined && suits(claim);
}
