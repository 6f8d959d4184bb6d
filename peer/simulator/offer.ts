/** An engine as the simulator offers it to those who do not know its types. */
import type { RunReport } from './report.ts';
import { draw, type Drawable, type Plan } from './settings.ts';
import { Simulation, type SimulationHooks } from './simulation.ts';
import type { EngineTypes } from '../core/engine.ts';
import type { Subject } from './subject.ts';

/** A simulation that is under way. */
export interface RunningSimulation {
  /** How much of the time with faults is over, from 0 to 1. */
  readonly progress: number;
  /** Events handled so far. */
  readonly events: number;
  /** Simulated milliseconds since the start. */
  now(): number;
  /** Handles up to so many events; returns whether the run is over. */
  advance(most: number): boolean;
  report(): RunReport;
}

/** An engine as the simulator offers it, its types left behind. */
export interface SimulatedEngine extends Drawable {
  readonly name: string;
  readonly title: string;
  /** Examples for the help, what is typed after its name: a line each. */
  readonly examples: readonly string[];
  /** Sets up the run of one seed. */
  simulate(seed: number, plan: Plan, hooks?: SimulationHooks): RunningSimulation;
}

/** What the simulator makes of a subject. */
export function offer<T extends EngineTypes>(subject: Subject<T>): SimulatedEngine {
  const { name, title, examples = [], settings, byzantine, foreign } = subject;
  return {
    name,
    title,
    examples,
    settings,
    byzantine,
    ...(foreign && { foreign }),
    mostByzantine: (nodes) => subject.mostByzantine(nodes),
    simulate: (seed, plan, hooks) => new Simulation(subject, seed, draw(seed, plan, subject), hooks),
  };
}
