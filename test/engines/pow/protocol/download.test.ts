import { describe, expect, it } from 'vitest';

import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import { Download, type BlockRequest } from '../../../../peer/engines/pow/protocol/download.ts';
import {
  DOWNLOAD_TICK,
  INITIAL_TIMEOUT,
  INITIAL_WINDOW,
  MAX_AHEAD,
  MAX_REFUSALS,
  MAX_SILENT_TIME,
  MAX_TIMEOUT,
  MAX_WINDOW,
  MIN_TIMEOUT,
} from '../../../../peer/engines/pow/protocol/limits.ts';
import { seededRandom } from '../../../support/random.ts';
import { at } from './rig.ts';

function block(height: number, minedBy = 'honest'): Block {
  return { height, minedBy, messages: ['x'], nonce: '0', timestamp: 0, hash: 'ab'.repeat(32) };
}

/** How a source behaves: after how long it answers, or undefined for no answer. */
type Source = (
  height: number,
) => { readonly after: number; readonly from?: Address; readonly block?: Block } | undefined;

interface Answer {
  readonly at: number;
  readonly block: Block;
  readonly from: Address;
}

/** Runs a download against sources on a virtual clock. */
class Bench {
  now = 1_000;
  readonly download: Download;
  readonly asked: (BlockRequest & { readonly at: number })[] = [];
  readonly got: Block[] = [];
  /** Most requests under way to one source. */
  widest = 0;
  /** Called with every block in order; false rejects it. */
  verify: (block: Block) => boolean = () => true;
  private readonly sources: ReadonlyMap<string, Source>;
  private answers: Answer[] = [];

  constructor(sources: readonly [Address, Source][], from: number, to: number) {
    this.sources = new Map(sources.map(([{ host, port }, source]) => [`${host}:${port}`, source]));
    this.download = new Download(
      sources.map(([address]) => address),
      from,
      to,
    );
    this.ask(this.download.poll(this.now));
  }

  get complete(): boolean {
    return this.download.complete;
  }

  /** Lets time pass until the download is complete or can't go on. */
  run(limit = 60_000): void {
    const end = this.now + limit;
    while (this.now < end && !this.complete && this.download.possible) {
      this.now++;
      const due = this.answers.filter(({ at: time }) => time <= this.now);
      if (due.length > 0) this.answers = this.answers.filter(({ at: time }) => time > this.now);
      for (const answer of due) this.ask(this.download.onBlock(answer.block, answer.from, this.now) ?? []);
      this.take();
      if (this.now % DOWNLOAD_TICK === 0) this.ask(this.download.poll(this.now));
      for (const { inFlight } of this.download.sources) this.widest = Math.max(this.widest, inFlight.size);
    }
    expect(this.widest).toBeLessThanOrEqual(MAX_WINDOW);
  }

  private take(): void {
    for (let next = this.download.peek(); next !== undefined; next = this.download.peek()) {
      if (!this.verify(next.block)) {
        this.download.reject();
        this.download.shed(next.source, 'false');
      } else {
        this.got.push(next.block);
        this.download.accept();
      }
    }
  }

  private ask(requests: readonly BlockRequest[]): void {
    for (const request of requests) {
      this.asked.push({ ...request, at: this.now });
      const { to, height } = request;
      const answer = this.sources.get(`${to.host}:${to.port}`)?.(height);
      if (answer === undefined) continue;
      this.answers.push({
        at: this.now + answer.after,
        block: answer.block ?? block(height),
        from: answer.from ?? to,
      });
    }
  }
}

const quick: Source = () => ({ after: 5 });
const silent: Source = () => undefined;
const heights = (blocks: readonly Block[]): number[] => blocks.map(({ height }) => height);
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

describe('Download', () => {
  it('brings every block once, in order', () => {
    const bench = new Bench([[at(1), quick]], 10, 500);
    bench.run();
    expect(heights(bench.got)).toEqual(range(10, 500));
  });

  it('spreads the heights over all sources from the first moment', () => {
    const bench = new Bench(
      range(1, 5).map((index): [Address, Source] => [at(index), quick]),
      0,
      2_000,
    );
    expect(new Set(bench.asked.map(({ to }) => to.host)).size).toBe(4);
    expect(bench.asked).toHaveLength(4 * INITIAL_WINDOW);
    expect(new Set(bench.asked.map(({ height }) => height)).size).toBe(4 * INITIAL_WINDOW);
    bench.run();
    for (const { delivered } of bench.download.sources) expect(delivered).toBeGreaterThan(300);
  });

  it('asks for no more than it needs', () => {
    const bench = new Bench(
      [
        [at(1), quick],
        [at(2), quick],
      ],
      0,
      1_000,
    );
    bench.run();
    expect(bench.asked).toHaveLength(1_000);
  });

  it('is complete at once where there is nothing to get', () => {
    expect(new Bench([[at(1), quick]], 5, 5).complete).toBe(true);
    expect(new Bench([[at(1), quick]], 6, 5).complete).toBe(true);
  });

  it('opens the window while answers come, up to a bound, and closes it when they are lost', () => {
    const random = seededRandom(3);
    let loss = 0;
    const bench = new Bench([[at(1), () => (random() < loss ? undefined : { after: 20 })]], 0, 1e6);
    bench.run(5_000);
    const [source] = bench.download.sources;
    expect(source?.window).toBe(MAX_WINDOW);
    loss = 0.7;
    bench.run(5_000);
    expect(source?.window).toBeLessThan(MAX_WINDOW / 2);
  });

  it('leaves the window open when one request of many is lost', () => {
    let lost = 0;
    const loses: Source = (height) => (height === 3_000 && lost++ === 0 ? undefined : { after: 20 });
    const bench = new Bench([[at(1), loses]], 0, 6_000);
    bench.run();
    expect(lost).toBe(2);
    expect(bench.download.sources[0]?.window).toBe(MAX_WINDOW);
  });

  it('measures each source and asks again after a time of its own', () => {
    const bench = new Bench(
      [
        [at(1), () => ({ after: 20 })],
        [at(2), () => ({ after: 300 })],
      ],
      0,
      5_000,
    );
    bench.run(3_000);
    const [near, far] = bench.download.sources;
    expect(near?.timeout).toBe(MIN_TIMEOUT);
    expect(far?.timeout).toBeGreaterThan(300);
    expect(far?.timeout).toBeLessThanOrEqual(MAX_TIMEOUT);
  });

  it('reckons that time as the standard says: the smoothed round trip and four times its variation', () => {
    const { download } = new Bench([[at(1), silent]], 0, 100);
    const after = [200, 200, 280].map((sample, height) => {
      download.onBlock(block(height), at(1), 1_000 + sample);
      return download.sources[0]?.timeout;
    });
    expect(after).toEqual([200 + 4 * 100, 200 + 4 * 75, 210 + 4 * 76.25]);
  });

  it('asks for nothing that it has, though it came unasked from who was to be asked next', () => {
    const { download } = new Bench(
      [
        [at(1), silent],
        [at(2), silent],
      ],
      0,
      100,
    );
    // Nothing is answered in time: the windows shrink, so that heights wait to be asked again.
    download.poll(1_000 + INITIAL_TIMEOUT);
    const [first, second] = download.sources;
    if (first === undefined || second === undefined) throw new Error('no sources');
    expect([...second.inFlight.keys()]).toEqual([4, 5, 6, 7]);
    download.shed(first, 'slow');
    const deliver = (height: number): number[] | undefined =>
      download.onBlock(block(height), at(2), 2_001)?.map((request) => request.height);
    expect(deliver(0)).toEqual([]);
    download.accept();
    expect(deliver(2)).toEqual([]);
    expect(deliver(4)).toEqual([1]);
    expect(deliver(5)).toEqual([3]);
  });

  it('leaves to others what one source refused, whatever else that one is given instead', () => {
    const { download } = new Bench(
      [
        [at(1), silent],
        [at(2), silent],
      ],
      0,
      100,
    );
    // Nothing is answered in time: the windows shrink, so that heights wait to be asked again, from the eighth on.
    download.poll(1_000 + INITIAL_TIMEOUT);
    download.onRefusal(at(1));
    expect(download.onBlock(block(INITIAL_WINDOW), at(2), 2_001)).toEqual([]);
    expect(download.poll(2_002)).toEqual([{ to: at(1), height: INITIAL_WINDOW + 1 }]);
    expect(download.onBlock(block(4), at(2), 2_003)).toEqual([{ to: at(2), height: 0 }]);
  });

  it('gets there through heavy loss', () => {
    const random = seededRandom(4);
    const lossy: Source = () => (random() < 0.6 ? undefined : { after: 10 });
    const bench = new Bench(
      [
        [at(1), lossy],
        [at(2), lossy],
      ],
      0,
      300,
    );
    bench.run(120_000);
    expect(heights(bench.got)).toEqual(range(0, 300));
  });

  it('holds a bounded number of blocks while one is missing', () => {
    const bench = new Bench([[at(1), (height) => (height === 0 ? undefined : { after: 1 })]], 0, 1e15);
    bench.run(20_000);
    const reached = Math.max(...bench.asked.map(({ height }) => height));
    expect(reached).toBeLessThan(MAX_AHEAD);
    expect(bench.got).toEqual([]);
  });

  it('asks another source for what holds everything up, before the first has timed out', () => {
    // The slow one is asked for the first heights.
    let slow = true;
    const lazy: Source = () => (slow ? { after: 900 } : { after: 5 });
    const bench = new Bench(
      [
        [at(1), lazy],
        [at(2), quick],
      ],
      0,
      400,
    );
    slow = false;
    bench.run();
    const first = bench.asked.filter(({ height }) => height === 0);
    expect(first.map(({ to }) => to)).toEqual([at(1), at(2)]);
    expect((first[1]?.at ?? Infinity) - 1_000).toBeLessThan(500);
  });

  it.each([
    ['its own round trip', 60, 5, 120],
    ['that of who was asked', undefined, 120, 240],
    ['a guess', undefined, undefined, INITIAL_TIMEOUT / 2],
  ])('takes for overdue what takes twice as long as %s', (_, own, others, overdue) => {
    // The first is asked for all there is, where the second is to have measured nothing.
    const to = own === undefined ? INITIAL_WINDOW : 2 * INITIAL_WINDOW;
    const { download } = new Bench(
      [
        [at(1), silent],
        [at(2), silent],
      ],
      0,
      to,
    );
    const end = others === undefined ? INITIAL_WINDOW : INITIAL_WINDOW - 1;
    if (others !== undefined) download.onBlock(block(end), at(1), 1_000 + others);
    if (own !== undefined)
      for (const height of range(INITIAL_WINDOW, to)) download.onBlock(block(height), at(2), 1_000 + own);
    expect(download.poll(1_000 + overdue - 1)).toEqual([]);
    const late = range(0, end).map((height) => ({ to: at(2), height }));
    expect(download.poll(1_000 + overdue)).toEqual(late);
    expect(download.poll(1_000 + overdue + 1)).toEqual([]);
  });

  describe('gives up', () => {
    it('a source that never answers', () => {
      const bench = new Bench(
        [
          [at(1), silent],
          [at(2), () => ({ after: 200 })],
        ],
        0,
        10_000,
      );
      bench.run();
      expect(bench.download.sources.map(({ shed }) => shed)).toEqual(['silent', undefined]);
      expect(heights(bench.got)).toEqual(range(0, 10_000));
    });

    it('all of them when none answers, after a bounded number of questions', () => {
      const bench = new Bench(
        [
          [at(1), silent],
          [at(2), silent],
        ],
        0,
        1_000,
      );
      bench.run(20_000);
      expect(bench.download.possible).toBe(false);
      expect(bench.now).toBeLessThan(1_000 + 4 * MAX_SILENT_TIME);
      expect(bench.asked.length).toBeLessThan(200);
    });

    it('a source that is far slower than the best', () => {
      const bench = new Bench(
        [
          [at(1), () => ({ after: 3_000 })],
          [at(2), () => ({ after: 100 })],
        ],
        0,
        200_000,
      );
      bench.run(10_000);
      expect(bench.download.sources[0]?.shed).toBe('slow');
    });

    it('a source that refuses, but only after several refusals in a row', () => {
      const bench = new Bench(
        [
          [at(1), silent],
          [at(2), quick],
        ],
        0,
        100,
      );
      for (let index = 0; index < MAX_REFUSALS; index++) {
        expect(bench.download.sources[0]?.shed).toBeUndefined();
        bench.download.onRefusal(at(1));
      }
      expect(bench.download.sources[0]?.shed).toBe('refused');
      bench.run();
      expect(heights(bench.got)).toEqual(range(0, 100));
    });

    it('a source that is proved false, and asks others for all it brought', () => {
      const liar: Source = (height) => ({ after: 1, block: block(height, 'liar') });
      const bench = new Bench(
        [
          [at(1), liar],
          [at(2), () => ({ after: 20 })],
        ],
        0,
        500,
      );
      bench.verify = ({ minedBy }) => minedBy === 'honest';
      bench.run();
      expect(bench.download.sources.map(({ shed }) => shed)).toEqual(['false', undefined]);
      expect(bench.got.every(({ minedBy }) => minedBy === 'honest')).toBe(true);
      expect(heights(bench.got)).toEqual(range(0, 500));
    });
  });

  describe('does not give up', () => {
    /** Answers every second question; `otherwise` is what becomes of the others. */
    const half = (otherwise: () => void = () => undefined): Source => {
      let asked = 0;
      return () => {
        if (asked++ % 2 === 0) return { after: 5 };
        otherwise();
        return undefined;
      };
    };

    it.each([1, 2])('a source that answers every second question, nor %i of them', (count) => {
      const sources = range(1, count + 1).map((last): [Address, Source] => [at(last), half()]);
      const bench = new Bench(sources, 0, 30_000);
      bench.run();
      expect(bench.now).toBeGreaterThan(1_000 + 3 * MAX_SILENT_TIME);
      expect(bench.download.active).toHaveLength(count);
      expect(heights(bench.got)).toEqual(range(0, 30_000));
    });

    it('one that does so and then is silent for a while', () => {
      const pause = 3.5 * MAX_SILENT_TIME;
      const answers = half();
      const source: Source = (height) => (height < 999 ? answers(height) : late());
      const bench = new Bench([[at(1), source]], 0, 1_000);
      let since: number | undefined;
      const late = (): ReturnType<Source> => {
        since ??= bench.now;
        return bench.now - since >= pause ? { after: 5 } : undefined;
      };
      bench.run();
      expect(heights(bench.got)).toEqual(range(0, 1_000));
    });

    it('one that refuses every second block', () => {
      const { download } = new Bench([[at(1), silent]], 0, 1_000);
      for (let now = 1_001; !download.complete && now < 3_000; now++) {
        download.onRefusal(at(1));
        const { next } = download;
        download.onBlock(block(next), at(1), now);
        if (download.peek() !== undefined) download.accept();
        download.poll(now);
      }
      expect(download.sources[0]?.shed).toBeUndefined();
      expect(download.complete).toBe(true);
    });
  });

  describe('matches answers', () => {
    it('from other ports of the same host to what was asked of it', () => {
      let port = 20_000;
      const bench = new Bench([[at(1), () => ({ after: 5, from: { ...at(1), port: port++ } })]], 0, 200);
      bench.run();
      expect(heights(bench.got)).toEqual(range(0, 200));
    });

    it('from anywhere if the source is known by its name only', () => {
      const name = { host: 'eagle.example', port: 8999 };
      const bench = new Bench([[name, () => ({ after: 5, from: at(77) })]], 0, 50);
      bench.run();
      expect(heights(bench.got)).toEqual(range(0, 50));
    });

    it('but not from a host that was not asked', () => {
      const { download } = new Bench([[at(1), silent]], 0, 100);
      expect(download.onBlock(block(0, 'stranger'), at(2), 1_001)).toBeUndefined();
      expect(download.peek()).toBeUndefined();
    });

    it('and not at heights that were not asked', () => {
      const { download } = new Bench([[at(1), silent]], 10, 1_000);
      for (const height of [-1, 0, 9, 10 + INITIAL_WINDOW, 999, 1e15, NaN]) {
        expect(download.onBlock(block(height), at(1), 1_001)).toBeUndefined();
      }
    });

    it('once: a second answer changes nothing', () => {
      const { download } = new Bench([[at(1), silent]], 0, 100);
      download.onBlock(block(0), at(1), 1_001);
      download.onBlock(block(0, 'later'), at(1), 1_002);
      expect(download.peek()?.block.minedBy).toBe('honest');
      download.accept();
      expect(download.onBlock(block(0, 'later'), at(1), 1_003)).toBeUndefined();
    });

    it('that come late, after they have been asked again', () => {
      const bench = new Bench([[at(1), () => ({ after: 1_300 })]], 0, 30);
      bench.run();
      expect(heights(bench.got)).toEqual(range(0, 30));
    });
  });

  it('never asks a source again for what it answered falsely', () => {
    const { download, asked } = new Bench([[at(1), silent]], 0, 10);
    download.onBlock(block(0, 'liar'), at(1), 1_001);
    download.reject();
    expect(download.possible).toBe(false);
    const before = asked.length;
    for (let now = 1_050; now < 3_000; now += DOWNLOAD_TICK) {
      expect(download.poll(now).filter(({ height }) => height === 0)).toEqual([]);
    }
    expect(before).toBe(INITIAL_WINDOW);
  });

  it('asks those who refused once more when nobody else has it', () => {
    const { download } = new Bench([[at(1), silent]], 0, 10);
    download.onRefusal(at(1));
    expect(download.poll(1_050)).toContainEqual({ to: at(1), height: 0 });
  });
});
