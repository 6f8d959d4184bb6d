/** What the API tells of a node, made of what the node says of itself. */
import { addressKey } from '../../../../shared/address.ts';
import { trailingZeros, type Block } from '../../../../shared/block.ts';
import type { PeerView, PowStatus } from '../protocol/interface.ts';
import type { MinerView } from '../node/mining/server.ts';
import { VERSION } from '../../../web/assets.ts';
import { isoTime } from '../../../../shared/time.ts';
import { agreements, branchesOf, isWithUs, type Agreement } from './agreement.ts';
import type { History } from './history.ts';
import {
  MAX_FOUND,
  MAX_LEADERS,
  type BlockJson,
  type BlockSummaryJson,
  type BlocksJson,
  type ForksJson,
  type GraphJson,
  type LeaderboardJson,
  type MinerJson,
  type MinersJson,
  type PeerJson,
  type PeersJson,
  type PowEvents,
  type SearchJson,
  type StatusJson,
  type WordsJson,
} from './schemas.ts';
import type { WebSubject } from './subject.ts';

/** The latest moment that a Date can hold, in seconds since 1970. */
const LAST_SECOND = 8_640_000_000_000;
/** The fewest digits of a hash that are searched for: fewer would find anything. */
const LEAST_DIGITS = 4;

export class Views {
  readonly #subject: WebSubject;
  readonly #history: History;
  readonly #startedAt: string;

  /** @param startedAt milliseconds since 1970 */
  constructor(subject: WebSubject, history: History, startedAt: number) {
    this.#subject = subject;
    this.#history = history;
    this.#startedAt = isoTime(startedAt);
  }

  /** Whether every block of the chain is in the index. */
  get indexed(): boolean {
    return this.#history.index.counted >= this.#subject.status().height;
  }

  status(): StatusJson {
    const subject = this.#subject;
    const { status, peers } = this.#judged();
    const { height, hash, difficulty, phase, words } = status;
    const expectedHashes = 16 ** difficulty;
    const hashesPerSecond = this.#history.totalRate();
    return {
      engine: 'pow',
      version: VERSION,
      name: subject.name,
      address: subject.address,
      startedAt: this.#startedAt,
      height,
      tip: hash,
      difficulty,
      expectedHashes,
      hashesPerSecond,
      expectedBlockSeconds:
        hashesPerSecond === null || hashesPerSecond === 0 ? null : expectedHashes / hashesPerSecond,
      phase,
      sync: this.#history.sync,
      peers: peers.length,
      agreeing: peers.filter(({ agreement }) => isWithUs(agreement)).length,
      miners: subject.miners().length,
      words: words.length,
    };
  }

  summary(block: Block): BlockSummaryJson {
    const { height, hash, minedBy, messages, nonce, timestamp } = block;
    const arrival = this.#history.arrival(hash);
    return {
      height,
      hash,
      minedBy,
      messages: [...messages],
      nonce,
      timestamp: String(timestamp),
      time: timestamp <= LAST_SECOND ? isoTime(Number(timestamp) * 1000) : null,
      arrivedAt: arrival === undefined ? null : isoTime(arrival.at),
      source: arrival?.source ?? null,
    };
  }

  /** @param from the newest; the tip if undefined */
  blocks(from: number | undefined, limit: number): BlocksJson {
    const { height } = this.#subject.status();
    const blocks: BlockSummaryJson[] = [];
    for (let at = Math.min(from ?? Infinity, height - 1); at >= 0 && blocks.length < limit; at--) {
      const block = this.#subject.block(at);
      if (block !== undefined) blocks.push(this.summary(block));
    }
    return { height, blocks };
  }

  /** @param id a height or a whole hash */
  block(id: string): BlockJson | undefined {
    const block =
      id.length === 64 ? this.#history.index.blocksWith(id, 1)[0] : this.#subject.block(Number(id));
    if (block === undefined) return undefined;
    const { height, hash } = block;
    const previousHash = height === 0 ? null : (this.#subject.block(height - 1)?.hash ?? null);
    return {
      ...this.summary(block),
      previousHash,
      zeros: trailingZeros(hash),
      confirmations: this.#subject.status().height - 1 - height,
      preimage: preimageOf(block, previousHash ?? ''),
    };
  }

  /** @param query a height, the beginning of a hash, or part of a miner's name */
  search(query: string): SearchJson {
    const { index } = this.#history;
    const digits = query.toLowerCase();
    const byHeight = /^\d{1,15}$/.test(query) ? this.#subject.block(Number(query)) : undefined;
    const byHash =
      digits.length >= LEAST_DIGITS && /^[0-9a-f]*$/.test(digits) ? index.blocksWith(digits, MAX_FOUND) : [];
    const blocks = byHeight === undefined ? byHash : [byHeight, ...byHash.filter((one) => one !== byHeight)];
    return {
      blocks: blocks.slice(0, MAX_FOUND).map((block) => this.summary(block)),
      miners: index.namesWith(query, MAX_FOUND),
      complete: this.indexed,
    };
  }

  leaderboard(): LeaderboardJson {
    const { index } = this.#history;
    const { counted, names } = index;
    return {
      height: this.#subject.status().height,
      counted,
      names,
      leaders: index
        .leaders(MAX_LEADERS)
        .map(({ name, blocks }) => ({ name, blocks, share: blocks / counted })),
    };
  }

  forks(): ForksJson {
    const { status, peers } = this.#judged();
    return {
      reorganisations: this.#history.reorganisations,
      falseChains: this.#history.falseChains,
      claims: branchesOf(
        status,
        peers.map(({ peer: { claim }, agreement }) => ({ claim, agreement })),
      ),
    };
  }

  peers(): PeersJson {
    return { peers: this.#judged().peers.map(({ peer, agreement }) => peerJson(peer, agreement)) };
  }

  graph(): GraphJson {
    const { name, address } = this.#subject;
    const { peers } = this.#judged();
    const self = addressKey(address);
    const nodes: GraphJson['nodes'] = [{ id: self, name, self: true, agreement: 'same' }];
    const edges: GraphJson['edges'] = [];
    const known = new Set(peers.map(({ peer }) => addressKey(peer.address)));
    for (const { peer, agreement } of peers) {
      const id = addressKey(peer.address);
      nodes.push({ id, name: peer.name, self: false, agreement });
      if (peer.verified) edges.push({ source: self, target: id, kind: 'direct' });
      for (const target of peer.via)
        if (known.has(target)) edges.push({ source: id, target, kind: 'gossip' });
    }
    return { nodes, edges };
  }

  miners(): MinersJson {
    const history = this.#history;
    return {
      hashesPerSecond: history.totalRate(),
      miners: this.#subject
        .miners()
        .map((miner) => ({ ...this.#miner(miner), history: history.rates(miner) })),
      history: history.rates(),
    };
  }

  /** The miners as the event tells of them. */
  minersNow(now: number): PowEvents['miners'] {
    const miners = this.#subject.miners().map((miner) => this.#miner(miner));
    return { at: isoTime(now), hashesPerSecond: this.#history.totalRate(), miners };
  }

  words(): WordsJson {
    let limit = 0;
    this.#subject.measure((name, _, most) => {
      if (name === 'words') limit = most;
    });
    return { words: [...this.#subject.status().words], limit };
  }

  #miner(miner: MinerView): MinerJson {
    const { address, agent, processes, accepted, stale, rejected, connectedAt } = miner;
    const rate = this.#history.rateOf(miner, this.#subject.difficulty);
    return {
      address,
      agent,
      processes,
      ...rate,
      accepted,
      stale,
      rejected,
      connectedAt: isoTime(connectedAt),
    };
  }

  /** The state of the node, and how the chain of each peer compares with the one in it. */
  #judged(): {
    readonly status: PowStatus;
    readonly peers: readonly { readonly peer: PeerView; readonly agreement: Agreement }[];
  } {
    const status = this.#subject.status();
    const agreementOf = agreements(this.#subject, status);
    return { status, peers: status.peers.map((peer) => ({ peer, agreement: agreementOf(peer.claim) })) };
  }
}

function peerJson(peer: PeerView, agreement: PeerJson['agreement']): PeerJson {
  const { address, name, claim, silence, roundTrip, verified, offences, via } = peer;
  return {
    address,
    name,
    claim,
    agreement,
    silenceMs: Math.max(0, Math.round(silence)),
    roundTripMs: roundTrip === null ? null : Math.round(roundTrip * 10) / 10,
    verified,
    offences,
    via: [...via],
  };
}

/** What is hashed of a block, piece by piece; see `shared/block.ts`. */
function preimageOf(block: Block, previousHash: string): BlockJson['preimage'] {
  const part = (
    name: BlockJson['preimage'][number]['name'],
    text: string,
  ): BlockJson['preimage'][number] => ({
    name,
    text,
    hex: Buffer.from(text, 'utf8').toString('hex'),
  });
  return [
    part('previousHash', previousHash),
    part('minedBy', block.minedBy),
    ...block.messages.map((message) => part('message', message)),
    {
      name: 'timestamp',
      text: String(block.timestamp),
      hex: BigInt(block.timestamp).toString(16).padStart(16, '0'),
    },
    part('nonce', block.nonce),
  ];
}
