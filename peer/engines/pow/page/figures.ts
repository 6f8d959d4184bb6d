/** How far a download is, and what the figures have of their own. */
import type { SyncJson } from '../face/schemas.ts';
import { byId, fill, setText } from '../../../web/page/dom.ts';
import { duration, hashEnds, whole } from '../../../web/page/format.ts';
import { hashElement } from './hashes.ts';

/** Digits of the tip: as many as the figure shows, so that it finds its note as it wants it. */
const DIGITS = 18;

/** Marks the zeros of the tip where the figure of the last block has it. */
export function markTip(tip: string | null): void {
  const note = document.getElementById('figure-last-block-note')?.firstElementChild;
  if (note === null || note === undefined || tip === null) return;
  if (note.childElementCount === 0 || note.textContent !== hashEnds(tip, DIGITS))
    fill(note, hashElement(tip, DIGITS));
}

/** Draws how far a download is; nothing while there is none. */
export function drawSync(sync: SyncJson | null): void {
  byId('sync').hidden = sync === null;
  if (sync === null) return;
  const { verified, total, forkPoint, peers, startedAt } = sync;
  const start = forkPoint + 1;
  const bar = byId('sync-bar', HTMLProgressElement);
  bar.max = Math.max(1, total - start);
  bar.value = Math.max(0, verified - start);
  const part = bar.value / bar.max;
  const left = ((Date.now() - Date.parse(startedAt)) * (1 - part)) / part;
  setText(
    byId('sync-text'),
    `${whole(verified)} of ${whole(total)} blocks are verified, from ${whole(peers)} ${peers === 1 ? 'peer' : 'peers'}` +
      (part > 0.02 && part < 1 ? `; about ${duration(left)} to go` : ''),
  );
}
