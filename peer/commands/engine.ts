import { Command } from 'commander';

import type { EngineModule } from '../engines/module.ts';

/** The command of an engine that is not the default one: it has those that run a node, and its own. */
export async function engineCommand({ name, description, start, commands }: EngineModule): Promise<Command> {
  const command = new Command(name).description(description).addCommand(await start());
  for (const load of Object.values(commands)) command.addCommand(await load());
  return command.addHelpText(
    'after',
    `
Examples:
  node peer ${name} start --help
  node peer network --engine ${name}    a whole network of it on this machine`,
  );
}
