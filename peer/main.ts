import { runProgram } from '../shared/options.ts';
import { exportCommand } from './commands/export.ts';
import { importCommand } from './commands/import.ts';
import { completionCommand } from './commands/completion.ts';
import { networkCommand } from './commands/network.ts';
import { pbftCommand } from './commands/pbft.ts';
import { simulateCommand } from './commands/simulate.ts';
import { peerCommand } from './commands/start.ts';
import { statusCommand } from './commands/status.ts';
import { verifyCommand } from './commands/verify.ts';

const program = peerCommand()
  .addCommand(exportCommand())
  .addCommand(importCommand())
  .addCommand(verifyCommand())
  .addCommand(simulateCommand())
  .addCommand(networkCommand())
  .addCommand(pbftCommand())
  .addCommand(statusCommand())
  .addCommand(completionCommand());

await runProgram(program, process.argv.slice(2));
