/** A node that eclipses others fills their tables to the brim, and would fill them beyond it if it could. */
import { afterEach, describe, expect, it, vi } from 'vitest';

import { MAX_HEARSAY_PEERS, MAX_IDLE_PEERS } from '../../../../peer/engines/pow/protocol/limits.ts';
import { PeerTable } from '../../../../peer/engines/pow/protocol/peers.ts';
import { powSubject } from '../../../../peer/engines/pow/simulation/subject.ts';
import type { PowTypes } from '../../../../peer/engines/pow/protocol/types.ts';
import type { RunReport } from '../../../../peer/simulator/report.ts';
import type { Simulation } from '../../../../peer/simulator/simulation.ts';
import * as plant from '../../../simulator/plant.ts';

/** Long enough for the first siege. */
const SETTINGS = { nodes: 4, hours: 0.15 };

function besieged(): Simulation<PowTypes> {
  return plant.simulation(powSubject, SETTINGS, ['eclipse']);
}

/** The limits of the table of peers, each by the method that keeps it. */
interface Limits {
  makeRoomForDirect(): boolean;
  makeRoomForHearsay(): boolean;
}

function withoutLimit(method: keyof Limits): RunReport {
  vi.spyOn(PeerTable.prototype as unknown as Limits, method).mockReturnValue(true);
  return besieged().finish();
}

describe('a node that is besieged', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('has tables that are full, and never more than that', () => {
    const simulation = besieged();
    const fullest = new Map<string, number>();
    while (!simulation.advance(100)) {
      for (const { honest, engine } of simulation.nodes) {
        if (!honest) continue;
        engine?.measure((name, size) => fullest.set(name, Math.max(size, fullest.get(name) ?? 0)));
      }
    }
    expect(simulation.report().violations).toEqual([]);
    expect(fullest.get('idle peers')).toBe(MAX_IDLE_PEERS);
    expect(fullest.get('hearsay peers')).toBe(MAX_HEARSAY_PEERS);
  });

  it.each([
    ['makeRoomForDirect', new RegExp(`^idle peers: \\d+ of ${MAX_IDLE_PEERS}$`)],
    ['makeRoomForHearsay', new RegExp(`^hearsay peers: \\d+ of ${MAX_HEARSAY_PEERS}$`)],
  ] as const)('is found to have no limit where there is none: %s', (method, detail) => {
    const { violations } = withoutLimit(method);
    const checker = 'every table within its bound';
    expect(violations).toContainEqual(
      expect.objectContaining({ checker, detail: expect.stringMatching(detail) as string }),
    );
    expect(new Set(violations.map((violation) => violation.checker))).toEqual(new Set([checker]));
  });
});
