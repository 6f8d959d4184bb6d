// A process for the tests of the lock: takes the folder of its argument, says how that went, and keeps it until its
// standard input ends, or for ever with a second argument.
import { messageOf } from '../../shared/errors.ts';
import { lockFolder } from '../../peer/storage/lock.ts';

const [, , folder = '', forEver] = process.argv;
try {
  const lock = await lockFolder(folder);
  console.log(`held by ${process.pid}`);
  if (forEver !== undefined) setInterval(() => undefined, 60_000);
  else
    process.stdin.resume().once('end', () => {
      lock.release();
    });
} catch (error) {
  console.log(`refused: ${messageOf(error)}`);
}
