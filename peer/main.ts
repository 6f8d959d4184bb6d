import { runProgram } from '../shared/options.ts';
import { COMMAND_NAMES, peerProgram } from './program.ts';

const args = process.argv.slice(2);
await runProgram(await peerProgram(args), args, COMMAND_NAMES);
