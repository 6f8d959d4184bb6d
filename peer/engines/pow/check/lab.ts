/**
 * The laboratory: several peers on this machine that play the network against one peer. They answer as honest peers
 * do, unless a rule has them do otherwise; they send to that peer alone, and to whoever on its host asks them.
 */
import type { Address } from '../../../../shared/address.ts';
import { blockFields, readBlock, readInteger, type Block } from '../../../../shared/block.ts';
import { isJsonObject, jsonOrUndefined } from '../../../../shared/json.ts';
import { Random } from '../../../core/random.ts';
import { Actor, claimOf, turn, type Claim, type Fields, type Heard, type Introduction } from './actor.ts';
import { respond, type Post } from './answers.ts';
import { Sent, received } from './evidence.ts';
import type { Ground } from './ground.ts';
import {
  ATTEMPTS,
  DEAD_AFTER,
  MAX_MINED_DIFFICULTY,
  MAX_QUIET,
  MAX_TRAFFIC,
  MIN_QUIET,
  QUIET_ROUND_TRIPS,
  STRANGERS,
} from './limits.ts';
import { extend, mineBlock, type Draft, type Mine } from './mine.ts';
import { Waiting } from './patience.ts';
import type { Place } from './run.ts';
import { Unjudged } from './rule.ts';
import { Watch } from './watch.ts';

/** All times in milliseconds. */
export interface LabOptions {
  /** The peer that is checked; undefined if it is whoever gossips to us first. */
  readonly target: Address | undefined;
  /** The address of this machine that our peers have. */
  readonly self: string;
  /** The port of the first of our peers; 0 takes any free one. */
  readonly port: number;
  /** Whether the peer joins through us, of its own accord. */
  readonly joins: boolean;
  readonly difficulty: number;
  /** How long an answer may take. */
  readonly patience: number;
  /** Share of datagrams lost, from 0 to 1, where a rule has some lost. */
  readonly loss: number;
  readonly gossipInterval: number;
  readonly peerTimeout: number;
  readonly consensusInterval: number;
  /** Seeds chance and makes names: at least 16 bytes. */
  readonly entropy: Uint8Array;
  readonly stop: AbortSignal;
}

/** Our honest peers; the rules speak of them by their places. */
const CAST = ['Ann', 'Ben', 'Cat', 'Dan', 'Eve'] as const;

export class Lab implements Place {
  readonly options: LabOptions;
  readonly ground: Ground;
  readonly random: Random;
  readonly mine: Mine;
  readonly watch: Watch;
  /** The peer that is checked. */
  target: Address = { host: '', port: 0 };
  /** The chain that our honest peers have, and that the peer is to have. */
  chain: readonly Block[] = [];
  /** Whether a peer that joins through us had our chain without being called to a consensus; undefined if it does not. */
  joined: { readonly gossiped: boolean; readonly synced: boolean } | undefined;
  /** A block of ours that the peer may take, or not: if it has it, all have it. */
  offered: Block | undefined;
  /** Whether ours gossip only when a rule has them do so. */
  hushed = false;
  /** When the silent one was last heard of. */
  silentSince = 0;
  /** What was heard since the rule began. */
  heard: Heard[] = [];
  #sent = new Sent();
  /** Whether this rule had one of ours gossip: only then replies to that are of interest. */
  #gossiped = false;
  readonly #actors: Actor[] = [];
  readonly #cast: Actor[] = [];
  #silent: Actor | undefined;
  /** Asks whether the peer is still there: nobody waits for a late answer at its socket. */
  #pulse: Actor | undefined;
  readonly #strangers: Actor[] = [];
  readonly #waiting: Waiting;
  /** Ids of GOSSIPs that no rule is about. */
  readonly #background = new Set<unknown>();
  readonly #timers = new Set<() => void>();
  /** The shortest time that an answer took. */
  #roundTrip = MAX_QUIET / QUIET_ROUND_TRIPS;
  #questions = 0;
  #ids = 0;
  #closed = false;

  private constructor(options: LabOptions, ground: Ground) {
    this.options = options;
    this.ground = ground;
    this.random = new Random(options.entropy);
    this.#waiting = new Waiting(ground, options.stop);
    this.watch = new Watch(() => this.target);
    const name = `check ${this.random.uuid().slice(0, 8)}`;
    this.mine = {
      ...{ difficulty: options.difficulty, name },
      seconds: () => ground.seconds(),
      rest: () => this.pause(0),
    };
  }

  /** Opens the sockets of our peers. Nothing is sent yet. */
  static async open(options: LabOptions, ground: Ground): Promise<Lab> {
    const lab = new Lab(options, ground);
    try {
      for (const name of CAST)
        lab.#cast.push(await lab.#open(name, lab.#cast.length === 0 ? options.port : 0));
      lab.#silent = await lab.#passive('Sid');
      for (let number = 1; number <= STRANGERS; number++)
        lab.#strangers.push(await lab.#passive('a stranger'));
      lab.#pulse = await lab.#passive('a stranger');
    } catch (error) {
      lab.close();
      throw error;
    }
    if (options.target !== undefined) lab.target = options.target;
    return lab;
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#timers) cancel();
    for (const { port } of this.#actors) port.close();
  }

  get patience(): number {
    return this.options.patience;
  }

  /** Our honest peers; there are five. */
  get cast(): readonly [Actor, Actor, Actor, Actor, Actor] {
    return this.#cast as unknown as [Actor, Actor, Actor, Actor, Actor];
  }

  /** The one that gossips once, at the start, and is never heard again. */
  get silent(): Actor {
    if (this.#silent === undefined) throw new Error('the laboratory is not open');
    return this.#silent;
  }

  /** Whether blocks can be mined at this difficulty. */
  get mines(): boolean {
    return this.options.difficulty <= MAX_MINED_DIFFICULTY;
  }

  // What is sent and heard

  begin(): void {
    this.heard = [];
    this.#sent = new Sent();
    this.#gossiped = false;
  }

  evidence(): { readonly sent: readonly string[]; readonly received: readonly string[] } {
    const reported = this.heard.filter(
      ({ actor, message }) =>
        actor !== this.#pulse &&
        !this.#background.has(message?.['id']) &&
        (this.#gossiped || message?.['type'] !== 'GOSSIP_REPLY'),
    );
    return { sent: this.#sent.shown(), received: received(reported) };
  }

  /** Sends to the peer, as one of ours. */
  send(actor: Actor, what: Fields | string | Uint8Array): void {
    const text = typeof what === 'string' || what instanceof Uint8Array ? what : JSON.stringify(what);
    this.#sent.note(actor, text);
    this.#transmit(actor, text, this.target);
  }

  /** Introduces one of ours to the peer. */
  gossip(actor: Actor, from = actor): Introduction {
    const message = this.#gossipOf(actor);
    this.#gossiped = true;
    this.send(from, message);
    return message;
  }

  /** Has one of ours gossip twice an interval from now on, so that it stays tracked. */
  keepGossiping(actor: Actor): void {
    if (!this.hushed) {
      const message = this.#gossipOf(actor);
      this.#background.add(message.id);
      this.#transmit(actor, JSON.stringify(message), this.target);
    }
    this.#later(this.options.gossipInterval / 2, () => {
      this.keepGossiping(actor);
    });
  }

  announce(actor: Actor, block: Block): void {
    this.send(actor, `{"type":"ANNOUNCE",${blockFields(block)}}`);
  }

  /** Waits for a datagram of this rule that fits. */
  async hear(fits: (heard: Heard) => boolean, limit = this.patience): Promise<Heard | undefined> {
    return this.until(() => this.heard.find(fits), limit);
  }

  until<T>(look: () => T | undefined, limit: number): Promise<T | undefined> {
    return this.#waiting.until(look, limit);
  }

  pause(milliseconds: number): Promise<void> {
    return this.#waiting.pause(milliseconds);
  }

  // Questions

  /** One of our sockets that the peer does not track: all that comes to it is an answer. */
  stranger(): Actor {
    return turn(this.#strangers, this.#questions++);
  }

  /** Asks until something comes back that fits, or the patience is over. */
  async ask(
    message: Fields,
    fits: (heard: Heard) => boolean = () => true,
    attempts = ATTEMPTS,
  ): Promise<Heard | undefined> {
    const stranger = this.stranger();
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const askedAt = this.ground.now();
      const first = this.heard.length;
      this.send(stranger, message);
      const answer = await this.until(
        () => this.heard.find((heard, index) => index >= first && heard.actor === stranger && fits(heard)),
        this.patience / attempts,
      );
      if (answer === undefined) continue;
      if (attempt === 1) this.#roundTrip = Math.min(this.#roundTrip, answer.at - askedAt);
      return answer;
    }
    return undefined;
  }

  /** How long the peer says its chain is; undefined if it does not say. */
  async stats(): Promise<Claim | undefined> {
    const answer = await this.ask({ type: 'STATS' }, ({ message }) => message !== undefined);
    return claimOf(answer?.message);
  }

  /** The peer's block at a height; undefined if what it answers is none. */
  async block(height: number): Promise<Block | undefined> {
    const answer = await this.ask({ type: 'GET_BLOCK', height });
    const block = readBlock(answer?.message);
    return typeof block === 'string' || block.height !== height ? undefined : block;
  }

  /** Waits until the peer has handled what was sent, and what it answered has arrived. */
  async settle(): Promise<void> {
    await this.stats();
    await this.arrived();
  }

  /** Waits until what is on its way has arrived. */
  async arrived(): Promise<void> {
    await this.pause(Math.min(MAX_QUIET, Math.max(MIN_QUIET, QUIET_ROUND_TRIPS * this.#roundTrip)));
  }

  /** Whether the peer says anything at all. */
  async alive(patiences = DEAD_AFTER): Promise<boolean> {
    const pulse = this.#pulse ?? this.stranger();
    this.begin();
    for (let attempt = 0; attempt < patiences; attempt++) {
      this.send(pulse, { type: 'STATS' });
      this.send(pulse, { type: 'GET_BLOCK', height: 0 });
      // Some answer only this until they have a chain.
      if (attempt > 0) this.gossip(turn(this.cast, attempt));
      if ((await this.hear(() => true)) !== undefined) return true;
    }
    return false;
  }

  // Chains

  /** Gives our honest peers a chain, and honesty. */
  setChain(chain: readonly Block[]): void {
    this.chain = chain;
    for (const actor of this.#cast) {
      actor.chain = chain;
      actor.claim = actor.serve = actor.asked = undefined;
      actor.loss = actor.delay = 0;
    }
  }

  /** `chain` (ours, if none is named) and more blocks. */
  async extended(count: number, draft: Draft = {}, chain = this.chain): Promise<Block[]> {
    this.needMining();
    return extend(this.mine, chain, count, draft);
  }

  /** A block on top of our chain. */
  async next(draft: Draft = {}): Promise<Block> {
    this.needMining();
    return mineBlock(this.mine, this.chain.at(-1) ?? null, draft);
  }

  needMining(): void {
    if (!this.mines)
      throw new Unjudged(
        `blocks of difficulty ${this.options.difficulty} can't be mined at once; start the peer with 5 or less, and say so with --difficulty`,
      );
  }

  /** Whether our chain ends in the block that a claim names. */
  isTip({ hash }: Claim): boolean {
    return hash !== null && hash === this.chain.at(-1)?.hash;
  }

  // Behind the scenes

  async #open(name: string, port: number): Promise<Actor> {
    const socket = await this.ground.openPort(this.options.self, port, (bytes, from) => {
      this.#receive(actor, bytes, from);
    });
    const actor = new Actor(name, socket);
    this.#actors.push(actor);
    return actor;
  }

  async #passive(name: string): Promise<Actor> {
    const actor = await this.#open(name, 0);
    actor.passive = true;
    return actor;
  }

  /** What an actor says of itself. */
  #gossipOf(actor: Actor): Introduction {
    return {
      ...{ type: 'GOSSIP', ...actor.address, id: this.random.uuid() },
      name: `${actor.name} of ${this.mine.name}, ${++this.#ids}`,
    };
  }

  /** How those of ours who are asked get their answers out. */
  #post(): Post {
    return {
      target: this.target,
      transmit: (actor, text, to) => {
        this.#transmit(actor, text, to);
      },
      later: (milliseconds, run) => {
        this.#later(milliseconds, run);
      },
    };
  }

  #later(milliseconds: number, run: () => void): void {
    const cancel = this.ground.after(milliseconds, () => {
      this.#timers.delete(cancel);
      if (!this.#closed) run();
    });
    this.#timers.add(cancel);
  }

  #lost(actor: Actor): boolean {
    return actor.loss > 0 && this.random.next() / 0x1_0000_0000 < actor.loss;
  }

  #transmit(actor: Actor, what: string | Uint8Array, to: Address): void {
    // Whatever a message may say, only the host that is checked is ever sent anything.
    if (this.#closed || to.host !== this.target.host || this.#lost(actor)) return;
    actor.port.send(typeof what === 'string' ? Buffer.from(what) : what, to);
  }

  #receive(actor: Actor, bytes: Uint8Array, from: Address): void {
    if (this.#closed) return;
    const text = Buffer.from(bytes).toString();
    const value = jsonOrUndefined(text);
    const message = isJsonObject(value) ? value : undefined;
    if (this.target.port === 0) this.#recognise(message, from);
    if (from.host !== this.target.host || this.#lost(actor)) return;
    const heard = { at: this.ground.now(), actor, from, text, bytes: bytes.length, message };
    this.watch.note(heard);
    if (this.heard.length < MAX_TRAFFIC) this.heard.push(heard);
    actor.asked?.();
    if (!actor.passive && message !== undefined) respond(actor, message, from, this.#post());
    this.#waiting.wake();
  }

  /** The first that gossips is the peer to check, at the port that it names. */
  #recognise(message: Fields | undefined, from: Address): void {
    if (message?.['type'] !== 'GOSSIP') return;
    const { target } = this.options;
    const port = readInteger(message['port']) ?? from.port;
    if (target === undefined || target.host === from.host) this.target = { host: from.host, port };
  }
}
