/** The users of a simulated network: they hand in words, of which none may get lost, and none be mined twice. */
import type { Block } from '../../../../shared/block.ts';
import type { Chance } from '../../../simulator/chance.ts';
import type { SimulatedNode, World } from '../../../simulator/subject.ts';
import type { PowTypes } from '../protocol/types.ts';
import { CHECKERS } from './watch.ts';

const HOUR = 3_600_000;
/** Share of the words that a user hands to two nodes, to be on the safe side. */
const DOUBLE_SHARE = 0.25;
/** Share of the words that come as NEW_WORDs, over the network, rather than as requests. */
const DATAGRAM_SHARE = 0.25;
/** Hosts of the users who send them, and their port: addresses that are nobody's (TEST-NET-1 of RFC 5737). */
const USER_HOSTS = 254;
const USER_PORT = 40_000;
/** Missing words that a violation names. */
const MAX_NAMED = 5;

/** A node that has taken a word: it waits in memory, so it goes with the life in which it was taken. */
interface Taker {
  readonly node: SimulatedNode;
  readonly life: number;
}

interface Submission {
  readonly word: string;
  /** As often as a copy came to a node where the word did not wait. */
  readonly takers: Taker[];
  /** Whether it must get to a node and be taken there: it was sent when everything had healed. */
  readonly certain: boolean;
}

/** What words need of the run that they are in. */
interface Surroundings {
  /** Whom users give words to at the moment. */
  able(): readonly SimulatedNode[];
  /** Whether users still hand in words. */
  submitting(): boolean;
  /** How often a node has started. */
  lifeOf(node: SimulatedNode): number;
  /** The words that wait at a node. */
  waitingAt(node: SimulatedNode): readonly string[];
}

export class Words {
  private readonly world: World<PowTypes>;
  private readonly surroundings: Surroundings;
  private readonly submissions: Submission[] = [];
  /** Which words come in datagrams. */
  private readonly datagrams: Chance;
  private readonly messagesOf = new Map<string, readonly string[]>();
  /** How often each word is in the chain with that tip. */
  private counted: { readonly tip: string | undefined; readonly counts: ReadonlyMap<string, number> } = {
    tip: undefined,
    counts: new Map(),
  };

  constructor(world: World<PowTypes>, surroundings: Surroundings) {
    this.world = world;
    this.surroundings = surroundings;
    this.datagrams = world.chance('words in datagrams');
  }

  /** How many were submitted so far. */
  get size(): number {
    return this.submissions.length;
  }

  /** Users hand in words from now on, at exponentially distributed intervals. */
  begin(): void {
    const { world } = this;
    const perHour = world.setting('words');
    if (perHour === 0) return;
    const chance = world.chance('words');
    const next = (): void => {
      world.after(chance.exponential(HOUR / perHour), () => {
        if (!this.surroundings.submitting()) return;
        const nodes = chance.sample(this.surroundings.able(), chance.happens(DOUBLE_SHARE) ? 2 : 1);
        if (this.datagrams.happens(DATAGRAM_SHARE)) this.send(nodes, false);
        else this.submit(nodes);
        next();
      });
    };
    next();
  }

  /** A user sends one more word to some node: it must be mined. */
  sendLast(): void {
    if (this.world.setting('words') > 0) {
      this.send(this.datagrams.sample(this.surroundings.able(), 1), true);
    }
  }

  /** A block was made. */
  onBlock({ hash, messages }: Block): void {
    this.messagesOf.set(hash, messages);
  }

  /**
   * A word is about to reach a node, which never reports whether it takes it: it can be seen to wait there afterwards.
   * A copy that comes when the word has been mined is taken once more, as the network knows no submission from another.
   */
  onDatagram(node: SimulatedNode, word: string): void {
    const submission = this.submissions.find((one) => one.word === word);
    if (submission === undefined || this.isWaiting(word, node)) return;
    const taker = this.takerIn(node);
    this.world.after(0, () => {
      if (this.isIn(taker) && this.isWaiting(word, node)) submission.takers.push(taker);
    });
  }

  /**
   * What is missing in a chain that all have.
   *
   * @param hashes of its blocks
   */
  missingIn(hashes: readonly string[]): string | undefined {
    const counts = this.wordsOf(hashes);
    for (const { word, takers } of this.submissions) {
      const count = counts.get(word) ?? 0;
      if (count <= takers.length) continue;
      this.world.violate(CHECKERS.words, takers[0]?.node, `"${word}" is in the chain ${count} times`);
      break;
    }
    // One of two takers may have mined it, and be the only one to do so again if that block is orphaned.
    const missing = this.submissions.filter(
      ({ word, takers, certain }) =>
        (certain || takers.length > 0) && takers.every((taker) => this.isIn(taker)) && !counts.has(word),
    );
    if (missing.length === 0) return undefined;
    const described = missing.slice(0, MAX_NAMED).map(({ word, takers }) => {
      const holders = takers.map(({ node }) => node.index).join(' and ');
      return `"${word}" ${holders === '' ? 'that nobody took' : `of node ${holders}`}`;
    });
    return `${missing.length} words are missing: ${described.join(', ')}`;
  }

  private submit(nodes: readonly SimulatedNode[]): void {
    const word = `word ${this.submissions.length}`;
    const takers = nodes.flatMap((node) => {
      const taker = this.takerIn(node);
      const result = this.world.request(node, { kind: 'submit-word', word });
      return result?.status === 'accepted' ? [taker] : [];
    });
    if (takers.length > 0) this.submissions.push({ word, takers, certain: false });
  }

  /** A user sends a word to each of these nodes, whoever gets it. */
  private send(nodes: readonly SimulatedNode[], certain: boolean): void {
    if (nodes.length === 0) return;
    const number = this.submissions.length;
    const word = `word ${number}`;
    this.submissions.push({ word, takers: [], certain });
    const from = { host: `192.0.2.${1 + (number % USER_HOSTS)}`, port: USER_PORT };
    for (const node of nodes) this.world.send(node, { type: 'NEW_WORD', word }, from);
  }

  private isWaiting(word: string, node: SimulatedNode): boolean {
    return this.surroundings.waitingAt(node).includes(word);
  }

  private takerIn(node: SimulatedNode): Taker {
    return { node, life: this.surroundings.lifeOf(node) };
  }

  /** Whether a node is still in the life in which it took a word. */
  private isIn({ node, life }: Taker): boolean {
    return this.surroundings.lifeOf(node) === life;
  }

  /** How often each word is in a chain; counted anew only when its tip is another one. */
  private wordsOf(hashes: readonly string[]): ReadonlyMap<string, number> {
    const tip = hashes.at(-1);
    if (this.counted.tip !== tip) {
      const counts = new Map<string, number>();
      for (const hash of hashes) {
        for (const word of this.messagesOf.get(hash) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
      }
      this.counted = { tip, counts };
    }
    return this.counted.counts;
  }
}
