import { describe, expect, it } from 'vitest';

import type { Address } from '../../../../shared/address.ts';
import {
  ALL_FORWARDS_BURST,
  ALL_INTRODUCTIONS_BURST,
  FORWARDS_BURST,
  INTRODUCTIONS_BURST,
  MAX_DATAGRAM,
  MAX_FORWARDERS,
  MAX_IDLE_PEERS,
  MAX_PEERS,
  MAX_PEERS_PER_HOST,
  MAX_PEERS_PER_INTRODUCER,
  MAX_HEARSAY_PEERS,
  MAX_HEARSAY_PER_HOST,
  REPLY_BURST,
  SEEN_ID_LIFETIME,
  SERVE_UNVERIFIED_BURST,
  HEARSAY_SENDS_BURST,
} from '../../../../peer/engines/pow/protocol/limits.ts';
import { buildChain, mineBlock } from '../../../support/chains.ts';
import { at, Rig, SELF, type Sent } from './rig.ts';

const blocks = buildChain(3, { difficulty: 1 });

/** An engine that tracks `count` peers, all of whom have spoken to it. */
function rigWith(count: number): Rig {
  const rig = new Rig({}, blocks);
  for (let index = 1; index <= count; index++) rig.gossip(at(index), undefined);
  rig.now += 10_000;
  return rig;
}

function tracked(rig: Rig): string[] {
  return rig.engine.status().peers.map(({ address: { host, port } }) => `${host}:${port}`);
}

const ofType = (sent: readonly Sent[], type: string): Sent[] =>
  sent.filter(({ message }) => message.type === type);

describe('answering', () => {
  it('replies to the host and port in the message, not to whom it came from', () => {
    const rig = new Rig({}, blocks);
    const [reply] = ofType(rig.gossip(at(5), 'x', at(6)), 'GOSSIP_REPLY');
    expect(reply).toMatchObject({ to: at(5), message: { ...SELF, name: 'rig' } });
  });

  it('gossips to a newcomer at once, because some learn of peers only so, and not again when it returns', () => {
    const rig = new Rig({}, blocks);
    expect(ofType(rig.gossip(at(5), 'x'), 'GOSSIP')).toMatchObject([{ to: at(5), message: SELF }]);
    expect(ofType(rig.gossip(at(5), 'y'), 'GOSSIP')).toEqual([]);
  });

  it('replies to a GOSSIP without an id and never passes it on', () => {
    const rig = rigWith(5);
    const sent = rig.gossip(at(9), undefined);
    expect(ofType(sent, 'GOSSIP_REPLY')).toHaveLength(1);
    expect(ofType(sent, 'GOSSIP').map(({ to }) => to)).toEqual([at(9)]);
    expect(rig.count('gossip.without-id')).toBeGreaterThan(0);
  });

  it('keeps a peer that uses one id for life, and replies to it now and then', () => {
    const rig = rigWith(3);
    let replies = 0;
    for (let round = 0; round < 20; round++) {
      replies += ofType(rig.gossip(at(9), 'constant'), 'GOSSIP_REPLY').length;
      rig.pass(15_000);
    }
    expect(tracked(rig)).toContain('10.0.0.11:8000');
    expect(replies).toBeGreaterThan(15);
    expect(rig.count('gossip.repeated')).toBe(19);
  });

  it('replies again to the same id after a third of the interval of gossip, and not before', () => {
    const rig = new Rig({}, blocks);
    const third = 30_000 / 3;
    const replies = [0, third - 1, 1, third - 1, 1].map((pause) => {
      rig.now += pause;
      return ofType(rig.gossip(at(9), 'constant'), 'GOSSIP_REPLY').length;
    });
    expect(replies).toEqual([1, 0, 1, 0, 1]);
  });

  it('bounds the replies to one address', () => {
    const rig = rigWith(1);
    let replies = 0;
    for (let index = 0; index < 100; index++)
      replies += ofType(rig.gossip(at(9), `${index}`), 'GOSSIP_REPLY').length;
    expect(replies).toBe(REPLY_BURST);
    expect(rig.count('limit.gossip-replies')).toBe(100 - REPLY_BURST);
  });

  it('answers no GOSSIP_REPLY', () => {
    const rig = rigWith(1);
    const sent = rig.receive({ type: 'GOSSIP_REPLY', ...at(9), name: 'x' }, at(9));
    expect(sent.map(({ message }) => message.type)).toEqual(['STATS']);
    expect(tracked(rig)).toContain('10.0.0.11:8000');
  });
});

describe('a newcomer', () => {
  const claims = (rig: Rig): unknown[] => rig.engine.status().peers.map(({ claim }) => claim);
  const answer = { type: 'STATS_REPLY', height: 3, hash: blocks[2]?.hash ?? null } as const;

  it.each<[string, (rig: Rig) => Sent[]]>([
    ['it gossips', (rig) => rig.gossip(at(5), 'x')],
    ['it answers', (rig) => rig.receive({ type: 'GOSSIP_REPLY', ...at(5), name: '' }, at(5))],
  ])('is asked for STATS at once, and not when it returns: %s', (_, come) => {
    const rig = new Rig({}, blocks);
    expect(ofType(come(rig), 'STATS')).toMatchObject([{ to: at(5) }]);
    rig.now += 25;
    rig.receive(answer, at(5));
    expect(claims(rig)).toEqual([{ height: 3, hash: answer.hash }]);
    expect(rig.engine.status().peers[0]?.roundTrip).toBe(25);
    expect(rig.count('stats-reply.accepted')).toBe(1);
    expect(ofType(come(rig), 'STATS')).toEqual([]);
  });
});

describe('what is shown of a peer', () => {
  it('has how long it has been silent', () => {
    const rig = rigWith(1);
    rig.gossip(at(2), undefined);
    rig.now += 1_234;
    rig.gossip(at(3), undefined);
    expect(rig.engine.status().peers.map(({ silence }) => silence)).toEqual([11_234, 1_234, 0]);
  });
});

describe('passing on', () => {
  it('passes a GOSSIP on byte for byte to three others, but neither to its origin nor to its sender', () => {
    for (let round = 0; round < 20; round++) {
      const rig = rigWith(6);
      const text = `{ "name":"é", "type":"GOSSIP","host":"${at(1).host}","port":"8000","id":${round},"more":[1, 2] }`;
      const forwarded = rig.receive(text, at(2)).filter((sent) => sent.text === text);
      const targets = new Set(forwarded.map(({ to }) => to.host));
      expect(targets.size).toBe(3);
      expect(targets).not.toContain(at(1).host);
      expect(targets).not.toContain(at(2).host);
    }
  });

  it('passes an id on once, whoever brings it', () => {
    const rig = rigWith(6);
    expect(ofType(rig.gossip(at(1), 'once'), 'GOSSIP')).toHaveLength(3);
    expect(ofType(rig.gossip(at(1), 'once', at(2)), 'GOSSIP')).toEqual([]);
    rig.now += 20_000;
    expect(ofType(rig.gossip(at(1), 'once', at(3)), 'GOSSIP')).toEqual([]);
  });

  it('forgets an id long after the last copy of it has come', () => {
    const rig = rigWith(6);
    rig.gossip(at(1), 'once');
    for (let other = 0; other < 2; other++) {
      rig.now += SEEN_ID_LIFETIME;
      rig.gossip(at(2), `other ${other}`);
    }
    expect(ofType(rig.gossip(at(1), 'once'), 'GOSSIP')).toHaveLength(3);
  });

  it('does not pass on a new id for the same peer again and again', () => {
    const rig = rigWith(6);
    let forwarded = 0;
    for (let index = 0; index < 1_000; index++) {
      forwarded += ofType(rig.gossip(at(1), `fresh ${index}`, at(2)), 'GOSSIP').length;
      rig.now += 10;
    }
    expect(forwarded).toBeLessThanOrEqual(6);
    expect(rig.count('limit.gossip-forwards')).toBeGreaterThan(900);
  });

  it('bounds what it passes on for one host that makes up peers', () => {
    const rig = rigWith(6);
    const flood = 1_000;
    for (let index = 0; index < flood; index++) rig.gossip(at(300 + index), `fresh ${index}`, at(2));
    const limits = ['introductions', 'hearsay-peers', 'all-gossip-forwards'];
    const refused = limits.map((limit) => rig.count(`limit.${limit}`)).reduce((sum, one) => sum + one);
    expect(refused).toBe(flood - FORWARDS_BURST);
  });

  it('bounds what it passes on in all, whoever it is from', () => {
    const rig = rigWith(6);
    let forwarded = 0;
    for (let index = 0; index < 1_000; index++) {
      const sent = rig.gossip(at(300), `fresh ${index}`, {
        host: `10.9.${index >> 8}.${index & 255}`,
        port: 1,
      });
      forwarded += sent.filter(({ text }) => text.includes('fresh')).length;
      rig.gossip(at(301 + index), `other ${index}`);
    }
    expect(forwarded).toBeLessThan(ALL_FORWARDS_BURST * 3);
    expect(rig.count('limit.all-gossip-forwards')).toBeGreaterThan(500);
  });

  it('passes on nothing that is longer than what everybody receives', () => {
    const rig = rigWith(6);
    const text = `{"type":"GOSSIP","host":"${at(9).host}","port":8000,"id":"x","x":"${'x'.repeat(MAX_DATAGRAM)}"}`;
    expect(rig.receive(text, at(9)).every((sent) => sent.text.length < 300)).toBe(true);
    expect(rig.count('limit.gossip-size')).toBe(1);
  });
});

describe('who passes whose GOSSIP on', () => {
  const via = (rig: Rig, { host, port }: Address): readonly string[] | undefined =>
    rig.engine.status().peers.find(({ address }) => address.host === host && address.port === port)?.via;

  it('is remembered, repeated or not, the latest last', () => {
    const rig = rigWith(3);
    rig.gossip(at(9), 'a', at(1));
    rig.gossip(at(9), 'a', at(2));
    rig.gossip(at(9), 'b', at(1));
    rig.gossip(at(9), 'c');
    expect(via(rig, at(9))).toEqual(['10.0.0.4:8000', '10.0.0.3:8000']);
    expect(via(rig, at(1))).toEqual([]);
  });

  it('is not remembered of strangers, nor of more than a few', () => {
    const rig = rigWith(12);
    rig.gossip(at(99), 'from a stranger', at(50));
    for (let index = 1; index <= 12; index++) rig.gossip(at(99), `copy ${index}`, at(index));
    expect(via(rig, at(99))).toHaveLength(MAX_FORWARDERS);
    expect(via(rig, at(99))?.at(-1)).toBe('10.0.0.14:8000');
  });
});

describe('ourselves', () => {
  const names = [
    '10.0.0.1',
    '127.0.0.1',
    'localhost',
    'LOCALHOST',
    '127.0.1.1',
    '0.0.0.0',
    '',
    ' ',
    'MySelf',
  ];
  it.each(names)('does not track ourselves as %j', (host) => {
    const rig = new Rig({}, blocks);
    // From our own port on this machine, as a datagram that comes back to us does.
    expect(rig.gossip({ host, port: SELF.port }, 'x', { host: '127.0.0.1', port: SELF.port })).toEqual([]);
    expect(rig.gossip({ host, port: SELF.port }, 'y', { host: '127.0.0.1', port: 40_000 })).toEqual([]);
    expect(tracked(rig)).toEqual([]);
  });

  it('knows its own GOSSIP when it comes back', () => {
    const rig = new Rig({ join: [at(1)] }, blocks);
    const [own] = ofType(rig.pass(30_000), 'GOSSIP');
    expect(own).toBeDefined();
    expect(rig.receive(own?.text ?? '', at(1))).toEqual([]);
    expect(rig.count('gossip.own')).toBe(1);
    expect(tracked(rig)).toEqual([]);
  });

  it('passes over a GOSSIP_REPLY with the address of whom it answers', () => {
    const rig = new Rig({}, blocks);
    rig.receive({ type: 'GOSSIP_REPLY', ...SELF, name: 'vicuong' }, at(4));
    expect(tracked(rig)).toEqual([]);
    expect(rig.count('gossip-reply.own')).toBe(1);
  });

  it('tracks a peer on its own machine that has another port', () => {
    const rig = new Rig({}, blocks);
    rig.gossip({ host: '127.0.0.1', port: 8999 }, 'x');
    expect(tracked(rig)).toEqual(['127.0.0.1:8999']);
  });
});

describe('hosts that mean nothing to others', () => {
  it.each(['', '0.0.0.0', '127.0.1.1', '127.0.0.1', 'localhost', 'Localhost', '  '])(
    'takes the sender for %j where it speaks from the port it names',
    (host) => {
      const rig = new Rig({ selfHosts: [] }, blocks);
      const sent = rig.gossip({ host, port: 8000 }, 'x', at(5));
      expect(ofType(sent, 'GOSSIP_REPLY')).toMatchObject([{ to: at(5) }]);
      expect(tracked(rig)).toEqual(['10.0.0.7:8000']);
    },
  );

  it('can do nothing with them from another port', () => {
    const rig = new Rig({}, blocks);
    expect(rig.gossip({ host: '127.0.1.1', port: 8000 }, 'x', at(5, 9_999))).toEqual([]);
    expect(tracked(rig)).toEqual([]);
    expect(rig.count('gossip.unreachable-host')).toBe(1);
  });

  it('tracks a name once, however it is written', () => {
    const rig = new Rig({}, blocks);
    for (const host of ['Eagle.example', 'eagle.EXAMPLE', ' eagle.example '])
      rig.gossip({ host, port: 1 }, host, at(1));
    expect(tracked(rig)).toEqual(['eagle.example:1']);
  });
});

describe('rounds', () => {
  it('greets those it is to join at start and in every round, and three others', () => {
    const rig = new Rig({ join: [at(1), at(2)] }, blocks);
    expect(ofType(rig.sent(), 'GOSSIP').map(({ to }) => to)).toEqual([at(1), at(2)]);
    for (let index = 10; index < 20; index++) rig.gossip(at(index), undefined);
    const rounds = ofType(rig.pass(30_000), 'GOSSIP');
    expect(rounds.slice(0, 2).map(({ to }) => to)).toEqual([at(1), at(2)]);
    expect(rounds).toHaveLength(5);
    // One that has proved nothing so far gets an id of its own.
    expect(new Set(rounds.map(({ text }) => text)).size).toBe(2);
  });

  it('never greets itself', () => {
    const rig = new Rig({ join: [SELF, { host: '127.0.0.1', port: SELF.port }] }, blocks);
    expect(rig.sent()).toEqual([]);
  });

  it('uses a new id in every round', () => {
    const rig = new Rig({ join: [at(1)] }, blocks);
    const texts = [...rig.sent(), ...ofType(rig.pass(120_000), 'GOSSIP')].map(({ text }) => text);
    expect(texts).toHaveLength(5);
    expect(new Set(texts).size).toBe(5);
  });

  it('drops a peer after a minute of silence, and not before', () => {
    const rig = new Rig({}, blocks);
    rig.now += 15_000;
    rig.gossip(at(5), 'x');
    rig.pass(50_000);
    expect(tracked(rig)).toHaveLength(1);
    rig.pass(30_000);
    expect(tracked(rig)).toEqual([]);
    expect(rig.notices).toContainEqual({ kind: 'peer-dropped', peer: at(5), peers: 0 });
  });

  it.each(['{"type":"STATS"}', 'goose', '{"type":"GET_BLOCK","height":0}'])(
    'keeps a peer that is heard of only by %s',
    (text) => {
      const rig = new Rig({}, blocks);
      rig.gossip(at(5), 'x');
      for (let round = 0; round < 10; round++) {
        rig.pass(20_000);
        rig.receive(text, at(5));
      }
      expect(tracked(rig)).toEqual(['10.0.0.7:8000']);
    },
  );

  it('keeps a peer whose gossip arrives only by way of others', () => {
    const rig = new Rig({}, blocks);
    for (let round = 0; round < 10; round++) {
      rig.gossip(at(5), `${round}`, at(6));
      rig.pass(30_000);
    }
    expect(tracked(rig)).toContain('10.0.0.7:8000');
  });
});

describe('attackers', () => {
  const victim: Address = { host: '192.0.2.7', port: 80 };

  it('sends little to an address that somebody else names', () => {
    const rig = rigWith(5);
    let bytes = 0;
    for (let index = 0; index < 2_000; index++) {
      const sent = rig.gossip(victim, `${index}`, at(1));
      for (const { to, text } of sent) if (to.host === victim.host) bytes += text.length;
      rig.now += 10;
    }
    // 200 KB came in, in 20 seconds.
    expect(bytes).toBeLessThan(2_000);
  });

  it('sends little to a host of which somebody else names all ports', () => {
    const rig = rigWith(5);
    const others = new Set<string>();
    for (let port = 1; port < 3_000; port++) {
      for (const { to } of rig.gossip({ ...victim, port }, `${port}`, at(1 + (port % 5)))) {
        if (to.host === victim.host) others.add(`${to.port}`);
      }
    }
    expect(others.size).toBe(MAX_HEARSAY_PER_HOST);
    expect(tracked(rig).filter((key) => key.startsWith(victim.host))).toHaveLength(MAX_HEARSAY_PER_HOST);
    const block = mineBlock(blocks[2] ?? null, { difficulty: 1 });
    const announced = rig.receive({ type: 'ANNOUNCE', block }, at(1));
    // What others mined is not passed on to anybody who did not answer, and what we mine to so many at the most.
    expect(announced.filter(({ to }) => to.host === victim.host)).toEqual([]);
    rig.pass(3_000);
    rig.request({ kind: 'submit-block', block: mineBlock(block, { difficulty: 1 }) });
    expect(rig.sent().filter(({ to }) => to.host === victim.host)).toHaveLength(MAX_HEARSAY_PER_HOST);
  });

  it('bounds what it sends to strangers in all', () => {
    const rig = rigWith(5);
    let sent = 0;
    for (let index = 0; index < 5_000; index++) {
      const to = { host: `192.0.${index >> 8}.${index & 255}`, port: 80 };
      sent += rig.gossip(to, undefined, at(index % 400)).length;
    }
    expect(sent).toBe(HEARSAY_SENDS_BURST);
    // Each newcomer would get a GOSSIP_REPLY, a GOSSIP and a STATS.
    expect(rig.count('limit.stranger-sends')).toBe(3 * ALL_INTRODUCTIONS_BURST - HEARSAY_SENDS_BURST);
  });

  it('takes no more news of unknown peers than a network has, from one host and in all, but hears known ones', () => {
    const rig = rigWith(5);
    const introduce = (index: number, via: Address): void => {
      rig.gossip({ host: `192.0.${index >> 8}.${index & 255}`, port: 80 }, undefined, via);
    };
    const flood = 2_000;
    for (let index = 0; index < flood; index++) introduce(index, at(1));
    expect(rig.count('limit.introductions')).toBe(flood - INTRODUCTIONS_BURST);
    // Another host is still believed, until all together have said enough.
    introduce(flood, at(2));
    expect(tracked(rig)).toContain(`192.0.${flood >> 8}.${flood & 255}:80`);
    for (let index = 0; index < flood; index++) introduce(flood + 1 + index, at(10 + (index % 200)));
    expect(rig.count('limit.introductions')).toBe(2 * flood + 1 - ALL_INTRODUCTIONS_BURST);
    // Who speaks for itself is no news, and neither is who is known.
    rig.gossip(at(300), undefined);
    expect(tracked(rig)).toContain(`${at(300).host}:${at(300).port}`);
    rig.gossip(at(3), undefined, at(1));
    expect(rig.count('limit.introductions')).toBe(2 * flood + 1 - ALL_INTRODUCTIONS_BURST);
  });

  it('keeps every peer that spoke to it while others name thousands', () => {
    const rig = rigWith(50);
    const good = tracked(rig);
    for (let index = 0; index < 5_000; index++) {
      rig.receive(
        { type: 'GOSSIP_REPLY', host: `192.0.${index >> 8}.${index & 255}`, port: 80, name: '' },
        at(index % 400),
      );
    }
    expect(tracked(rig)).toEqual(expect.arrayContaining(good));
    expect(tracked(rig).length).toBeLessThanOrEqual(50 + MAX_HEARSAY_PEERS + 1);
  });

  it('takes only so many peers on the word of one host, and leaves those of others', () => {
    const rig = rigWith(2);
    rig.receive({ type: 'GOSSIP_REPLY', ...at(90), name: '' }, at(1));
    for (let index = 0; index < 1_000; index++) {
      rig.receive(
        { type: 'GOSSIP_REPLY', host: `192.0.${index >> 8}.${index & 255}`, port: 80, name: '' },
        at(2),
      );
    }
    expect(tracked(rig)).toContain('10.0.0.92:8000');
    expect(tracked(rig).filter((key) => key.startsWith('192.'))).toHaveLength(MAX_PEERS_PER_INTRODUCER);
  });

  it('takes only so many peers on one host', () => {
    const rig = rigWith(2);
    // Of one of them somebody else has told before.
    rig.gossip(at(5, 9_999), undefined, at(1));
    const host = at(5).host;
    const ports = (): number[] =>
      rig.engine
        .status()
        .peers.filter(({ address, verified }) => address.host === host && verified)
        .map(({ address: { port } }) => port);
    const all = Array.from({ length: MAX_PEERS_PER_HOST }, (_, index) => index + 1);
    for (const port of all) {
      expect(ports()).toHaveLength(port - 1);
      rig.gossip(at(5, port), undefined);
      expect(rig.count('limit.peers')).toBe(0);
    }
    expect(ports()).toEqual(all);
    rig.gossip(at(5, MAX_PEERS_PER_HOST + 1), undefined);
    expect(rig.count('limit.peers')).toBe(1);
    rig.gossip(at(5, 9_999), undefined);
    rig.receive({ type: 'STATS' }, at(5, 9_999));
    expect(ports()).toEqual(all);
    rig.gossip(at(6), undefined);
    expect(tracked(rig)).toHaveLength(2 + MAX_PEERS_PER_HOST + 2);
  });

  it('takes a newcomer in even when a few hosts have filled the table', () => {
    const rig = rigWith(20);
    const good = tracked(rig);
    for (let host = 100; host < 110; host++) {
      for (let port = 1; port <= MAX_PEERS_PER_HOST; port++) rig.gossip(at(host, port), undefined);
    }
    rig.now += 1_000;
    for (let index = 30; index < 60; index++) rig.gossip(at(index), undefined);
    for (let index = 30; index < 60; index++) expect(tracked(rig)).toContain(`${at(index).host}:8000`);
    expect(tracked(rig)).toEqual(expect.arrayContaining(good));
    expect(rig.engine.status().peers.length).toBeLessThanOrEqual(MAX_PEERS);
  });

  it('takes a newcomer into a table of useful peers in place of the stalest on the host that has most', () => {
    const rig = new Rig({}, blocks);
    const join = (host: number, count: number): void => {
      for (let port = 1; port <= count; port++) {
        rig.now += 100;
        rig.join(at(host, port));
      }
    };
    const [crowded, others] = [1, 10];
    const most = 100;
    const room = MAX_PEERS - MAX_HEARSAY_PEERS - most;
    // Heard before all others: one on another host, and one on the crowded host that only somebody else has told of.
    join(others, 1);
    rig.gossip(at(crowded, 9_999), undefined, at(others, 1));
    join(crowded, most);
    for (let rest = room - 1, host = others + 1; rest > 0; rest -= 60, host++) join(host, Math.min(60, rest));
    const before = tracked(rig);
    expect(before).toHaveLength(MAX_PEERS - MAX_HEARSAY_PEERS + 1);
    rig.gossip(at(500), undefined);
    const gone = `${at(crowded).host}:1`;
    expect(tracked(rig)).toEqual([...before.filter((key) => key !== gone), `${at(500).host}:8000`]);
  });

  it('gives no place of a useful peer to a host that has as many', () => {
    const rig = new Rig({}, blocks);
    const hosts = (MAX_PEERS - MAX_HEARSAY_PEERS) / MAX_PEERS_PER_HOST;
    for (let host = 1; host <= hosts; host++)
      for (let port = 1; port <= MAX_PEERS_PER_HOST - (host === hosts ? 2 : 0); port++) {
        rig.now += 100;
        rig.join(at(host, port));
      }
    for (const port of [1, 2]) rig.join(at(50, port));
    expect(tracked(rig)).toHaveLength(MAX_PEERS - MAX_HEARSAY_PEERS);
    expect(rig.count('limit.peers')).toBe(0);
    // That host has two fewer than the most, then one fewer.
    rig.join(at(hosts, 1_000));
    expect(rig.count('limit.peers')).toBe(0);
    rig.gossip(at(hosts, 1_001), undefined);
    expect(rig.count('limit.peers')).toBe(1);
  });

  it('never tracks more than its bound, whoever speaks', () => {
    const rig = new Rig({}, blocks);
    for (let index = 0; index < 3_000; index++) rig.gossip(at(index), undefined);
    expect(rig.engine.status().peers.length).toBe(MAX_IDLE_PEERS);
    rig.now += 10_000;
    for (let index = 0; index < MAX_PEERS - MAX_HEARSAY_PEERS; index++) {
      rig.now += 100;
      rig.join(at(4_000 + index));
    }
    expect(rig.engine.status().peers.length).toBe(MAX_PEERS - MAX_HEARSAY_PEERS);
    for (let index = 0; index < 1_000; index++) rig.gossip(at(index), undefined);
    expect(rig.engine.status().peers.length).toBe(MAX_PEERS - MAX_HEARSAY_PEERS);
  });

  it('whose addresses are forged push out nobody that has proved to be there, nor keep anybody out', () => {
    const rig = new Rig({}, blocks);
    for (let index = 0; index < 20; index++) rig.join(at(index));
    const good = tracked(rig);
    for (let index = 0; index < 3_000; index++) rig.gossip(at(300 + index), undefined);
    expect(tracked(rig)).toEqual(expect.arrayContaining(good));
    rig.now += 10_000;
    rig.join(at(20));
    for (let index = 0; index < 3_000; index++) rig.gossip(at(300 + index), undefined);
    expect(tracked(rig)).toContain(`${at(20).host}:8000`);
    expect(tracked(rig)).toHaveLength(21 + MAX_IDLE_PEERS);
  });

  it('is believed to be where it says once it knows what only it was sent, whoever spoke in its name before', () => {
    const rig = rigWith(2);
    const served = (): number => {
      let answers = 0;
      for (let index = 0; index < 2 * SERVE_UNVERIFIED_BURST; index++)
        answers += rig.receive({ type: 'GET_BLOCK', height: 1 }, victim).length;
      return answers;
    };
    const [greeting] = ofType(rig.gossip(victim, 'forged'), 'GOSSIP');
    if (greeting?.message.type !== 'GOSSIP') throw new Error('it is not greeted');
    const { id } = greeting.message;
    // All that somebody can send in its name who does not see what it gets.
    const { hash } = rig.engine.status();
    rig.receive({ type: 'STATS_REPLY', height: 3, hash }, victim);
    rig.receive({ type: 'GOSSIP_REPLY', ...victim, name: '' }, victim);
    rig.receive({ type: 'GOSSIP_REPLY', ...victim, name: '', id: 'forged' }, victim);
    for (const block of blocks) rig.receive({ type: 'GET_BLOCK_REPLY', block }, victim);
    expect(served()).toBe(SERVE_UNVERIFIED_BURST);
    // A foreign peer passes it on, and another one brings it back.
    rig.receive({ type: 'GOSSIP', ...SELF, id, name: 'rig' }, at(2));
    expect(served()).toBe(2 * SERVE_UNVERIFIED_BURST);
  });

  it('is not believed because it knows what another one was sent', () => {
    const rig = rigWith(2);
    const [greeting] = ofType(rig.gossip(at(50), 'x'), 'GOSSIP');
    if (greeting?.message.type !== 'GOSSIP') throw new Error('it is not greeted');
    rig.gossip(victim, 'forged');
    rig.receive({ type: 'GOSSIP_REPLY', ...victim, name: '', id: greeting.message.id }, victim);
    let answers = 0;
    for (let index = 0; index < 2 * SERVE_UNVERIFIED_BURST; index++)
      answers += rig.receive({ type: 'GET_BLOCK', height: 1 }, victim).length;
    expect(answers).toBe(SERVE_UNVERIFIED_BURST);
  });

  it('is not taken to speak for itself because others speak of it again and again', () => {
    const rig = rigWith(2);
    for (let index = 0; index < 5; index++) rig.gossip(victim, `${index}`, at(1));
    const [heard] = rig.engine.status().peers.filter(({ address }) => address.host === victim.host);
    expect(heard?.verified).toBe(false);
    rig.gossip(victim, 'itself');
    expect(rig.engine.status().peers.find(({ address }) => address.host === victim.host)?.verified).toBe(
      true,
    );
  });
});
