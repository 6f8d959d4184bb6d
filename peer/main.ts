import { runProgram } from '../shared/options.ts';
import { exportCommand } from './commands/export.ts';
import { importCommand } from './commands/import.ts';
import { networkCommand } from './commands/network.ts';
import { simulateCommand } from './commands/simulate.ts';
import { peerCommand } from './commands/start.ts';
import { verifyCommand } from './commands/verify.ts';

const program = peerCommand()
  .addCommand(exportCommand())
  .addCommand(importCommand())
  .addCommand(verifyCommand())
  .addCommand(simulateCommand())
  .addCommand(networkCommand());

await runProgram(program, process.argv.slice(2));
