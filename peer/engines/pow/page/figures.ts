/** The figures at the top of the page, and how far a download is. */
import type { BlockSummaryJson, StatusJson, SyncJson } from '../face/schemas.ts';
import { byId, fill, setText } from '../../../web/page/dom.ts';
import { ago, duration, inWords, whole } from '../../../web/page/format.ts';
import { hashElement, hashRate } from './hashes.ts';

/** Blocks whose times make the average that is shown, at most. */
const AVERAGED = 20;

const PHASES: Readonly<Record<StatusJson['phase'], string>> = {
  joining: 'looking for other peers',
  waiting: 'waiting for a peer that has a chain',
  following: 'following the network',
  asking: 'asking the peers where they stand',
  searching: 'looking where a better chain leaves ours',
  downloading: 'downloading a better chain',
};

/** Milliseconds that a block took lately, by what their miners say; undefined of too few blocks. */
function recentInterval(blocks: readonly BlockSummaryJson[]): { each: number; of: number } | undefined {
  const times = blocks.slice(0, AVERAGED + 1).map(({ timestamp }) => Number(timestamp));
  const [newest] = times;
  const oldest = times.at(-1);
  if (newest === undefined || oldest === undefined || times.length < 3 || newest < oldest) return undefined;
  return { each: ((newest - oldest) * 1000) / (times.length - 1), of: times.length - 1 };
}

/** Draws the figures. */
export function drawFigures(status: StatusJson, blocks: readonly BlockSummaryJson[]): void {
  const { height, tip, difficulty, expectedHashes, hashesPerSecond, expectedBlockSeconds, miners } = status;
  setText(byId('height'), height === 0 ? 'none' : whole(height - 1));
  setText(
    byId('height-note'),
    status.phase === 'following' && status.peers === 0 ? 'no other peer is there' : PHASES[status.phase],
  );
  const tipNote = byId('tip');
  if (tipNote.dataset['hash'] !== (tip ?? '')) {
    tipNote.dataset['hash'] = tip ?? '';
    fill(tipNote, tip === null ? 'no block yet' : hashElement(tip, 18));
  }
  setText(byId('difficulty'), `${difficulty} ${difficulty === 1 ? 'zero' : 'zeros'}`);
  setText(byId('difficulty-note'), `one hash in ${inWords(expectedHashes)} fits`);

  const recent = recentInterval(blocks);
  const lately = recent === undefined ? '' : `the last ${recent.of} took ${duration(recent.each)} each`;
  if (expectedBlockSeconds !== null) {
    setText(byId('interval'), duration(expectedBlockSeconds * 1000));
    setText(byId('interval-note'), `by our miners alone${lately === '' ? '' : `; ${lately}`}`);
  } else {
    setText(byId('interval'), recent === undefined ? '–' : duration(recent.each));
    setText(
      byId('interval-note'),
      recent === undefined ? 'not known yet' : `average of the last ${recent.of} blocks`,
    );
  }
  setText(byId('rate'), hashesPerSecond === null ? '–' : hashRate(hashesPerSecond));
  setText(
    byId('rate-note'),
    miners === 0 ? 'no miner is connected' : `${whole(miners)} ${miners === 1 ? 'miner' : 'miners'}`,
  );
  setText(byId('peer-count'), whole(status.peers));
  setText(
    byId('peer-note'),
    status.peers === 0 ? 'nobody else so far' : `${whole(status.agreeing)} on our chain`,
  );
}

/** Writes how long ago the last block came. */
export function drawAge(blocks: readonly BlockSummaryJson[]): void {
  const [newest] = blocks;
  const born = Date.parse(newest?.arrivedAt ?? newest?.time ?? '');
  setText(byId('age'), Number.isNaN(born) ? '–' : ago(Date.now() - born));
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
