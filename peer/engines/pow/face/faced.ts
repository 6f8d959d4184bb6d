/** A peer as it is shown: what it says of itself, and what is remembered of its past. */
import { addressKey, type Address } from '../../../../shared/address.ts';
import { trailingZeros, type Block } from '../../../../shared/block.ts';
import { isoTime } from '../../../../shared/time.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { LiveNode, NodeObserver } from '../../../core/node.ts';
import type { PeerView, PowNotice } from '../protocol/interface.ts';
import { agreements, branchesOf, isWithUs } from './agreement.ts';
import { History } from './history.ts';
import { Rates } from './rates.ts';
import * as schemas from './schemas.ts';
import type { BlockJson, BlockSummaryJson, GraphJson, MinerJson, PeerJson, Status } from './schemas.ts';
import type { PowSubject } from './subject.ts';
import { SubmittedWords } from './submitted-words.ts';

/** The latest moment that a Date can hold, in seconds since 1970. */
const LAST_SECOND = 8_640_000_000_000;
/** The fewest digits of a hash that are searched for: fewer would find anything. */
const LEAST_DIGITS = 4;
/** Blocks whose times make the average that is shown, and the fewest that make one. */
const AVERAGED = 20;
const LEAST_AVERAGED = 2;

interface Judged {
  readonly peer: PeerView;
  readonly agreement: PeerJson['agreement'];
}

export class FacedPeer implements LiveNode<Status, PowNotice> {
  readonly engine = 'pow';
  readonly transport = 'udp';
  readonly name: string;
  readonly address: Address;
  readonly subject: PowSubject;
  readonly history: History;
  readonly rates: Rates;
  readonly words: SubmittedWords;
  readonly now: () => number;

  /** @param now wall clock in milliseconds */
  constructor(subject: PowSubject, now: () => number) {
    this.name = subject.name;
    this.address = subject.address;
    this.subject = subject;
    this.now = now;
    this.history = new History(subject, now);
    this.rates = new Rates(subject, now);
    this.words = new SubmittedWords(subject);
  }

  close(): void {
    this.rates.close();
    this.history.index.close();
  }

  measure(report: Gauge): void {
    this.subject.measure(report);
  }

  /** The observer is notified of everything after the history; so there is only one. */
  observe(observer: NodeObserver<PowNotice>): () => void {
    return this.subject.observe({
      onNotice: (notice) => {
        this.history.onNotice(notice);
        observer.onNotice(notice);
      },
      onWrite: (seconds) => observer.onWrite?.(seconds),
    });
  }

  counters(): ReturnType<PowSubject['counters']> {
    // What is malformed is counted by the host, whatever became of it.
    const engine = Object.entries(this.subject.status().counters).filter(
      ([name]) => !name.startsWith('malformed.'),
    );
    return { ...this.subject.counters(), engine: Object.fromEntries(engine) };
  }

  status(): Status {
    const { name, address, subject, history } = this;
    const { height, hash, difficulty, phase, words } = subject.status();
    const judged = this.judged();
    const expectedHashes = 16 ** difficulty;
    const hashesPerSecond = this.rates.total();
    const known = hashesPerSecond !== null && hashesPerSecond > 0;
    const tip = subject.block(height - 1);
    const { arrivedAt = null, time = null } = tip === undefined ? {} : this.summary(tip);
    return {
      ...{ name, address, height, tip: hash, difficulty, expectedHashes, hashesPerSecond },
      expectedBlockSeconds: known ? expectedHashes / hashesPerSecond : null,
      ...{ lastBlockAt: arrivedAt ?? time, recentBlockSeconds: this.#recentSeconds(height) },
      ...{ phase, sync: history.sync, peers: judged.length },
      agreeing: judged.filter(({ agreement }) => isWithUs(agreement)).length,
      ...{ miners: subject.miners().length, words: words.length },
    };
  }

  /** The peers, and how the chain of each compares with ours. */
  judged(): readonly Judged[] {
    const status = this.subject.status();
    const agreementOf = agreements(this.subject, status);
    return status.peers.map((peer) => ({ peer, agreement: agreementOf(peer.claim) }));
  }

  peers(): PeerJson[] {
    return this.judged().map(({ peer, agreement }) => {
      const { address, name, claim, silence, roundTrip, verified, offences, via } = peer;
      const roundTripMs = roundTrip === null ? null : Math.round(roundTrip * 10) / 10;
      const silenceMs = Math.max(0, Math.round(silence));
      return { address, name, claim, agreement, silenceMs, roundTripMs, verified, offences, via: [...via] };
    });
  }

  graph(): GraphJson {
    const { name, address } = this;
    const judged = this.judged();
    const self = addressKey(address);
    const nodes: GraphJson['nodes'] = [{ id: self, name, self: true, agreement: 'same' }];
    const edges: GraphJson['edges'] = [];
    const known = new Set(judged.map(({ peer }) => addressKey(peer.address)));
    for (const { peer, agreement } of judged) {
      const id = addressKey(peer.address);
      nodes.push({ id, name: peer.name, self: false, agreement });
      if (peer.verified) edges.push({ source: self, target: id, kind: 'direct' });
      for (const target of peer.via)
        if (known.has(target)) edges.push({ source: id, target, kind: 'gossip' });
    }
    return { nodes, edges };
  }

  forks(): schemas.ForksJson {
    const { reorganisations, falseChains } = this.history;
    const claims = this.judged().map(({ peer: { claim }, agreement }) => ({ claim, agreement }));
    return {
      ...{ reorganisations: reorganisations.items, falseChains: falseChains.items },
      claims: branchesOf(this.subject.status(), claims),
    };
  }

  miners(): MinerJson[] {
    return this.subject.miners().map((miner) => {
      const { address, agent, processes, accepted, stale, rejected } = miner;
      const connectedAt = isoTime(miner.connectedAt);
      return { address, agent, processes, ...this.rates.of(miner), accepted, stale, rejected, connectedAt };
    });
  }

  /** The miners with their rates of the last hour. */
  minersOverTime(): schemas.MinersJson {
    const { subject, rates } = this;
    const shown = this.miners();
    const miners = subject
      .miners()
      .flatMap((miner, at) =>
        shown.slice(at, at + 1).map((one) => ({ ...one, history: rates.history(miner) })),
      );
    return { hashesPerSecond: rates.total(), miners, history: rates.history() };
  }

  leaderboard(): schemas.LeaderboardJson {
    const { index } = this.history;
    const { counted, names } = index;
    const leaders = index
      .leaders(schemas.MAX_LEADERS)
      .map(({ name, blocks }) => ({ name, blocks, share: blocks / counted }));
    return { height: this.subject.status().height, counted, names, leaders };
  }

  waiting(): schemas.WordsJson {
    let limit = 0;
    this.measure((name, _, most) => {
      if (name === 'words') limit = most;
    });
    return { words: [...this.subject.status().words], limit };
  }

  /** @param from the newest; the tip if undefined */
  blocks(from: number | undefined, limit: number): BlockSummaryJson[] {
    const newest = Math.min(from ?? Infinity, this.subject.status().height - 1);
    const blocks: BlockSummaryJson[] = [];
    for (let at = newest; at >= 0 && blocks.length < limit; at--) {
      const block = this.subject.block(at);
      if (block !== undefined) blocks.push(this.summary(block));
    }
    return blocks;
  }

  summary(block: Block): BlockSummaryJson {
    const { height, hash, minedBy, messages, nonce, timestamp } = block;
    const arrival = this.history.arrival(hash);
    return {
      ...{ height, hash, minedBy, messages: [...messages], nonce, timestamp: String(timestamp) },
      time: timestamp <= LAST_SECOND ? isoTime(Number(timestamp) * 1000) : null,
      arrivedAt: arrival === undefined ? null : isoTime(arrival.at),
      source: arrival?.source ?? null,
    };
  }

  /** Whether every block of the chain is in the index. */
  get indexed(): boolean {
    return this.history.index.counted >= this.subject.status().height;
  }

  /** @param id a height or a whole hash */
  block(id: string): BlockJson | undefined {
    const { subject, history } = this;
    const block = id.length === 64 ? history.index.blocksWith(id, 1)[0] : subject.block(Number(id));
    if (block === undefined) return undefined;
    const { height, hash } = block;
    const previousHash = height === 0 ? null : (subject.block(height - 1)?.hash ?? null);
    return {
      ...{ ...this.summary(block), previousHash, zeros: trailingZeros(hash) },
      confirmations: subject.status().height - 1 - height,
      preimage: preimageOf(block, previousHash ?? ''),
    };
  }

  /** @param query a height, the beginning of a hash, or part of a miner's name */
  search(query: string): schemas.SearchJson {
    const { index } = this.history;
    const digits = query.toLowerCase();
    const isHash = digits.length >= LEAST_DIGITS && /^[0-9a-f]*$/.test(digits);
    const byHeight = /^\d{1,15}$/.test(query) ? this.subject.block(Number(query)) : undefined;
    const byHash = isHash ? index.blocksWith(digits, schemas.MAX_FOUND) : [];
    const blocks = byHeight === undefined ? byHash : [byHeight, ...byHash.filter((one) => one !== byHeight)];
    return {
      blocks: blocks.slice(0, schemas.MAX_FOUND).map((block) => this.summary(block)),
      miners: index.namesWith(query, schemas.MAX_FOUND),
      complete: this.indexed,
    };
  }

  /** Seconds that a block took lately, by what their miners say; null of too few blocks, or if time ran backwards. */
  #recentSeconds(height: number): number | null {
    const blocks = Math.min(AVERAGED, height - 1);
    const [newest, oldest] = [height - 1, height - 1 - blocks].map((at) => this.subject.block(at));
    if (newest === undefined || oldest === undefined || blocks < LEAST_AVERAGED) return null;
    const seconds = Number(newest.timestamp) - Number(oldest.timestamp);
    return seconds < 0 ? null : seconds / blocks;
  }
}

/** What is hashed of a block, piece by piece; see `shared/block.ts`. */
function preimageOf(block: Block, previousHash: string): BlockJson['preimage'] {
  const part = (
    name: BlockJson['preimage'][number]['name'],
    text: string,
  ): BlockJson['preimage'][number] => ({
    ...{ name, text, hex: Buffer.from(text, 'utf8').toString('hex') },
  });
  const timestamp = BigInt(block.timestamp);
  return [
    ...[part('previousHash', previousHash), part('minedBy', block.minedBy)],
    ...block.messages.map((message) => part('message', message)),
    { name: 'timestamp', text: String(timestamp), hex: timestamp.toString(16).padStart(16, '0') },
    part('nonce', block.nonce),
  ];
}
