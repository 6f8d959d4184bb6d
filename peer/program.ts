/** The program `peer`: the commands that there are, made of the engines that there are. */
import type { Command } from 'commander';

import { runProgram } from '../shared/options.ts';
import { commandsOfEngine } from './commands/node-commands.ts';
import { allEngines, defaultEngine, engineNamed, type Registry } from './engines/registry.ts';

/** Arguments after which all commands are listed. */
const TELLS_OF_ALL = ['help', '--help', '-h', 'completion'];

/** Where the parts of a program lie that are run apart, if it is not ours. */
export interface ProgramFiles {
  /** The program itself: networks are made of it. */
  readonly script?: string;
  /** What the workers of a campaign run. */
  readonly worker?: URL;
}

/** The commands besides the peer itself, in the order in which the help lists them. */
async function commandsOf(
  registry: Registry,
  { script, worker }: ProgramFiles,
): Promise<Readonly<Record<string, () => Promise<Command>>>> {
  const engines = await allEngines(registry);
  return {
    ...engines[0]?.commands,
    simulate: async () => (await import('./commands/simulate.ts')).simulateCommand(registry, worker),
    network: async () => (await import('./commands/network.ts')).networkCommand(registry, script),
    ...Object.fromEntries(
      engines.map((engine) => [
        engine.name,
        async () => (await import('./commands/engine.ts')).engineCommand(engine),
      ]),
    ),
    status: async () => (await import('./commands/status.ts')).statusCommand(registry),
    completion: async () => (await import('./commands/completion.ts')).completionCommand(),
  };
}

/**
 * The commands that a command line may be about. Loading the others would take longer than most of them run: a peer needs
 * no simulator. A name may also be the value of an option; then its command is there, and is not called.
 */
function named(args: readonly string[], names: readonly string[]): readonly string[] {
  const some = names.filter((name) => args.includes(name) && name !== 'completion');
  const all =
    args.includes('completion') || (some.length === 0 && TELLS_OF_ALL.some((one) => args.includes(one)));
  return all ? names : some;
}

export interface PeerProgram {
  /** With the commands that the command line may be about. */
  readonly program: Command;
  /** All that may stand where a command does. */
  readonly names: readonly string[];
}

/** What is run where no command is named: a node of the default engine. */
async function programItself(registry: Registry): Promise<Command> {
  const engine = await engineNamed(defaultEngine(registry), registry);
  const program = await commandsOfEngine(engine).start('node peer');
  return program
    .name('peer')
    .usage('[options]\n       peer [command] [options]')
    .enablePositionalOptions()
    .allowExcessArguments()
    .helpCommand(true)
    .addHelpText(
      'after',
      `
SIGUSR2 logs what was counted so far.
Every option may be written with dashes or underscores, and be set by its
environment variable or, by its name, in the JSON file that --config names. The
command line goes before the environment, the environment before the file.
Options of a command go after its name: node peer ${engine.name} start --http-port 0`,
    );
}

export async function peerProgram(
  args: readonly string[],
  registry: Registry,
  files: ProgramFiles = {},
): Promise<PeerProgram> {
  const program = await programItself(registry);
  const commands = await commandsOf(registry, files);
  const names = Object.keys(commands);
  for (const name of named(args, names)) {
    const command = await commands[name]?.();
    if (command !== undefined) program.addCommand(command);
  }
  return { program, names: [...names, 'help'] };
}

/** Runs the command line of a process. */
export async function runPeer(
  args: readonly string[],
  registry: Registry,
  files: ProgramFiles = {},
): Promise<void> {
  const { program, names } = await peerProgram(args, registry, files);
  await runProgram(program, args, names);
}
