import { describe, expect, test } from 'vitest';

import { HostResolver, type HostAnswer } from '../../peer/transports/names.ts';

/** A resolver whose lookups end when the test says so, and a clock that the test sets. */
class Bench {
  now = 0;
  readonly asked: string[] = [];
  readonly #open = new Map<string, { resolve: (address: string) => void; reject: (error: Error) => void }>();
  readonly hosts = new HostResolver({
    now: () => this.now,
    resolve: (name) => {
      this.asked.push(name);
      return new Promise((resolve, reject) => this.#open.set(name, { resolve, reject }));
    },
  });

  /** Looks a host up; what comes later is gathered in `later`. */
  find(host: string): { now: HostAnswer | undefined; later: HostAnswer[] } {
    const later: HostAnswer[] = [];
    return { now: this.hosts.find(host, (answer) => later.push(answer)), later };
  }

  /** Ends a lookup; without an address it fails. */
  async answer(name: string, address?: string): Promise<void> {
    const lookup = this.#open.get(name);
    if (lookup === undefined) throw new Error(`${name} was not asked for`);
    if (address === undefined) lookup.reject(new Error('ENOTFOUND'));
    else lookup.resolve(address);
    // Promise reactions run before this goes on.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('hosts that need no lookup', () => {
  test.each([
    ['10.1.2.3', { address: '10.1.2.3' }],
    ['127.0.1.1', { address: '127.0.1.1' }],
    ['localhost', { address: '127.0.0.1' }],
    ['LOCALHOST.', { address: '127.0.0.1' }],
    ['peer.localhost', { address: '127.0.0.1' }],
    ['0.0.0.0', { fault: 'unroutable' }],
    ['224.0.0.1', { fault: 'unroutable' }],
    ['255.255.255.255', { fault: 'unroutable' }],
    ['::1', { fault: 'ipv6' }],
    ['fe80::1%eth0', { fault: 'ipv6' }],
    ['', { fault: 'bad-host' }],
    ['two words', { fault: 'bad-host' }],
    ['<script>', { fault: 'bad-host' }],
    ['-x.org', { fault: 'bad-host' }],
    ['a..b', { fault: 'bad-host' }],
    [`${'a'.repeat(64)}.org`, { fault: 'bad-host' }],
    ['a.'.repeat(127) + 'aa', { fault: 'bad-host' }],
    ['127.1', { fault: 'bad-host' }],
    ['2130706433', { fault: 'bad-host' }],
    ['0x7f000001', { fault: 'bad-host' }],
    ['0x7f.1', { fault: 'bad-host' }],
    ['1.2.3.4.', { fault: 'bad-host' }],
  ])('%j', (host, answer) => {
    const bench = new Bench();
    expect(bench.find(host).now).toEqual(answer);
    expect(bench.asked).toEqual([]);
    expect(bench.hosts.size).toBe(0);
  });
});

describe('names', () => {
  test('everybody who waits hears the answer, which then serves at once', async () => {
    const bench = new Bench();
    const first = bench.find('peer.example');
    const second = bench.find('peer.example');
    expect([first.now, second.now]).toEqual([undefined, undefined]);
    await bench.answer('peer.example', '192.0.2.7');
    expect(first.later).toEqual([{ address: '192.0.2.7' }]);
    expect(second.later).toEqual([{ address: '192.0.2.7' }]);
    expect(bench.find('peer.example').now).toEqual({ address: '192.0.2.7' });
    expect(bench.asked).toEqual(['peer.example']);
  });

  test('a failure is believed for half a minute', async () => {
    const bench = new Bench();
    const { later } = bench.find('nobody.example');
    await bench.answer('nobody.example');
    expect(later).toEqual([{ fault: 'unresolved' }]);
    bench.now = 29_999;
    expect(bench.find('nobody.example').now).toEqual({ fault: 'unresolved' });
    expect(bench.asked).toHaveLength(1);
    bench.now = 30_000;
    bench.find('nobody.example');
    expect(bench.asked).toHaveLength(2);
  });

  test('an old answer serves until the new one is there', async () => {
    const bench = new Bench();
    bench.find('peer.example');
    await bench.answer('peer.example', '192.0.2.7');
    bench.now = 300_000;
    expect(bench.find('peer.example').now).toEqual({ address: '192.0.2.7' });
    expect(bench.asked).toHaveLength(2);
    await bench.answer('peer.example', '192.0.2.8');
    expect(bench.find('peer.example').now).toEqual({ address: '192.0.2.8' });
    expect(bench.asked).toHaveLength(2);
  });

  test('a name that stands for no single machine, or for no IPv4 address, is refused', async () => {
    const bench = new Bench();
    const multicast = bench.find('all.example');
    const six = bench.find('six.example');
    await bench.answer('all.example', '224.0.0.1');
    await bench.answer('six.example', '2001:db8::1');
    expect(multicast.later).toEqual([{ fault: 'unroutable' }]);
    expect(six.later).toEqual([{ fault: 'unresolved' }]);
  });

  test('few lookups run at a time, the next begins when one ends', async () => {
    const bench = new Bench();
    for (const name of ['a', 'b', 'c']) bench.find(`${name}.example`);
    expect(bench.asked).toEqual(['a.example', 'b.example']);
    await bench.answer('b.example');
    expect(bench.asked).toEqual(['a.example', 'b.example', 'c.example']);
  });

  test('a flood of names meets a limit, and numeric addresses do not notice', () => {
    const bench = new Bench();
    const refused = Array.from({ length: 1000 }, (_, at) => bench.find(`n${at}.example`).now).filter(
      (answer) => answer?.fault === 'lookup-limit',
    );
    // 2 lookups run and 64 names wait.
    expect(refused).toHaveLength(1000 - 66);
    expect(bench.hosts.size).toBe(66);
    expect(bench.find('192.0.2.1').now).toEqual({ address: '192.0.2.1' });
  });

  test('so many are looked up at once and in a second, and what is known serves all the same', async () => {
    const bench = new Bench();
    const lookUp = async (from: number, count: number): Promise<number> => {
      const before = bench.asked.length;
      for (let at = from; at < from + count; at++) {
        const { now } = bench.find(`n${at}.example`);
        if (now === undefined) await bench.answer(`n${at}.example`, '192.0.2.1');
        else expect(now).toEqual({ fault: 'lookup-limit' });
      }
      return bench.asked.length - before;
    };
    expect(await lookUp(0, 300)).toBe(256);
    bench.now += 1_000;
    expect(await lookUp(300, 300)).toBe(20);
    expect(bench.find('n0.example').now).toEqual({ address: '192.0.2.1' });
    bench.now += 10_000;
    expect(await lookUp(600, 200)).toBe(200);
    // What has to be looked up again is used as it was.
    bench.now = 300_000;
    expect(await lookUp(1_000, 300)).toBe(256);
    expect(bench.find('n1.example').now).toEqual({ address: '192.0.2.1' });
  });

  test('only so many datagrams wait for one name', () => {
    const bench = new Bench();
    const answers = Array.from({ length: 20 }, () => bench.find('slow.example').now);
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(8);
    expect(answers.filter((answer) => answer?.fault === 'lookup-limit')).toHaveLength(12);
  });

  test('the oldest answer is forgotten when there are too many', async () => {
    const bench = new Bench();
    for (let at = 0; at < 1030; at++) {
      bench.now += 50;
      bench.find(`n${at}.example`);
      await bench.answer(`n${at}.example`, '192.0.2.1');
    }
    expect(bench.hosts.size).toBe(1024);
    expect(bench.find('n1029.example').now).toEqual({ address: '192.0.2.1' });
    expect(bench.find('n0.example').now).toBeUndefined();
  });
});
