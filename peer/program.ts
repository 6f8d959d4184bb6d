import type { Command } from 'commander';

import { peerCommand } from './engines/pow/node/start.ts';

/** The commands besides the peer itself, in the order in which the help lists them. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  export: async () => (await import('./engines/pow/node/export.ts')).exportCommand(),
  import: async () => (await import('./engines/pow/node/import.ts')).importCommand(),
  verify: async () => (await import('./engines/pow/node/verify.ts')).verifyCommand(),
  check: async () => (await import('./engines/pow/check/command.ts')).checkCommand(),
  simulate: async () => (await import('./commands/simulate.ts')).simulateCommand(),
  network: async () => (await import('./commands/network.ts')).networkCommand(),
  pbft: async () => (await import('./engines/pbft/node/command.ts')).pbftCommand(),
  status: async () => (await import('./commands/status.ts')).statusCommand(),
  completion: async () => (await import('./commands/completion.ts')).completionCommand(),
};

/** All that may stand where a command does. */
export const COMMAND_NAMES: readonly string[] = [...Object.keys(COMMANDS), 'help'];

/** Arguments after which all commands are told of. */
const TELLS_OF_ALL = ['help', '--help', '-h', 'completion'];

/**
 * The commands that a command line may be about. Loading the others would take longer than most of them run: a peer needs
 * no simulator. A name may also be the value of an option; then its command is there, and is not called.
 */
function named(args: readonly string[]): string[] {
  const names = Object.keys(COMMANDS);
  const some = names.filter((name) => args.includes(name) && name !== 'completion');
  const all =
    args.includes('completion') || (some.length === 0 && TELLS_OF_ALL.some((one) => args.includes(one)));
  return all ? names : some;
}

/** The program `peer`, with the commands that a command line may be about. */
export async function peerProgram(args: readonly string[]): Promise<Command> {
  const program = peerCommand();
  for (const name of named(args)) {
    const command = await COMMANDS[name]?.();
    if (command !== undefined) program.addCommand(command);
  }
  return program;
}
