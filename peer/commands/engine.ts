import { Command } from 'commander';

import type { EngineModule } from '../engines/module.ts';
import { commandsOfEngine } from './node-commands.ts';

/** The command of an engine that is not the default one: it has those that run a node, and its own. */
export async function engineCommand(engine: EngineModule): Promise<Command> {
  const { name, description, commands } = engine;
  const start = await commandsOfEngine(engine).start();
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
