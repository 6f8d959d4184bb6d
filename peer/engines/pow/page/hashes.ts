/** Hashes and hash rates as people read them. */
import { make } from '../../../web/page/dom.ts';
import { trailingZeros } from './preimage.ts';

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** The unit in which a hash rate has one to three digits before the point, and how many hashes a second it is. */
export function rateUnit(perSecond: number): { readonly name: string; readonly size: number } {
  let prefix = 0;
  while (perSecond / 1000 ** prefix >= 999.5 && prefix < PREFIXES.length - 1) prefix++;
  return { name: `${PREFIXES[prefix] ?? ''}H/s`, size: 1000 ** prefix };
}

/** A hash rate with three digits: "96.5 MH/s". */
export function hashRate(perSecond: number): string {
  const { name, size } = rateUnit(perSecond);
  const value = perSecond / size;
  const digits = size === 1 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${name}`;
}

/**
 * A hash with the zeros at its end marked.
 *
 * @param shown digits shown before the zeros' end; a shorter hash has its middle left out
 */
export function hashElement(hash: string, shown = 64): HTMLElement {
  const zeros = trailingZeros(hash);
  const kept = hash.length <= shown ? hash : `${hash.slice(0, 6)}…${hash.slice(-(shown - 7))}`;
  const marked = Math.min(zeros, hash.length <= shown ? zeros : shown - 7);
  return make(
    'span',
    { class: 'hash', title: hash.length <= shown ? null : hash },
    kept.slice(0, kept.length - marked),
    make('span', { class: 'zeros' }, kept.slice(kept.length - marked)),
  );
}
