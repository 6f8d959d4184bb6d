/** The program with one engine more. */
import { runPeer } from '../../../peer/program.ts';
import { WITH_DUMMY } from './registry.ts';

await runPeer(process.argv.slice(2), WITH_DUMMY, {
  script: import.meta.filename,
  worker: new URL('worker.js', import.meta.url),
});
