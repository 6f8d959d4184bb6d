/**
 * A peer as a student writes it from the assignment, right in every rule, and short. It shares no code with the programs
 * of this project but the sockets and the clock. Wrong ones are made of it, each by one method that is another.
 */
import type { Address } from '../../../../shared/address.ts';
import type { Ground, Port } from '../../../../peer/engines/pow/check/ground.ts';
import {
  wireFault,
  readWireBlock,
  type Claim,
  type JsonObject,
  type WireBlock,
} from '../../../support/wire.ts';

export interface StudentPlan {
  readonly address: Address;
  readonly difficulty: number;
  /** Whom it joins through. */
  readonly join?: Address;
  readonly chain?: readonly WireBlock[];
}

interface Tracked {
  readonly address: Address;
  heard: number;
}

/** Times in milliseconds. */
const GOSSIP_EVERY = 30_000;
const TIMEOUT = 60_000;
const CONSENSUS_EVERY = 300_000;
const STATS_WAIT = 1_000;
const RETRY = 400;
const MAX_RETRIES = 25;
const FAN_OUT = 3;

export class Student {
  chain: WireBlock[];
  readonly tracked = new Map<string, Tracked>();
  protected readonly plan: StudentPlan;
  protected readonly ground: Ground;
  protected port!: Port;
  protected readonly seen = new Set<unknown>();
  protected gossips = 0;
  protected turn = 0;
  protected consensus: { claims: Map<string, { address: Address; claim: Claim }> } | undefined;
  protected sync:
    | {
        claim: Claim;
        sources: Address[];
        blocks: (WireBlock | undefined)[];
        tries: number;
        later: Candidate[];
      }
    | undefined;
  protected queued: WireBlock[] = [];
  protected closed = false;

  constructor(plan: StudentPlan, ground: Ground) {
    this.plan = plan;
    this.ground = ground;
    this.chain = [...(plan.chain ?? [])];
  }

  async start(): Promise<void> {
    const { host, port } = this.plan.address;
    this.port = await this.ground.openPort(host, port, (bytes, from) => {
      if (!this.closed) this.receive(bytes, from);
    });
    this.gossipRound();
    this.every(CONSENSUS_EVERY, () => {
      this.consensusRound();
    });
    if (this.plan.join !== undefined) this.join();
  }

  protected join(): void {
    this.after(STATS_WAIT, () => {
      this.beginConsensus();
    });
  }

  protected consensusRound(): void {
    this.beginConsensus();
  }

  close(): void {
    this.closed = true;
    this.port.close();
  }

  protected every(milliseconds: number, run: () => void): void {
    this.after(milliseconds, () => {
      run();
      this.every(milliseconds, run);
    });
  }

  protected after(milliseconds: number, run: () => void): void {
    this.ground.after(milliseconds, () => {
      if (!this.closed) run();
    });
  }

  protected send(to: Address, message: object): void {
    this.port.send(Buffer.from(JSON.stringify(message)), to);
  }

  protected receive(bytes: Uint8Array, from: Address): void {
    let message: JsonObject;
    try {
      const value = JSON.parse(Buffer.from(bytes).toString()) as unknown;
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
      message = value as JsonObject;
    } catch {
      return;
    }
    const known = this.tracked.get(key(from));
    if (known !== undefined) known.heard = this.ground.now();
    this.handle(message, from);
  }

  protected handle(message: JsonObject, from: Address): void {
    switch (message['type']) {
      case 'GOSSIP':
        this.onGossip(message, from);
        break;
      case 'GOSSIP_REPLY':
        this.track(addressOf(message));
        break;
      case 'STATS':
        this.onStats(from);
        break;
      case 'STATS_REPLY':
        this.onStatsReply(message, from);
        break;
      case 'GET_BLOCK':
        this.onGetBlock(message['height'], from);
        break;
      case 'GET_BLOCK_REPLY':
        this.onBlock(message);
        break;
      case 'ANNOUNCE':
        this.onAnnounce(message, from);
        break;
      case 'CONSENSUS':
        this.onConsensus(from);
        break;
    }
  }

  // Gossip

  protected track(address: Address | undefined): void {
    if (address === undefined || key(address) === key(this.plan.address)) return;
    this.tracked.set(key(address), { address, heard: this.ground.now() });
  }

  protected onGossip(message: JsonObject, from: Address): void {
    const origin = addressOf(message);
    if (origin === undefined) return;
    const fresh = message['id'] !== undefined && !this.seen.has(message['id']);
    this.seen.add(message['id']);
    this.track(origin);
    this.reply(origin, from);
    if (fresh) this.repeat(message, origin);
  }

  protected reply(origin: Address, _from: Address): void {
    this.send(origin, this.gossipReply());
  }

  protected gossipReply(): object {
    return { type: 'GOSSIP_REPLY', ...this.plan.address, name: 'student' };
  }

  protected repeat(message: JsonObject, origin: Address): void {
    for (const to of this.some(origin)) this.send(to, message);
  }

  /** Three of those tracked, others each time. */
  protected some(except?: Address): Address[] {
    const all = [...this.tracked.values()]
      .map(({ address }) => address)
      .filter((address) => except === undefined || key(address) !== key(except));
    this.turn++;
    return [...all, ...all].slice(this.turn % (all.length || 1)).slice(0, Math.min(FAN_OUT, all.length));
  }

  protected ownGossip(): object {
    const id = `student-${++this.gossips}`;
    this.seen.add(id);
    return { type: 'GOSSIP', ...this.plan.address, id, name: 'student' };
  }

  protected gossipRound(): void {
    this.dropSilent();
    const targets = new Map(this.some().map((address) => [key(address), address]));
    if (this.plan.join !== undefined) targets.set(key(this.plan.join), this.plan.join);
    const message = this.ownGossip();
    for (const to of targets.values()) this.send(to, message);
    this.nextGossip();
  }

  protected nextGossip(): void {
    this.after(GOSSIP_EVERY, () => {
      this.gossipRound();
    });
  }

  protected dropSilent(): void {
    for (const [one, { heard }] of this.tracked)
      if (heard < this.ground.now() - TIMEOUT) this.tracked.delete(one);
  }

  // Blocks

  protected onStats(from: Address): void {
    this.send(from, this.statsReply());
  }

  protected statsReply(): object {
    return { type: 'STATS_REPLY', height: this.chain.length, hash: this.chain.at(-1)?.hash ?? null };
  }

  protected blockAt(height: number): WireBlock | undefined {
    return height >= 0 ? this.chain[height] : undefined;
  }

  protected onGetBlock(height: unknown, from: Address): void {
    const block = typeof height === 'number' ? this.blockAt(height) : undefined;
    this.send(from, block === undefined ? this.noBlock() : this.blockReply(block));
  }

  protected blockReply(block: WireBlock): object {
    return { type: 'GET_BLOCK_REPLY', ...block };
  }

  protected noBlock(): object {
    return {
      ...{ type: 'GET_BLOCK_REPLY', hash: null, height: null, messages: null },
      ...{ minedBy: null, nonce: null, timestamp: null },
    };
  }

  /** What is wrong with a block on top of a chain. */
  protected faultOf(block: WireBlock, chain: readonly WireBlock[]): string | undefined {
    return wireFault(block, chain.length, chain.at(-1)?.hash ?? '', this.plan.difficulty);
  }

  /** The same where the block is announced. */
  protected announcedFault(block: WireBlock): string | undefined {
    return this.faultOf(block, this.chain);
  }

  protected onAnnounce(message: JsonObject, _from: Address): void {
    const block = readWireBlock(message);
    if (block === undefined) return;
    if (this.sync !== undefined) this.queued.push(block);
    else this.add(block);
  }

  protected add(block: WireBlock): void {
    if (this.announcedFault(block) === undefined) this.chain.push(block);
  }

  // Consensus

  protected onConsensus(_from: Address): void {
    if (this.consensus === undefined && this.sync === undefined) this.beginConsensus();
  }

  protected beginConsensus(): void {
    this.consensus = { claims: new Map() };
    for (const address of this.askedForStats()) this.send(address, { type: 'STATS' });
    this.after(STATS_WAIT, () => {
      this.decide();
    });
  }

  protected askedForStats(): Address[] {
    this.dropSilent();
    return [...this.tracked.values()].map(({ address }) => address);
  }

  protected onStatsReply({ height, hash }: JsonObject, from: Address): void {
    if (typeof height !== 'number' || typeof hash !== 'string') return;
    this.consensus?.claims.set(key(from), { address: from, claim: { height, hash } });
  }

  protected decide(): void {
    const groups = new Map<string, Candidate>();
    for (const { address, claim } of this.consensus?.claims.values() ?? []) {
      const group = groups.get(`${claim.height} ${claim.hash ?? ''}`) ?? { claim, sources: [] };
      group.sources.push(address);
      groups.set(`${claim.height} ${claim.hash ?? ''}`, group);
    }
    this.consensus = undefined;
    this.load(this.choose([...groups.values()]));
  }

  /** The chains to try, best first. */
  protected choose(candidates: Candidate[]): Candidate[] {
    return candidates
      .filter(({ claim }) => claim.height > this.chain.length)
      .sort((a, b) => b.claim.height - a.claim.height || b.sources.length - a.sources.length);
  }

  protected load([first, ...later]: Candidate[]): void {
    if (first === undefined) {
      this.sync = undefined;
      return;
    }
    const blocks = Array.from({ length: first.claim.height }, () => undefined);
    this.sync = { ...first, blocks, tries: 0, later };
    this.askForBlocks();
  }

  protected askForBlocks(): void {
    const { sync } = this;
    if (sync === undefined) return;
    if (sync.tries++ > this.maxRetries()) {
      this.load(sync.later);
      return;
    }
    for (const [height, block] of sync.blocks.entries())
      if (block === undefined) this.send(this.sourceOf(height, sync.sources), { type: 'GET_BLOCK', height });
    this.after(RETRY, () => {
      if (this.sync === sync) this.askForBlocks();
    });
  }

  protected maxRetries(): number {
    return MAX_RETRIES;
  }

  protected sourceOf(height: number, sources: readonly Address[]): Address {
    const source = sources[(height + (this.sync?.tries ?? 0)) % sources.length];
    return source ?? this.plan.address;
  }

  protected onBlock(message: JsonObject): void {
    const { sync } = this;
    const block = readWireBlock(message);
    if (sync === undefined || block === undefined || block.height >= sync.blocks.length) return;
    sync.blocks[block.height] = block;
    if (sync.blocks.every((one) => one !== undefined)) this.finish(sync.blocks, sync.later);
  }

  protected finish(blocks: WireBlock[], later: Candidate[]): void {
    this.sync = undefined;
    if (!this.isValid(blocks)) {
      this.load(later);
      return;
    }
    this.chain = blocks;
    for (const block of this.queued.splice(0)) this.add(block);
  }

  protected isValid(blocks: readonly WireBlock[]): boolean {
    return blocks.every((block, at) => this.faultOf(block, blocks.slice(0, at)) === undefined);
  }
}

export interface Candidate {
  readonly claim: Claim;
  readonly sources: Address[];
}

function key({ host, port }: Address): string {
  return `${host}:${port}`;
}

function addressOf({ host, port }: JsonObject): Address | undefined {
  return typeof host === 'string' && host !== '' && typeof port === 'number' && port > 0 && port < 65536
    ? { host, port }
    : undefined;
}
