/**
 * Kills a real peer with SIGKILL again and again, at random moments while it syncs, mines and reorganises, and looks
 * after each kill with the eyes of somebody else at what is on its disk. The moments are drawn from a seed; what the
 * peer has done by then depends on the machine.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { AcknowledgedMiner } from './acknowledged-miner.ts';
import type { Asker } from './asker.ts';
import { extendChain, forkChain, type PlainBlock } from './chains.ts';
import { ClassPeer, blockReply, claimOf } from './class-peer.ts';
import { Lab, type Peer, type PeerPlan } from './processes.ts';
import { seededRandom } from './random.ts';
import { readDataFolder, type StoredChain } from './store-reader.ts';
import type { Claim, WireBlock } from './wire.ts';

/** Low, so that long chains are built in a moment. */
const DIFFICULTY = 1;
/** What the peer may be doing when it is killed. */
export const PHASES = ['sync', 'mining', 'reorganisation'] as const;
export type Phase = (typeof PHASES)[number];

/** Every so many rounds of a phase, the chain on its way in is so long that a part of it is written beside ours. */
const LONG_EVERY = 4;
const LONG = { least: 5000, most: 9000 };
const SHORT = { least: 30, most: 600 };
/** A longer chain ends with its data folder, so that reading all of it after every kill stays quick. */
const LONGEST_CHAIN = 4000;
/** Milliseconds between two STATS. */
const ASK_EVERY = 5;
/** How long a sync may take before the peer counts as stuck, in milliseconds. */
const PATIENCE = 60_000;
/** Syncs that are to be over when the peer is killed: while it sweeps the old blocks away, or has nothing to do. */
const SHARE_OVER = 0.35;

export interface KillPlan {
  /** How often the peer is killed. */
  readonly kills: number;
  readonly seed: number;
  /** Called after every kill that went well. */
  readonly onKill?: (kills: number, phase: Phase) => void;
  /** Ends it early, in order. A kill that is being prepared then, or whose store nobody has read yet, does not count. */
  readonly stop?: AbortSignal;
}

/** What a campaign has seen. */
export interface KillReport {
  /** Whether it went to its end. */
  readonly complete: boolean;
  /** Those that went well. */
  readonly kills: Readonly<Record<Phase, number>>;
  /** Kills in a sync or reorganisation after which the peer stood on the old chain, and on the new one. */
  readonly before: number;
  readonly after: number;
  /** Blocks acknowledged to miners, in all rounds. */
  readonly acknowledged: number;
  /** Blocks announced and STATS told to others before a kill, in all rounds. */
  readonly announced: number;
  readonly reported: number;
  /** Data folders that were used. */
  readonly folders: number;
  readonly longestChain: number;
}

/** What somebody was told in one round, up to the kill. */
interface Told {
  readonly claims: Claim[];
  readonly acknowledged: readonly PlainBlock[];
  readonly announced: readonly WireBlock[];
}

/**
 * What is wrong with the chain that was found on the disk, after what was told.
 *
 * @param old the chain before the round
 * @param target the chain on its way in; undefined if the peer was mining
 */
export function lossOf(
  { blocks, fault }: StoredChain,
  reported: Told,
  old: readonly WireBlock[],
  target: readonly WireBlock[] | undefined,
): string | undefined {
  if (fault !== undefined) return `the stored chain is not valid: ${fault}`;
  const has = ({ height, hash }: Pick<WireBlock, 'height' | 'hash'>): boolean =>
    blocks[height]?.hash === hash;
  if (target === undefined) {
    if (!isDeepStrictEqual(blocks.slice(0, old.length), old))
      return 'the chain before the round is not in the store';
  } else if (!isDeepStrictEqual(blocks, old) && !isDeepStrictEqual(blocks, target)) {
    return `the store has ${blocks.length} blocks, neither the old chain (${old.length}) nor the new one (${target.length})`;
  }
  const lost = reported.acknowledged.find((block) => !has(block));
  if (lost !== undefined) return `block ${lost.height} was acknowledged to its miner and is lost`;
  const unheard = reported.announced.find((block) => !has(block));
  if (unheard !== undefined) return `block ${unheard.height} was announced and is lost`;
  for (const { height, hash } of reported.claims) {
    if (blocks.length < height) return `STATS told ${height} blocks, the store has ${blocks.length}`;
    // The old tip may have given way to a longer chain since it was told.
    if (hash === null || (target !== undefined && hash === old.at(-1)?.hash)) continue;
    if (!has({ height: height - 1, hash }))
      return `STATS told the tip ${hash}, which the store does not have`;
  }
  return undefined;
}

/** One campaign: a peer, its data folder, and who talks to it. */
class Campaign {
  readonly #plan: KillPlan;
  readonly #lab = new Lab();
  readonly #random: () => number;
  readonly #stop: AbortSignal;
  /** Fails when it is to stop; never comes otherwise. */
  readonly #stopped: Promise<never>;
  readonly #kills: Record<Phase, number> = { sync: 0, mining: 0, reorganisation: 0 };
  readonly #counts = {
    before: 0,
    after: 0,
    acknowledged: 0,
    announced: 0,
    reported: 0,
    folders: 0,
    longestChain: 0,
  };
  #asker!: Asker;
  #peer: Peer | undefined;
  #chain: readonly PlainBlock[] = [];

  constructor(plan: KillPlan) {
    this.#plan = plan;
    this.#random = seededRandom(plan.seed);
    const stop = (this.#stop = plan.stop ?? new AbortController().signal);
    this.#stopped = new Promise((_, reject) => {
      const fail = (): void => {
        reject(stop.reason as Error);
      };
      if (stop.aborted) fail();
      else stop.addEventListener('abort', fail, { once: true });
    });
    // It may stop where nobody waits.
    this.#stopped.catch(() => undefined);
  }

  async run(): Promise<KillReport> {
    try {
      this.#asker = await this.#lab.asker();
      for (let kill = 0; kill < this.#plan.kills; kill++) {
        const phase = PHASES[kill % PHASES.length] ?? 'sync';
        await this.#round(phase).catch((error: unknown) => {
          if (this.#isStop(error)) throw error;
          throw new Error(`kill ${kill + 1}, during ${phase}: ${String(error)}\n${this.#explain()}`, {
            cause: error,
          });
        });
        this.#plan.onKill?.(kill + 1, phase);
      }
      await this.#restart();
      return this.#report(true);
    } catch (error) {
      if (!this.#isStop(error)) throw error;
      return this.#report(false);
    } finally {
      await this.#lab.close();
    }
  }

  #report(complete: boolean): KillReport {
    return { complete, kills: this.#kills, ...this.#counts };
  }

  #isStop(error: unknown): boolean {
    return this.#stop.aborted && error === this.#stop.reason;
  }

  /** Waits for something that may take long, or for the end of all. */
  #orStopped<T>(work: Promise<T>): Promise<T> {
    return Promise.race([this.#stopped, work]);
  }

  /** Starts the peer again and compares what it serves with what was read from its disk. */
  async #restart(): Promise<Peer> {
    if (this.#peer === undefined || this.#chain.length > LONGEST_CHAIN) {
      if (this.#peer !== undefined) await this.#compare(this.#peer);
      await this.#peer?.kill9();
      this.#peer = await this.#lab.newPeer();
      this.#counts.folders++;
      this.#chain = [];
      await this.#start(this.#peer);
      return this.#peer;
    }
    await this.#compare(this.#peer);
    return this.#peer;
  }

  async #start(peer: Peer): Promise<void> {
    // It founds a network of its own when it has no chain, so that there is something to mine on.
    const plan: PeerPlan = { difficulty: DIFFICULTY, genesis: true, minedBy: 'killed' };
    // Nothing may be started that is not ended with the rest.
    this.#stop.throwIfAborted();
    await this.#orStopped(peer.start(plan));
  }

  async #compare(peer: Peer): Promise<void> {
    await this.#start(peer);
    const served = await this.#orStopped(this.#asker.chain(peer.port));
    if (!isDeepStrictEqual(served, this.#chain))
      throw new Error(`after the restart it serves ${served.length} blocks, not what is in its store`);
  }

  async #round(phase: Phase): Promise<void> {
    const peer = await this.#restart();
    const number = this.#kills[phase];
    const { round, target } =
      phase === 'mining'
        ? { round: () => this.#killMining(peer), target: undefined }
        : this.#plannedSync(peer, phase, number % LONG_EVERY === LONG_EVERY - 1);
    const reported = await this.#listen(peer, round);
    // Ctrl-C reaches the peer as well: what it has told by then may be what it tells at its orderly end.
    this.#stop.throwIfAborted();
    const stored = await readDataFolder(peer.dataDir);
    const loss = lossOf(stored, reported, this.#chain, target);
    if (loss !== undefined) throw new Error(loss);
    if (target !== undefined) this.#counts[stored.blocks.length === target.length ? 'after' : 'before']++;
    this.#kills[phase]++;
    this.#counts.acknowledged += reported.acknowledged.length;
    this.#counts.announced += reported.announced.length;
    this.#counts.reported += reported.claims.length;
    this.#counts.longestChain = Math.max(this.#counts.longestChain, stored.blocks.length);
    // What was mined here has timestamps of today.
    this.#chain = stored.blocks.map((block) => ({ ...block, timestamp: Number(block.timestamp) }));
  }

  /** Keeps what the peer tells until it is killed. */
  async #listen(peer: Peer, round: () => Promise<readonly PlainBlock[]>): Promise<Told> {
    const claims: Claim[] = [];
    const from = this.#asker.announced.length;
    const deafen = this.#asker.listen(({ type, height, hash }, port) => {
      if (port === peer.port && type === 'STATS_REPLY' && typeof height === 'number')
        claims.push({ height, hash: typeof hash === 'string' ? hash : null });
    });
    const timer = setInterval(() => {
      this.#asker.send(peer.port, { type: 'STATS' });
    }, ASK_EVERY);
    try {
      const acknowledged = await round();
      await peer.program.ended;
      // What it had sent before is in our socket by now, and has its turn in this pause.
      await pause(20);
      const announced = this.#asker.announced.slice(from).filter(({ port }) => port === peer.port);
      return { claims, acknowledged, announced: announced.map(({ block }) => block) };
    } finally {
      clearInterval(timer);
      deafen();
    }
  }

  /** Lets it mine some blocks, and kills it in the time that a block takes. */
  async #killMining(peer: Peer): Promise<readonly PlainBlock[]> {
    const miner = new AcknowledgedMiner(peer.minerPort);
    const last = 1 + Math.floor(this.#random() * 25);
    const after = this.#random() * 15;
    let stuck: NodeJS.Timeout | undefined;
    const handedIn = new Promise<void>((resolve, reject) => {
      stuck = setTimeout(() => {
        reject(new Error(`only ${miner.handedIn} of ${last} blocks were handed in`));
      }, PATIENCE);
      miner.onHandIn = (handedIn) => {
        if (handedIn !== last) return;
        clearTimeout(stuck);
        setTimeout(resolve, after);
      };
    });
    try {
      await this.#orStopped(handedIn);
    } finally {
      clearTimeout(stuck);
      await peer.kill9();
      await miner.close();
    }
    return miner.acknowledged;
  }

  #plannedSync(
    peer: Peer,
    phase: 'sync' | 'reorganisation',
    long: boolean,
  ): { target: readonly PlainBlock[]; round: () => Promise<readonly PlainBlock[]> } {
    const { least, most } = long ? LONG : SHORT;
    const count = Math.floor(least + this.#random() * (most - least));
    const old = this.#chain;
    // A reorganisation gives up a part of ours, sometimes all of it.
    const forkHeight = phase === 'sync' ? old.length : Math.floor(this.#random() * old.length);
    const plan = { difficulty: DIFFICULTY, minedBy: `${phase} ${this.#kills[phase]}` };
    const target =
      phase === 'sync'
        ? extendChain(old, count, plan)
        : forkChain(old, forkHeight, Math.max(old.length + 1, forkHeight + count), plan);
    // The first thousands of a long one only gather in memory.
    const share = long ? 0.5 + this.#random() / 2 : this.#random();
    const missing = target.length - forkHeight;
    return { target, round: () => this.#killSync(peer, target, missing, 1 + Math.floor(share * missing)) };
  }

  /**
   * Offers a better chain of which it lacks `missing` blocks, and kills it a little after it has asked for
   * `requests` blocks, or when it has the chain.
   */
  async #killSync(
    peer: Peer,
    target: readonly PlainBlock[],
    missing: number,
    requests: number,
  ): Promise<readonly PlainBlock[]> {
    const over = this.#random() < SHARE_OVER;
    const after = this.#random() * (over ? 40 : 8);
    let asked = 0;
    let come = (): void => undefined;
    const moment = new Promise<void>((resolve) => (come = resolve));
    const claim = claimOf(target);
    const source = await ClassPeer.open({
      join: [peer],
      subjects: this.#lab.subjects,
      lie: {
        claim,
        serve: (height) => {
          if (++asked === requests && !over) come();
          return blockReply(target[height]);
        },
      },
    });
    const deafen = this.#asker.listen(({ hash }, port) => {
      if (over && port === peer.port && hash === claim.hash) come();
    });
    const stuck = new AbortController();
    try {
      await Promise.race([
        this.#stopped,
        moment,
        pause(PATIENCE, undefined, { signal: stuck.signal }).then(() => {
          throw new Error(`it asked for ${asked} of ${missing} blocks and then no more`);
        }),
      ]);
      await pause(after);
    } finally {
      stuck.abort();
      deafen();
      await peer.kill9();
      source.close();
    }
    return [];
  }

  #explain(): string {
    return this.#peer?.program.explain() ?? 'no peer was started';
  }
}

/**
 * Runs a campaign. Whatever it started has ended when it is over, also where it was stopped.
 *
 * @throws Error at the first kill after which something is wrong, with what it was and what the peer said
 */
export async function runKillCampaign(plan: KillPlan): Promise<KillReport> {
  return new Campaign(plan).run();
}
