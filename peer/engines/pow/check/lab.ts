/**
 * The laboratory: several peers on this machine that play the network against one peer. They answer as honest peers
 * do, unless a rule has them do otherwise; they send to that peer alone, and to whoever on its host asks them.
 */
import { addressKey, type Address } from '../../../../shared/address.ts';
import {
  blockFields,
  isHash,
  readBlock,
  readInteger,
  verifyBlock,
  type Block,
} from '../../../../shared/block.ts';
import { isJsonObject, jsonOrUndefined } from '../../../../shared/json.ts';
import { escapeControls } from '../../../../shared/escape.ts';
import { Random } from '../../../core/random.ts';
import type { Ground, Port } from './ground.ts';
import {
  ABSENT_AFTER,
  ATTEMPTS,
  CALLS,
  DEAD_AFTER,
  FIRST_CHAIN,
  LOOKS,
  MAX_CHAIN,
  MAX_MINED_DIFFICULTY,
  MAX_QUIET,
  MAX_SHOWN,
  MAX_SHOWN_LENGTH,
  MAX_TRAFFIC,
  MIN_QUIET,
  QUIET_ROUND_TRIPS,
  READ_WINDOW,
  STRANGERS,
  SYNC_LIMIT,
  SYNC_SILENCE,
} from './limits.ts';
import { extend, mineBlock, type Draft, type Mine } from './mine.ts';
import { Waiting } from './patience.ts';
import type { Place } from './run.ts';
import { Unjudged } from './rule.ts';
import { Watch } from './watch.ts';

export type Fields = Readonly<Record<string, unknown>>;

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

/** A datagram that came from the peer. */
export interface Heard {
  readonly at: number;
  /** Whose socket it came to. */
  readonly actor: Actor;
  readonly from: Address;
  readonly text: string;
  readonly bytes: number;
  /** Undefined if it is no JSON object. */
  readonly message: Fields | undefined;
}

/** What a STATS_REPLY says, read as liberally as the network does. */
export interface Claim {
  readonly height: number;
  readonly hash: string | null;
}

/** A GOSSIP of one of ours. Both its id and its name are its own, so that it is known again whatever becomes of one. */
export interface Introduction extends Fields {
  readonly host: string;
  readonly port: number;
  readonly id: string;
  readonly name: string;
}

/** One of our peers. */
export class Actor {
  readonly name: string;
  readonly port: Port;
  /** What it has. */
  chain: readonly Block[] = [];
  /** What its STATS claim, if not the chain it has. */
  claim: Claim | undefined;
  /** What it serves, if not the chain it has; undefined stands for no answer. */
  serve: ((height: number) => Block | null | undefined) | undefined;
  /** Share of datagrams lost in each direction. */
  loss = 0;
  /** Milliseconds before it answers STATS and GET_BLOCK. */
  delay = 0;
  /** Called when it is asked for something. */
  asked: (() => void) | undefined;
  /** Whether it does nothing by itself. */
  passive = false;

  constructor(name: string, port: Port) {
    this.name = name;
    this.port = port;
  }

  get address(): Address {
    return this.port.address;
  }
}

/** Our honest peers; the rules speak of them by their places. */
const CAST = ['Ann', 'Ben', 'Cat', 'Dan', 'Eve'] as const;

const NO_BLOCK = { height: null, hash: null, messages: null, minedBy: null, nonce: null, timestamp: null };

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
  /** Whether ours gossip only when a rule has them do so. */
  hushed = false;
  /** When the silent one was last heard of. */
  silentSince = 0;
  /** What was heard since the rule began. */
  heard: Heard[] = [];
  #sent: { readonly group: string; readonly line: string }[] = [];
  /** Whether this rule had one of ours gossip: only then replies to that are of interest. */
  #gossiped = false;
  readonly #actors: Actor[] = [];
  readonly #cast: Actor[] = [];
  #silent: Actor | undefined;
  /** Asks whether the peer is still there: nobody waits for a late answer at its socket. */
  #pulse: Actor | undefined;
  #offered: Block | undefined;
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
    this.#sent = [];
    this.#gossiped = false;
  }

  evidence(): { readonly sent: readonly string[]; readonly received: readonly string[] } {
    const told = this.heard.filter(
      ({ actor, message }) =>
        actor !== this.#pulse &&
        !this.#background.has(message?.['id']) &&
        (this.#gossiped || message?.['type'] !== 'GOSSIP_REPLY'),
    );
    return {
      sent: shorten(
        this.#sent.map(({ line }) => line),
        this.#sent.map(({ group }) => group),
      ),
      received: shorten(
        told.map(described),
        told.map(({ actor, message }) => `${actor.name} ${String(message?.['type'])}`),
      ),
    };
  }

  /** Sends to the peer, as one of ours. */
  send(actor: Actor, what: Fields | string | Uint8Array): void {
    const text = typeof what === 'string' || what instanceof Uint8Array ? what : JSON.stringify(what);
    this.#note(actor, text);
    this.#transmit(actor, text, this.target);
  }

  /** Tells the peer that one of ours is there. */
  gossip(actor: Actor, from = actor): Introduction {
    const message = this.#gossipOf(actor);
    this.#gossiped = true;
    this.send(from, message);
    return message;
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

  /** Waits until the peer has handled what was sent, and what it said to that has arrived. */
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

  /**
   * Calls for a consensus, again and again, until the peer's chain ends in a block that suits.
   *
   * @param suits looks at every tip on the way
   * @returns whether it came to that
   */
  consensus(suits: (claim: Claim) => boolean): Promise<boolean> {
    return this.call(() => this.tipSuits(suits));
  }

  /** Calls for a consensus, again and again, until something comes of it. */
  async call(done: () => boolean | Promise<boolean>): Promise<boolean> {
    const began = this.ground.now();
    let called = -Infinity;
    for (;;) {
      const now = this.ground.now();
      if (now - Math.max(began, this.#progressSince(began)) > SYNC_SILENCE * this.patience) return false;
      if (now - began > SYNC_LIMIT * this.patience) return false;
      if (now - called >= this.patience / CALLS) {
        called = now;
        this.send(this.cast[0], { type: 'CONSENSUS' });
      }
      if (await done()) return true;
      await this.pause(this.patience / LOOKS);
    }
  }

  /** When the peer last asked one of ours for a block that it had not asked it for before. */
  #progressSince(began: number): number {
    let last = began;
    const asked = new Set<string>();
    for (const { at, actor, message } of this.heard) {
      if (message?.['type'] !== 'GET_BLOCK') continue;
      const what = `${actor.name} ${String(message['height'])}`;
      if (!asked.has(what)) last = at;
      asked.add(what);
    }
    return last;
  }

  /** Looks at the peer's STATS until they suit, or the patience is over. */
  async tip(suits: (claim: Claim) => boolean, limit = this.patience): Promise<boolean> {
    const end = this.ground.now() + limit;
    for (;;) {
      if (await this.tipSuits(suits)) return true;
      if (this.ground.now() >= end) return false;
      await this.pause(this.patience / LOOKS);
    }
  }

  async tipSuits(suits: (claim: Claim) => boolean): Promise<boolean> {
    const claim = await this.stats();
    return claim !== undefined && suits(claim);
  }

  /** The peer may take this block of ours, or not: if it has it, all have it. */
  accept(block: Block): void {
    this.#offered = block;
  }

  /** Whether our chain ends in the block that a claim names. */
  isTip({ hash }: Claim): boolean {
    return hash !== null && hash === this.chain.at(-1)?.hash;
  }

  /**
   * Brings the peer, if need be, to the chain that ours have: rules begin there.
   *
   * @throws Unjudged if it does not get there
   */
  async level(): Promise<void> {
    await this.#bring();
    // How it got there is of no interest.
    this.begin();
  }

  async #bring(): Promise<void> {
    const at = (claim: Claim): boolean => {
      if (
        claim.hash !== null &&
        claim.hash === this.#offered?.hash &&
        this.#offered.height === this.chain.length
      )
        this.setChain([...this.chain, this.#offered]);
      return this.isTip(claim);
    };
    if (this.chain.length > 0 && (await this.tip(at, this.patience / ATTEMPTS))) {
      this.setChain(this.chain);
      return;
    }
    const claim = await this.stats();
    if (claim === undefined) throw new Unjudged('it does not answer STATS');
    if (claim.hash !== null && (await this.#takeOver(claim))) return;
    if (this.chain.length > 0 && this.mines) {
      // A longer chain than it claims is one that it has to move to.
      const lead = Math.min(MAX_CHAIN, Math.max(1, claim.height + 1 - this.chain.length));
      this.setChain(await this.extended(lead));
      if (await this.consensus(at)) return;
      if (claim.hash === null && (await this.#tell(0))) return;
    }
    throw new Unjudged('its chain is not one that it could be brought to from here');
  }

  /** Announces the blocks of our chain from a height on, one after the other. */
  async #tell(from: number): Promise<boolean> {
    for (const block of this.chain.slice(from)) {
      this.announce(this.cast[0], block);
      if (!(await this.tip(({ hash }) => hash === block.hash))) return false;
    }
    return true;
  }

  /**
   * Meets the peer: waits for one that joins, has ours gossip to it, and has it and them agree on a chain: its own, or
   * one that it is given.
   *
   * @param waitFor how long one that joins may take to come
   * @returns false if nobody is there
   */
  async meet(waitFor: number): Promise<boolean> {
    const { joins } = this.options;
    if (this.mines) this.setChain(await extend(this.mine, [], FIRST_CHAIN));
    if (joins) {
      const first = await this.until(() => this.heard[0], waitFor);
      if (first === undefined) return false;
    }
    for (const actor of this.#cast) this.#keepGossiping(actor);
    this.silentSince = this.ground.now();
    this.gossip(this.silent);
    if (joins) {
      const gossiped = await this.until(() => this.watch.gossips[0], this.patience);
      const synced = await this.tip((claim) => this.isTip(claim), SYNC_SILENCE * this.patience);
      this.joined = { gossiped: gossiped !== undefined, synced };
      if (synced) return true;
    } else if (!(await this.alive(ABSENT_AFTER))) {
      return false;
    }
    const claim = await this.stats();
    if (claim !== undefined && claim.hash !== null) await this.#takeOver(claim);
    else if (this.mines && !(await this.consensus((one) => this.isTip(one)))) await this.#tell(0);
    return true;
  }

  /** Has ours go on from the chain that the peer has, if that can be read and is valid. */
  async #takeOver({ hash, height }: Claim): Promise<boolean> {
    if (height > MAX_CHAIN) return false;
    const chain: Block[] = [];
    for (let from = 0; from <= height; from += READ_WINDOW) {
      const heights = Array.from({ length: Math.min(READ_WINDOW, height + 1 - from) }, (_, at) => from + at);
      for (const block of await Promise.all(heights.map((at) => this.block(at)))) {
        if (block === undefined) return false;
        const fault = verifyBlock(block, chain.at(-1) ?? null, this.options.difficulty);
        if (fault !== undefined) return false;
        chain.push(block);
        if (block.hash !== hash) continue;
        this.setChain(chain);
        return true;
      }
    }
    return false;
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

  /** So that it stays tracked: twice an interval. */
  #keepGossiping(actor: Actor): void {
    if (!this.hushed) {
      const message = this.#gossipOf(actor);
      this.#background.add(message.id);
      this.#transmit(actor, JSON.stringify(message), this.target);
    }
    this.#later(this.options.gossipInterval / 2, () => {
      this.#keepGossiping(actor);
    });
  }

  #later(milliseconds: number, run: () => void): void {
    const cancel = this.ground.after(milliseconds, () => {
      this.#timers.delete(cancel);
      if (!this.#closed) run();
    });
    this.#timers.add(cancel);
  }

  #note(actor: Actor, what: string | Uint8Array): void {
    if (this.#sent.length >= MAX_TRAFFIC) return;
    const text = typeof what === 'string' ? what : `bytes ${Buffer.from(what).toString('hex')}`;
    const [, type = text] = /"type":"(\w+)"/.exec(text) ?? [];
    this.#sent.push({
      group: `${actor.name} ${type}`,
      line: `${actor.name}: ${text === '' ? '(an empty datagram)' : text}`,
    });
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
    if (!actor.passive && message !== undefined) this.#answer(actor, message, from);
    this.#waiting.wake();
  }

  /** The first that gossips is the peer to check, at the port that it names. */
  #recognise(message: Fields | undefined, from: Address): void {
    if (message?.['type'] !== 'GOSSIP') return;
    const { target } = this.options;
    const port = readInteger(message['port']) ?? from.port;
    if (target === undefined || target.host === from.host) this.target = { host: from.host, port };
  }

  #answer(actor: Actor, message: Fields, from: Address): void {
    switch (message['type']) {
      case 'GOSSIP':
        if (readInteger(message['port']) === this.target.port)
          this.#reply(actor, { type: 'GOSSIP_REPLY', ...actor.address, name: actor.name }, this.target);
        break;
      case 'STATS':
      case 'GET_BLOCK':
        if (actor.delay === 0) this.#serve(actor, message, from);
        else
          this.#later(actor.delay, () => {
            this.#serve(actor, message, from);
          });
        break;
    }
  }

  #serve(actor: Actor, { type, height }: Fields, from: Address): void {
    const { chain, claim, serve } = actor;
    if (type === 'STATS') {
      const said = claim ?? { height: chain.length, hash: chain.at(-1)?.hash ?? null };
      this.#reply(actor, { type: 'STATS_REPLY', ...said }, from);
      return;
    }
    const at = readInteger(height) ?? -1;
    const block = serve === undefined ? (chain[at] ?? null) : serve(at);
    if (block === null) this.#reply(actor, { type: 'GET_BLOCK_REPLY', ...NO_BLOCK }, from);
    else if (block !== undefined)
      this.#transmit(actor, `{"type":"GET_BLOCK_REPLY",${blockFields(block)}}`, from);
  }

  #reply(actor: Actor, message: Fields, to: Address): void {
    this.#transmit(actor, JSON.stringify(message), to);
  }
}

/** Whose turn it is, of several. */
export function turn<T>(all: readonly T[], number: number): T {
  const one = all[number % all.length];
  if (one === undefined) throw new Error('there is nobody');
  return one;
}

/** What a STATS_REPLY claims, typed or not; undefined if the message is none. */
export function claimOf(message: Fields | undefined): Claim | undefined {
  if (message === undefined || !('height' in message) || !('hash' in message) || 'messages' in message)
    return undefined;
  const { hash } = message;
  const height = readInteger(message['height']);
  if (height === undefined || !isHash(hash)) return { height: 0, hash: null };
  return { height, hash };
}

function described({ actor, from, text, bytes }: Heard): string {
  const shown = bytes === 0 ? '(an empty datagram)' : text;
  return `to ${actor.name}, from ${addressKey(from)}: ${shown}`;
}

/**
 * What people are shown of many lines: of each group the last.
 *
 * @param groups which group each line belongs to
 */
export function shorten(lines: readonly string[], groups: readonly string[]): string[] {
  const shown = new Map<string, { readonly line: string; readonly times: number }>();
  for (const [index, line] of lines.entries()) {
    const group = groups[index] ?? line;
    const times = (shown.get(group)?.times ?? 0) + 1;
    // What came last stands last.
    shown.delete(group);
    shown.set(group, { line, times });
  }
  const all = [...shown.values()].map(({ line, times }) => {
    const cut = line.length > MAX_SHOWN_LENGTH ? `${line.slice(0, MAX_SHOWN_LENGTH)}…` : line;
    return escapeControls(cut) + (times === 1 ? '' : ` (the last of ${times})`);
  });
  const more = all.length - MAX_SHOWN;
  return more <= 0 ? all : [`… ${more + 1} more …`, ...all.slice(more + 1)];
}
