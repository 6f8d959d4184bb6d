// A process for the tests of the lock: takes the folder of its argument, says how that went, and keeps it until its
// standard input ends.
import { messageOf } from '../../shared/errors.ts';
import { lockFolder } from '../../peer/storage/lock.ts';

const [, , folder = ''] = process.argv;
try {
  const lock = await lockFolder(folder);
  console.log('held');
  process.stdin.resume().once('end', () => {
    lock.release();
  });
} catch (error) {
  console.log(`refused: ${messageOf(error)}`);
}
