import type { EngineModule } from '../module.ts';

export const engine: EngineModule = {
  name: 'pow',
  title: 'proof of work',
  description: 'a peer of a proof-of-work class network: joins it, keeps and serves its chain, serves miners',
  start: async (call) => (await import('./node/start.ts')).startCommand(call),
  commands: {
    export: async () => (await import('./node/export.ts')).exportCommand(),
    import: async () => (await import('./node/import.ts')).importCommand(),
    verify: async () => (await import('./node/verify.ts')).verifyCommand(),
    check: async () => (await import('./check/command.ts')).checkCommand(),
  },
  network: async () => (await import('./node/network.ts')).powNetwork,
  status: async () => {
    const [{ statusOf }, { face }] = await Promise.all([
      import('../../cli/view-status.ts'),
      import('./face/face.ts'),
    ]);
    return statusOf(face);
  },
  simulated: async () => (await import('./simulation/subject.ts')).simulatedPow,
};
