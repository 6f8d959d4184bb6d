// A process for the tests of durability: writes batch after batch into the data folder of its argument, and says the
// number of each after it was written, until it is killed or can't go on.
import { writeSync } from 'node:fs';

import { openDataDir } from '../../peer/storage/data-dir.ts';
import { messageOf } from '../../shared/errors.ts';
import { batch, readBatch } from './batches.ts';

const [, , folder = ''] = process.argv;
try {
  const { store } = await openDataDir(folder);
  for (let number = (readBatch(store) ?? 0) + 1; ; number++) {
    store.write(batch(number));
    writeSync(1, `${number}\n`);
  }
} catch (error) {
  writeSync(2, messageOf(error));
  process.exitCode = 1;
}
