/** Plants faults in the engines of a simulation, to see whether they are found. */
import type { Effect, EngineEvent, Engine, EngineTypes, Gauge } from '../../peer/core/engine.ts';
import type { Violation } from '../../peer/simulator/report.ts';
import { draw, type Plan } from '../../peer/simulator/settings.ts';
import { Simulation, type SimulationHooks } from '../../peer/simulator/simulation.ts';
import type { SimulatedNode, Subject, SubjectRun } from '../../peer/simulator/subject.ts';

export type EventOf<T extends EngineTypes> = EngineEvent<T>;
export type EffectOf<T extends EngineTypes> = Effect<T>;

/** A fault: what becomes of the effects that a node's engine wants carried out. */
export type Fault<T extends EngineTypes> = (
  effects: readonly EffectOf<T>[],
  event: EventOf<T>,
  node: SimulatedNode,
) => readonly EffectOf<T>[];

/** A subject with something of its runs changed. */
export function changed<T extends EngineTypes>(
  subject: Subject<T>,
  change: (run: SubjectRun<T>) => Partial<SubjectRun<T>>,
): Subject<T> {
  return {
    ...subject,
    begin(world) {
      const run = subject.begin(world);
      const own = change(run);
      return new Proxy(run, {
        get(target, name) {
          const value: unknown = Reflect.get(name in own ? own : target, name, target);
          return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
        },
      });
    },
  };
}

/** A subject with something around every engine. */
export function wrapped<T extends EngineTypes>(
  subject: Subject<T>,
  wrap: (engine: Engine<T>, node: SimulatedNode) => Engine<T>,
): Subject<T> {
  return changed(subject, (run) => ({ engine: (node, modules) => wrap(run.engine(node, modules), node) }));
}

/** A subject with a fault in every engine. */
export function faulty<T extends EngineTypes>(
  subject: Subject<T>,
  fault: Fault<T>,
  measure?: (report: Gauge) => void,
): Subject<T> {
  return wrapped(subject, (engine, node) => ({
    step: (event) => fault(engine.step(event), event, node),
    measure:
      measure ??
      ((report) => {
        engine.measure(report);
      }),
  }));
}

/** A seed of a subject, the first unless it is said which, with these settings and Byzantine nodes, and no other faults. */
export function simulation<T extends EngineTypes>(
  subject: Subject<T>,
  settings: Readonly<Record<string, number>>,
  byzantineKinds: readonly string[] = [],
  { seed = 1, ...hooks }: SimulationHooks & { readonly seed?: number } = {},
): Simulation<T> {
  const plan: Plan = {
    faults: 'none',
    ranges: Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [name, { least: value, most: value }]),
    ),
    byzantineKinds,
  };
  return new Simulation(subject, seed, draw(seed, plan, subject), hooks);
}

export function violations<T extends EngineTypes>(
  subject: Subject<T>,
  settings: Readonly<Record<string, number>>,
): readonly Violation[] {
  return simulation(subject, settings).finish().violations;
}
