import { runProgram } from '../shared/options.ts';
import { ENGINES } from './engines/registry.ts';
import { peerProgram } from './program.ts';

const args = process.argv.slice(2);
const { program, names } = await peerProgram(args, ENGINES);
await runProgram(program, args, names);
