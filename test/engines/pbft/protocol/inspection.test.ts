/** A batch of many signatures is verified in slices: the replica still answers in between. */
import { expect, it } from 'vitest';

import {
  MAX_BATCH,
  MAX_INSPECTED,
  VERIFIED_PER_STEP,
} from '../../../../peer/engines/pbft/protocol/limits.ts';
import type { PbftConfig } from '../../../../peer/engines/pbft/protocol/interface.ts';
import type { Batch, PbftMessage } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { LATENCY, type PbftMember, PbftNetwork } from '../../../support/pbft-network.ts';

const NO_SIGNATURE = 'A'.repeat(86) + '==';
const INTERVAL = 100;
/** Besides its slice a step verifies the signature of the pre-prepare. */
const MOST_PER_STEP = VERIFIED_PER_STEP + 1;

/** Member 1 runs, a backup of view 0; the others are the test's. */
class Backup {
  readonly network: PbftNetwork;
  readonly member: PbftMember;
  /** Most signatures that it has verified in one step. */
  mostPerStep = 0;

  constructor(config: Partial<PbftConfig> = {}) {
    this.network = new PbftNetwork(4, { scripted: [0, 2, 3], checkpointInterval: INTERVAL, ...config });
    this.member = this.network.member(1);
    const { engine } = this.member;
    if (engine === undefined) throw new Error('it is down');
    const step = engine.step.bind(engine);
    engine.step = (event) => {
      const before = this.network.verified;
      const effects = step(event);
      this.mostPerStep = Math.max(this.mostPerStep, this.network.verified - before);
      return effects;
    };
  }

  /** A batch of so many requests that it has not heard of. */
  batch(count: number, first = 1): Batch {
    return this.network.batch(3, ...Array.from({ length: count }, (_, index) => first + index));
  }

  hear(from: number, message: PbftMessage): void {
    this.network.send(from, 1, message);
    this.network.run(LATENCY);
  }

  /** Has it hear something and do nothing else, not even go on with what it has begun. */
  hearOnly(from: number, message: PbftMessage): void {
    this.member.deliver(from, message);
  }

  /** The sequence numbers for which it has voted. */
  get voted(): number[] {
    const votes = this.network.sentOf('PREPARE').filter(({ to }) => to === 0);
    return votes.map(({ message }) => message.vote.sequence);
  }
}

it('accepts the largest batch, a slice of whose signatures is verified in a step', () => {
  const backup = new Backup();
  backup.hear(0, backup.network.prePrepare(0, 1, backup.batch(MAX_BATCH)));
  expect(backup.voted).toEqual([1]);
  expect(backup.network.verified).toBeGreaterThan(MAX_BATCH);
  expect(backup.mostPerStep).toBeLessThanOrEqual(MOST_PER_STEP);
});

it('verifies at once what fits one slice', () => {
  const backup = new Backup();
  backup.hearOnly(0, backup.network.prePrepare(0, 1, backup.batch(VERIFIED_PER_STEP)));
  expect(backup.voted).toEqual([1]);
  backup.hearOnly(0, backup.network.prePrepare(0, 2, backup.batch(VERIFIED_PER_STEP + 1, 5_000)));
  expect(backup.voted).toEqual([1]);
});

it('finds the one signature that is wrong, at the end of many slices', () => {
  const backup = new Backup();
  const { time, requests } = backup.batch(MAX_BATCH);
  const forged = requests.map((request, index) =>
    index === MAX_BATCH - 1 ? { ...request, signature: NO_SIGNATURE } : request,
  );
  backup.hear(0, backup.network.prePrepare(0, 1, { time, requests: forged }));
  expect(backup.voted).toEqual([]);
  expect(backup.member.offences).toEqual(['0 pre-prepare-request']);
});

it('answers in between: what is short does not wait for what is long', () => {
  const backup = new Backup();
  backup.hearOnly(0, backup.network.prePrepare(0, 1, backup.batch(MAX_BATCH)));
  backup.hearOnly(0, backup.network.prePrepare(0, 2, backup.batch(1, 5_000)));
  expect(backup.voted).toEqual([2]);
  backup.network.run(LATENCY);
  expect(backup.voted).toEqual([2, 1]);
});

it('looks at what is long by turns', () => {
  const backup = new Backup();
  backup.hearOnly(0, backup.network.prePrepare(0, 1, backup.batch(MAX_BATCH)));
  backup.hearOnly(0, backup.network.prePrepare(0, 2, backup.batch(2 * VERIFIED_PER_STEP, 5_000)));
  backup.network.run(LATENCY);
  expect(backup.voted).toEqual([2, 1]);
});

it('verifies a message once that comes twice, and only so many of one replica at a time', () => {
  const backup = new Backup();
  const proposals = Array.from({ length: MAX_INSPECTED + 2 }, (_, index) =>
    backup.network.prePrepare(0, index + 1, backup.batch(2 * VERIFIED_PER_STEP, 1 + index * 1_000)),
  );
  for (const proposal of proposals) backup.hearOnly(0, proposal);
  for (const proposal of proposals.slice(0, 3)) backup.hearOnly(0, structuredClone(proposal));
  expect(backup.member.count('inspection.repeated')).toBe(3);
  expect(backup.member.count('limit.inspections')).toBe(2);
  backup.network.run(LATENCY);
  expect(backup.voted).toHaveLength(MAX_INSPECTED);
  // Those that were dropped are sent again by and by, and looked at then.
  for (const proposal of proposals.slice(MAX_INSPECTED)) backup.hear(0, proposal);
  expect(backup.voted).toHaveLength(MAX_INSPECTED + 2);
});

it('stops, and does not accept it in the end, where the view is over in the meantime', () => {
  const backup = new Backup();
  backup.hearOnly(0, backup.network.prePrepare(0, 1, backup.batch(MAX_BATCH)));
  for (const replica of [2, 3]) backup.hearOnly(replica, backup.network.viewChange(1, replica));
  backup.network.run(LATENCY);
  expect(backup.member.status.view).toBe(1);
  expect(backup.voted).toEqual([]);
  expect(backup.member.offences).toEqual([]);
  expect(backup.network.verified).toBeLessThan(2 * VERIFIED_PER_STEP);
});

it('keeps as many as may be under way', () => {
  const backup = new Backup({ pipeline: 2 * MAX_INSPECTED });
  for (let sequence = 1; sequence <= 2 * MAX_INSPECTED; sequence++) {
    const batch = backup.batch(VERIFIED_PER_STEP + 1, sequence * 1_000);
    backup.hearOnly(0, backup.network.prePrepare(0, sequence, batch));
  }
  backup.network.run(LATENCY);
  expect(backup.voted).toHaveLength(2 * MAX_INSPECTED);
});
