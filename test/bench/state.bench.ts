/**
 * A replica's checkpoints: how long one takes when only what changed since the last is encoded and hashed, against all
 * pages anew; and how long a step is if that is done a little after every batch. Run from the compiled tree:
 *
 *     node dist/test/bench/state.bench.js [keys] [rounds]
 */
import { KeyValueStore } from '../../peer/applications/key-value.ts';
import { changedPages } from '../../peer/core/paged-state.ts';
import { DIGESTS, ReplicatedState } from '../../peer/engines/pbft/protocol/state.ts';
import { DEFAULT_PBFT_CONFIG } from '../../peer/engines/pbft/protocol/interface.ts';
import { seededRandom } from '../support/random.ts';
import { quantile, table } from './figures.ts';
import { argument, median } from './measure.ts';

const keys = argument(0, 'keys', 100_000);
const rounds = argument(1, 'rounds', 15);
const { checkpointInterval, batchSize } = DEFAULT_PBFT_CONFIG;
const CLIENTS = 4;
/** Pages looked at after every batch, where the work is spread. */
const PAGES_PER_BATCH = 64;
const VALUE = 'v'.repeat(40);

const random = seededRandom(1);

/** Each key as often as any other, or nine of ten from a hundredth of them. */
const CHOICES: Readonly<Record<string, () => number>> = {
  'all keys alike': () => random(),
  'a hundredth is hot': () => (random() < 0.9 ? random() / 100 : random()),
};

function timed(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function measure(choice: string, choose: () => number): void {
  const application = new KeyValueStore();
  const state = new ReplicatedState(application, CLIENTS);
  let timestamp = 0;
  const put = (number: number): void => {
    timestamp++;
    const operation = JSON.stringify(['put', `user-${number}`, `${VALUE}${timestamp}`]);
    state.execute(timestamp % CLIENTS, timestamp, operation);
  };
  const batch = (): void => {
    state.advanceTime(timestamp);
    for (let count = 0; count < batchSize; count++) put(Math.floor(choose() * keys));
  };
  for (let number = 0; number < keys; number++) put(number);
  let last = state.checkpoint(0);

  const figures = { execution: [0], atOnce: [0], anew: [0], spread: [0], batchSpread: [0] };
  const counts = { pages: [0], units: [0], ratios: [0] };
  for (const list of [...Object.values(figures), ...Object.values(counts)]) list.pop();
  for (let round = 1; round <= 2 * rounds; round++) {
    const spread = round % 2 === 0;
    const batches = Array.from({ length: checkpointInterval }, () => {
      const execution = timed(batch);
      if (!spread) figures.execution.push(execution);
      return spread ? execution + timed(() => state.settle(PAGES_PER_BATCH)) : execution;
    });
    const before = last;
    const checkpoint = timed(() => {
      last = state.checkpoint(round);
    });
    if (spread) {
      figures.spread.push(checkpoint);
      figures.batchSpread.push(...batches);
      continue;
    }
    let digest = '';
    const anew = timed(() => {
      const texts = Array.from({ length: application.pageCount }, (_, index) => application.page(index));
      const other = last.pages.slice(0, last.pages.length - texts.length);
      digest = DIGESTS.root([...other, ...texts].map((text, index) => DIGESTS.page(index, text)));
    });
    if (digest !== last.digest) throw new Error('the digests are not the same');
    figures.atOnce.push(checkpoint);
    figures.anew.push(anew);
    counts.ratios.push(anew / checkpoint);
    const changed = changedPages(last, before);
    counts.pages.push(changed.length);
    counts.units.push(changed.reduce((sum, { text }) => sum + text.length, 0));
  }
  const inMicroseconds = (values: readonly number[]): number[] => values.map((value) => 1000 * value);
  console.log(
    table(
      `${keys.toLocaleString('en')} keys, ${choice}, ${checkpointInterval} batches of ${batchSize} puts`,
      'µs',
      [
        { name: 'a batch', values: inMicroseconds(figures.execution) },
        { name: 'checkpoint, all anew', values: inMicroseconds(figures.anew) },
        { name: 'checkpoint', values: inMicroseconds(figures.atOnce) },
        { name: `a batch, and ${PAGES_PER_BATCH} pages`, values: inMicroseconds(figures.batchSpread) },
        { name: 'checkpoint after these', values: inMicroseconds(figures.spread) },
      ],
    ),
  );
  const kib = Math.round(median(counts.units) / 1024).toLocaleString('en');
  console.log(
    `  RATIO ${median(counts.ratios).toFixed(1)} (all anew : checkpoint); ${median(counts.pages)} of ${state.pageCount} pages changed, ${kib} KiB;`,
    `99 of 100 batches with ${PAGES_PER_BATCH} pages within ${(quantile(figures.batchSpread, 0.99) * 1000).toFixed(0)} µs`,
  );
}

for (const [choice, choose] of Object.entries(CHOICES)) measure(choice, choose);
