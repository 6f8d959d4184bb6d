// A stored chain of a million blocks: how long it takes to open, how much memory that takes, and how many blocks a
// second can be read, against a bare Map. `node dist/test/bench/store.bench.js`
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Chain } from '../../peer/engines/pow/protocol/chain.ts';
import { openLmdbStore } from '../../peer/storage/lmdb.ts';
import type { Store } from '../../peer/core/store.ts';
import { blockToJson, hashBlock, type Block } from '../../shared/block.ts';
import { seededRandom } from '../support/random.ts';
import { compare, median } from './measure.ts';

const BLOCKS = 1_000_000;
const READS = 100_000;
const OPENINGS = 7;

/** What one process that opens the store reports. */
interface Opening {
  readonly milliseconds: number;
  /** Bytes of memory that are resident when the store is open. */
  readonly resident: number;
  /** The same before the store was opened, the code being loaded. */
  readonly before: number;
  readonly height: number;
  readonly tip: string | undefined;
}

function nextBlock(previous: Block | null): Block {
  const height = previous === null ? 0 : previous.height + 1;
  const draft = {
    height,
    minedBy: 'GossipZilla!',
    messages: ['penitence', 'overanimated', `word ${height}`],
    nonce: String(4_583_335_277_304_293 + height),
    timestamp: 1_700_629_652 + height,
  };
  return { ...draft, hash: hashBlock(draft, previous?.hash ?? '') };
}

/** A chain without zeros, taken in as a downloaded one is. */
function build(store: Store): Block {
  const chain = new Chain(store, 0);
  chain.beginStaging(-1);
  let block: Block | null = null;
  for (let height = 0; height < BLOCKS; height++) {
    block = nextBlock(block);
    const staged = chain.stage(block);
    if (typeof staged === 'string') throw new Error(staged);
    if (staged.length > 0) store.write(staged);
  }
  store.write(chain.adopt());
  if (block === null) throw new Error('no block was made');
  return block;
}

function measureOpening(folder: string): Opening {
  const before = process.memoryUsage.rss();
  const start = performance.now();
  const chain = new Chain(openLmdbStore(folder), 0);
  const { height } = chain;
  const tip = chain.tip?.hash;
  const milliseconds = performance.now() - start;
  return { milliseconds, resident: process.memoryUsage.rss(), before, height, tip };
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'store-bench-'));
  try {
    const store = openLmdbStore(folder);
    const start = performance.now();
    const tip = build(store);
    const seconds = (performance.now() - start) / 1000;
    await store.close();
    const size = statSync(join(folder, 'data.mdb')).size / 2 ** 20;
    console.log(
      `${BLOCKS.toLocaleString('en')} blocks hashed, verified and stored in ${seconds.toFixed(1)} s, ${size.toFixed(0)} MiB on disk`,
    );
    const openings = Array.from({ length: OPENINGS }, () => {
      const output = execFileSync(process.execPath, [fileURLToPath(import.meta.url), folder], {
        encoding: 'utf8',
      });
      const opening = JSON.parse(output) as Opening;
      if (opening.height !== BLOCKS || opening.tip !== tip.hash) throw new Error('another chain was opened');
      return opening;
    });
    const mebibytes = (pick: (opening: Opening) => number): string =>
      (median(openings.map(pick)) / 2 ** 20).toFixed(0);
    console.log(`opening it and knowing height and tip, median of ${OPENINGS} processes`);
    console.log(`  ${median(openings.map(({ milliseconds }) => milliseconds)).toFixed(1)} ms (goal: 2000)`);
    console.log(
      `  ${mebibytes(({ resident }) => resident)} MiB resident (goal: 300); ${mebibytes(({ before }) => before)} before, ` +
        `RATIO ${median(openings.map(({ resident, before }) => resident / before)).toFixed(2)}`,
    );
    await compareReads(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function compareReads(folder: string): Promise<void> {
  const store = openLmdbStore(folder);
  const chain = new Chain(store, 0);
  const map = new Map<number, string>();
  let block: Block | null = null;
  for (let height = 0; height < BLOCKS; height++) {
    block = nextBlock(block);
    map.set(height, blockToJson(block));
  }
  const random = seededRandom(1);
  const heights = Array.from({ length: READS }, () => Math.floor(random() * BLOCKS));
  const read = (name: string, lengthOf: (height: number) => number) => ({
    name,
    run: () => {
      let found = 0;
      for (const height of heights) if (lengthOf(height) > 0) found++;
      if (found !== READS) throw new Error(`${found} of ${READS} blocks were found`);
      return found;
    },
  });
  const bare = read('Map.get', (height) => map.get(height)?.length ?? 0);
  compare(
    'blocks read, at random',
    bare,
    read('Chain.blockJson (as sent)', (height) => chain.blockJson(height)?.length ?? 0),
  );
  compare(
    'blocks read, at random, and parsed',
    read('JSON.parse of Map.get', (height) => (JSON.parse(map.get(height) ?? '') as Block).hash.length),
    read('Chain.block', (height) => chain.block(height)?.hash.length ?? 0),
  );
  console.log(
    `  ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB resident after that, the Map included`,
  );
  await store.close();
}

const [, , folder] = process.argv;
if (folder === undefined) await main();
else console.log(JSON.stringify(measureOpening(folder)));
