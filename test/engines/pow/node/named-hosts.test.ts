import { describe, expect, it } from 'vitest';

import type { Address } from '../../../../shared/address.ts';
import { MAX_HEARSAY_PER_HOST } from '../../../../peer/engines/pow/protocol/limits.ts';
import type { PowMessage } from '../../../../peer/engines/pow/protocol/messages.ts';
import { withAddress } from '../../../../peer/engines/pow/node/named-hosts.ts';
import { HostResolver } from '../../../../peer/transports/names.ts';
import { at, Rig, SELF, type Sent } from '../protocol/rig.ts';
import { buildChain, mineBlock } from '../../../support/chains.ts';

const blocks = buildChain(3, { difficulty: 1 });
const OURS = new Set([SELF.host, 'myself']);
const MINUTE = 60_000;

/** An engine that gets what arrives as a node would give it. */
class Bench {
  readonly rig = new Rig({}, blocks);
  readonly sent: Sent[] = [];
  private readonly hosts: HostResolver;

  /** @param addresses of names, as they are now */
  constructor(addresses: (name: string) => string | undefined) {
    this.hosts = new HostResolver({
      now: () => this.rig.now,
      resolve: (name) => {
        const address = addresses(name);
        return address === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(address);
      },
    });
  }

  /** Lets a message arrive, and its name be looked up. */
  async receive(message: PowMessage, from: Address): Promise<void> {
    const take = (complete: PowMessage): void => {
      this.rig.step({ type: 'message', now: this.rig.now, from, message: complete });
      this.sent.push(...this.rig.sent());
    };
    const ready = withAddress(
      message,
      from,
      {
        isOurs: ({ host, port }) => port === SELF.port && OURS.has(host),
        find: (host, later) => this.hosts.find(host, later),
      },
      take,
    );
    if (ready !== undefined) take(ready);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async gossip(host: string, port: number, from: Address): Promise<void> {
    await this.receive({ type: 'GOSSIP', host, port, id: undefined, name: 'x' }, from);
  }

  get tracked(): string[] {
    return this.rig.engine.status().peers.map(({ address: { host, port } }) => `${host}:${port}`);
  }

  /** What was sent to a host. */
  to(host: string): Sent[] {
    return this.sent.filter((sent) => sent.to.host === host);
  }
}

describe('a name in a GOSSIP', () => {
  const peer = at(1);

  it('is the peer at its address, which is one by whatever names, and gets no block twice', async () => {
    const bench = new Bench(() => peer.host);
    for (const host of [peer.host, 'eagle.example', 'EAGLE.example', ' other.example ']) {
      await bench.gossip(host, peer.port, peer);
      await bench.gossip(host, peer.port, at(2, 9_999));
      expect(bench.tracked).toEqual([`${peer.host}:${peer.port}`]);
    }
    await bench.receive({ type: 'GOSSIP_REPLY', host: 'third.example', port: peer.port, name: '' }, peer);
    expect(bench.tracked).toHaveLength(1);
    expect(bench.rig.count('gossip.unreachable-host')).toBe(0);
    // It speaks for itself, because the name can be compared with where it came from.
    expect(bench.rig.engine.status().peers[0]?.verified).toBe(true);
    bench.rig.pass(5_000);
    bench.rig.request({ kind: 'submit-block', block: mineBlock(blocks[2] ?? null, { difficulty: 1 }) });
    expect(bench.rig.sent().map(({ to }) => to)).toEqual([peer]);
  });

  it.each(['localhost', 'LOCALHOST.', 'debian', '127.0.0.1', ''])(
    'of this machine, as %j, is the peer that speaks from the port it names',
    async (host) => {
      const bench = new Bench(() => '127.0.1.1');
      await bench.gossip('127.0.0.1', 9_000, { host: '127.0.0.1', port: 9_000 });
      await bench.gossip(host, 9_000, { host: '127.0.0.1', port: 9_000 });
      expect(bench.tracked).toEqual(['127.0.0.1:9000']);
    },
  );

  it('of this machine, where somebody else says it, is its address', async () => {
    const bench = new Bench(() => '127.0.1.1');
    await bench.gossip('debian', 9_000, { host: '127.0.0.1', port: 9_001 });
    // The numeric ones are taken as they are: they may be two peers.
    await bench.gossip('127.0.0.2', 9_001, { host: '127.0.0.1', port: 9_001 });
    expect(bench.tracked).toEqual(['127.0.1.1:9000', '127.0.0.2:9001']);
  });

  it.each(['unknown.example', 'two words', '224.0.0.1', '::1', '2130706433'])(
    'without an address, as %j, is whoever speaks from the port it names, and else nobody',
    async (host) => {
      const bench = new Bench(() => undefined);
      await bench.gossip(host, peer.port, at(2, 9_999));
      expect(bench.tracked).toEqual([]);
      expect(bench.rig.count('gossip.unreachable-host')).toBe(1);
      await bench.gossip(host, peer.port, peer);
      expect(bench.tracked).toEqual([`${peer.host}:${peer.port}`]);
    },
  );

  it('of ours is ours, whatever its address', async () => {
    const bench = new Bench(() => '198.51.100.9');
    await bench.gossip('Myself', SELF.port, at(2));
    expect(bench.rig.count('gossip.own')).toBe(1);
    await bench.gossip('myself', SELF.port + 1, at(2));
    expect(bench.tracked).toEqual([`198.51.100.9:${SELF.port + 1}`]);
  });

  it('is passed on as it came', async () => {
    const bench = new Bench(() => '198.51.100.9');
    await bench.gossip(at(3).host, at(3).port, at(3));
    const raw = '{"type":"GOSSIP", "host":"eagle.example","port":9,"id":"1","name":"x"}';
    await bench.receive({ type: 'GOSSIP', host: 'eagle.example', port: 9, id: '1', name: 'x', raw }, at(2));
    expect(bench.tracked).toContain('198.51.100.9:9');
    const passedOn = bench.to(at(3).host).filter(({ text }) => text.includes('eagle'));
    expect(passedOn.map(({ text }) => text)).toEqual([raw]);
  });
});

describe('attackers', () => {
  const victim = '192.0.2.7';

  it('that name a host by many names have it sent no more than by its address', async () => {
    const bench = new Bench(() => victim);
    for (let index = 0; index < 200; index++) {
      bench.rig.now += 200;
      await bench.gossip(`n${index}.example`, 1 + index, at(index % 20));
    }
    expect(bench.tracked.filter((key) => key.startsWith(victim))).toHaveLength(MAX_HEARSAY_PER_HOST);
    expect(new Set(bench.to(victim).map(({ to }) => to.port)).size).toBe(MAX_HEARSAY_PER_HOST);
  });

  it('can not lead what is sent to a peer to another host later', async () => {
    let address = victim;
    const bench = new Bench(() => address);
    await bench.gossip('moving.example', 80, at(1));
    address = '192.0.2.8';
    bench.rig.now += 6 * MINUTE;
    await bench.gossip(victim, 80, at(1));
    const sent = bench.rig.pass(MINUTE).map(({ to }) => to.host);
    expect(new Set(sent)).toEqual(new Set([victim]));
  });
});
