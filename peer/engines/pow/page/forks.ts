/** Which chains there are now, and what happened to ours: reorganisations, false chains, ends of a search for a better one. */
import type { ForksJson, PowEvents } from '../face/schemas.ts';
import { byId, fill, make, setText, type Child } from '../../../web/page/dom.ts';
import { timeOfDay, whole } from '../../../web/page/format.ts';
import { hashElement } from './hashes.ts';

/** Entries shown at most. */
const MAX_ENTRIES = 60;
/** Chains shown at most. */
const MAX_CLAIMS = 6;

interface Entry {
  readonly at: number;
  readonly state: 'good' | 'warn' | 'bad' | null;
  readonly kind: string;
  readonly text: readonly Child[];
}

function blocks(count: number): string {
  return `${whole(count)} ${count === 1 ? 'block' : 'blocks'}`;
}

function peers(count: number): string {
  return `${whole(count)} ${count === 1 ? 'peer' : 'peers'}`;
}

export class Forks {
  #forks: ForksJson = { reorganisations: [], falseChains: [], claims: [] };
  /** What only this page has seen: the API sends what changed the chain or proved somebody a liar. */
  #seen: Entry[] = [];

  /** Shows what the API sends. */
  update(forks: ForksJson): void {
    this.#forks = forks;
    this.#draw();
  }

  /** A chain came that took none of ours away. */
  continued({ at, added, height, hash, depth }: PowEvents['chain']): void {
    if (depth > 0) return;
    this.#note({
      at: Date.parse(at),
      state: 'good',
      kind: 'caught up',
      text: [`${blocks(added)} more, up to height ${whole(height - 1)}: `, hashElement(hash, 16)],
    });
  }

  /** What became of a search for a better chain. */
  consensus({ at, change, target }: PowEvents['consensus']): void {
    if (change !== 'chain-unavailable' || target === null) return;
    this.#note({
      at: Date.parse(at),
      state: 'warn',
      kind: 'unavailable',
      text: [
        `Nobody serves a claimed chain up to height ${whole(target.height - 1)}: `,
        hashElement(target.hash, 16),
      ],
    });
  }

  #note(entry: Entry): void {
    this.#seen = [entry, ...this.#seen].slice(0, MAX_ENTRIES);
    this.#draw();
  }

  #draw(): void {
    const { reorganisations, falseChains, claims } = this.#forks;
    const entries: Entry[] = [
      ...this.#seen,
      ...reorganisations.map(({ at, depth, added, forkPoint, hash, returnedWords }) => ({
        at: Date.parse(at),
        state: 'warn' as const,
        kind: 'reorganisation',
        text: [
          `${blocks(depth)} of ours gave way to ${whole(added)} above `,
          forkPoint < 0
            ? 'nothing'
            : make('a', { href: `#/block/${forkPoint}` }, `block ${whole(forkPoint)}`),
          returnedWords > 0 ? `; ${whole(returnedWords)} of our words wait again` : '',
          ': ',
          hashElement(hash, 16),
        ],
      })),
      ...falseChains.map(({ at, target, claimedBy, fault }) => ({
        at: Date.parse(at),
        state: 'bad' as const,
        kind: 'false chain',
        text: [
          `${peers(claimedBy.length)} falsely claimed a chain up to height ${whole(target.height - 1)}. ${fault} `,
          hashElement(target.hash, 16),
        ],
      })),
    ].sort((one, other) => other.at - one.at);
    const reorgs = reorganisations.length;
    setText(
      byId('events-count'),
      reorgs === 0
        ? 'no reorganisation since the start'
        : `${whole(reorgs)} ${reorgs === 1 ? 'reorganisation' : 'reorganisations'}`,
    );
    fill(
      byId('claims'),
      ...claims
        .slice(0, MAX_CLAIMS)
        .map(({ height, hash, peers: count, ours, ahead }) =>
          make(
            'li',
            {},
            make(
              'span',
              { class: 'badge', 'data-state': ours ? 'good' : 'warn' },
              ours ? 'our chain' : ahead ? 'ahead' : 'another',
            ),
            make('span', {}, `height ${whole(height - 1)} `, hashElement(hash, 16)),
            make(
              'span',
              { class: 'muted small' },
              ours ? `we${count > 1 ? ` and ${peers(count - 1)}` : ''}` : peers(count),
            ),
          ),
        ),
    );
    fill(
      byId('events'),
      ...entries
        .slice(0, MAX_ENTRIES)
        .map(({ at, state, kind, text }) =>
          make(
            'li',
            {},
            make('time', { class: 'muted small', datetime: new Date(at).toISOString() }, timeOfDay(at)),
            make('span', {}, make('span', { class: 'badge', 'data-state': state }, kind), ' ', ...text),
          ),
        ),
      entries.length === 0 ? make('li', { class: 'muted small' }, 'Nothing has happened yet.') : null,
    );
  }
}
