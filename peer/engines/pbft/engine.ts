import type { EngineModule } from '../module.ts';

export const engine: EngineModule = {
  name: 'pbft',
  title: 'Practical Byzantine Fault Tolerance',
  description: 'replicas that agree, although some of them fail: Practical Byzantine Fault Tolerance',
  start: async () => (await import('./node/start.ts')).pbftStartCommand(),
  commands: {
    keygen: async () => (await import('./node/keygen.ts')).keygenCommand(),
  },
  network: async () => (await import('./node/network.ts')).pbftNetwork,
  status: async () => {
    const [{ statusOf }, { face }] = await Promise.all([
      import('../../cli/view-status.ts'),
      import('./face/face.ts'),
    ]);
    return statusOf(face);
  },
  simulated: async () => (await import('./simulation/subject.ts')).simulatedPbft,
};
