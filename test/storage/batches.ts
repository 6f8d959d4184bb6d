/** Batches of writes that show whether they are in a store as a whole. */
import type { StoreView, StoreWrite } from '../../peer/core/store.ts';

/** As many as a peer that downloads a chain writes at once. */
const SIZE = 256;

/** Batch `number`, from 1: puts the number under every key, and one key more that marks the batch. */
export function batch(number: number): StoreWrite[] {
  const value = `${number}${'.'.repeat(300)}`;
  const writes: StoreWrite[] = [];
  for (let index = 0; index < SIZE; index++) writes.push({ type: 'put', key: `value/${index}`, value });
  writes.push(
    // So that the store grows.
    { type: 'put', key: `kept/${number}`, value: value.repeat(20) },
    { type: 'put', key: `mark/${number}`, value: '' },
    { type: 'delete', key: `mark/${number - 1}` },
  );
  return writes;
}

/**
 * The number of the last batch, or undefined if there was none.
 *
 * @throws Error if only a part of a batch is there
 */
export function readBatch(store: StoreView): number | undefined {
  const first = store.get('value/0');
  for (let index = 1; index < SIZE; index++) {
    if (store.get(`value/${index}`) !== first)
      throw new Error(`value ${index} is of another batch than the first`);
  }
  if (first === undefined) return undefined;
  const number = Number.parseInt(first);
  if (store.get(`mark/${number}`) !== '') throw new Error(`batch ${number} has no mark`);
  if (store.get(`mark/${number - 1}`) !== undefined)
    throw new Error(`batch ${number - 1} still has its mark`);
  for (let earlier = 1; earlier <= number; earlier++)
    if (store.get(`kept/${earlier}`) === undefined) throw new Error(`batch ${earlier} was lost`);
  return number;
}
