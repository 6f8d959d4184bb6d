import { Command } from 'commander';

import type { EngineModule } from '../engines/module.ts';
import { commandsOfEngine } from './node-commands.ts';

/** The command of an engine: it has the one that runs a node, and its own. */
export async function engineCommand(engine: EngineModule): Promise<Command> {
  const { name, description, commands } = engine;
  const start = await commandsOfEngine(engine).start(`node peer ${name} start`);
  const command = new Command(name).description(description).addCommand(start);
  for (const load of Object.values(commands)) command.addCommand(await load());
  return command.addHelpText(
    'after',
    `
Examples:
  node peer ${name} start --help
  node peer network --engine ${name}    a whole network of it on this machine`,
  );
}
