/** Hashes as people read them. */
import { make } from '../../../web/page/dom.ts';
import { hashEnds } from '../../../web/page/format.ts';
import { trailingZeros } from './preimage.ts';

/**
 * A hash with the zeros at its end marked.
 *
 * @param shown digits shown before the zeros' end; a shorter hash has its middle left out
 */
export function hashElement(hash: string, shown = 64): HTMLElement {
  const zeros = trailingZeros(hash);
  const kept = hashEnds(hash, shown);
  const marked = Math.min(zeros, hash.length <= shown ? zeros : shown - 7);
  return make(
    'span',
    { class: 'hash', title: hash.length <= shown ? null : hash },
    kept.slice(0, kept.length - marked),
    make('span', { class: 'zeros' }, kept.slice(kept.length - marked)),
  );
}
