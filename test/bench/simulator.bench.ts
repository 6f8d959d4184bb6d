/**
 * Events that a simulation of proof of work handles a second, against a bare event loop that only takes events from
 * the same queue and puts others in; and how long a day of a small network takes. Run from the compiled tree:
 *
 *     node dist/test/bench/simulator.bench.js [events a round] [rounds]
 */
import { powSubject } from '../../peer/engines/pow/simulation/subject.ts';
import type { PowTypes } from '../../peer/engines/pow/protocol/types.ts';
import { EventQueue } from '../../peer/simulator/queue.ts';
import { draw, type Plan } from '../../peer/simulator/settings.ts';
import { Simulation } from '../../peer/simulator/simulation.ts';
import { seededRandom } from '../support/random.ts';
import { argument, type Candidate, compare, median } from './measure.ts';

const eventsPerRound = argument(0, 'events a round', 50_000);
const rounds = argument(1, 'rounds', 15);
/** Longer than any benchmark. */
const HOURS = 8_760;
/** Seeds whose mixtures of faults are measured together: one alone says little. */
const MIXED_SEEDS = [1, 2, 3, 4, 5];
/** Days simulated, of which the middle one is told. */
const DAYS = 3;

function simulation(
  seed: number,
  nodes: number,
  hours: number,
  faults: Plan['faults'],
  stub = 0,
): Simulation<PowTypes> {
  const exactly = (value: number): { least: number; most: number } => ({ least: value, most: value });
  const ranges = { nodes: exactly(nodes), hours: exactly(hours), stub: exactly(stub) };
  const plan = { faults, ranges, byzantineKinds: [] };
  return new Simulation(powSubject, seed, draw(seed, plan, powSubject));
}

/** Goes on with simulations, by turns, and notes how long their queues are. */
function advancing(
  name: string,
  simulations: readonly Simulation<PowTypes>[],
): Candidate & { queueSize: number } {
  const candidate = {
    name,
    queueSize: 0,
    run: () => {
      const before = simulations.map(({ events }) => events);
      for (const one of simulations) one.advance(Math.ceil(eventsPerRound / simulations.length));
      // The queue is nobody's business but a benchmark's.
      const sizes = simulations.map((one) => one['course'].queue.size);
      candidate.queueSize = Math.round(sizes.reduce((sum, size) => sum + size, 0) / sizes.length);
      return simulations.reduce((sum, { events }, place) => sum + events - (before[place] ?? 0), 0);
    },
  };
  return candidate;
}

/** Takes the next event out and puts one in that comes later, with so many in the queue. */
function bareLoop(size: number): Candidate {
  const queue = new EventQueue<object>();
  const random = seededRandom(1);
  // Drawn before: the loop is to measure the queue.
  const delays = Array.from({ length: 4_096 }, () => Math.ceil(random() * 100_000));
  const item = {};
  for (let i = 0; i < size; i++) queue.push(delays[i % delays.length] ?? 0, item);
  return {
    name: `bare loop, ${size} events in the queue`,
    run: () => {
      for (let i = 0; i < eventsPerRound; i++) {
        const next = queue.pop();
        if (next !== undefined) queue.push(queue.time + (delays[i % delays.length] ?? 0), next);
      }
      return eventsPerRound;
    },
  };
}

for (const subject of [
  advancing('20 nodes, no faults', [simulation(1, 20, HOURS, 'none')]),
  advancing('the same without hashes', [simulation(1, 20, HOURS, 'none', 1)]),
  advancing(
    '20 nodes, mixed faults',
    MIXED_SEEDS.map((seed) => simulation(seed, 20, HOURS, 'mixed')),
  ),
]) {
  subject.run();
  compare('events of a simulation', bareLoop(subject.queueSize), subject, rounds);
}

const seconds = Array.from({ length: DAYS }, (_, seed) => {
  const start = performance.now();
  simulation(seed + 1, 7, 24, 'none').finish();
  return (performance.now() - start) / 1000;
});
const middle = median(seconds);
console.log(
  `24 simulated hours of 7 nodes: ${middle.toFixed(2)} s (median of ${DAYS}), ${Math.round(86_400 / middle)} times as fast as real time`,
);
