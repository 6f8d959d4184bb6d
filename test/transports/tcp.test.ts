import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { afterEach, describe, expect, test } from 'vitest';

import { generateKeyPair } from '../../shared/ed25519.ts';
import { UserError } from '../../shared/errors.ts';
import { silentLog, type Log } from '../../shared/log.ts';
import { encodeAddress, signAddress } from '../../peer/transports/address-record.ts';
import { framed } from '../../peer/transports/frames.ts';
import { ITEM_KINDS, MAX_BATCH } from '../../peer/transports/tcp-connection.ts';
import { DEFAULT_TCP_LIMITS } from '../../peer/transports/tcp-limits.ts';
import { openTcpMesh, type TcpOptions } from '../../peer/transports/tcp.ts';
import { seededRandom } from '../support/random.ts';
import {
  CLUSTER,
  Cluster,
  Gate,
  LOOPBACK,
  item,
  keepingLog,
  settle,
  until,
  type Hand,
  type Replica,
  type ReplicaOptions,
} from './tcp-rig.ts';

const TICK = DEFAULT_TCP_LIMITS.tick;
const clusters: Cluster[] = [];

afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.close();
});

function clusterOf(size: number): Cluster {
  const cluster = new Cluster(size);
  clusters.push(cluster);
  return cluster;
}

/** Lets time pass for all, step by step with what sockets do, until something holds. */
async function passUntil(
  replicas: readonly Replica[],
  condition: () => boolean,
  milliseconds = 100,
): Promise<void> {
  while (!condition()) {
    for (const { timers } of replicas) timers.pass(milliseconds);
    await settle(3);
  }
}

/** Members 0 and 1, connected; 1 has dialled. */
async function pair(
  first: ReplicaOptions = {},
  second: ReplicaOptions = {},
): Promise<{ cluster: Cluster; one: Replica; other: Replica }> {
  const cluster = clusterOf(2);
  const one = await cluster.replica(0, [], first);
  const other = await cluster.replica(1, [one], second);
  await passUntil([other], () => one.up().length + other.up().length === 2);
  return { cluster, one, other };
}

/** Member 0, and somebody who has proven by hand to be member 1. */
async function withHand(
  options: ReplicaOptions = {},
): Promise<{ cluster: Cluster; one: Replica; hand: Hand }> {
  const cluster = clusterOf(2);
  const one = await cluster.replica(0, [], options);
  const hand = await cluster.dial(one, cluster.key(1));
  expect(await hand.shake()).toBe(true);
  expect(one.up()).toEqual([1]);
  return { cluster, one, hand };
}

describe('sending and receiving', () => {
  test('a message arrives with the member that it is from', async () => {
    const { one, other } = await pair();
    one.mesh.send(Buffer.from('there'), 1);
    other.mesh.send(Buffer.from('back'), 0);
    await until(() => one.heard.length + other.heard.length === 2);
    expect([one.heard, other.heard]).toEqual([['1:back'], ['0:there']]);
  });

  test('messages of any length arrive whole and in order', async () => {
    const { one, other } = await pair();
    const { frameBytes } = DEFAULT_TCP_LIMITS;
    const lengths = [0, 1, 4_095, 4_096, 4_097, 16_384, 70_000, 3, frameBytes, 5];
    for (const [index, length] of lengths.entries()) one.mesh.send(Buffer.alloc(length, 97 + index), 1);
    await until(() => other.heard.length === lengths.length);
    const texts = lengths.map((length, index) => `0:${String.fromCharCode(97 + index).repeat(length)}`);
    expect(other.heard.every((text, index) => text === texts[index])).toBe(true);
  });

  test('thousands of messages at once arrive, each once', async () => {
    const { one, other } = await pair({ bufferFrames: 5_000 });
    for (let number = 0; number < 5_000; number++) one.mesh.send(Buffer.from(`${number}`), 1);
    await until(() => other.heard.length === 5_000);
    expect(other.heard).toEqual(Array.from({ length: 5_000 }, (_, number) => `0:${number}`));
  });

  test('everything is counted', async () => {
    const { one, other } = await pair();
    one.mesh.send(Buffer.from('12345'), 1);
    one.mesh.send(Buffer.from('1'), 1);
    await until(() => other.heard.length === 2);
    expect(one.mesh.counters).toMatchObject({
      sent: 2,
      sentBytes: 6,
      received: 0,
      established: 1,
      dropped: {},
    });
    expect(other.mesh.counters).toMatchObject({ sent: 0, received: 2, receivedBytes: 6 });
    expect(one.mesh.peers()).toEqual([
      {
        member: 1,
        state: 'up',
        address: other.mesh.local,
        connectedSince: expect.any(Number) as number,
        queued: 0,
        received: 0,
        receivedBytes: 0,
        sent: 2,
        sentBytes: 6,
      },
    ]);
  });

  test('a member is told of once it is connected, and when it is not any more', async () => {
    const { one, other } = await pair();
    await other.mesh.close();
    await until(() => one.up().length === 0);
    expect(one.events).toEqual(['1 up', '1 down']);
    expect(one.mesh.counters.ended).toEqual({ closed: 1 });
    expect(one.mesh.peers()[0]).toMatchObject({ state: 'down', connectedSince: null });
  });
});

describe('what can not be sent is dropped and counted, never thrown', () => {
  test.each<[string, number]>([
    ['no-such-member', 0],
    ['no-such-member', 2],
    ['no-such-member', -1],
    ['no-such-member', 0.5],
    ['no-such-member', NaN],
    ['not-connected', 1],
  ])('%s: to %d', async (reason, to) => {
    const one = await clusterOf(2).replica(0, []);
    one.mesh.send(Buffer.from('x'), to);
    expect(one.mesh.counters.dropped).toEqual({ [reason]: 1 });
  });

  test('too long', async () => {
    const { one } = await pair();
    one.mesh.send(Buffer.alloc(DEFAULT_TCP_LIMITS.frameBytes + 1), 1);
    expect(one.mesh.counters.dropped).toEqual({ 'too-long': 1 });
  });

  test('after the end', async () => {
    const { one } = await pair();
    await one.mesh.close();
    one.mesh.send(Buffer.from('x'), 1);
    expect(one.mesh.counters.dropped).toEqual({ closed: 1 });
  });

  test('to a member that does not read: as many wait as may, and the newest are dropped', async () => {
    const { one, hand } = await withHand({ bufferFrames: 20 });
    hand.socket.pause();
    const texts: string[] = [];
    while ((one.mesh.counters.dropped['queue-full'] ?? 0) < 100) {
      const text = `${texts.length}`.padEnd(50_000, '.');
      const before = one.mesh.counters.dropped['queue-full'];
      one.mesh.send(Buffer.from(text), 1);
      if (one.mesh.counters.dropped['queue-full'] === before) texts.push(text);
      expect(one.mesh.peers()[0]?.queued).toBeLessThanOrEqual(20);
      // The system takes some while it has room.
      await settle(1);
    }
    hand.socket.resume();
    await until(() => hand.messages.length === texts.length);
    expect(hand.messages.every((text, index) => text === texts[index])).toBe(true);
    expect(hand.forged).toBe(0);
  });

  test('to a member that does not read: more bytes than may wait', async () => {
    const { one, hand } = await withHand({ limits: { queueBytes: 1_000 } });
    hand.socket.pause();
    for (let count = 0; count < 11; count++) one.mesh.send(Buffer.alloc(100), 1);
    expect(one.mesh.counters.dropped).toEqual({ 'queue-full': 1 });
  });

  test('what waits when the connection is lost is counted', async () => {
    const { one } = await withHand();
    one.mesh.send(Buffer.from('x'), 1);
    one.mesh.send(Buffer.from('y'), 1);
    one.mesh.disconnect(1, 'a test');
    expect(one.mesh.counters).toMatchObject({ sent: 0, dropped: { 'connection-lost': 2 } });
    expect(one.mesh.peers()[0]?.queued).toBe(0);
  });
});

describe('the handshake', () => {
  test('nothing is delivered before both sides have proven who they are', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, []);
    const hand = await cluster.dial(one, cluster.key(1));
    // The hello, and at once a frame as it would be later.
    const early = framed(Buffer.concat([item('early'), Buffer.alloc(16)]));
    hand.socket.write(Buffer.concat([framed(hand.handshake.hello()), early]));
    await until(() => hand.closed);
    expect(one).toMatchObject({ heard: [], events: [] });
    expect(one.mesh.counters.failed).toEqual({ malformed: 1 });
  });

  test('somebody with the key of no member is refused', async () => {
    const cluster = clusterOf(2);
    const { log, lines } = keepingLog('warn');
    const one = await cluster.replica(0, [], { log });
    for (let round = 0; round < 2; round++) {
      const hand = await cluster.dial(one, generateKeyPair());
      expect(await hand.shake()).toBe(false);
      expect(hand.refusal).toBe('unknown-member');
      await until(() => hand.closed);
    }
    expect(one.mesh.counters.failed).toEqual({ 'unknown-member': 2 });
    // Told once, since strangers may come as often as they like.
    expect(lines).toEqual(['tcp: a connection is refused']);
  });

  test('somebody of another cluster is refused, and both sides know why', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, []);
    const { log, lines } = keepingLog('warn');
    const remedies: unknown[] = [];
    const warn: typeof log.warn = (line, data) => {
      log.warn(line, data);
      remedies.push(data?.['remedy']);
    };
    const other = await cluster.replica(1, [one], {
      cluster: 'another',
      clusterRemedy: 'have the same cluster',
      log: { ...log, warn },
    });
    await passUntil([other], () => other.mesh.counters.failed['told-wrong-cluster'] === 2);
    expect(one.mesh.counters.failed['wrong-cluster']).toBeGreaterThanOrEqual(2);
    expect([one.events, other.events]).toEqual([[], []]);
    expect(lines).toEqual(['tcp: a peer refuses us']);
    expect(remedies).toEqual(['have the same cluster']);
  });

  test('a member that can not prove it is refused', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, []);
    const key = { ...generateKeyPair(), publicKey: cluster.key(1).publicKey };
    const hand = await cluster.dial(one, key);
    expect(await hand.shake()).toBe(false);
    expect(hand.refusal).toBe('bad-signature');
    expect(one.mesh.counters.failed).toEqual({ 'bad-signature': 1 });
  });

  test('a proof from an earlier connection is refused', async () => {
    const { cluster, one, hand } = await withHand();
    // What the member said then is said again.
    const replay = await cluster.dial(one, cluster.key(1));
    replay.answers = false;
    replay.socket.write(framed(hand.handshake.hello()));
    await until(() => replay.said.length === 1);
    replay.socket.write(framed(hand.answered[0] ?? Buffer.alloc(0)));
    await until(() => replay.closed);
    expect(replay.refusal).toBe('bad-signature');
    expect(one.mesh.counters).toMatchObject({ established: 1, failed: { 'bad-signature': 1 } });
    expect(one.events).toEqual(['1 up']);
  });

  describe('two processes with one key', () => {
    const LINE = 'tcp: another process runs with the key of this replica';

    test('both say so, once in a while', async () => {
      const cluster = clusterOf(2);
      const logs = [keepingLog('error'), keepingLog('error')] as const;
      const one = await cluster.replica(0, [], { log: logs[0].log });
      const twin = await cluster.replica(0, [one], { log: logs[1].log });
      const met = (): number => twin.mesh.counters.failed['own-key'] ?? 0;
      await passUntil([twin], () => met() === 3);
      expect(logs.map(({ lines }) => lines)).toEqual([[LINE], [LINE]]);
      expect(one.mesh.counters.failed['own-key']).toBeGreaterThanOrEqual(3);
      expect([one.events, twin.events]).toEqual([[], []]);
      for (const { timers } of [one, twin]) timers.pass(DEFAULT_TCP_LIMITS.warningTicks * TICK);
      const before = met();
      await passUntil([twin], () => met() > before);
      expect(logs.map(({ lines }) => lines)).toEqual([
        [LINE, LINE],
        [LINE, LINE],
      ]);
    });

    test('that have a member in common, and not the address of each other', async () => {
      const cluster = clusterOf(2);
      const logs = [keepingLog('error'), keepingLog('error')] as const;
      const shared = await cluster.replica(1, []);
      let clock = 1_000;
      const now = (): number => clock++;
      const one = await cluster.replica(0, [shared], { log: logs[0].log, now });
      await passUntil([one], () => shared.up().length === 1);
      const twin = await cluster.replica(0, [shared], { log: logs[1].log, now });
      await passUntil([one, twin, shared], () => logs.every(({ lines }) => lines.length > 0));
      expect(logs.map(({ lines }) => lines)).toEqual([[LINE], [LINE]]);
    });

    test('is not what a stranger says who has read the key', async () => {
      const cluster = clusterOf(2);
      const { log, lines } = keepingLog('error');
      const one = await cluster.replica(0, [], { log });
      const hand = await cluster.dial(one, { ...generateKeyPair(), publicKey: cluster.key(0).publicKey });
      expect(await hand.shake()).toBe(false);
      await until(() => hand.closed);
      expect(one.mesh.counters.failed).toEqual({ 'bad-signature': 1 });
      expect(lines).toEqual([]);
    });
  });

  describe('handshakes', () => {
    const few = { perSecond: 1, burst: 3 };
    /** What becomes of one that goes no further than a hello with the key of a member. */
    const begin = async (cluster: Cluster, one: Replica, member = 1): Promise<string> => {
      const hand = await cluster.dial(one, cluster.key(member));
      hand.answers = false;
      hand.socket.write(framed(hand.handshake.hello()));
      await until(() => hand.said.length === 1);
      return hand.refusal ?? 'begun';
    };

    test('of one host cost a fresh key and a signature only so often, whoever it says it is', async () => {
      const cluster = clusterOf(3);
      const limits = { handshakesPerHost: few, pending: 100 };
      const one = await cluster.replica(0, [], { limits });
      const seen: string[] = [];
      for (let round = 0; round < 5; round++) seen.push(await begin(cluster, one, 1 + (round % 2)));
      expect(seen).toEqual(['begun', 'begun', 'begun', 'too-often', 'too-often']);
      one.timers.pass(TICK);
      expect([await begin(cluster, one), await begin(cluster, one)]).toEqual(['begun', 'too-often']);
      expect(one.mesh.counters.failed['too-often']).toBe(3);
    });

    test('of all strangers together, but not those of hosts where members are', async () => {
      const cluster = clusterOf(2);
      const limits = { strangers: few };
      const one = await cluster.replica(0, [], { limits });
      const seen: string[] = [];
      for (let round = 0; round < 4; round++) seen.push(await begin(cluster, one));
      expect(seen).toEqual(['begun', 'begun', 'begun', 'too-often']);
      one.timers.pass(TICK);
      // A member was here.
      expect(await (await cluster.dial(one, cluster.key(1))).shake()).toBe(true);
      for (let round = 0; round < 10; round++) expect(await begin(cluster, one)).toBe('begun');
      const address = { host: LOOPBACK, port: 1 };
      const members = cluster.keys.map(({ publicKey }) => ({ publicKey, address }));
      const other = await cluster.replica(0, [], {
        members,
        limits: { strangers: { perSecond: 1, burst: 1 } },
      });
      for (let round = 0; round < 4; round++) expect(await begin(cluster, other)).toBe('begun');
    });

    test("of keys that are no member's cost nothing, so they use nothing up", async () => {
      const cluster = clusterOf(2);
      const one = await cluster.replica(0, [], { limits: { handshakesPerHost: few } });
      for (let round = 0; round < 5; round++) {
        const hand = await cluster.dial(one, generateKeyPair());
        expect(await hand.shake()).toBe(false);
        expect(hand.refusal).toBe('unknown-member');
      }
      expect(await begin(cluster, one)).toBe('begun');
    });
  });

  test('what strangers do wrong does not keep what others do wrong out of the log', async () => {
    const cluster = clusterOf(3);
    const reported: unknown[] = [];
    const log: Log = {
      ...silentLog,
      warn: (_, data) => void reported.push([data?.['fault'], data?.['host']]),
    };
    const one = await cluster.replica(0, [], { log });
    const stranger = async (): Promise<void> => {
      const hand = await cluster.dial(one, generateKeyPair());
      expect(await hand.shake()).toBe(false);
      await until(() => hand.closed);
    };
    await stranger();
    await stranger();
    expect(reported).toEqual([['unknown-member', LOOPBACK]]);
    // Whoever we dial is somebody that a person has named.
    const hand = await cluster.listen(generateKeyPair());
    const two = await cluster.replica(1, [], { log, bootstrap: [hand.address] });
    const refused = (): number => two.mesh.counters.failed['unknown-member'] ?? 0;
    const late = await cluster.dial(two, generateKeyPair());
    await late.shake();
    await passUntil([two], () => refused() >= 3);
    expect(reported.slice(1)).toEqual([
      ['unknown-member', LOOPBACK],
      ['unknown-member', LOOPBACK],
    ]);
    // Later there is a line again.
    one.timers.pass(DEFAULT_TCP_LIMITS.warningTicks * TICK);
    await stranger();
    expect(reported.length).toBe(4);
  });

  test.each([
    [
      'two processes with the key of one member, that do not dial each other, are told of by the others',
      0,
      1,
    ],
    ['a member that is started again now and then is none of that', DEFAULT_TCP_LIMITS.allowanceTicks / 2, 0],
  ])('%s', async (_, ticksBetween, reported) => {
    const cluster = clusterOf(2);
    const { log, lines } = keepingLog('warn');
    const one = await cluster.replica(0, [], { log });
    // Each takes the place of the one before.
    for (let dialled = 0; dialled < 6; dialled++) {
      const hand = await cluster.dial(one, cluster.key(1));
      expect(await hand.shake()).toBe(true);
      await until(() => one.mesh.counters.established === dialled + 1);
      expect(lines.length).toBe(dialled < 3 ? 0 : reported);
      one.timers.pass(ticksBetween * TICK);
    }
    expect(lines).toEqual(
      Array<string>(reported).fill(
        'tcp: connections of a member take the place of each other: do two processes use its key?',
      ),
    );
  });

  test('an address that is our own is not dialled again, and nobody is warned of it', async () => {
    const cluster = clusterOf(2);
    const address = await freeAddress();
    const { log, lines } = keepingLog('warn');
    const one = await cluster.replica(0, [], { port: address.port, bootstrap: [address], log });
    await passUntil([one], () => one.mesh.counters.failed['own-connection'] !== undefined);
    for (let second = 0; second < 20; second++) {
      one.timers.pass(1_000);
      await settle(2);
    }
    expect(lines).toEqual([]);
    expect(one.mesh.counters.failed).toEqual({ 'own-connection': 1, 'told-own-connection': 1 });
  });

  test('a member that dials and says nothing has its time', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, []);
    const hand = await cluster.dial(one, cluster.key(1));
    await settle();
    one.timers.pass((DEFAULT_TCP_LIMITS.handshakeTicks - 1) * TICK);
    expect(one.mesh.counters.failed).toEqual({});
    one.timers.pass(TICK);
    expect(one.mesh.counters.failed).toEqual({ 'timed-out': 1 });
    await until(() => hand.closed);
  });

  test('somebody who is dialled and says nothing has its time', async () => {
    const cluster = clusterOf(2);
    const { address, dialled } = await cluster.listen(cluster.key(1));
    const one = await cluster.replica(0, [], { bootstrap: [address] });
    one.timers.pass(0);
    await until(() => dialled.length === 1);
    one.timers.pass(DEFAULT_TCP_LIMITS.handshakeTicks * TICK);
    expect(one.mesh.counters.failed['timed-out']).toBe(1);
  });

  test('more than a handshake has is not even read', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, []);
    const hand = await cluster.dial(one, cluster.key(1));
    hand.socket.write(Buffer.from([0, 0, 4, 1]));
    await until(() => hand.closed);
    expect(one.mesh.counters.failed).toEqual({ oversize: 1 });
  });

  test('somebody who leaves before it is finished is counted', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, []);
    for (const leave of [(hand: Hand) => hand.socket.end(), (hand: Hand) => hand.socket.resetAndDestroy()]) {
      const hand = await cluster.dial(one, cluster.key(1));
      hand.answers = false;
      hand.socket.write(framed(hand.handshake.hello()));
      await until(() => hand.said.length === 1);
      leave(hand);
      await until(() => hand.closed);
    }
    await until(() => 'ECONNRESET' in one.mesh.counters.failed);
    expect(one.mesh.counters.failed).toEqual({ closed: 1, ECONNRESET: 1 });
    expect(one.events).toEqual([]);
  });
});

describe('after the handshake a connection ends with', () => {
  const ends = async (one: Replica, hand: Hand, reason: string): Promise<void> => {
    await until(() => hand.closed && one.up().length === 0);
    expect(one.mesh.counters.ended).toEqual({ [reason]: 1 });
    expect(one.events).toEqual(['1 up', '1 down']);
  };

  test('a changed frame', async () => {
    const { one, hand } = await withHand();
    hand.say('true');
    const frame = hand.seal(item('false'));
    frame[10] = (frame[10] ?? 0) ^ 1;
    hand.socket.write(frame);
    await ends(one, hand, 'bad-mac');
    expect(one.heard).toEqual(['1:true']);
  });

  test('a frame that comes twice', async () => {
    const { one, hand } = await withHand();
    const frame = hand.seal(item('once'));
    hand.socket.write(Buffer.concat([frame, frame]));
    await ends(one, hand, 'bad-mac');
    expect(one.heard).toEqual(['1:once']);
  });

  test('a frame that is left out', async () => {
    const { one, hand } = await withHand();
    hand.seal(item('left out'));
    hand.say('next');
    await ends(one, hand, 'bad-mac');
    expect(one.heard).toEqual([]);
  });

  test('frames in another order', async () => {
    const { one, hand } = await withHand();
    const [first, second] = [hand.seal(item('first')), hand.seal(item('second'))];
    hand.socket.write(Buffer.concat([second, first]));
    await ends(one, hand, 'bad-mac');
    expect(one.heard).toEqual([]);
  });

  test('a frame of the other direction', async () => {
    const { one, hand } = await withHand();
    const body = item('reflected');
    const session = hand.session;
    // The code that member 0 itself would give to its first message.
    const code = session?.receiving.next(body) ?? Buffer.alloc(0);
    hand.socket.write(framed(Buffer.concat([body, code])));
    await ends(one, hand, 'bad-mac');
    expect(one.heard).toEqual([]);
  });

  test.each([0, 1, 15, 16])('a frame of %d bytes, which has no room for a code and more', async (length) => {
    const { one, hand } = await withHand();
    hand.socket.write(framed(Buffer.alloc(length)));
    await ends(one, hand, 'bad-mac');
  });

  test('an authentic frame of a kind that there is not', async () => {
    const { one, hand } = await withHand();
    hand.socket.write(hand.seal(item('x', 9)));
    await ends(one, hand, 'malformed');
    // No network did that, the member did.
    expect(one.mesh.peers()[0]?.state).toBe('paused');
  });

  test.each<[string, Buffer[]]>([
    ['no item', []],
    ['an item without a length', [item('').subarray(0, 4)]],
    ['an item longer than the frame', [item('x').subarray(0, 5)]],
    ['the beginning of another item', [item('first'), item('x').subarray(0, 3)]],
    ['many items and more bytes than such a frame has', Array.from({ length: 3_300 }, () => item(''))],
    ['a long item and another one', [item(Buffer.alloc(MAX_BATCH)), item('x')]],
  ])('an authentic frame with %s', async (_, items) => {
    const { one, hand } = await withHand();
    hand.socket.write(hand.seal(...items));
    await ends(one, hand, 'malformed');
  });

  test('a ping that carries something', async () => {
    const { one, hand } = await withHand();
    hand.socket.write(hand.seal(item('x', ITEM_KINDS.ping)));
    await ends(one, hand, 'malformed');
  });

  test('an address that the member has not signed', async () => {
    const { cluster, one, hand } = await withHand();
    const record = signAddress(CLUSTER, cluster.key(1), { host: LOOPBACK, port: 1 }, 1);
    hand.socket.write(hand.seal(item(encodeAddress({ ...record, port: 2 }), ITEM_KINDS.address)));
    await ends(one, hand, 'malformed');
    expect(one.mesh.peers()[0]?.address).toBeNull();
  });

  test('a frame longer than the longest, by its length alone', async () => {
    const { one, hand } = await withHand();
    const length = Buffer.alloc(4);
    length.writeUInt32BE(DEFAULT_TCP_LIMITS.frameBytes + 5 + 16 + 1);
    hand.socket.write(length);
    await ends(one, hand, 'oversize');
  });

  test('a frame that is not finished in time', async () => {
    const { one, hand } = await withHand({ limits: { deadTicks: 1_000 } });
    const frame = hand.seal(item('slow as can be'));
    const { frameTicks } = DEFAULT_TCP_LIMITS;
    // A byte now and then does not help.
    for (let at = 0; at < 10; at++) {
      hand.socket.write(frame.subarray(at, at + 1));
      await settle(3);
      one.timers.pass((frameTicks / 10) * TICK);
    }
    one.timers.pass(TICK);
    await ends(one, hand, 'half-frame');
  });

  test('silence', async () => {
    const { one, hand } = await withHand();
    one.timers.pass((DEFAULT_TCP_LIMITS.deadTicks - 1) * TICK);
    expect(one.up()).toEqual([1]);
    one.timers.pass(TICK);
    await ends(one, hand, 'silent');
  });
});

describe('a connection lasts', () => {
  test('with several items in a frame', async () => {
    const { one, hand } = await withHand();
    const ping = item('', ITEM_KINDS.ping);
    hand.socket.write(hand.seal(item('first'), ping, item(''), item('third'), ping));
    await until(() => one.heard.length === 3);
    expect(one.heard).toEqual(['1:first', '1:', '1:third']);
  });

  test('while frames come one after the other, each in its time', async () => {
    const { one, hand } = await withHand();
    const { frameTicks } = DEFAULT_TCP_LIMITS;
    // There is always the beginning of a frame, but another one each time.
    let rest: Uint8Array = new Uint8Array();
    for (let count = 0; count < 2 * frameTicks; count++) {
      const frame = hand.seal(item(`${count}`));
      hand.socket.write(Buffer.concat([rest, frame.subarray(0, 3)]));
      rest = frame.subarray(3);
      await until(() => one.heard.length === count);
      await settle(2);
      one.timers.pass(TICK);
    }
    expect(one.up()).toEqual([1]);
  });

  test('while nobody says anything, by pings', async () => {
    const { one, other } = await pair();
    const { deadTicks } = DEFAULT_TCP_LIMITS;
    for (let tick = 0; tick < 3 * deadTicks; tick++) {
      for (const { timers } of [one, other]) timers.pass(TICK);
      await settle(5);
    }
    expect([one.events, other.events]).toEqual([['1 up'], ['0 up']]);
  });
});

describe('connections that are not wanted', () => {
  test('a flood of them leaves few open, and keeps no member out', async () => {
    const cluster = clusterOf(2);
    const limits = { pending: 30, pendingPerHost: 20 };
    const one = await cluster.replica(0, [], { limits });
    const flood: Socket[] = [];
    let closed = 0;
    for (let count = 0; count < 300; count++) {
      const socket = connect({ host: LOOPBACK, port: one.mesh.local.port });
      socket.on('error', () => undefined).on('close', () => closed++);
      flood.push(socket);
      cluster.onClose(() => socket.destroy());
    }
    // No time passes, so none of them has timed out.
    const other = await cluster.replica(1, [one]);
    await passUntil([other], () => one.up().length === 1);
    await until(() => closed >= 300 - 20);
    expect(one.mesh.counters.failed['crowded']).toBeGreaterThanOrEqual(300 - 20);
  });

  test('from many addresses they are limited in all', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, [], { bind: '0.0.0.0', limits: { pending: 10, pendingPerHost: 5 } });
    let closed = 0;
    for (let count = 0; count < 40; count++) {
      const localAddress = `127.0.0.${2 + (count % 20)}`;
      const socket = connect({ host: LOOPBACK, port: one.mesh.local.port, localAddress });
      socket.on('error', () => undefined).on('close', () => closed++);
      cluster.onClose(() => socket.destroy());
    }
    await until(() => closed >= 30);
    expect(one.mesh.counters.failed).toEqual({ crowded: 30 });
  });
});

describe('a member that misbehaves', () => {
  test('is kept out for a while, longer each time, and then let in', async () => {
    const { one, other } = await pair();
    const { firstPause } = DEFAULT_TCP_LIMITS;
    const pauses: number[] = [];
    for (let round = 0; round < 3; round++) {
      one.mesh.disconnect(1, 'a test');
      expect(one.up()).toEqual([]);
      let ticks = 0;
      while (one.mesh.peers()[0]?.state === 'paused') {
        ticks++;
        for (const { timers } of [one, other]) timers.pass(TICK);
        await settle(3);
      }
      pauses.push(ticks);
      await passUntil([one, other], () => one.up().length + other.up().length === 2);
    }
    expect(pauses).toEqual([firstPause, 2 * firstPause, 4 * firstPause]);
    expect(other.mesh.counters.failed['told-paused']).toBeGreaterThan(0);
  });

  test('is forgiven in time', async () => {
    const { one, other } = await pair();
    const { firstPause, forgiveTicks } = DEFAULT_TCP_LIMITS;
    one.mesh.disconnect(1, 'a test');
    await passUntil([one, other], () => one.up().length + other.up().length === 2, TICK);
    for (let tick = 0; tick <= forgiveTicks; tick++) {
      for (const { timers } of [one, other]) timers.pass(TICK);
      await settle(2);
    }
    expect(one.up()).toEqual([1]);
    one.mesh.disconnect(1, 'a test');
    one.timers.pass((firstPause - 1) * TICK);
    expect(one.mesh.peers()[0]?.state).toBe('paused');
    one.timers.pass(TICK);
    expect(one.mesh.peers()[0]?.state).toBe('down');
  });

  test('nothing is delivered of what came with the message for which it was disconnected', async () => {
    const one: { replica?: Replica } = {};
    const { hand, one: replica } = await withHand({
      onMessage: () => one.replica?.mesh.disconnect(1, 'it said something'),
    });
    one.replica = replica;
    hand.socket.write(Buffer.concat([hand.seal(item('first'), item('second')), hand.seal(item('third'))]));
    await until(() => hand.closed);
    expect(replica.heard).toEqual(['1:first']);
  });
});

describe('a member that goes and comes back', () => {
  test('is found again at its address', async () => {
    const { cluster, one, other } = await pair();
    const { port } = other.mesh.local;
    await other.mesh.close();
    await until(() => one.up().length === 0);
    const again = await cluster.replica(1, [], { port });
    await passUntil([one, again], () => one.up().length + again.up().length === 2);
    again.mesh.send(Buffer.from('here again'), 0);
    await until(() => one.heard.length === 1);
    expect(one.events).toEqual(['1 up', '1 down', '1 up']);
  });

  test('replaces its old connection, if nobody has noticed that it went', async () => {
    const { cluster, one, hand } = await withHand();
    const again = await cluster.dial(one, cluster.key(1));
    expect(await again.shake()).toBe(true);
    one.mesh.send(Buffer.from('to the new one'), 1);
    again.say('from the new one');
    await until(() => again.messages.length === 1 && one.heard.length === 1);
    expect(hand.messages).toEqual([]);
    expect(one.events).toEqual(['1 up', '1 down', '1 up']);
    one.timers.pass(TICK);
    await until(() => hand.closed);
    expect(one.up()).toEqual([1]);
  });

  test('or was only slow gets what was on its way to the old connection there, and the rest on the new one', async () => {
    const { cluster, one, hand } = await withHand({ limits: { socketBytes: 1_000_000 } });
    hand.socket.pause();
    const texts = Array.from({ length: 300 }, (_, index) => `${index}`.padEnd(100_000, '.'));
    for (const text of texts) one.mesh.send(Buffer.from(text), 1);
    await settle(100);
    const again = await cluster.dial(one, cluster.key(1));
    expect(await again.shake()).toBe(true);
    one.timers.pass(TICK);
    hand.socket.resume();
    await until(() => hand.closed && hand.messages.length + again.messages.length === texts.length);
    const numbers = [...hand.messages, ...again.messages].map((text) => Number.parseInt(text, 10));
    expect(numbers).toEqual([...texts.keys()]);
  });

  test('gets what waited on the old connection', async () => {
    const { cluster, one, hand } = await withHand({ limits: { socketBytes: 1 } });
    hand.socket.pause();
    const texts = Array.from({ length: 300 }, (_, index) => `${index}`.padEnd(100_000, '.'));
    for (const text of texts) one.mesh.send(Buffer.from(text), 1);
    // What the system takes is gone with the connection; the rest waits here.
    let before = -1;
    while (one.mesh.peers()[0]?.queued !== before) {
      before = one.mesh.peers()[0]?.queued ?? 0;
      await settle(50);
    }
    expect(before).toBeGreaterThan(10);
    const again = await cluster.dial(one, cluster.key(1));
    expect(await again.shake()).toBe(true);
    await until(() => again.messages.length === before);
    expect(again.messages.every((text, index) => text === texts[texts.length - before + index])).toBe(true);
  });

  /** Milliseconds until the only timer besides that of the ticks has run. */
  const waitOf = ({ timers }: Replica): number => {
    let waited = 0;
    // It is gone as soon as it has run.
    for (const before = timers.size; timers.size === before; waited += 10) timers.pass(10);
    return waited;
  };

  test('is dialled again and again, later each time, but at least every 5 s', async () => {
    const cluster = clusterOf(2);
    const address = await freeAddress();
    const one = await cluster.replica(0, [], { bootstrap: [address], random: () => 1 });
    const waits: number[] = [];
    one.timers.pass(0);
    for (let attempt = 1; attempt < 12; attempt++) {
      await until(() => one.mesh.counters.failed['ECONNREFUSED'] === attempt);
      waits.push(waitOf(one));
    }
    expect(waits).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000]);
  });

  test('is dialled at once again if its connection has lasted, and later if it has not', async () => {
    const cluster = clusterOf(2);
    const { address, dialled } = await cluster.listen(cluster.key(1));
    const members = cluster.keys.map(({ publicKey }) => ({ publicKey, address }));
    const one = await cluster.replica(0, [], { members, random: () => 1 });
    one.timers.pass(0);
    const waits: number[] = [];
    for (const lasts of [false, false, false, true, false]) {
      await until(() => one.up().length === 1);
      const hand = dialled.at(-1);
      await until(() => hand?.session !== undefined);
      for (let tick = 0; lasts && tick < DEFAULT_TCP_LIMITS.lastedTicks; tick++) {
        hand?.socket.write(hand.seal(item('', ITEM_KINDS.ping)));
        await settle(3);
        one.timers.pass(TICK);
      }
      hand?.socket.destroy();
      await until(() => one.up().length === 0);
      waits.push(waitOf(one));
    }
    expect(waits).toEqual([50, 100, 200, 50, 100]);
  });

  test('again and again is not told to people each time', async () => {
    const cluster = clusterOf(2);
    const { log, lines } = keepingLog('info');
    const one = await cluster.replica(0, [], { log });
    for (let life = 0; life < 10; life++) {
      const hand = await cluster.dial(one, cluster.key(1));
      await hand.shake();
      hand.socket.destroy();
      await until(() => one.up().length === 0);
    }
    expect(one.events).toHaveLength(20);
    expect(lines).toHaveLength(DEFAULT_TCP_LIMITS.changes);
  });
});

describe('both dial each other', () => {
  /** Two members, each of which knows where the other is, with gates between them that open chunk by chunk. */
  async function facing(): Promise<{ one: Replica; other: Replica; gates: Gate[] }> {
    const cluster = clusterOf(2);
    const replicas: Replica[] = [];
    const gates: Gate[] = [];
    for (const member of [0, 1]) {
      gates.push(await Gate.of(cluster, () => replicas[member]?.mesh.local ?? { host: LOOPBACK, port: 1 }));
    }
    for (const member of [0, 1]) {
      const members = cluster.keys.map(({ publicKey }, index) => {
        const gate = index === member ? undefined : gates[index];
        return gate === undefined ? { publicKey } : { publicKey, address: gate.address };
      });
      // What they tell each other must not be dialled beside the gates.
      const replica = await cluster.replica(member, [], {
        members,
        advertise: { host: 'nowhere.invalid', port: 1 },
        resolve: () => Promise.reject(new Error('no such name')),
      });
      replicas.push(replica);
    }
    const [one, other] = replicas;
    if (one === undefined || other === undefined) throw new Error('two were opened');
    for (const { timers } of replicas) timers.pass(0);
    await until(() => gates.every((gate) => gate.waiting().length === 1));
    return { one, other, gates };
  }

  test('at once: in whatever order things arrive, one connection stays, nothing is lost and nobody is told of a loss', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed);
      const { one, other, gates } = await facing();
      const sent = { one: 0, other: 0 };
      const speak = (): void => {
        if (one.up().length > 0) one.mesh.send(Buffer.from(`${sent.one++}`), 1);
        if (other.up().length > 0) other.mesh.send(Buffer.from(`${sent.other++}`), 0);
      };
      for (let step = 0; step < 40; step++) {
        const ways = gates.flatMap((gate) => gate.waiting());
        ways[Math.floor(random() * ways.length)]?.step();
        await settle(6);
        if (random() < 0.3) speak();
      }
      for (const gate of gates) gate.openUp();
      await until(() => one.up().length + other.up().length === 2);
      speak();
      await until(() => one.heard.length === sent.other && other.heard.length === sent.one);
      for (let tick = 0; tick < 8; tick++) {
        for (const { timers } of [one, other]) timers.pass(TICK);
        await settle(10);
      }
      speak();
      await until(() => one.heard.length === sent.other && other.heard.length === sent.one);
      expect([seed, one.events, other.events]).toEqual([seed, ['1 up'], ['0 up']]);
      for (const { mesh } of [one, other]) {
        const { established, ended, dropped } = mesh.counters;
        expect([seed, dropped, established - (ended['replaced'] ?? 0)]).toEqual([seed, {}, 1]);
        expect(Object.keys(ended).every((reason) => reason === 'replaced')).toBe(true);
      }
      for (const cluster of clusters.splice(0)) await cluster.close();
    }
  });
});

describe('addresses', () => {
  test.each([4, 7])('of %d members one is enough for all to find each other', async (size) => {
    const cluster = clusterOf(size);
    const replicas: Replica[] = [await cluster.replica(0, [])];
    for (let member = 1; member < size; member++) {
      replicas.push(await cluster.replica(member, replicas.slice(0, 1)));
    }
    await passUntil(replicas, () => replicas.every((replica) => replica.up().length === size - 1), 20);
    for (const [member, { mesh }] of replicas.entries()) {
      for (const { member: to } of mesh.peers()) mesh.send(Buffer.from(`from ${member}`), to);
    }
    await until(() => replicas.every(({ heard }) => heard.length === size - 1));
    for (const [member, { heard }] of replicas.entries()) {
      const others = [...replicas.keys()].filter((other) => other !== member);
      expect(heard.toSorted()).toEqual(others.map((other) => `${other}:from ${other}`));
    }
  });

  test('of members that are known beforehand are dialled', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, []);
    const members = cluster.keys.map(({ publicKey }, index) =>
      index === 0 ? { publicKey, address: one.mesh.local } : { publicKey },
    );
    const other = await cluster.replica(1, [], { members });
    await passUntil([other], () => one.up().length === 1);
  });

  test('at which a member was met are kept, if it tells no other, and are tried only when it is away', async () => {
    const cluster = clusterOf(2);
    const { address, dialled } = await cluster.listen(cluster.key(1));
    const one = await cluster.replica(0, [], { bootstrap: [address] });
    one.timers.pass(0);
    for (let life = 1; life <= 3; life++) {
      await until(() => one.up().length === 1);
      const hand = dialled.at(-1);
      await until(() => hand?.session !== undefined);
      for (let second = 0; second < 20; second++) {
        hand?.socket.write(hand.seal(item('', ITEM_KINDS.ping)));
        await settle(3);
        one.timers.pass(TICK);
      }
      expect(dialled).toHaveLength(life);
      hand?.socket.destroy();
      await until(() => one.up().length === 0);
      one.timers.pass(100);
    }
    expect(one.mesh.counters.failed).toEqual({});
  });

  test('that turn out to be of a member which is connected are not tried any more', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, []);
    let answer: (address: string) => void = () => undefined;
    const other = await cluster.replica(1, [], {
      bootstrap: [one.mesh.local, { host: 'zero.example', port: one.mesh.local.port }],
      resolve: () => new Promise((resolve) => (answer = resolve)),
    });
    await passUntil([other], () => other.up().length === 1);
    answer(LOOPBACK);
    await until(() => 'duplicate' in other.mesh.counters.failed);
    for (let second = 0; second < 20; second++) {
      for (const { timers } of [one, other]) timers.pass(TICK);
      await settle(5);
    }
    expect(other.mesh.counters.failed).toEqual({ duplicate: 1 });
    expect(other.events).toEqual(['0 up']);
  });

  test('names are looked up', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, []);
    const other = await cluster.replica(1, [], {
      bootstrap: [
        { host: 'nobody.example', port: 9 },
        { host: 'zero.example', port: one.mesh.local.port },
      ],
      resolve: (name) =>
        name === 'zero.example' ? Promise.resolve(LOOPBACK) : Promise.reject(new Error('no such name')),
    });
    await passUntil([other], () => one.up().length === 1);
    await passUntil([other], () => other.mesh.counters.failed['unresolved'] !== undefined);
  });

  test('the newest of a member counts, and is passed on', async () => {
    const cluster = clusterOf(3);
    const one = await cluster.replica(0, []);
    const hands = [await cluster.dial(one, cluster.key(1)), await cluster.dial(one, cluster.key(2))] as const;
    for (const hand of hands) await hand.shake();
    const [teller, listener] = hands;
    await until(() => listener.addresses.length === 1);
    const report = (port: number, sequence: number): void => {
      const record = signAddress(CLUSTER, cluster.key(1), { host: LOOPBACK, port }, sequence);
      teller.socket.write(teller.seal(item(encodeAddress(record), ITEM_KINDS.address)));
    };
    report(7, 10);
    report(8, 9);
    report(9, 10);
    report(6, 11);
    await until(() => one.mesh.counters.addresses.new + one.mesh.counters.addresses.old === 4);
    expect(one.mesh.counters.addresses).toEqual({ new: 2, old: 2, unknown: 0, 'too-many': 0 });
    expect(one.mesh.peers()[0]?.address).toEqual({ host: LOOPBACK, port: 6 });
    await until(
      () => listener.addresses.length >= 2 && (listener.addresses.at(-1) ?? '').includes('"port":6'),
    );
    // Whoever told it is not told, whosever it is.
    const record = signAddress(CLUSTER, cluster.key(2), { host: LOOPBACK, port: 5 }, 1);
    teller.socket.write(teller.seal(item(encodeAddress(record), ITEM_KINDS.address)));
    await until(() => one.mesh.counters.addresses.new === 3);
    one.mesh.send(Buffer.from('after that'), 1);
    await until(() => teller.messages.length === 1);
    expect(teller.addresses.every((address) => !address.includes(cluster.key(2).publicKey))).toBe(true);
    expect(teller.addresses.every((address) => !address.includes(cluster.key(1).publicKey))).toBe(true);
  });

  test('a member may change its own only so often', async () => {
    const { cluster, one, hand } = await withHand();
    const { changes, allowanceTicks } = DEFAULT_TCP_LIMITS;
    const report = (sequence: number): void => {
      const record = signAddress(CLUSTER, cluster.key(1), { host: LOOPBACK, port: 1 }, sequence);
      hand.socket.write(hand.seal(item(encodeAddress(record), ITEM_KINDS.address)));
    };
    for (let sequence = 0; sequence < changes + 5; sequence++) report(sequence);
    await until(() => one.mesh.counters.addresses['too-many'] === 5);
    for (let tick = 0; tick < allowanceTicks; tick++) {
      hand.socket.write(hand.seal(item('', ITEM_KINDS.ping)));
      await settle(3);
      one.timers.pass(TICK);
    }
    report(100);
    await until(() => one.mesh.counters.addresses.new === changes + 1);
  });

  test('of nobody are ignored', async () => {
    const { one, hand } = await withHand();
    const record = signAddress(CLUSTER, generateKeyPair(), { host: LOOPBACK, port: 1 }, 1);
    hand.socket.write(hand.seal(item(encodeAddress(record), ITEM_KINDS.address)));
    await until(() => one.mesh.counters.addresses.unknown === 1);
    expect(one.up()).toEqual([1]);
  });

  test('an address of ours from an earlier life, when the clock was ahead, is outdone', async () => {
    const { cluster, hand } = await withHand({ now: () => 1_000 });
    await until(() => hand.addresses.length === 1);
    const old = signAddress(CLUSTER, cluster.key(0), { host: LOOPBACK, port: 1 }, 5_000);
    hand.socket.write(hand.seal(item(encodeAddress(old), ITEM_KINDS.address)));
    await until(() => hand.addresses.length === 2);
    const [first, second] = hand.addresses.map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(second).toMatchObject({ sequence: 5_001, port: first?.['port'] });
  });

  test('who listens everywhere tells the address that a connection shows', async () => {
    const cluster = clusterOf(2);
    const one = await cluster.replica(0, [], { bind: '0.0.0.0' });
    const hand = await cluster.dial(one, cluster.key(1));
    await hand.shake();
    await until(() => hand.addresses.length === 1);
    expect(JSON.parse(hand.addresses[0] ?? '')).toMatchObject({ host: LOOPBACK, port: one.mesh.local.port });
  });

  test('or the one that it is given', async () => {
    const { hand } = await withHand({ advertise: { host: 'zero.example', port: 5 } });
    await until(() => hand.addresses.length === 1);
    expect(JSON.parse(hand.addresses[0] ?? '')).toMatchObject({ host: 'zero.example', port: 5 });
  });
});

describe('blocked members', () => {
  test('are cut off, nobody else is, and they are connected again when they are blocked no more', async () => {
    const cluster = clusterOf(3);
    const one = await cluster.replica(0, []);
    const two = await cluster.replica(1, [one]);
    const three = await cluster.replica(2, [one]);
    const all = [one, two, three];
    await passUntil(all, () => all.every((replica) => replica.up().length === 2), 20);

    one.mesh.block([1]);
    expect(one.up()).toEqual([2]);
    await until(() => two.up().length === 1);
    one.mesh.send(Buffer.from('lost'), 1);
    expect(one.mesh.counters.dropped).toEqual({ blocked: 1 });
    expect(one.mesh.peers()[0]?.state).toBe('blocked');
    await passUntil([two], () => (two.mesh.counters.failed['told-blocked'] ?? 0) > 2);
    expect(one.up()).toEqual([2]);
    one.mesh.send(Buffer.from('heard'), 2);
    two.mesh.send(Buffer.from('heard'), 2);
    await until(() => three.heard.length === 2);
    expect([...one.events, ...three.events].filter((event) => event.endsWith('down'))).toEqual(['1 down']);

    one.mesh.block([]);
    await passUntil(all, () => all.every((replica) => replica.up().length === 2), 20);
  });

  test('are cut off also within their handshake', async () => {
    const cluster = clusterOf(3);
    const one = await cluster.replica(0, []);
    const hands = [await cluster.dial(one, cluster.key(1)), await cluster.dial(one, cluster.key(2))] as const;
    for (const hand of hands) {
      hand.answers = false;
      hand.socket.write(framed(hand.handshake.hello()));
      await until(() => hand.said.length === 1);
    }
    one.mesh.block([1]);
    await until(() => hands[0].closed);
    await settle();
    expect(hands[1].closed).toBe(false);
    expect(one.mesh.counters.failed).toEqual({ blocked: 1 });
  });
});

describe('the end', () => {
  test('leaves nothing open and no timer set, whatever was going on', async () => {
    const cluster = clusterOf(4);
    const handles = (): string[] => process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP'));
    const before = handles().length;
    const away = await freeAddress();
    const one = await cluster.replica(0, []);
    const other = await cluster.replica(1, [one], { bootstrap: [one.mesh.local, away] });
    await passUntil([other], () => one.up().length === 1);
    // One that is connected, one that waits for its next attempt, one within its handshake, one that was just replaced.
    const stranger = await cluster.dial(one, cluster.key(2));
    const hands: Hand[] = [];
    for (let life = 0; life < 2; life++) {
      const hand = await cluster.dial(one, cluster.key(3));
      await hand.shake();
      hands.push(hand);
    }
    one.mesh.send(Buffer.alloc(1_000_000), 1);
    const closing = Promise.all([one.mesh.close(), other.mesh.close(), one.mesh.close()]);
    await closing;
    for (const { socket } of [stranger, ...hands]) socket.destroy();
    await until(() => [stranger, ...hands].every(({ closed }) => closed));
    expect([one.timers.size, other.timers.size]).toEqual([0, 0]);
    await until(() => handles().length <= before);
    expect(one.events.filter((event) => event.endsWith('down'))).toEqual(['3 down']);
  });
});

describe('what it can not do, it says in one line', () => {
  async function failure(options: Partial<TcpOptions>): Promise<Error> {
    const key = generateKeyPair();
    return openTcpMesh(
      {
        bind: LOOPBACK,
        port: 0,
        cluster: CLUSTER,
        self: 0,
        key,
        members: [{ publicKey: key.publicKey }],
        bootstrap: [],
        bufferFrames: 10,
        log: silentLog,
        ...options,
      },
      { onMessage: () => undefined, onError: () => undefined },
    ).then(
      async (mesh) => {
        await mesh.close();
        throw new Error('it did open');
      },
      (error: unknown) => error as Error,
    );
  }

  test('a port in use', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    const { port } = server.address() as AddressInfo;
    const error = await failure({ port });
    server.close();
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe(
      `TCP port ${port} is already in use on ${LOOPBACK}; choose another one with --port`,
    );
  });

  test("an address that is not this machine's", async () => {
    const error = await failure({ bind: '192.0.2.1' });
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe('--bind: this machine does not have the address 192.0.2.1');
  });

  test.each<[RegExp, Partial<TcpOptions>]>([
    [/^--bind: /, { bind: '::1' }],
    [/^--bind: /, { bind: 'localhost' }],
    [/^the key is not that of member 0/, { key: generateKeyPair() }],
    [/^the key is not that of member 1/, { self: 1 }],
    [/^the name of a cluster /, { cluster: '' }],
    [/^the name of a cluster /, { cluster: 'x'.repeat(129) }],
    [/^--advertise: "::1" is neither /, { advertise: { host: '::1', port: 1 } }],
  ])('%s', async (message, options) => {
    const error = await failure(options);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(message);
  });
});

/** An address where nobody listens. */
async function freeAddress(): Promise<{ host: string; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return { host: LOOPBACK, port };
}
