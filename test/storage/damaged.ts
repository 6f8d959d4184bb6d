/**
 * Opens copies of a store, each damaged in another way, reads the chain in it and goes on writing to it: a program of
 * its own, because what is tested is that it does not crash. Prints a line of JSON for each copy.
 *
 *     node dist/test/storage/damaged.js <folder> <seed> <copies>
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { Chain } from '../../peer/engines/pow/protocol/chain.ts';
import { openLmdbStore } from '../../peer/storage/lmdb.ts';
import type { Store } from '../../peer/core/store.ts';
import { UserError, messageOf } from '../../shared/errors.ts';
import { buildChain, extendChain, forkChain, type PlainBlock } from '../support/chains.ts';
import { DAMAGES } from '../support/damage.ts';
import { seededRandom } from '../support/random.ts';

const plan = { difficulty: 0 };
const FILE = 'data.mdb';

/** Writes a chain as a peer does in a long life: block by block, then a reorganisation, whose rest is swept away. */
function fill(store: Store): PlainBlock[] {
  const chain = new Chain(store, plan.difficulty);
  const old = buildChain(400, plan);
  for (const block of old) store.write(chain.append(block));
  const fork = forkChain(old, 100, 1600, { ...plan, minedBy: 'fork' });
  chain.beginStaging(99);
  for (const block of fork.slice(100)) chain.stage(block);
  store.write(chain.adopt());
  while (chain.hasGarbage) store.write(chain.sweep(64));
  const blocks = extendChain(fork, 20, plan);
  for (const block of blocks.slice(fork.length)) store.write(chain.append(block));
  // Longer than a page.
  store.write([{ type: 'put', key: 'large', value: 'large'.repeat(5000) }]);
  return blocks;
}

/** What became of a copy: the chain it has is whole, shorter, or it is refused, by a UserError or another. */
type Outcome = 'whole' | 'shorter' | 'refused' | `WRONG: ${string}`;

async function tryOut(
  folder: string,
  blocks: readonly PlainBlock[],
): Promise<{ outcome: Outcome; message: string }> {
  let store: Store | undefined;
  try {
    store = openLmdbStore(folder);
    const chain = new Chain(store, plan.difficulty);
    for (let height = 0; height < chain.height; height++)
      if (!isDeepStrictEqual(chain.block(height), blocks[height]))
        return { outcome: `WRONG: block ${height} is another one`, message: '' };
    const { height } = chain;
    // Goes on as a peer does: in what it writes, damaged lists of free pages show.
    let tip = chain.tip;
    for (const block of extendChain(blocks.slice(0, height), 30, { ...plan, minedBy: 'later' }).slice(
      height,
    )) {
      store.write(chain.append(block));
      tip = block;
    }
    const again = new Chain(store, plan.difficulty);
    for (let at = 0; at < height; at++)
      if (!isDeepStrictEqual(again.block(at), blocks[at]))
        return { outcome: `WRONG: block ${at} was overwritten`, message: '' };
    if (again.tip?.hash !== tip?.hash) return { outcome: 'WRONG: what was written is lost', message: '' };
    return { outcome: height === blocks.length ? 'whole' : 'shorter', message: '' };
  } catch (error) {
    const message = messageOf(error);
    return { outcome: error instanceof UserError ? 'refused' : `WRONG: ${String(error)}`, message };
  } finally {
    await store?.close();
  }
}

const [folder = '', seed = '1', copies = '100'] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const original = join(folder, 'original');
const store = openLmdbStore(original);
const blocks = fill(store);
await store.close();
const whole = readFileSync(join(original, FILE));
const names = Object.keys(DAMAGES);
for (let copy = 0; copy < Number(copies); copy++) {
  const name = names[copy % names.length] ?? '';
  const { bytes, what } = DAMAGES[name]?.(whole, random) ?? { bytes: whole, what: 'nothing' };
  const path = join(folder, `copy-${copy}`);
  mkdirSync(path);
  writeFileSync(join(path, FILE), bytes);
  // Said before, so that a crash has a cause.
  console.log(JSON.stringify({ copy, name, what }));
  console.log(JSON.stringify({ copy, ...(await tryOut(path, blocks)) }));
  rmSync(path, { recursive: true });
}
