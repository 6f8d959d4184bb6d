import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { FrameQueue } from '../../peer/transports/frame-queue.ts';
import { FrameReader, framed } from '../../peer/transports/frames.ts';

/** Reads a stream in chunks and copies every frame at once. */
function read(reader: FrameReader, chunks: readonly Uint8Array[]): { frames: Buffer[]; whole: boolean } {
  const frames: Buffer[] = [];
  const whole = chunks.every((chunk) =>
    reader.push(chunk, (frame) => {
      frames.push(Buffer.from(frame));
      return true;
    }),
  );
  return { frames, whole };
}

/** Cuts bytes at some places, which are taken round. */
function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((at) => at % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

describe('frames', () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.integer({ min: 60_000, max: 300_000 }).map((length) => new Uint8Array(length).fill(length % 251)),
  );

  test('are the same whatever the chunks', () => {
    fc.assert(
      fc.property(fc.array(body, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (bodies, cuts) => {
        const reader = new FrameReader(300_000);
        const { frames, whole } = read(reader, cut(Buffer.concat(bodies.map(framed)), cuts));
        expect(whole).toBe(true);
        expect(frames.map((frame) => frame.toString('latin1'))).toEqual(
          bodies.map((one) => Buffer.from(one).toString('latin1')),
        );
        expect(reader).toMatchObject({ pending: 0, reserved: 0, completed: bodies.length });
      }),
    );
  });

  test('are the same byte by byte', () => {
    const bodies = [Buffer.alloc(0), Buffer.from('one'), Buffer.alloc(70_000, 7), Buffer.from('x')];
    const stream = Buffer.concat(bodies.map(framed));
    const chunks = Array.from(stream, (_, at) => stream.subarray(at, at + 1));
    expect(read(new FrameReader(70_000), chunks).frames).toEqual(bodies);
  });

  test('that were given out are not changed by what comes later', () => {
    const given: Uint8Array[] = [];
    const reader = new FrameReader(200_000);
    const bodies = [Buffer.alloc(150_000, 1), Buffer.alloc(150_000, 2), Buffer.alloc(10, 3)];
    for (const chunk of cut(Buffer.concat(bodies.map(framed)), [100, 70_000, 150_020, 260_000])) {
      reader.push(chunk, (frame) => given.push(frame) > 0);
    }
    expect(given.map((frame, index) => bodies[index]?.equals(frame))).toEqual([true, true, true]);
  });

  test('longer than the limit end the stream, before anything of them is kept', () => {
    const reader = new FrameReader(10);
    const { frames, whole } = read(reader, [
      framed(Buffer.alloc(10)),
      framed(Buffer.alloc(11)).subarray(0, 4),
    ]);
    expect(frames).toHaveLength(1);
    expect(whole).toBe(false);
    expect(reader.reserved).toBe(0);
    // And so it stays.
    expect(read(reader, [framed(Buffer.alloc(1))])).toEqual({ frames: [], whole: false });
  });

  test('may be longer as soon as the limit is raised, also within a chunk', () => {
    const reader = new FrameReader(5);
    const lengths: number[] = [];
    const whole = reader.push(Buffer.concat([framed(Buffer.alloc(5)), framed(Buffer.alloc(50))]), (frame) => {
      lengths.push(frame.length);
      reader.limit = 50;
      return true;
    });
    expect([whole, lengths]).toEqual([true, [5, 50]]);
  });

  test('after one that ends the connection are not read', () => {
    const reader = new FrameReader(5);
    let count = 0;
    reader.push(Buffer.concat([framed(Buffer.alloc(1)), framed(Buffer.alloc(2))]), () => {
      count++;
      return false;
    });
    expect(count).toBe(1);
  });

  test('take no more memory than twice what has arrived or 128 KiB, whatever length they tell', () => {
    const limit = 8 * 1024 * 1024;
    const reader = new FrameReader(limit);
    const stream = framed(Buffer.alloc(limit));
    let arrived = 0;
    read(reader, [stream.subarray(0, 4)]);
    expect(reader.reserved).toBe(0);
    for (const chunk of cut(stream.subarray(4), [1, 70_000, 200_000, 1_000_000, 5_000_000])) {
      if (arrived + chunk.length === limit) break;
      read(reader, [chunk]);
      arrived += chunk.length;
      expect(reader.pending).toBe(arrived + 4);
      expect(reader.reserved).toBeLessThanOrEqual(Math.max(128 * 1024, 2 * arrived));
    }
  });
});

describe('frames that wait', () => {
  test('leave in the order in which they came, with their bytes counted', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(30), { nil: undefined }), { maxLength: 60 }), (acts) => {
        const queue = new FrameQueue(5, 60);
        const model: Uint8Array[] = [];
        for (const length of acts) {
          if (length === undefined) {
            expect(queue.shift()).toBe(model.shift());
          } else {
            const frame = new Uint8Array(length);
            const bytes = model.reduce((sum, one) => sum + one.length, 0);
            const room = model.length === 0 || (model.length < 5 && bytes + length <= 60);
            expect(queue.push(frame)).toBe(room);
            if (room) model.push(frame);
          }
          expect(queue.length).toBe(model.length);
          expect(queue.bytes).toBe(model.reduce((sum, one) => sum + one.length, 0));
        }
        queue.clear();
        expect([queue.length, queue.bytes, queue.shift()]).toEqual([0, 0, undefined]);
      }),
    );
  });

  test('are never none for being too long', () => {
    const queue = new FrameQueue(5, 60);
    expect(queue.push(new Uint8Array(61))).toBe(true);
    expect(queue.push(new Uint8Array(1))).toBe(false);
  });
});
