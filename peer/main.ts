import { ENGINES } from './engines/registry.ts';
import { runPeer } from './program.ts';

await runPeer(process.argv.slice(2), ENGINES);
