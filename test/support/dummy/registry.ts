import { ENGINES, type Registry } from '../../../peer/engines/registry.ts';

export const WITH_DUMMY: Registry = { ...ENGINES, dummy: () => import('./engine.ts') };
