/**
 * Byzantine nodes of the proof-of-work network. Each is a true node whose messages pass through the hands of somebody
 * who means ill, so that it is known, answers, and is believed as long as it deserves it.
 */
import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import type { WorkTemplate } from '../../../../shared/work.ts';
import type { Chain } from '../protocol/chain.ts';
import type { PowMessage, StatsReply } from '../protocol/messages.ts';
import type { PowEngine } from '../protocol/pow.ts';
import type { Chance } from '../../../simulator/chance.ts';
import type { Body as AnyBody, Corruption as AnyCorruption } from '../../../simulator/subject.ts';
import type { PowTypes } from '../protocol/types.ts';

type Body = AnyBody<PowTypes>;
type Corruption = AnyCorruption<PowTypes>;

/** What Byzantine nodes of this network need besides their bodies. */
export interface Means {
  readonly difficulty: number;
  /** Finds a valid block, as a miner would. */
  find: (template: WorkTemplate) => Block;
  /** The node's own engine, while it runs. */
  engine: () => PowEngine | undefined;
  /** What the node has stored. */
  chain: () => Chain;
  /** Whether the node is not to get this copy of a block, although nothing is lost. */
  misses: (block: Block) => boolean;
}

/** A kind of node that is not as ours are. */
export interface Actor {
  readonly description: string;
  corrupt(body: Body, means: Means): Corruption;
}

/** Milliseconds in a second. */
const SECOND = 1_000;
/** Mean time between two datagrams of a node that floods, in milliseconds. */
const FLOOD_INTERVAL = 100;
/** Mean time between datagrams that each have others gossip of somebody who gets all their news from then on. */
const GOSSIP_INTERVAL = 5 * SECOND;
/** Blocks of the chain that nobody else has. */
const OTHER_CHAIN = 30;
/** Hosts that an eclipsing node has, and one of its own ports on them on which it speaks to everybody. */
const INVENTED_HOSTS = 64;
const INVENTED_PORT = 8_000;
/**
 * Peers that an eclipsing node claims to be, and others that it claims to know, when it lays siege to a node: more than
 * there is room for, so that they push each other out as well.
 */
const SPEAKERS = 1_024;
const STRANGERS = 512;
/** Hosts that introduce strangers: as few as can introduce more than there is room for. */
const INTRODUCERS = 8;
/** Share of the questions for its chain, of as many peers as it is, that it answers: enough for any majority. */
const VOUCHING_SHARE = 0.2;
/** How many peers are introduced at a time, and how often in milliseconds: slowly enough to be accepted. */
const SIEGE_VOLLEY = 10;
const SIEGE_STEP = 200;
/**
 * The first siege comes within this time after a start, the next ones at intervals of that mean, in milliseconds. They
 * are rare because a node that is besieged announces every block to a thousand peers.
 */
const FIRST_SIEGE = 300 * SECOND;
const SIEGE_INTERVAL = 1_800 * SECOND;
/** Blocks that a selfish miner withholds at most. */
const MAX_SECRET = 50;

/** A hash of nothing, with the zeros that the network wants. */
function forgedHash(chance: Chance, difficulty: number): string {
  const digits = Array.from({ length: 64 - difficulty }, () => (1 + chance.below(15)).toString(16));
  return digits.join('') + '0'.repeat(difficulty);
}

/** A block with one bit of its first message changed. */
function flipped(block: Block, chance: Chance): Block {
  const [first = '', ...rest] = block.messages;
  const place = chance.below(Math.max(1, first.length));
  const changed = String.fromCharCode((first.charCodeAt(place) || 64) ^ 1);
  return { ...block, messages: [first.slice(0, place) + changed + first.slice(place + 1), ...rest] };
}

/** Changes what its engine sends; undefined stands for nothing. */
function changing(body: Body, change: (message: PowMessage) => PowMessage | undefined): Corruption {
  return {
    onSend(to, message) {
      const changed = change(message);
      if (changed !== undefined) body.send(to, changed);
    },
  };
}

/** Somebody to pester. */
function anybody(body: Body): Address {
  return body.chance.pick(body.others());
}

/** Valid blocks on top of each other, from the genesis on, that are in nobody's chain. */
function otherChain(means: Means, length: number): Block[] {
  const blocks: Block[] = [];
  while (blocks.length < length) {
    const { difficulty } = means;
    const previousHash = blocks.at(-1)?.hash ?? '';
    const place = { height: blocks.length, previousHash, messages: ['other'], minedBy: 'other', difficulty };
    blocks.push(means.find(place));
  }
  return blocks;
}

function eachStats(message: PowMessage, change: (reply: StatsReply) => StatsReply): PowMessage {
  return message.type === 'STATS_REPLY' ? change(message) : message;
}

/** A peer that is introduced, and who introduces it. */
interface Rumour {
  readonly peer: Address;
  readonly from: Address;
}

/** Peers on these hosts: first those that speak for themselves, then those that only some of the hosts introduce. */
function crowd(hosts: readonly string[]): Rumour[] {
  const at = (index: number, port: number): Address => ({ host: hosts[index % hosts.length] ?? '', port });
  const speakers = Array.from({ length: SPEAKERS }, (_, index) => {
    const peer = at(index, INVENTED_PORT + Math.floor(index / hosts.length));
    return { peer, from: peer };
  });
  const strangers = Array.from({ length: STRANGERS }, (_, index) => ({
    // Never on the host of who introduces it: that would be as good as its own word.
    peer: at(index + 1, 2 * INVENTED_PORT + Math.floor(index / hosts.length)),
    from: at(index % INTRODUCERS, INVENTED_PORT),
  }));
  return [...speakers, ...strangers];
}

/** Introduces so many others to a node, a few at a time: with GOSSIP_REPLYs, which nobody answers or passes on. */
function tellOf(body: Body, to: Address, rumours: readonly Rumour[]): void {
  for (const { peer, from } of rumours.slice(0, SIEGE_VOLLEY)) {
    body.send(to, { type: 'GOSSIP_REPLY', ...peer, name: 'invented' }, { from });
  }
  const rest = rumours.slice(SIEGE_VOLLEY);
  if (rest.length > 0) {
    body.after(SIEGE_STEP, () => {
      tellOf(body, to, rest);
    });
  }
}

export const ACTORS = {
  silent: {
    description: 'tells of itself, takes everything, and never answers',
    // Of one who says nothing at all nobody would know.
    corrupt: (body) => changing(body, (message) => (message.type === 'GOSSIP' ? message : undefined)),
  },

  goose: {
    description: "claims a longer chain whose hash misses the difficulty, as the class's own liar does",
    corrupt: (body, { difficulty }) =>
      changing(body, (message) =>
        eachStats(message, (reply) => ({
          ...reply,
          height: reply.height + body.chance.integer(1, 50),
          hash: forgedHash(body.chance, difficulty).slice(0, 63) + 'f',
        })),
      ),
  },

  promiser: {
    description: 'claims a longer chain that it never serves',
    corrupt: (body, { difficulty }) =>
      changing(body, (message) =>
        message.type === 'GET_BLOCK_REPLY' && body.chance.happens(0.5)
          ? undefined
          : eachStats(message, (reply) => ({
              ...reply,
              height: reply.height + body.chance.integer(1, 1_000),
              hash: forgedHash(body.chance, difficulty),
            })),
      ),
  },

  forger: {
    description:
      'claims a longer chain, always the same, and serves blocks that only look right above its own',
    corrupt(body, { difficulty, engine }) {
      const hash = forgedHash(body.chance, difficulty);
      let asked = 0;
      const claim = (): number => (engine()?.status().height ?? 0) + 5;
      let claimed = claim();
      return {
        onReceive(message) {
          if (message.type === 'GET_BLOCK') asked = message.height ?? 0;
          return true;
        },
        onSend(to, message) {
          if (message.type === 'STATS_REPLY') {
            if (body.chance.happens(0.1)) claimed = claim();
            body.send(to, { ...message, height: claimed, hash });
          } else if (message.type === 'GET_BLOCK_REPLY' && message.block === null) {
            const fake = { height: asked, minedBy: 'forger', messages: ['fake'], nonce: 'x', timestamp: 1 };
            const block = {
              ...fake,
              hash: asked === claimed - 1 ? hash : forgedHash(body.chance, difficulty),
            };
            body.send(to, { type: 'GET_BLOCK_REPLY', block });
          } else {
            body.send(to, message);
          }
        },
      };
    },
  },

  'bit-flipper': {
    description: 'serves and announces blocks of which one bit is wrong',
    corrupt: (body) =>
      changing(body, (message) =>
        (message.type === 'GET_BLOCK_REPLY' || message.type === 'ANNOUNCE') && message.block !== null
          ? { type: message.type, block: flipped(message.block, body.chance) }
          : message,
      ),
  },

  'other-chain': {
    description: 'claims the chain of all others and serves blocks of one that only it has',
    corrupt(body, means) {
      const blocks = otherChain(means, OTHER_CHAIN);
      return changing(body, (message) => {
        if (message.type !== 'GET_BLOCK_REPLY' || message.block === null) return message;
        const block = blocks[message.block.height];
        return block === undefined ? message : { type: 'GET_BLOCK_REPLY', block };
      });
    },
  },

  tardy: {
    description: 'answers late, twice, and from other ports',
    corrupt: (body) => ({
      onSend(to, message) {
        const { chance } = body;
        const { host, port } = body.self;
        for (let copies = chance.integer(1, 2); copies > 0; copies--) {
          const from = chance.happens(0.5) ? { host, port: chance.integer(40_000, 60_000) } : { host, port };
          body.send(to, message, { from, after: chance.between(0, 5 * SECOND) });
        }
      },
    }),
  },

  storm: {
    description: 'floods the network with GOSSIPs, each with a fresh id',
    corrupt(body) {
      const { host, port } = body.self;
      let count = 0;
      body.every(FLOOD_INTERVAL, () => {
        const id = `storm ${body.node.index} ${body.now()} ${count++}`;
        body.send(anybody(body), { type: 'GOSSIP', host, port, id, name: 'storm' });
      });
      return {};
    },
  },

  eclipse: {
    description:
      'fills the tables of others with addresses that are all its own, and vouches for lies with them',
    corrupt(body, { difficulty }) {
      const { chance } = body;
      const hosts = Array.from({ length: INVENTED_HOSTS }, (_, i) => `172.16.${body.node.index}.${i + 1}`);
      for (const host of hosts) body.claim({ ...body.self, host });
      const hash = forgedHash(chance, difficulty);
      let count = 0;
      body.every(GOSSIP_INTERVAL, () => {
        const self = { host: chance.pick(hosts), port: INVENTED_PORT };
        const id = `eclipse ${body.node.index} ${body.now()} ${count++}`;
        // Some speak for themselves, others it only introduces.
        const from = chance.happens(0.5) ? self : body.self;
        body.send(anybody(body), { type: 'GOSSIP', ...self, id, name: 'invented' }, { from });
      });
      const besiege = (): void => {
        tellOf(body, anybody(body), crowd(hosts));
        body.after(chance.exponential(SIEGE_INTERVAL), besiege);
      };
      body.after(chance.between(0, FIRST_SIEGE), besiege);
      return {
        onReceive(message, from) {
          if (message.type !== 'STATS') return true;
          if (chance.happens(VOUCHING_SHARE)) {
            const voucher = { host: chance.pick(hosts), port: INVENTED_PORT };
            body.send(from, { type: 'STATS_REPLY', height: 1_000, hash }, { from: voucher });
          }
          return false;
        },
      };
    },
  },

  crier: {
    description: 'announces blocks that are invalid, known already, or far in the future',
    corrupt(body, { difficulty, chain }) {
      body.every(5 * FLOOD_INTERVAL, () => {
        const { chance } = body;
        const { height, tip } = chain();
        const fake = { minedBy: 'crier', messages: ['news'], nonce: 'x', timestamp: 4_000_000_000 };
        const above = height + chance.pick([0, 1, chance.below(1_000), 1e12]);
        const forged = { ...fake, height: above, hash: forgedHash(chance, difficulty) };
        const wrong = { ...forged, hash: forgedHash(chance, difficulty).slice(0, 63) + '7' };
        const block = chance.pick([forged, wrong, tip ?? forged, flipped(tip ?? forged, chance)]);
        body.send(anybody(body), { type: 'ANNOUNCE', block });
      });
      return {};
    },
  },

  selfish: {
    description: 'mines in secret and tells of its blocks only when others catch up (Eyal and Sirer, 2013)',
    corrupt(body, means) {
      const secret: Block[] = [];
      /** The longest chain that others are known to have. */
      let known = 0;
      const report = (): void => {
        for (const block of secret.splice(0)) body.request({ kind: 'submit-block', block });
      };
      body.every(20 * SECOND, () => {
        const chain = means.chain();
        const tip = secret.at(-1) ?? chain.tip;
        if (tip === null || secret.length >= MAX_SECRET) return;
        if (tip.height + 1 < known) {
          // Others are ahead: the secret is worth nothing any more.
          secret.length = 0;
          return;
        }
        const { difficulty } = means;
        const [height, previousHash] = [tip.height + 1, tip.hash];
        const place = { height, previousHash, messages: ['selfish'], minedBy: 'selfish', difficulty };
        secret.push(means.find(place));
      });
      return {
        onReceive(message) {
          if (message.type !== 'ANNOUNCE' || secret.length === 0) return true;
          known = Math.max(known, message.block.height + 1);
          const lead = (secret.at(-1)?.height ?? 0) + 1 - known;
          if (lead <= 1) body.after(0, report);
          // The engine is to stay on the branch that the secret extends, until that is sent.
          return false;
        },
      };
    },
  },

  garbage: {
    description: 'sends noise, half messages, and datagrams of any size',
    corrupt(body) {
      body.every(FLOOD_INTERVAL, () => {
        const { chance } = body;
        const size = chance.pick([0, 1, chance.below(100), chance.below(9_000), chance.below(60_000)]);
        const noise = new Uint8Array(size).fill(chance.below(256));
        const begun = Buffer.from('{"type":"STATS_REPLY","height":99999999999999999999,"hash":[[[[');
        const odd = Buffer.from('{"type":"GOSSIP","host":"","port":"0","id":{},"name":[]}');
        body.send(anybody(body), chance.pick([noise, begun.subarray(0, chance.below(begun.length)), odd]));
      });
      return {};
    },
  },

  impostor: {
    description: 'speaks in the name of an honest node: false claims, false blocks, false peers',
    corrupt(body, { difficulty, chain }) {
      const hash = forgedHash(body.chance, difficulty);
      body.every(5 * FLOOD_INTERVAL, () => {
        const { chance } = body;
        const victims = body.others();
        const from = chance.pick(victims);
        const { height, tip } = chain();
        const claim = { type: 'STATS_REPLY', height: height + chance.below(20), hash } as const;
        const lies: PowMessage[] = [
          claim,
          { type: 'GOSSIP_REPLY', host: `172.17.0.${chance.below(256)}`, port: 8784, name: 'nobody' },
          { type: 'GET_BLOCK_REPLY', block: tip === null ? null : flipped(tip, chance) },
          { type: 'CONSENSUS' },
        ];
        body.send(chance.pick(victims), chance.pick(lies), { from });
      });
      return {};
    },
  },
} as const satisfies Record<string, Actor>;

export type ActorKind = keyof typeof ACTORS;
