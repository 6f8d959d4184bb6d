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
  status: async () => (await import('./face/status-text.ts')).pbftStatus,
  simulated: async () => (await import('./simulation/subject.ts')).simulatedPbft,
};
