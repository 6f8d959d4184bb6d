/** What a replica keeps of a sequence number, and where its log begins and ends. */
import { describe, expect, it } from 'vitest';

import { MAX_OTHER_BATCHES, WINDOW } from '../../../../peer/engines/pbft/protocol/limits.ts';
import { Slot, SlotLog } from '../../../../peer/engines/pbft/protocol/log.ts';
import type { Batch, Header } from '../../../../peer/engines/pbft/protocol/messages.ts';

const BATCH: Batch = { time: 1, requests: [] };
const INTERVAL = 4;

function headerOf(digest: string, view = 0): Header {
  return { view, sequence: 1, digest, signature: '' };
}

/** A slot with so many batches that nothing names: `0` is the oldest. */
function slotWith(count: number): Slot {
  const slot = new Slot(1);
  for (let digest = 0; digest < count; digest++) slot.restoreBody(String(digest), BATCH);
  return slot;
}

describe('a slot', () => {
  it('keeps the batches that were kept last, and says which were given up', () => {
    const slot = slotWith(MAX_OTHER_BATCHES);
    expect(slot.keep('first', BATCH)).toEqual([]);
    expect(slot.digests).toHaveLength(MAX_OTHER_BATCHES + 1);
    expect(slot.keep('second', BATCH)).toEqual(['0']);
    expect(slot.body('0')).toBeUndefined();
    expect(slot.digests).toEqual([
      ...Array.from({ length: MAX_OTHER_BATCHES - 1 }, (_, index) => String(index + 1)),
      ...['first', 'second'],
    ]);
  });

  it.each<[string, (slot: Slot) => void]>([
    ['was accepted', (slot) => (slot.header = headerOf('0'))],
    ['was prepared', (slot) => (slot.prepared = { header: headerOf('0'), prepares: [] })],
    ['was decided', (slot) => (slot.decided = { view: 0, digest: '0', commits: [] })],
  ])('gives up no batch that %s, however old it is', (_, name) => {
    const slot = slotWith(2 * MAX_OTHER_BATCHES);
    name(slot);
    expect(slot.keep('new', BATCH)).not.toContain('0');
    expect(slot.body('0')).toBe(BATCH);
    expect(slot.body('new')).toBe(BATCH);
  });

  it('gives up all others once a batch is decided', () => {
    const slot = slotWith(3);
    slot.decided = { view: 0, digest: '1', commits: [] };
    expect(slot.keep('1', BATCH)).toEqual(['0', '2']);
    expect(slot.digests).toEqual(['1']);
  });

  it('lacks the batch that was decided, before the one that is proposed', () => {
    const slot = slotWith(1);
    expect(slot.missing).toBeUndefined();
    slot.header = headerOf('proposed');
    expect(slot.missing).toBe('proposed');
    slot.decided = { view: 0, digest: 'decided', commits: [] };
    expect(slot.missing).toBe('decided');
    slot.keep('decided', BATCH);
    expect(slot.missing).toBeUndefined();
  });

  it('keeps of a view that is left what proves something, and nothing else', () => {
    const slot = slotWith(1);
    const vote = { view: 0, sequence: 1, digest: '0', replica: 1, signature: '' };
    slot.header = headerOf('0');
    slot.prepares.set(1, vote);
    slot.commits.set(1, vote);
    slot.acceptedAt = 1;
    slot.preparedAt = 2;
    slot.prepared = { header: slot.header, prepares: [] };
    slot.decided = { view: 0, digest: '0', commits: [vote] };
    slot.leaveView();
    expect([slot.header, slot.prepares.size, slot.commits.size]).toEqual([undefined, 0, 0]);
    expect([slot.acceptedAt, slot.preparedAt]).toEqual([undefined, undefined]);
    expect([slot.preparedIn(0), slot.preparedIn(1), slot.decided.digest]).toEqual([true, false, '0']);
    expect(slot.body('0')).toBe(BATCH);
  });
});

describe('the log', () => {
  it('reaches from the low watermark to the high one, which follows what is certified', () => {
    const log = new SlotLog(INTERVAL);
    expect([log.low, log.certified, log.high]).toEqual([0, 0, WINDOW * INTERVAL]);
    expect([0, 1, log.high, log.high + 1].map((sequence) => log.isWithin(sequence))).toEqual([
      ...[false, true],
      ...[true, false],
    ]);
    log.certified = INTERVAL;
    expect([log.low, log.high]).toEqual([0, INTERVAL + WINDOW * INTERVAL]);
  });

  it('drops the slots up to a checkpoint, and never goes back', () => {
    const log = new SlotLog(INTERVAL);
    for (const sequence of [7, 5, 4, 6]) log.at(sequence);
    const kept = log.at(5);
    expect(log.dropTo(4).map(({ sequence }) => sequence)).toEqual([4]);
    expect(log.all().map(({ sequence }) => sequence)).toEqual([5, 6, 7]);
    expect([log.get(4), log.get(5)]).toEqual([undefined, kept]);
    expect([log.low, log.certified]).toEqual([4, 4]);
    log.certified = 8;
    expect(log.dropTo(0)).toEqual([]);
    expect([log.low, log.certified]).toEqual([4, 8]);
    log.measure((name, size, limit) => {
      expect([name, size, limit]).toEqual(['log', 3, 2 * WINDOW * INTERVAL]);
    });
  });
});
