/**
 * A miner as a student writes it, right in every rule. Wrong ones are made of it, each by one method that is another.
 */
import type { Address } from '../../../../shared/address.ts';
import type { Link } from '../../../../peer/engines/pow/check/ground.ts';
import { wireHash, type JsonObject } from '../../../support/wire.ts';
import type { VirtualGround } from './virtual-ground.ts';

export interface MinerJob {
  readonly height: number;
  readonly messages: readonly string[];
  readonly previous_hash: string;
  readonly minedBy: string;
  readonly difficulty: number;
}

/** Nonces tried at a time, and the time that takes in milliseconds. */
const SLICE = 20;
const SLICE_TIME = 5;
const RECONNECT = 500;

export class StudentMiner {
  protected readonly ground: VirtualGround;
  protected readonly peer: Address;
  protected link: Link | undefined;
  protected rest = '';
  protected job: MinerJob | undefined;
  /** Counts the jobs, so that the search for an old one ends. */
  protected turn = 0;

  constructor(peer: Address, ground: VirtualGround) {
    this.peer = peer;
    this.ground = ground;
  }

  start(): void {
    this.rest = '';
    this.link = this.ground.connect(this.peer, {
      onBytes: (bytes) => {
        this.read(Buffer.from(bytes).toString());
      },
      onEnd: () => {
        this.onEnd();
      },
    });
    if (this.link === undefined) this.onEnd();
    else this.greet();
  }

  protected greet(): void {
    // Nobody has asked.
  }

  protected onEnd(): void {
    this.link = undefined;
    this.ground.after(RECONNECT, () => {
      this.start();
    });
  }

  /** Objects end where their last brace closes; what is none of them is passed over. */
  protected read(text: string): void {
    this.rest += text;
    for (;;) {
      const open = this.rest.indexOf('{');
      if (open < 0) {
        this.rest = '';
        return;
      }
      let close = this.rest.indexOf('}', open);
      while (close >= 0 && parsed(this.rest.slice(open, close + 1)) === undefined)
        close = this.rest.indexOf('}', close + 1);
      if (close < 0) return;
      const object = parsed(this.rest.slice(open, close + 1));
      this.rest = this.rest.slice(close + 1);
      if (object !== undefined) this.onMessage(object);
    }
  }

  protected onMessage(message: JsonObject): void {
    if (message['type'] !== undefined || typeof message['previous_hash'] !== 'string') return;
    this.onJob(message as unknown as MinerJob);
  }

  protected onJob(job: MinerJob): void {
    this.job = job;
    this.turn++;
    const { turn } = this;
    this.ground.after(SLICE_TIME, () => {
      this.search(job, turn, 0);
    });
  }

  protected search(job: MinerJob, turn: number, from: number): void {
    if (!this.goesOn(turn)) return;
    for (let count = from; count < from + SLICE; count++) {
      const block = this.block(job, count);
      const hash = this.hash(block, job);
      if (!hash.endsWith('0'.repeat(this.zeros(job)))) continue;
      this.found(job, { ...block, hash });
      return;
    }
    this.ground.after(SLICE_TIME, () => {
      this.search(job, turn, from + SLICE);
    });
  }

  protected goesOn(turn: number): boolean {
    return turn === this.turn;
  }

  protected zeros(job: MinerJob): number {
    return job.difficulty;
  }

  protected block(job: MinerJob, count: number): Found {
    const { height, messages, minedBy } = job;
    return { height, minedBy, messages, timestamp: this.ground.seconds(), nonce: this.nonce(count) };
  }

  protected nonce(count: number): string {
    return String(count);
  }

  protected hash(block: Found, job: MinerJob): string {
    return wireHash({ ...block, hash: '' }, job.height === 0 ? '' : job.previous_hash) ?? '';
  }

  protected found(job: MinerJob, block: Found & { readonly hash: string }): void {
    this.send(this.answer(job, block));
  }

  protected answer({ previous_hash }: MinerJob, block: Found & { readonly hash: string }): object {
    return { ...block, previous_hash };
  }

  protected send(message: object): void {
    this.link?.send(`${JSON.stringify(message)}\n`);
  }
}

export interface Found {
  readonly height: number;
  readonly minedBy: string;
  readonly messages: readonly string[];
  readonly timestamp: number;
  readonly nonce: string;
}

export function parsed(text: string): JsonObject | undefined {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return undefined;
  }
}
