/** The engines that there are: a new one is one line here. */
import { UserError } from '../../shared/errors.ts';
import type { SimulatedEngine } from '../simulator/offer.ts';
import type { EngineModule } from './module.ts';

/** What loads each engine, by its name. The first is the default: the engine of a node for which none is named. */
export type Registry = Readonly<Record<string, () => Promise<{ readonly engine: EngineModule }>>>;

export const ENGINES: Registry = {
  pow: () => import('./pow/engine.ts'),
  pbft: () => import('./pbft/engine.ts'),
};

export const DEFAULT_ENGINE = defaultEngine(ENGINES);

export function defaultEngine(registry: Registry): string {
  const [name] = Object.keys(registry);
  if (name === undefined) throw new Error('there is no engine');
  return name;
}

/** @throws UserError if there is none of that name */
export async function engineNamed(name: string, registry: Registry = ENGINES): Promise<EngineModule> {
  const load = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (load === undefined) {
    throw new UserError(`there is no engine "${name}"; there is: ${Object.keys(registry).join(', ')}`);
  }
  return (await load()).engine;
}

export async function allEngines(registry: Registry = ENGINES): Promise<EngineModule[]> {
  return Promise.all(Object.keys(registry).map((name) => engineNamed(name, registry)));
}

export async function simulatedEngines(registry: Registry = ENGINES): Promise<SimulatedEngine[]> {
  const engines = await allEngines(registry);
  return Promise.all(engines.map((engine) => engine.simulated()));
}
