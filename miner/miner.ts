import type { EventEmitter } from 'node:events';

import { preimageHead } from '../shared/block.ts';
import type { Log } from '../shared/log.ts';
import {
  NONCE_ALPHABET,
  RATE_INTERVAL_MS,
  type MiningJob,
  type MiningResult,
} from '../shared/mining-wire.ts';
import type { ClientEvents, PeerClient } from './client.ts';
import { messageOrders } from './orders.ts';
import type { MiningPool, PoolEvents, PoolStats, PoolWork } from './pool.ts';
import { RateMeter } from './rate.ts';

/** How often the time of a block is set anew where the peer does not do it, in milliseconds. */
const REFRESH_INTERVAL = 15_000;
/** How often the rate is measured, in milliseconds. */
const MEASURE_INTERVAL = 500;
/** Pause before a job is gone on with whose block the peer did not take, in milliseconds. */
const RETRY_PAUSE = 1000;
/**
 * A seed's peer does not report what became of a block, but repeats its job until it has moved on. After so long, in
 * milliseconds, the block must have been lost.
 */
const UNANSWERED_PAUSE = 30_000;
/** How long there may be nothing to mine until that is logged, in milliseconds: a sync is over by then, mostly. */
const WORK_PATIENCE = 3000;
/** The message of a block for a peer that named none. */
const FALLBACK_MESSAGE = 'gossip-miner';
/** Characters that set our nonces apart from other miners', where the peer gave us no part of the nonce space. */
const OWN_PREFIX_LENGTH = 3;

/** A job with everything that its blocks have in common filled in. */
export interface Work extends PoolWork {
  readonly job: MiningJob;
  /** The messages in the order of each head, that of the job first. */
  readonly orders: readonly (readonly string[])[];
  readonly minedBy: string;
  /** Seconds. */
  readonly timestamp: number;
}

/** What the miner needs of a pool. */
export type WorkPool = EventEmitter<PoolEvents<Work>> &
  Pick<MiningPool<Work>, 'setWork' | 'setPaused' | 'stats'>;
/** What the miner needs of a client. */
export type WorkSource = EventEmitter<ClientEvents> &
  Pick<PeerClient, 'start' | 'submit' | 'tellRate' | 'close'>;

export interface MinerOptions {
  /** Zeros that a hash must end in, for a peer that does not send it. */
  readonly difficulty: number;
  /** Who signs the blocks, for a peer that does not send it. */
  readonly name: string;
}

export interface MinerModules {
  readonly client: WorkSource;
  readonly pool: WorkPool;
  readonly log: Log;
  /** Wall clock in milliseconds. */
  readonly now: () => number;
  /** Between 0 and 1. */
  readonly random: () => number;
}

/** What the miner has done so far. */
export interface MinerStats extends PoolStats {
  /** `paused`: at rest by request; `connecting`: no peer; `waiting`: nothing to mine; `mining` */
  readonly state: 'paused' | 'connecting' | 'waiting' | 'mining';
  /** Hashes a second, over the last seconds. */
  readonly rate: number;
  /** Hashes a second of each worker. */
  readonly workerRates: readonly number[];
  /** Difficulty of the job; undefined if there is none. */
  readonly difficulty: number | undefined;
  /** Blocks handed in. */
  readonly found: number;
  /** Blocks by what the peer answered. */
  readonly accepted: number;
  readonly stale: number;
  readonly rejected: number;
  /** Blocks without an answer: a seed's peer never answers. */
  readonly unanswered: number;
}

/** Whether two jobs are for the same place in the same chain. */
function sameTip(one: MiningJob, other: MiningJob): boolean {
  return one.height === other.height && one.previousHash === other.previousHash;
}

/** Brings the peer's jobs to the pool and the pool's blocks to the peer. */
export class Miner {
  readonly #options: MinerOptions;
  readonly #modules: MinerModules;
  #rate = new RateMeter();
  /** By the worker's id. */
  #workerRates = new Map<number, RateMeter>();
  readonly #ownPrefix: string;
  #connected = false;
  /** Whether it was logged that the peer cannot be reached. */
  #saidAway = false;
  #job: MiningJob | undefined;
  /** When a block for this job was handed in (wall clock); the search rests until the peer has moved on. */
  #answeredAt: number | undefined;
  /** The last block that was handed in: results name the id of its job, the log its height. */
  #submitted: { readonly job: string | undefined; readonly height: number } | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Runs while we wait for work, until that is logged. */
  #idle: NodeJS.Timeout | undefined;
  #saidIdle = false;
  #timers: NodeJS.Timeout[] = [];
  readonly #counts = { found: 0, accepted: 0, stale: 0, rejected: 0 };

  constructor(options: MinerOptions, modules: MinerModules) {
    this.#options = options;
    this.#modules = modules;
    this.#ownPrefix = Array.from({ length: OWN_PREFIX_LENGTH }, () =>
      NONCE_ALPHABET.charAt(Math.floor(modules.random() * NONCE_ALPHABET.length)),
    ).join('');
    const { client, pool, log } = modules;
    client.on('connected', () => {
      this.#connected = true;
      log.info('connected to the peer');
      this.#awaitWork();
    });
    client.on('lost', (reason, wasConnected, pause) => {
      this.#lost();
      // One line for a peer that is away, not one for every attempt.
      const data = { reason, retry: `${(pause / 1000).toFixed(1)}s` };
      if (wasConnected || !this.#saidAway)
        log.warn(wasConnected ? 'lost the peer' : 'cannot reach the peer', data);
      else log.debug('cannot reach the peer', data);
      this.#saidAway = !wasConnected;
    });
    client.on('job', (job, modern) => {
      this.#take(job, modern);
    });
    client.on('wait', () => {
      log.debug('the peer has nothing to mine');
      this.#rest();
    });
    client.on('result', (result) => {
      this.#hear(result);
    });
    client.on('garbled', (fault) => {
      log.debug('a message of the peer is not understood', { fault });
    });
    pool.on('found', (work, nonce, hash, head) => {
      this.#hand(work, nonce, hash, head);
    });
    pool.on('trouble', (message) => {
      log.warn(message);
    });
  }

  start(): void {
    const { client } = this.#modules;
    this.#measure();
    this.#timers = [
      setInterval(() => {
        this.#measure();
      }, MEASURE_INTERVAL),
      setInterval(() => {
        client.tellRate(this.#rate.perSecond);
      }, RATE_INTERVAL_MS),
      setInterval(() => {
        if (this.#job?.timestamp === undefined) this.#mine();
      }, REFRESH_INTERVAL),
    ];
    client.start();
  }

  /** Ends the connection and the search. The pool stays with whoever made it. */
  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#lost();
    this.#modules.client.close();
  }

  /** Lets the search rest, or go on. Meanwhile the connection stays, and jobs replace each other as ever. */
  setPaused(paused: boolean): void {
    const { pool, log } = this.#modules;
    if (paused === pool.stats().paused) return;
    pool.setPaused(paused);
    // A pause says nothing about how fast the search is.
    this.#rate = new RateMeter();
    this.#workerRates.clear();
    this.#measure();
    log.info(paused ? 'paused' : 'mining again');
  }

  stats(): MinerStats {
    const pool = this.#modules.pool.stats();
    const mining = this.#job !== undefined && this.#answeredAt === undefined;
    const { found, accepted, stale, rejected } = this.#counts;
    return {
      ...pool,
      ...this.#counts,
      unanswered: Math.max(0, found - accepted - stale - rejected),
      state: pool.paused ? 'paused' : mining ? 'mining' : this.#connected ? 'waiting' : 'connecting',
      rate: this.#rate.perSecond,
      workerRates: pool.workers.map(({ id }) => this.#workerRates.get(id)?.perSecond ?? 0),
      difficulty: this.#job === undefined ? undefined : (this.#job.difficulty ?? this.#options.difficulty),
    };
  }

  #measure(): void {
    const now = performance.now();
    const { tried, workers } = this.#modules.pool.stats();
    this.#rate.add(now, tried);
    // Meters of workers that are gone go with them.
    this.#workerRates = new Map(
      workers.map(({ id, tried }) => {
        const meter = this.#workerRates.get(id) ?? new RateMeter();
        meter.add(now, tried);
        return [id, meter];
      }),
    );
  }

  #lost(): void {
    this.#connected = false;
    this.#rest();
  }

  /** There is nothing to mine. */
  #rest(): void {
    clearTimeout(this.#retry);
    this.#job = undefined;
    this.#answeredAt = undefined;
    this.#modules.pool.setWork(null);
    this.#awaitWork();
  }

  /** Logs it if there is nothing to mine for a while. */
  #awaitWork(): void {
    clearTimeout(this.#idle);
    this.#saidIdle = false;
    if (!this.#connected) return;
    this.#idle = setTimeout(() => {
      this.#saidIdle = true;
      this.#modules.log.info('the peer has no work so far; mining begins when it has');
    }, WORK_PATIENCE);
  }

  #take(job: MiningJob, modern: boolean): void {
    const before = this.#job;
    if (before !== undefined && !modern && sameTip(before, job)) {
      if (this.#answeredAt !== undefined) {
        // Sent before the peer had our block. Another block at this height would harm a seed's peer, which verifies
        // nothing.
        if (this.#modules.now() - this.#answeredAt < UNANSWERED_PAUSE) return;
      } else if (JSON.stringify(before) === JSON.stringify(job)) {
        // A seed's peer repeats itself; the search goes on as it is.
        return;
      }
    }
    clearTimeout(this.#retry);
    clearTimeout(this.#idle);
    if (this.#saidIdle) this.#modules.log.info('the peer has work');
    this.#saidIdle = false;
    this.#job = job;
    this.#answeredAt = undefined;
    this.#modules.log.debug('a job', { height: job.height, difficulty: job.difficulty });
    this.#mine();
  }

  /** Lets the pool search for the job, with the time of now if the peer named none. */
  #mine(): void {
    const job = this.#job;
    if (job === undefined || this.#answeredAt !== undefined) return;
    const messages = job.messages.length > 0 ? job.messages : [FALLBACK_MESSAGE];
    const minedBy = job.minedBy ?? this.#options.name;
    const timestamp = job.timestamp ?? Math.floor(this.#modules.now() / 1000);
    const orders = messageOrders(messages);
    const headOf = (messages: readonly string[]): Uint8Array =>
      preimageHead({ messages, minedBy, timestamp }, job.previousHash);
    this.#modules.pool.setWork({
      job,
      orders,
      minedBy,
      timestamp,
      head: headOf(messages),
      otherHeads: orders.slice(1).map(headOf),
      noncePrefix: job.noncePrefix ?? this.#ownPrefix,
      difficulty: job.difficulty ?? this.#options.difficulty,
    });
  }

  /** Hands a block in, unless the job has been replaced or has one already. */
  #hand(work: Work, nonce: string, hash: string, head: number): void {
    const job = this.#job;
    const messages = work.orders[head];
    if (
      messages === undefined ||
      job === undefined ||
      this.#answeredAt !== undefined ||
      !sameTip(work.job, job)
    )
      return;
    const { pool, client, log, now } = this.#modules;
    this.#answeredAt = now();
    this.#submitted = { job: work.job.job, height: work.job.height };
    this.#counts.found++;
    pool.setWork(null);
    client.submit({
      height: work.job.height,
      previousHash: work.job.previousHash,
      messages,
      minedBy: work.minedBy,
      difficulty: work.difficulty,
      timestamp: work.timestamp,
      nonce,
      hash,
      job: work.job.job,
    });
    log.info('found a block', { height: work.job.height, hash });
  }

  #hear({ status, job, reason }: MiningResult): void {
    const { log } = this.#modules;
    this.#counts[status]++;
    const data = job === this.#submitted?.job ? { height: this.#submitted?.height } : {};
    if (status === 'rejected') {
      log.warn('the peer rejected the block', data);
      log.debug('the reason that the peer gave', { reason });
    } else {
      log.info(status === 'accepted' ? 'the peer accepted the block' : 'the block came too late', data);
    }
    if (status === 'accepted' || this.#answeredAt === undefined) return;
    // The peer has moved on and will send its next job, or the block was wrong: then the job still stands.
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#answeredAt = undefined;
      this.#mine();
    }, RETRY_PAUSE);
  }
}
