/** How an engine is started and shown: by commands of its own, or by those that are made of what it is. */
import type { EngineCommands, EngineModule } from '../engines/module.ts';

export function commandsOfEngine(engine: EngineModule): EngineCommands {
  const { node } = engine;
  if (node === undefined) return engine;
  return {
    start: async (call) => (await import('./start-engine.ts')).startCommand(engine, await node(), call),
    network: async () => (await import('./node-network.ts')).networkOfNodes(engine, await node()),
    status: async () => (await import('../cli/view-status.ts')).statusOf((await node()).face),
  };
}
