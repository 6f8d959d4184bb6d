// A process for the tests of the lock: takes the folder of its first argument, says how that went, and keeps it until its
// standard input ends. It tries for as many milliseconds as its second argument says, and keeps the folder for ever with
// a third one.
import { messageOf } from '../../shared/errors.ts';
import { lockFolder } from '../../peer/storage/lock.ts';

const [, , folder = '', patience, forEver] = process.argv;
try {
  const lock = await lockFolder(folder, undefined, patience === undefined ? undefined : Number(patience));
  console.log(`held by ${process.pid}`);
  if (forEver !== undefined) setInterval(() => undefined, 60_000);
  else
    process.stdin.resume().once('end', () => {
      lock.release();
    });
} catch (error) {
  console.log(`refused: ${messageOf(error)}`);
}
