// A process for the tests of the store: opens a snapshot of the folder of its argument, prints a value, and keeps it
// open until its standard input ends.
import { messageOf } from '../../shared/errors.ts';
import { openLmdbSnapshot } from '../../peer/storage/lmdb.ts';

const [, , folder = ''] = process.argv;
try {
  const snapshot = openLmdbSnapshot(folder);
  console.log(`read ${snapshot.get('key') ?? 'nothing'}`);
  process.stdin.resume().once('end', () => {
    void snapshot.close();
  });
} catch (error) {
  console.log(`refused: ${messageOf(error)}`);
}
