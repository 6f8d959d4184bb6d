/** One block with everything in it: its fields, what was hashed of it, and a check of that in the browser. */
import { fill, foreign, make, setText, type Child } from '../../../web/page/dom.ts';
import { ago, later, moment, whole } from '../../../web/page/format.ts';
import { hashElement } from './hashes.ts';
import {
  preimageParts,
  trailingZeros,
  verifyInBrowser,
  type HashedBlock,
  type PreimagePart,
  type Verdict,
} from './preimage.ts';
import { toHex } from './sha256.ts';

/** A block, the blocks around it and what the network demands of it. */
export interface ShownBlock {
  readonly block: HashedBlock;
  /** The block before it; null for a genesis. */
  readonly previous: HashedBlock | null;
  readonly difficulty: number;
  /** Number of blocks of the chain. */
  readonly blocks: number;
}

/** Bytes of a part shown before the rest is left out: text without bounds must not make the page slow. */
const MAX_SHOWN_BYTES = 512;

function hexBytes(bytes: Uint8Array): string {
  const pairs = toHex(bytes.subarray(0, MAX_SHOWN_BYTES)).replace(/(..)(?!$)/g, '$1 ');
  return bytes.length > MAX_SHOWN_BYTES ? `${pairs} … ${whole(bytes.length - MAX_SHOWN_BYTES)} more` : pairs;
}

function term(name: string, ...value: readonly Child[]): HTMLElement {
  return make('div', {}, make('dt', {}, name), make('dd', {}, ...value));
}

function link(height: number, text: string, rel: 'prev' | 'next'): HTMLElement {
  return make('a', { href: `#/block/${height}`, rel, class: 'button' }, text);
}

function partRow(part: PreimagePart): HTMLElement {
  return make(
    'tr',
    {},
    make('th', { scope: 'row' }, part.name),
    make('td', { class: 'verbatim' }, foreign(part.text)),
    make('td', { class: 'bytes' }, hexBytes(part.bytes)),
    make('td', { class: 'number' }, whole(part.bytes.length)),
  );
}

function preimageTable(parts: readonly PreimagePart[]): HTMLElement {
  const total = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return make(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'What is hashed' },
    make(
      'table',
      { class: 'preimage' },
      make('caption', { class: 'visually-hidden' }, 'What is hashed, in this order'),
      make(
        'thead',
        {},
        make(
          'tr',
          {},
          make('th', { scope: 'col' }, 'Part'),
          make('th', { scope: 'col' }, 'Text'),
          make('th', { scope: 'col' }, 'Bytes'),
          make('th', { scope: 'col', class: 'number' }, 'Count'),
        ),
      ),
      make('tbody', {}, ...parts.map(partRow)),
      make(
        'tfoot',
        {},
        make(
          'tr',
          {},
          make('th', { scope: 'row' }, 'together'),
          make('td', { colspan: 2 }, 'one after the other, nothing between them'),
          make('td', { class: 'number' }, whole(total)),
        ),
      ),
    ),
  );
}

function verdictElement({ valid, hash, checks, by }: Verdict): HTMLElement {
  return make(
    'div',
    { class: valid ? 'verdict valid' : 'verdict invalid' },
    make('p', { class: 'verdict-title' }, valid ? '✓ Valid' : '✗ Not valid'),
    make(
      'p',
      {},
      `Computed here, by ${by === 'WebCrypto' ? "the browser's WebCrypto" : by}: `,
      hashElement(hash),
    ),
    make(
      'ul',
      { class: 'checks' },
      ...checks.map(({ passed, text }) =>
        make(
          'li',
          { class: passed ? 'passed' : 'failed' },
          make('span', { class: 'visually-hidden' }, passed ? 'Kept: ' : 'Broken: '),
          text,
        ),
      ),
    ),
  );
}

/** A block that is shown. */
export interface BlockPage {
  readonly height: number;
  /** For the title of the window. */
  readonly title: string;
  readonly heading: HTMLElement;
  /** The chain has so many blocks now. */
  grown(blocks: number): void;
}

/**
 * Draws a block.
 *
 * @param again asks the peer anew for what is checked, so that the check is of what it says now
 */
export function drawBlock(host: Element, shown: ShownBlock, again: () => Promise<ShownBlock>): BlockPage {
  const { block, previous } = shown;
  const { height, minedBy, messages, nonce, timestamp, hash } = block;
  const heading = make('h1', { id: 'detail-title', tabindex: -1 }, `Block ${whole(height)}`);
  const next = link(height + 1, `Block ${whole(height + 1)} →`, 'next');
  const onTop = make('span', { class: 'muted small' });
  const grown = (blocks: number): void => {
    const count = blocks - 1 - height;
    next.hidden = count <= 0;
    setText(
      onTop,
      count <= 0 ? ' the last block' : ` ${whole(count)} ${count === 1 ? 'block' : 'blocks'} on top of it`,
    );
  };
  grown(shown.blocks);
  const seconds = Number(timestamp);
  const after = previous === null ? NaN : seconds - Number(previous.timestamp);
  const time = [
    ago(Date.now() - seconds * 1000),
    ...(after >= 0 ? [`${later(after)} the block before it`] : []),
    `${timestamp} s since 1970`,
  ];
  fill(
    host,
    make(
      'nav',
      { 'aria-label': 'Blocks', class: 'block-nav' },
      make('a', { href: '#/', class: 'button' }, 'Overview'),
      height > 0 ? link(height - 1, `← Block ${whole(height - 1)}`, 'prev') : null,
      next,
    ),
    make(
      'article',
      { class: 'card' },
      heading,
      make(
        'dl',
        { class: 'fields' },
        term('Height', whole(height), onTop),
        term(
          'Hash',
          hashElement(hash),
          make('span', { class: 'muted small' }, ` ${trailingZeros(hash)} zeros`),
        ),
        term(
          'Previous hash',
          previous === null
            ? 'none: this is the genesis'
            : make('a', { href: `#/block/${previous.height}` }, hashElement(previous.hash)),
        ),
        term('Mined by', foreign(minedBy, 'verbatim')),
        term(
          messages.length === 1 ? 'Message' : 'Messages',
          make(
            'ol',
            { class: 'messages' },
            ...messages.map((message) => make('li', {}, foreign(message, 'verbatim'))),
          ),
        ),
        term('Time', `${moment(timestamp)} `, make('span', { class: 'muted small' }, time.join(' · '))),
        term('Nonce', foreign(nonce, 'verbatim')),
      ),
    ),
    make(
      'section',
      { class: 'card', 'aria-labelledby': 'preimage-title' },
      make('h2', { id: 'preimage-title' }, 'What is hashed'),
      preimageTable(preimageParts(block, previous?.hash ?? '')),
      ...verifier(again),
    ),
  );
  return { height, title: `block ${height}`, heading, grown };
}

/** The button that verifies, and where it says what came of it. */
function verifier(again: () => Promise<ShownBlock>): HTMLElement[] {
  const button = make(
    'button',
    { type: 'button', 'data-primary': true, 'aria-describedby': 'verify-note' },
    'Verify in my browser',
  );
  const result = make('div', { role: 'status' });
  const verify = async (): Promise<void> => {
    try {
      const { block, previous, difficulty } = await again();
      fill(result, verdictElement(await verifyInBrowser(block, previous, difficulty)));
    } catch (error) {
      fill(result, make('p', { class: 'problem' }, error instanceof Error ? error.message : String(error)));
    }
  };
  button.addEventListener('click', () => {
    void verify();
  });
  return [
    make(
      'p',
      { class: 'verify' },
      button,
      make(
        'span',
        { id: 'verify-note', class: 'muted small' },
        'Fetches the block and the one before it again and computes the hash here.',
      ),
    ),
    result,
  ];
}
