import { describe, expect, it } from 'vitest';

import { MinerLab } from '../../../../peer/engines/pow/check/miner-lab.ts';
import type { Result } from '../../../../peer/engines/pow/check/rule.ts';
import { MINER_RULES } from '../../../../peer/engines/pow/check/rules/miner.ts';
import { chosenRules, runRules } from '../../../../peer/engines/pow/check/run.ts';
import { VirtualNetwork } from '../../../support/virtual-network.ts';
import { StudentMiner } from './student-miner.ts';
import { virtualGround } from './virtual-ground.ts';
import { WRONG_MINERS } from './wrong-miners.ts';
import { failures, idsOf, needing } from './results.ts';

async function check(Kind: typeof StudentMiner | (typeof WRONG_MINERS)[string]): Promise<Result[]> {
  const network = new VirtualNetwork();
  const ground = virtualGround(network);
  const lab = await MinerLab.open(
    {
      ...{ host: '10.0.0.2', port: 8786, difficulty: 1, patience: 2_000 },
      ...{ entropy: Uint8Array.from({ length: 16 }, (_, at) => at), stop: new AbortController().signal },
    },
    ground,
  );
  new Kind({ host: '10.0.0.2', port: 8786 }, ground).start();
  const task = async (): Promise<Result[]> => {
    expect(await lab.connected()).toBe(true);
    return runRules(chosenRules(MINER_RULES, [], true), lab, {
      onRule: () => undefined,
      onResult: () => undefined,
    });
  };
  return network.runFor(task());
}

it('a miner that keeps every rule passes', async () => {
  const results = await check(StudentMiner);
  expect(failures(results)).toEqual([]);
  expect(idsOf(results, 'unjudged')).toEqual([]);
});

describe('a miner that is wrong in one way fails there and nowhere else', () => {
  it('there is one for each rule', () => {
    expect(Object.keys(WRONG_MINERS).sort()).toEqual(MINER_RULES.map(({ id }) => id).sort());
  });

  it.each(Object.entries(WRONG_MINERS))('%s', async (id, Kind) => {
    const results = await check(Kind);
    expect(idsOf(results, 'failed'), failures(results).join('; ')).toEqual([id]);
    const allowed = needing(MINER_RULES, [id], results);
    expect(idsOf(results, 'unjudged').filter((one) => !allowed.has(one))).toEqual([]);
  });
});
