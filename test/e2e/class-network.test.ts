/**
 * A real peer among scripted peers as students of the class wrote them: quirky, lossy and lying. Every quirk
 * was observed in an implementation of the class network.
 */
import { afterAll, beforeAll, describe, expect, it, vi, type TestContext } from 'vitest';

import { eventually, type Asker } from '../support/asker.ts';
import {
  buildChain,
  extendChain,
  flipBit,
  forkChain,
  gooseChain,
  longMessage,
  mineBlock,
  wrongPrevious,
  type PlainBlock,
} from '../support/chains.ts';
import {
  ClassPeer,
  blockFields,
  blockReply,
  claimOf,
  serveInstead,
  type ClassPeerPlan,
  type Lie,
  type Quirks,
} from '../support/class-peer.ts';
import { InnerPeer } from '../support/inner-peer.ts';
import { Lab, forgetImportedChains, type Peer } from '../support/processes.ts';
import { seededRandom } from '../support/random.ts';
import { LOOPBACK, firstFault, otherHost, type Claim } from '../support/wire.ts';

const DIFFICULTY = 2;
/** Tests wait for other processes most of the time; a stalled machine must not fail them. */
const LIMIT = 90_000;

// Most of the time these tests wait for timers of a peer, so many go on at once.
vi.setConfig({ maxConcurrency: 12 });

afterAll(forgetImportedChains);

/** Blocks with everything in them that a block may have: text beyond ASCII, control characters, full length. */
function oddBlocks(chain: readonly PlainBlock[]): PlainBlock[] {
  const plans: (readonly string[])[] = [
    ["protégé's"],
    ['<b>"quoted"</b>', '\\back\\', "it's"],
    Array.from({ length: 10 }, (_, index) => `${index}`.padEnd(20, 'x')),
    Array.from({ length: 10 }, () => 'é'.repeat(20)),
    ['日本語のブロック', '🦆'.repeat(20)],
    [''],
  ];
  let longer = [...chain];
  for (const messages of plans) longer = extendChain(longer, 1, { difficulty: DIFFICULTY, messages });
  return longer;
}

/** The chain that honest peers serve. Its sixth block and on are odd ones, the rest plain. */
const CHAIN = extendChain(oddBlocks(buildChain(6, { difficulty: DIFFICULTY })), 18, {
  difficulty: DIFFICULTY,
});
const CHAIN_CLAIM = claimOf(CHAIN);

/** A lab that ends with the test that made it, and fails it if a peer broke what it promises to everybody. */
function newLab({ onTestFinished }: TestContext): {
  lab: Lab;
  /** A peer that is not started yet, within this process. */
  newInnerPeer: () => Promise<InnerPeer>;
  addClassPeer: (plan?: Omit<ClassPeerPlan, 'subjects'>) => Promise<ClassPeer>;
} {
  const lab = new Lab();
  const classPeers: ClassPeer[] = [];
  const innerPeers: InnerPeer[] = [];
  onTestFinished(async () => {
    await lab.close();
    for (const peer of classPeers) peer.close();
    expect(innerPeers.map(({ failure }) => failure)).toEqual(innerPeers.map(() => undefined));
    const violations = classPeers.flatMap((peer) => peer.rules.violations);
    expect([...violations, ...(await lab.asker()).rules.violations]).toEqual([]);
  });
  return {
    lab,
    newInnerPeer: async () => {
      const peer = await InnerPeer.create(lab);
      innerPeers.push(peer);
      return peer;
    },
    addClassPeer: async (plan = {}) => {
      const peer = await ClassPeer.open({ ...plan, subjects: lab.subjects });
      classPeers.push(peer);
      return peer;
    },
  };
}

/** Waits until a peer has the chain, and reads all of it back. */
async function expectChain(lab: Lab, peer: Peer, chain: readonly PlainBlock[]): Promise<void> {
  const claim = claimOf(chain);
  await peer.reaches(`a chain of ${claim.height}`, ({ height, hash }) => {
    return height === claim.height && hash === claim.hash;
  });
  const blocks = await (await lab.asker()).chain(peer.port);
  expect(blocks).toEqual(chain);
  expect(firstFault(blocks, DIFFICULTY)).toBeUndefined();
}

describe.concurrent('syncs from one peer', () => {
  interface SyncCase {
    readonly title: string;
    readonly quirks: Quirks;
    /** Who knows whom at first: we join it (the default), or it joins us. */
    readonly joins?: 'us';
    /** What we start with: some quirks only matter to who has a chain already. */
    readonly own?: readonly PlainBlock[];
    /** Whether we are a process of our own. */
    readonly process?: true;
  }

  const cases: readonly SyncCase[] = [
    { title: 'that does everything right', quirks: {}, process: true },
    { title: 'that does everything right and found us', quirks: {}, joins: 'us', process: true },
    // How peers are found.
    { title: 'that writes GOSSIP-REPLY', quirks: { gossipReply: 'hyphen', mute: true } },
    { title: 'that writes "post" for "port"', quirks: { gossipReply: 'post', mute: true } },
    { title: 'that names us in its GOSSIP_REPLY', quirks: { gossipReply: 'names-recipient' } },
    { title: 'that replies to gossip where it came from', quirks: { gossipReply: 'to-sender', mute: true } },
    { title: 'that never replies to gossip', quirks: { gossipReply: 'none' }, joins: 'us' },
    { title: 'that gossips with one id for ever', quirks: { gossipId: 'constant' }, joins: 'us' },
    { title: 'that gossips without id', quirks: { gossipId: 'missing' }, joins: 'us' },
    { title: 'that gossips with integer ids', quirks: { gossipId: 'integer' }, joins: 'us' },
    { title: 'that writes its port as text', quirks: { textPort: true, gossipReply: 'none' }, joins: 'us' },
    // STATS.
    { title: 'whose STATS_REPLY has no type', quirks: { statsReply: 'untyped' } },
    { title: 'whose height is text', quirks: { statsReply: 'text-height' } },
    { title: 'whose height is a float', quirks: { statsReply: 'float-height' } },
    { title: 'whose height is one too low', quirks: { statsReply: 'off-by-one' } },
    { title: 'that tells its STATS to everybody', quirks: { statsReply: 'to-all' } },
    { title: 'that is "doing conensus" at first', quirks: { busyStats: 'doing-consensus' } },
    { title: 'that answers STATS with a message at first', quirks: { busyStats: 'message' } },
    { title: 'that answers STATS with null at first', quirks: { busyStats: 'null' } },
    { title: 'that does not answer STATS at first', quirks: { busyStats: 'silent' } },
    // GET_BLOCK.
    { title: 'whose blocks have no type', quirks: { blockType: 'none' } },
    { title: 'whose blocks are typed ANNOUNCE', quirks: { blockType: 'ANNOUNCE' } },
    { title: 'whose blocks have heights in text', quirks: { blockHeight: 'text' } },
    { title: 'whose blocks have floats as heights', quirks: { blockHeight: 'float' } },
    { title: 'whose nonces are integers', quirks: { nonce: 'integer' } },
    { title: 'whose timestamps are floats', quirks: { timestamp: 'float' } },
    { title: 'whose timestamps are text', quirks: { timestamp: 'text' } },
    { title: 'that writes mined_by', quirks: { minerKey: 'mined_by' } },
    { title: 'that writes "minedBy:"', quirks: { minerKey: 'minedBy:' } },
    { title: 'that adds keys to everything', quirks: { extraKeys: true } },
    { title: 'that escapes all beyond ASCII', quirks: { asciiJson: true } },
    { title: 'that does not serve block 0', quirks: { withoutGenesis: true }, own: CHAIN.slice(0, 3) },
    { title: 'that answers unknown blocks with "None"', quirks: { unknownBlock: 'None' } },
    // The network between.
    { title: 'that replies from other ports', quirks: { ephemeralReplies: true } },
    { title: 'that says everything three times', quirks: { copies: 3 } },
    { title: 'that is slow', quirks: { delay: 300 } },
    { title: 'that loses half of all datagrams', quirks: { loss: 0.5 } },
  ];

  it.for(cases)('$title', { timeout: LIMIT }, async ({ quirks, joins, own, ...how }, context) => {
    const { lab, newInnerPeer, addClassPeer } = newLab(context);
    const peer = how.process ? await lab.newPeer() : await newInnerPeer();
    if (own !== undefined) await lab.importChain(peer, own, DIFFICULTY);
    const other = await addClassPeer({ chain: CHAIN, quirks, join: joins === 'us' ? [peer] : [] });
    await peer.start({ difficulty: DIFFICULTY, join: joins === 'us' ? [] : [other] });
    await expectChain(lab, peer, CHAIN);
  });

  it(
    'that never serves block 0 as far as that goes: not at all, and lives',
    async (context) => {
      const { lab, newInnerPeer, addClassPeer } = newLab(context);
      const other = await addClassPeer({
        chain: CHAIN,
        quirks: { withoutGenesis: true, unknownBlock: 'silent' },
      });
      const peer = await newInnerPeer();
      await peer.start({ difficulty: DIFFICULTY, join: [other] });
      await eventually('it asked for the genesis again and again', () => other.count('GET_BLOCK') >= 3);
      expect(await peer.stats()).toEqual({ height: 0, hash: null });
      // And takes the chain from the next who has it.
      await addClassPeer({ chain: CHAIN, join: [peer] });
      await expectChain(lab, peer, CHAIN);
    },
    LIMIT,
  );
});

/** Lies told on top of a true chain: all of them claim to be longer than it. */
const LIES: readonly { readonly title: string; readonly lie: (chain: readonly PlainBlock[]) => Lie }[] = [
  {
    title: 'a longer chain whose tip misses the difficulty',
    lie: (chain) => {
      const goose = gooseChain(chain, 20, DIFFICULTY);
      return serveInstead(goose, goose);
    },
  },
  {
    title: 'a longer chain that is never served',
    lie: (chain) => ({
      claim: { height: chain.length + 50, hash: `${'5'.repeat(62)}00` },
      serve: () => undefined,
    }),
  },
  {
    title: 'a longer chain of which only nulls are served',
    lie: (chain) => ({
      claim: { height: chain.length + 40, hash: `${'6'.repeat(62)}00` },
      serve: () => blockReply(undefined),
    }),
  },
  {
    title: 'a longer chain with one bit flipped in it',
    lie: (chain) => {
      const longer = extendChain(chain, 10, { difficulty: DIFFICULTY, minedBy: 'flip' });
      return serveInstead(longer, flipBit(longer, chain.length + 4));
    },
  },
  {
    title: 'a longer fork with one bit flipped in it',
    lie: (chain) => {
      const fork = forkChain(chain, 2, chain.length + 12, { difficulty: DIFFICULTY, minedBy: 'fork' });
      return serveInstead(fork, flipBit(fork, 5));
    },
  },
  {
    title: 'a longer chain with a block from elsewhere in it',
    lie: (chain) => {
      const longer = extendChain(chain, 8, { difficulty: DIFFICULTY, minedBy: 'elsewhere' });
      return serveInstead(longer, wrongPrevious(longer, chain.length + 2, DIFFICULTY));
    },
  },
  {
    title: 'a longer chain with a message of 21 characters',
    lie: (chain) => {
      const longer = longMessage(
        extendChain(chain, 9, { difficulty: DIFFICULTY, minedBy: 'long' }),
        chain.length,
        DIFFICULTY,
      );
      return serveInstead(longer, longer);
    },
  },
  {
    // A chain that is valid and longer than ours would be no lie, whatever its hash was said to be.
    title: 'a longer chain, but serves the blocks of another, no longer than ours',
    lie: (chain) => {
      const claimed = extendChain(chain, 7, { difficulty: DIFFICULTY, minedBy: 'claimed' });
      return serveInstead(claimed, buildChain(chain.length, { difficulty: DIFFICULTY, minedBy: 'another' }));
    },
  },
  {
    title: 'a longer chain, but mixes the blocks of two',
    lie: (chain) => {
      const claimed = extendChain(chain, 7, { difficulty: DIFFICULTY, minedBy: 'claimed' });
      const other = buildChain(claimed.length, { difficulty: DIFFICULTY, minedBy: 'another' });
      return serveInstead(
        claimed,
        claimed.map((block, height) => (height % 3 === 2 ? (other[height] ?? block) : block)),
      );
    },
  },
  {
    title: 'a chain of impossible length',
    lie: () => ({
      claim: { height: 2 ** 53, hash: `${'7'.repeat(62)}00` },
      serve: () => blockReply(undefined),
    }),
  },
  {
    title: 'a longer chain and serves garbage',
    lie: (chain) => ({
      claim: { height: chain.length + 30, hash: `${'8'.repeat(62)}00` },
      serve: (height) =>
        [
          'garbage',
          '[]',
          new Uint8Array([0xff, 0xfe, 0]),
          `{"type":"GET_BLOCK_REPLY","height":${height},"hash":[],"messages":{},"minedBy":1,"nonce":null,"timestamp":-1}`,
        ][height % 4],
    }),
  },
];

/** What can be wrong with some of those who claim the true chain, while together they have all of it. */
const GROUPS: readonly {
  readonly title: string;
  readonly plans: readonly Omit<ClassPeerPlan, 'subjects'>[];
}[] = [
  {
    title: 'one withholds the even blocks and one the odd ones, both silently',
    plans: [
      {
        lie: {
          claim: CHAIN_CLAIM,
          serve: (height) => (height % 2 === 1 ? blockReply(CHAIN[height]) : undefined),
        },
      },
      {
        lie: {
          claim: CHAIN_CLAIM,
          serve: (height) => (height % 2 === 0 ? blockReply(CHAIN[height]) : undefined),
        },
      },
    ],
  },
  {
    title: 'one withholds the even blocks and one the odd ones, both with nulls',
    plans: [
      {
        lie: {
          claim: CHAIN_CLAIM,
          serve: (height) => blockReply(height % 2 === 1 ? CHAIN[height] : undefined),
        },
      },
      {
        lie: {
          claim: CHAIN_CLAIM,
          serve: (height) => blockReply(height % 2 === 0 ? CHAIN[height] : undefined),
        },
      },
    ],
  },
  {
    title: 'two of three never serve anything',
    plans: [
      { lie: { claim: CHAIN_CLAIM, serve: () => undefined } },
      { lie: { claim: CHAIN_CLAIM, serve: () => undefined } },
      { chain: CHAIN },
    ],
  },
  {
    title: 'two of three serve altered blocks',
    plans: [
      { lie: serveInstead(CHAIN, flipBit(flipBit(flipBit(CHAIN, 3), 9), 20)) },
      { lie: serveInstead(CHAIN, flipBit(flipBit(CHAIN, 0), 29)) },
      { chain: CHAIN },
    ],
  },
  {
    title: 'one serves the blocks of another chain, quickest of all',
    plans: [
      { lie: serveInstead(CHAIN, buildChain(CHAIN.length, { difficulty: DIFFICULTY, minedBy: 'quick' })) },
      { chain: CHAIN, quirks: { delay: 60 } },
      { chain: CHAIN, quirks: { delay: 90 } },
    ],
  },
];

describe.concurrent('syncs from several peers of which', () => {
  it.for(
    GROUPS.flatMap(({ title, plans }) => [
      { title: `${title} (on one machine)`, plans, apart: false },
      { title: `${title} (on several machines)`, plans, apart: true },
    ]),
  )('$title', { timeout: LIMIT }, async ({ plans, apart }, context) => {
    const { lab, newInnerPeer, addClassPeer } = newLab(context);
    const others: ClassPeer[] = [];
    for (const [index, plan] of plans.entries())
      others.push(await addClassPeer({ ...plan, host: apart ? await otherHost(index) : LOOPBACK }));
    const peer = await newInnerPeer();
    await peer.start({ difficulty: DIFFICULTY, join: others });
    await expectChain(lab, peer, CHAIN);
  });
});

/** The lie that is told by the peer with all bad manners at once: a fork with a bit flipped. */
const WORST = 4;

describe.concurrent('keeps its own valid chain', () => {
  it.for(LIES)('from a liar alone: $title', { timeout: LIMIT }, async ({ lie }, context) => {
    const { lab, newInnerPeer, addClassPeer } = newLab(context);
    const own = CHAIN.slice(0, 10);
    const liar = await addClassPeer({ lie: lie(own) });
    const peer = await newInnerPeer();
    await lab.importChain(peer, own, DIFFICULTY);
    await peer.start({ difficulty: DIFFICULTY, join: [liar] });
    await eventually('the liar was asked in several rounds', async () => {
      expect(await peer.stats()).toEqual(claimOf(own));
      return liar.count('STATS') >= 3;
    });
    await expectChain(lab, peer, own);
  });

  it(
    'among all liars at once, and then still follows who is honest',
    async (context) => {
      const { lab, addClassPeer } = newLab(context);
      const own = CHAIN.slice(0, 10);
      const liars: ClassPeer[] = [];
      for (const [index, { lie }] of LIES.entries())
        liars.push(await addClassPeer({ lie: lie(own), host: await otherHost(index) }));
      const peer = await lab.newPeer();
      await lab.importChain(peer, own, DIFFICULTY);
      await peer.start({ difficulty: DIFFICULTY, join: liars });
      await eventually('every liar was asked in several rounds', async () => {
        expect(await peer.stats()).toEqual(claimOf(own));
        return liars.every((liar) => liar.count('STATS') >= 2);
      });
      const longer = extendChain(own, 5, { difficulty: DIFFICULTY, minedBy: 'honest' });
      await addClassPeer({ chain: longer, join: [peer] });
      await expectChain(lab, peer, longer);
    },
    LIMIT,
  );
});

describe.concurrent('in a network', () => {
  it(
    'ends on the longest valid chain, serves it and follows it, among the lossy, the lying and the quirky',
    async (context) => {
      const { lab, addClassPeer } = newLab(context);
      const honest: ClassPeer[] = [];
      const quirks: Quirks[] = [
        { gossipReply: 'hyphen', statsReply: 'untyped', unknownBlock: 'None' },
        { ephemeralReplies: true, nonce: 'integer', timestamp: 'float', blockType: 'none' },
        { gossipId: 'constant', statsReply: 'text-height', extraKeys: true, copies: 2, delay: 20 },
        { gossipReply: 'post', loss: 0.2, blockType: 'ANNOUNCE', unknownBlock: 'silent' },
      ];
      let machines = 0;
      for (const one of quirks) {
        const host = await otherHost(++machines);
        honest.push(await addClassPeer({ chain: CHAIN, quirks: one, seed: machines, host }));
      }
      // Some lag, one is on a shorter fork of its own.
      await addClassPeer({ chain: CHAIN.slice(0, 7), join: honest, host: await otherHost(++machines) });
      const fork = forkChain(CHAIN, 4, 20, { difficulty: DIFFICULTY, minedBy: 'lonely' });
      await addClassPeer({ chain: fork, join: honest, host: await otherHost(++machines) });
      // The worst of all loses half of everything, replies from other ports, and lies; others only lie.
      for (const [index, { lie }] of LIES.entries()) {
        await addClassPeer({
          lie: lie(CHAIN),
          quirks: index === WORST ? { loss: 0.5, ephemeralReplies: true } : {},
          join: honest,
          host: await otherHost(++machines),
        });
      }
      const [first] = honest;
      if (first === undefined) throw new Error('nobody is honest');
      const peer = await lab.startPeer({ difficulty: DIFFICULTY, join: [first] });

      const truths = new Set([...CHAIN, ...fork].map((block) => block.hash));
      const isTrue = ({ hash }: Claim): boolean => hash === null || truths.has(hash);
      await peer.reaches('the longest valid chain', (claim) => {
        expect(claim).toSatisfy(isTrue);
        return claim.height === CHAIN_CLAIM.height && claim.hash === CHAIN_CLAIM.hash;
      });
      await expectChain(lab, peer, CHAIN);

      // It follows: all honest peers get a block, one of them tells.
      const longer = extendChain(CHAIN, 1, { difficulty: DIFFICULTY, minedBy: 'news' });
      for (const other of honest) other.chain = longer;
      const news = longer.at(-1);
      if (news !== undefined) first.announce(news, [peer]);
      await expectChain(lab, peer, longer);
    },
    LIMIT,
  );

  it(
    'takes announced blocks in every spelling and passes them on, as text nonces, to all others',
    async (context) => {
      const { lab, addClassPeer } = newLab(context);
      const peer = await lab.newPeer();
      let chain = CHAIN.slice(0, 4);
      await lab.importChain(peer, chain, DIFFICULTY);
      await peer.start({ difficulty: DIFFICULTY });
      const listener = await addClassPeer({ chain, join: [peer] });
      const spellings: Quirks[] = [
        {},
        { nonce: 'integer' },
        { timestamp: 'float' },
        { timestamp: 'text' },
        { blockHeight: 'text' },
        { blockHeight: 'float' },
        { extraKeys: true },
        { minerKey: 'mined_by' },
      ];
      for (const quirks of spellings) {
        const teller = await addClassPeer({ chain, quirks, join: [peer] });
        await eventually('they know each other', () => teller.knows(peer));
        chain = extendChain(chain, 1, { difficulty: DIFFICULTY, minedBy: 'teller' });
        const block = chain.at(-1);
        if (block === undefined) throw new Error('no block');
        // Told again until it is taken: nobody promises that a datagram arrives.
        await eventually(`the block is taken from ${JSON.stringify(quirks)}`, async () => {
          teller.announce(block, [peer]);
          return (await peer.stats()).hash === block.hash;
        });
        await eventually('the block was passed on', () =>
          listener.announced.some(({ hash }) => hash === block.hash),
        );
        expect(listener.announced.find(({ hash }) => hash === block.hash)).toEqual(block);
        // It takes it: who does not take a block is not told of the next.
        listener.chain = chain;
      }
      expect(await (await lab.asker()).chain(peer.port)).toEqual(chain);
    },
    LIMIT,
  );

  it(
    'does not take, or pass on, an announced block that is false',
    async (context) => {
      const { lab, addClassPeer } = newLab(context);
      const own = CHAIN.slice(0, 5);
      const peer = await lab.newPeer();
      await lab.importChain(peer, own, DIFFICULTY);
      await peer.start({ difficulty: DIFFICULTY });
      const listener = await addClassPeer({ chain: own, join: [peer] });
      await eventually('they know each other', () => listener.count('STATS') > 0);
      const asker = await lab.asker();
      const good = mineBlock(own.at(-1) ?? null, { difficulty: DIFFICULTY, minedBy: 'last' });
      const goose = gooseChain(own, 1, DIFFICULTY).at(-1) ?? good;
      const stranger = wrongPrevious([...own, good], 5, DIFFICULTY).at(-1) ?? good;
      const long = longMessage([...own, good], 5, DIFFICULTY).at(-1) ?? good;
      const announce = (block: object): void => {
        asker.send(peer.port, { type: 'ANNOUNCE', ...block });
      };
      for (const block of [goose, stranger, long, { ...good, messages: ['altered'] }]) announce(block);
      announce({ ...good, timestamp: undefined });
      announce({ ...good, height: 4 });
      announce({ ...good, hash: good.hash.toUpperCase() });
      announce({ ...good, messages: [] });
      announce({ ...good, nonce: null });
      expect(await peer.stats()).toEqual(claimOf(own));
      // The true one, sent last, shows that the others had their turn.
      await eventually('the true block is taken', async () => {
        announce(good);
        return (await peer.stats()).hash === good.hash;
      });
      await eventually('the true block was passed on', () => listener.announced.length > 0);
      expect(new Set(listener.announced.map(({ hash }) => hash))).toEqual(new Set([good.hash]));
      expect(listener.announced[0]).toEqual(good);
    },
    LIMIT,
  );

  it(
    'catches up when a block far ahead is announced',
    async (context) => {
      const { lab, other, peer } = await behind(context);
      const tip = CHAIN.at(-1);
      await eventually('it caught up', async () => {
        if (tip !== undefined) other.announce(tip, [peer]);
        return (await peer.stats()).height === CHAIN.length;
      });
      await expectChain(lab, peer, CHAIN);
    },
    LIMIT,
  );

  it(
    'starts a consensus when told to',
    async (context) => {
      const { lab, peer } = await behind(context);
      const asker = await lab.asker();
      await eventually('it moved', async () => {
        asker.send(peer.port, { type: 'CONSENSUS' });
        return (await peer.stats()).height === CHAIN.length;
      });
      await expectChain(lab, peer, CHAIN);
    },
    LIMIT,
  );

  it(
    'keeps blocks that are announced while it syncs',
    async (context) => {
      const { lab, addClassPeer } = newLab(context);
      const chain = buildChain(300, { difficulty: DIFFICULTY });
      const other = await addClassPeer({ chain: chain.slice(0, 298), quirks: { delay: 50 } });
      // No later round brings what was missed.
      const peer = await lab.newPeer();
      const started = peer.start({
        difficulty: DIFFICULTY,
        join: [other],
        extra: ['--consensus-interval', '3600'],
      });
      await eventually('the sync is under way', () => other.count('GET_BLOCK') > 30);
      for (const block of chain.slice(298)) other.announce(block, [peer]);
      await started;
      await expectChain(lab, peer, chain);
    },
    LIMIT,
  );

  it(
    'is killed while it syncs, again and again, and ends with the chain',
    async (context) => {
      const { lab, addClassPeer } = newLab(context);
      const chain = buildChain(1500, { difficulty: DIFFICULTY });
      const own = forkChain(chain, 3, 40, { difficulty: DIFFICULTY, minedBy: 'own' });
      const other = await addClassPeer({ chain, quirks: { delay: 10 } });
      const peer = await lab.newPeer();
      await lab.importChain(peer, own, DIFFICULTY);
      const random = seededRandom(4);
      for (let round = 0; round < 4; round++) {
        const before = other.count('GET_BLOCK');
        const share = 100 + random() * 1300;
        await peer.start({ difficulty: DIFFICULTY, join: [other] });
        // It has its own chain or the new one, whole: nothing between.
        const tips = [own, chain].map((one) => claimOf(one).hash);
        await eventually('the sync is well under way or over', async () => {
          const { hash } = await peer.stats();
          expect(tips).toContain(hash);
          return other.count('GET_BLOCK') > before + share || hash === tips[1];
        });
        await peer.kill9();
      }
      await peer.start({ difficulty: DIFFICULTY, join: [other] });
      await expectChain(lab, peer, chain);
    },
    LIMIT,
  );

  it(
    'at equal length follows the majority',
    async (context) => {
      const { lab, addClassPeer } = newLab(context);
      const own = forkChain(CHAIN, 6, 10, { difficulty: DIFFICULTY, minedBy: 'minority' });
      const theirs = CHAIN.slice(0, 10);
      const peer = await lab.newPeer();
      await lab.importChain(peer, own, DIFFICULTY);
      const others: ClassPeer[] = [];
      for (let count = 0; count < 3; count++) others.push(await addClassPeer({ chain: theirs }));
      await peer.start({ difficulty: DIFFICULTY, join: others });
      await expectChain(lab, peer, theirs);
    },
    LIMIT,
  );

  it(
    'passes a gossip on unchanged, once, and replies to whom it names',
    async (context) => {
      const { lab, addClassPeer } = newLab(context);
      const peer = await lab.startPeer({ difficulty: DIFFICULTY });
      const asker = await lab.asker();
      const origin = await addClassPeer({ quirks: { mute: true } });
      const gossip = {
        type: 'GOSSIP',
        host: LOOPBACK,
        port: origin.port,
        id: 'the-only-one',
        name: 'é <b>',
        more: [1],
      };
      const copies: unknown[] = [];
      const messenger = await lab.newAsker();
      void asker.next((message) => {
        if (message['type'] === 'GOSSIP' && message['id'] === gossip.id) copies.push(message);
        return false;
      }, LIMIT);
      await eventually('it was passed on', () => {
        messenger.send(peer.port, gossip);
        return copies.length > 0;
      });
      await eventually('the origin was answered', () => origin.count('GOSSIP_REPLY') > 0);
      for (let count = 0; count < 5; count++) messenger.send(peer.port, gossip);
      // Whatever those caused has gone out before the answer to what is asked after them.
      await messenger.stats(peer.port);
      await peer.stats();
      expect(copies).toEqual([gossip]);
    },
    LIMIT,
  );
});

describe('while it has no chain', () => {
  it(
    'says so in STATS with height 0, and has no block',
    async (context) => {
      const { lab } = newLab(context);
      const peer = await lab.startPeer({ difficulty: DIFFICULTY });
      const asker = await lab.asker();
      const isStats = (message: object): boolean => 'type' in message && message.type === 'STATS_REPLY';
      expect(await asker.ask(peer.port, { type: 'STATS' }, isStats)).toEqual({
        type: 'STATS_REPLY',
        height: 0,
        hash: null,
      });
      expect(
        await asker.ask(peer.port, { type: 'GET_BLOCK', height: 0 }, (message) => message['height'] === null),
      ).toEqual(NO_BLOCK);
    },
    LIMIT,
  );
});

const NO_BLOCK = {
  type: 'GET_BLOCK_REPLY',
  hash: null,
  height: null,
  messages: null,
  minedBy: null,
  nonce: null,
  timestamp: null,
};

describe('odd datagrams', () => {
  const own = CHAIN.slice(0, 12);
  const lab = new Lab();
  let peer: Peer;
  let asker: Asker;
  let sender: Asker;
  let listener: ClassPeer;

  beforeAll(async () => {
    peer = await lab.newPeer();
    await lab.importChain(peer, own, DIFFICULTY);
    await peer.start({ difficulty: DIFFICULTY });
    asker = await lab.asker();
    sender = await lab.newAsker();
    listener = await ClassPeer.open({ chain: own, join: [peer], subjects: lab.subjects });
    lab.onClose(() => {
      listener.close();
    });
  }, LIMIT);

  afterAll(async () => {
    await lab.close();
    expect([asker, sender, listener].flatMap(({ rules }) => rules.violations)).toEqual([]);
  });

  const block = { type: 'ANNOUNCE', ...blockFields(mineBlock(CHAIN[11] ?? null, { difficulty: 0 })) };
  const gossip = { type: 'GOSSIP', host: LOOPBACK, port: 9, id: 'odd', name: 'odd' };
  /** All that is sent in one go for a title; objects as JSON, the rest as it is. */
  const datagrams: Readonly<Record<string, readonly (object | string | Uint8Array)[]>> = {
    'no bytes': [''],
    'a word': ['goose'],
    'half an object': ['{"type":"STATS"'],
    'two objects': ['{"type":"STATS"}{"type":"STATS"}'],
    HTML: ['<html><script>alert(1)</script></html>'],
    'null, true and a number': ['null', 'true', '8', '-0', '1e999'],
    'a text': ['"STATS"'],
    'JSON in JSON': [JSON.stringify(JSON.stringify({ type: 'STATS' }))],
    arrays: ['[]', '[{"type":"STATS"}]', '["STATS"]'],
    'an empty object': ['{}'],
    'types that are none': [
      { type: null },
      { type: 1 },
      { type: {} },
      { type: ['STATS'] },
      { type: 'stats' },
      { type: 'HELLO' },
      { type: '__proto__' },
      { type: 'constructor' },
      { type: 'toString' },
    ],
    'invalid UTF-8': [
      new Uint8Array([0xff, 0xfe, 0xfd]),
      Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xc3]), Buffer.from('"}')]),
      Buffer.from('{"type":"STATS"}', 'utf16le'),
    ],
    'lone surrogates': [
      '{"type":"\\ud800"}',
      `{"type":"ANNOUNCE","height":12,"hash":"${'0'.repeat(64)}","minedBy":"\\udc00","messages":["\\ud83e"],"nonce":"\\ud800","timestamp":1}`,
      '{"type":"GOSSIP","host":"127.0.0.1","port":9,"id":"\\ud800","name":"\\ud800"}',
    ],
    'keys that reach for prototypes': [
      '{"__proto__":{"type":"STATS"},"constructor":{"prototype":{"type":"x"}}}',
      '{"type":"GOSSIP","host":"__proto__","port":9,"id":"__proto__","name":"__proto__"}',
      '{"type":"GOSSIP","host":"127.0.0.1","port":9,"id":"constructor","name":"x","__proto__":{"polluted":1}}',
      '{"type":"NEW_WORD","word":"__proto__","__proto__":[]}',
    ],
    'deep nesting': [
      '['.repeat(30_000),
      `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
      `${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}`,
      `{"type":"STATS_REPLY","height":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    ],
    '60 KB': [
      'x'.repeat(60_000),
      { type: 'NEW_WORD', word: 'w'.repeat(60_000) },
      { ...block, messages: Array.from({ length: 10_000 }, () => 'm') },
      { ...gossip, name: 'n'.repeat(60_000) },
      `{"type":"GET_BLOCK","height":${'9'.repeat(60_000)}}`,
    ],
    'gossip without what it needs': [
      { type: 'GOSSIP' },
      { ...gossip, host: undefined },
      { ...gossip, port: undefined },
      { ...gossip, id: undefined },
      { ...gossip, name: undefined },
      { type: 'GOSSIP_REPLY' },
      { type: 'GOSSIP_REPLY', host: LOOPBACK },
    ],
    'gossip with impossible addresses': [
      ...[0, -1, 65_536, 1.5, null, '', 'x', [], 1e300].map((port) => ({
        ...gossip,
        port,
        id: `odd ${JSON.stringify(port)}`,
      })),
      ...[
        '',
        ' ',
        '0.0.0.0',
        '255.255.255.255',
        '224.0.0.1',
        'no such host',
        'a'.repeat(300),
        '::',
        null,
        5,
      ].map((host) => ({ ...gossip, host, id: `odd host ${JSON.stringify(host)}` })),
    ],
    'GET_BLOCK for impossible heights': [
      ...['x', '', -1, 1.5, null, [], {}, true, 1e300, 2 ** 53, -0, 12, 1e9].map((height) => ({
        type: 'GET_BLOCK',
        height,
      })),
      { type: 'GET_BLOCK' },
      '{"type":"GET_BLOCK","height":12345678901234567890123}',
    ],
    'STATS_REPLY with anything': [
      ...[null, 'x', -1, 1.5, [], 1e300, 2 ** 53 - 1].map((height) => ({
        type: 'STATS_REPLY',
        height,
        hash: '0'.repeat(64),
      })),
      ...[null, '', '0'.repeat(63), 'z'.repeat(64), 0, [], 'F'.repeat(62) + '00'].map((hash) => ({
        type: 'STATS_REPLY',
        height: 5,
        hash,
      })),
      { type: 'STATS_REPLY' },
    ],
    'GET_BLOCK_REPLY nobody asked for': [
      { type: 'GET_BLOCK_REPLY' },
      {
        type: 'GET_BLOCK_REPLY',
        ...blockFields(mineBlock(null, { difficulty: DIFFICULTY, minedBy: 'odd' })),
      },
      { ...noBlockFields('None'), type: 'GET_BLOCK_REPLY' },
      { ...noBlockFields(null), type: 'GET_BLOCK_REPLY' },
    ],
    'ANNOUNCE with wrong types': [
      { type: 'ANNOUNCE' },
      { ...block, messages: 'text' },
      { ...block, messages: [1, null] },
      { ...block, messages: {} },
      { ...block, nonce: {} },
      { ...block, nonce: 1.5 },
      { ...block, nonce: 'n'.repeat(1000) },
      { ...block, minedBy: null },
      { ...block, minedBy: 'm'.repeat(50_000) },
      { ...block, timestamp: -1 },
      { ...block, timestamp: 'soon' },
      { ...block, hash: null },
      { ...block, height: -1 },
      { ...block, height: 1e300 },
      `{"type":"ANNOUNCE","height":12,"hash":"${'0'.repeat(64)}","minedBy":"m","messages":["a"],"nonce":"1","timestamp":99999999999999999999999}`,
    ],
    'NEW_WORD with what is no word': [
      { type: 'NEW_WORD' },
      ...[null, 1, [], {}, '', 'x'.repeat(21), '\u0000', '\u202e'].map((word) => ({
        type: 'NEW_WORD',
        word,
      })),
    ],
    'CONSENSUS, twenty times': Array.from({ length: 20 }, () => ({ type: 'CONSENSUS' })),
  };

  it.for(Object.entries(datagrams))('survives %s', { timeout: LIMIT }, async ([, odd]) => {
    for (const one of odd)
      sender.send(
        peer.port,
        typeof one === 'string' || one instanceof Uint8Array ? one : (one as Record<string, unknown>),
      );
    expect(await asker.stats(peer.port)).toEqual(claimOf(own));
    expect(await asker.block(peer.port, 11)).toEqual(own[11]);
    expect(peer.alive).toBe(true);
  });

  it(
    'are answered, if at all, with no more than the protocol has',
    async () => {
      const answers: unknown[] = [];
      void sender.next((message) => {
        if (message['type'] === 'GET_BLOCK_REPLY') answers.push(message);
        return false;
      }, LIMIT);
      for (const height of [-1, 12, 'x', null, 1e300])
        await sender.ask(peer.port, { type: 'GET_BLOCK', height }, (message) => message['height'] === null);
      for (const answer of answers) expect(answer).toEqual(NO_BLOCK);
      expect(answers.length).toBeGreaterThanOrEqual(5);
    },
    LIMIT,
  );
});

/** The six fields of a block, all with one value. */
function noBlockFields(value: unknown): object {
  return { hash: value, height: value, messages: value, minedBy: value, nonce: value, timestamp: value };
}
/** A peer that took five blocks from a class peer, which has the whole chain by now. */
async function behind(context: TestContext): Promise<{ lab: Lab; other: ClassPeer; peer: Peer }> {
  const { lab, addClassPeer } = newLab(context);
  const other = await addClassPeer({ chain: CHAIN.slice(0, 5) });
  const peer = await lab.startPeer({
    difficulty: DIFFICULTY,
    join: [other],
    // Its own rounds are too far apart to explain a catching up.
    extra: ['--consensus-interval', '3600'],
  });
  await expectChain(lab, peer, CHAIN.slice(0, 5));
  other.chain = CHAIN;
  return { lab, other, peer };
}
