/** How many views PBFT may need after everything has healed. */
import { expect, it } from 'vitest';

import { MAX_DOUBLINGS } from '../../../../peer/engines/pbft/protocol/limits.ts';
import { mostHealingViews, type Healing } from '../../../../peer/engines/pbft/simulation/healing-views.ts';

/** As a cluster is configured by default, on a network that is fast. */
const QUIET: Healing = { replicas: 4, timeout: 10_000, latency: 50, executed: 0 };

function most(given: Partial<Healing>): number {
  return mostHealingViews({ ...QUIET, ...given });
}

it('is one that was on its way out, and those of f faulty primaries', () => {
  expect([1, 4, 6, 7, 10].map((replicas) => most({ replicas }))).toEqual([1, 2, 2, 3, 4]);
  expect(most({ latency: 0 })).toBe(2);
});

it('has one more for each doubling without which the time-out is too short', () => {
  const honest = { replicas: 1 };
  // Six messages, each four times as late as the mean.
  expect([416, 417, 833, 834].map((latency) => most({ ...honest, latency }))).toEqual([1, 2, 2, 3]);
  expect(most({ ...honest, latency: 10_000 })).toBe(1 + MAX_DOUBLINGS);
});

it('has one more for each time-out in which others were served', () => {
  const honest = { replicas: 1 };
  expect([33, 34, 66, 67].map((executed) => most({ ...honest, executed }))).toEqual([1, 2, 2, 3]);
});

it('has those of faulty primaries again where those of all honest ones may be given up', () => {
  // The honest ones that may be given up, and the one that is not, follow each other but for the faulty ones between.
  expect([33, 67, 100].map((executed) => most({ executed }))).toEqual([2, 5, 6]);
});
