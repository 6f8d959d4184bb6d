import { describe, expect, it } from 'vitest';

import type { Address } from '../../../../shared/address.ts';
import { Lab, type LabOptions } from '../../../../peer/engines/pow/check/lab.ts';
import { meet } from '../../../../peer/engines/pow/check/meeting.ts';
import type { Result } from '../../../../peer/engines/pow/check/rule.ts';
import { PEER_RULES } from '../../../../peer/engines/pow/check/rules/all.ts';
import { chosenRules, runRules } from '../../../../peer/engines/pow/check/run.ts';
import { VirtualNetwork } from '../../../support/virtual-network.ts';
import { failures, idsOf, needing } from './results.ts';
import { Student } from './student.ts';
import { virtualGround } from './virtual-ground.ts';
import { WRONG, WRONG_JOINERS } from './wrong-students.ts';

const PEER: Address = { host: '10.0.0.1', port: 8784 };
/** Where a peer that joins finds us. */
const ANN: Address = { host: '10.0.0.2', port: 9000 };
const DIFFICULTY = 1;
/** The rules that only a peer that joins us can be held to. */
const JOINING = ['join-gossip', 'join-sync'];

interface Plan {
  readonly only?: readonly string[];
  readonly slow?: boolean;
  readonly options?: Partial<LabOptions>;
}

/** Checks whoever is at {@link PEER} in a network. */
async function check(network: VirtualNetwork, plan: Plan = {}): Promise<Result[]> {
  const { only = [], slow = false, options } = plan;
  const lab = await Lab.open(
    {
      ...{ target: PEER, self: ANN.host, port: 0, joins: false, difficulty: DIFFICULTY, patience: 5_000 },
      ...{ loss: 0.2, gossipInterval: 30_000, peerTimeout: 60_000, consensusInterval: 300_000 },
      ...{ entropy: Uint8Array.from({ length: 16 }, (_, at) => at), stop: new AbortController().signal },
      ...options,
    },
    virtualGround(network),
  );
  const task = async (): Promise<Result[]> => {
    if (!(await meet(lab, 5_000))) throw new Error('nobody is there');
    return runRules(chosenRules(PEER_RULES, only, slow), lab, { onRule: ignore, onResult: ignore });
  };
  const results = await network.runFor(task());
  lab.close();
  return results;
}

function ignore(): void {
  // Only what comes of it is looked at.
}

async function student(
  Kind: (typeof WRONG)[string],
  more: { readonly join?: Address } = {},
): Promise<VirtualNetwork> {
  const network = new VirtualNetwork();
  await new Kind({ address: PEER, difficulty: DIFFICULTY, ...more }, virtualGround(network)).start();
  return network;
}

it('a rule needs only rules that come before it', () => {
  const seen = new Set<string>();
  for (const { id, needs = [] } of PEER_RULES) {
    expect(needs.filter((needed) => !seen.has(needed))).toEqual([]);
    seen.add(id);
  }
});

describe('a peer that keeps every rule passes', () => {
  it('one that a student wrote', async () => {
    const results = await check(await student(Student), { slow: true });
    expect(failures(results)).toEqual([]);
    expect(idsOf(results, 'unjudged')).toEqual(JOINING);
  });

  it('one that a student wrote, and that joins', async () => {
    const network = new VirtualNetwork();
    const peer = new Student({ address: PEER, difficulty: DIFFICULTY, join: ANN }, virtualGround(network));
    network.at(network.now + 2_000, () => void peer.start());
    const results = await check(network, { options: { target: undefined, port: ANN.port, joins: true } });
    expect(failures(results)).toEqual([]);
    expect(idsOf(results, 'unjudged')).toEqual([]);
  });

  it('ours', async () => {
    const network = new VirtualNetwork();
    network.addNode(PEER, { difficulty: DIFFICULTY });
    const results = await check(network, { slow: true });
    expect(failures(results)).toEqual([]);
    expect(idsOf(results, 'unjudged')).toEqual(JOINING);
  });

  it('ours, joining', async () => {
    const network = new VirtualNetwork();
    network.addNode(PEER, { difficulty: DIFFICULTY, join: [ANN] });
    const results = await check(network, { options: { port: ANN.port, joins: true } });
    expect(failures(results)).toEqual([]);
    expect(idsOf(results, 'unjudged')).toEqual([]);
  });
});

describe('a peer that is wrong in one way fails there and nowhere else', () => {
  it('there is one for each rule', () => {
    expect([...Object.keys(WRONG), ...Object.keys(WRONG_JOINERS)].sort()).toEqual(
      PEER_RULES.map(({ id }) => id).sort(),
    );
  });

  it.each(Object.entries(WRONG))('%s', async (id, Kind) => {
    const slow = PEER_RULES.some((rule) => rule.id === id && rule.slow === true);
    const results = await check(await student(Kind), slow ? { only: [id] } : {});
    expect(idsOf(results, 'failed'), failures(results).join('; ')).toEqual([id]);
    const allowed = needing(PEER_RULES, [id, ...JOINING], results);
    expect(idsOf(results, 'unjudged').filter((one) => !allowed.has(one))).toEqual([]);
  });

  it.each(Object.entries(WRONG_JOINERS))('%s', async (id, Kind) => {
    const network = await student(Kind, { join: ANN });
    const results = await check(network, { options: { port: ANN.port, joins: true } });
    expect(idsOf(results, 'failed'), failures(results).join('; ')).toEqual([id]);
    const allowed = needing(PEER_RULES, [id], results);
    expect(idsOf(results, 'unjudged').filter((one) => !allowed.has(one))).toEqual([]);
  });
});
