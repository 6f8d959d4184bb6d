import { describe, expect, it } from 'vitest';

import type { Address } from '../../shared/address.ts';
import { Lab, type LabOptions } from '../../peer/check/lab.ts';
import type { Result } from '../../peer/check/rule.ts';
import { PEER_RULES } from '../../peer/check/rules/all.ts';
import { chosenRules, runRules } from '../../peer/check/run.ts';
import { VirtualNetwork } from '../support/virtual-network.ts';
import { Student } from './student.ts';
import { virtualGround } from './virtual-ground.ts';

const PEER: Address = { host: '10.0.0.1', port: 8784 };
const DIFFICULTY = 1;

export function labOptions(more: Partial<LabOptions> = {}): LabOptions {
  return {
    ...{ target: PEER, self: '10.0.0.2', port: 0, joins: false, difficulty: DIFFICULTY, patience: 5_000 },
    ...{ loss: 0.2, gossipInterval: 30_000, peerTimeout: 60_000, consensusInterval: 300_000 },
    ...{ entropy: Uint8Array.from({ length: 16 }, (_, at) => at + 1), stop: new AbortController().signal },
    ...more,
  };
}

async function check(network: VirtualNetwork, only: readonly string[] = [], slow = false): Promise<Result[]> {
  const lab = await Lab.open(labOptions(), virtualGround(network));
  const task = (async () => {
    if (!(await lab.meet(5_000))) throw new Error('nobody is there');
    return runRules(chosenRules(PEER_RULES, only, slow), lab, { onRule: ignore, onResult: ignore });
  })();
  return network.runFor(task);
}

function ignore(): void {
  // Only what comes of it is looked at.
}

function failed(results: readonly Result[]): string[] {
  return results
    .filter(({ verdict }) => verdict !== 'passed')
    .map(({ id, reason, verdict }) => `${verdict} ${id}: ${reason ?? ''}`);
}

describe('check', () => {
  it('student', async () => {
    const network = new VirtualNetwork();
    const student = new Student({ address: PEER, difficulty: DIFFICULTY }, virtualGround(network));
    await student.start();
    expect(failed(await check(network))).toEqual([]);
  });
  it('own', async () => {
    const network = new VirtualNetwork();
    network.addNode(PEER, { difficulty: DIFFICULTY });
    expect(failed(await check(network))).toEqual([]);
  });
});
