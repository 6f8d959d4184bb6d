/** The laboratory for miners: a peer that gives them work over TCP, well and badly framed, and looks at what comes back. */
import { hashBlock, isHash, readInteger, type Block } from '../../../../shared/block.ts';
import { isJsonObject, jsonOrUndefined } from '../../../../shared/json.ts';
import { JsonObjectStream } from '../../../../shared/json-stream.ts';
import { MINING_STREAM_LIMITS } from '../../../../shared/mining-wire.ts';
import { Random } from '../../../core/random.ts';
import type { Fields } from './actor.ts';
import { shorten } from './evidence.ts';
import type { Ground, Link, Listener } from './ground.ts';
import { MAX_TRAFFIC, MINING_PATIENCE, NEVER } from './limits.ts';
import { Waiting } from './patience.ts';
import type { Place } from './run.ts';
import { Wrong } from './rule.ts';

/** All times in milliseconds. */
export interface MinerLabOptions {
  readonly host: string;
  readonly port: number;
  readonly difficulty: number;
  readonly patience: number;
  readonly entropy: Uint8Array;
  readonly stop: AbortSignal;
}

/** Work, with the field names of the assignment's own sketch. */
export interface Job {
  readonly height: number;
  readonly messages: readonly string[];
  /** `''` for a genesis. */
  readonly previous_hash: string;
  readonly minedBy: string;
  readonly difficulty: number;
}

/** An object that came from the miner. */
export interface Answer {
  readonly at: number;
  readonly text: string;
  readonly fields: Fields;
}

export class MinerLab implements Place {
  readonly options: MinerLabOptions;
  readonly ground: Ground;
  readonly random: Random;
  /** What came since the rule began, and ever. */
  answers: Answer[] = [];
  /** What the miner sent before it had any job. */
  readonly before: string[] = [];
  /** Connections that it made so far. */
  connections = 0;
  #listener: Listener | undefined;
  #link: Link | undefined;
  #received: string[] = [];
  #sent: string[] = [];
  #gave = false;
  /** Whether something came since the last work was given. */
  #answered = false;
  /** Whether it has ever handed in a block. */
  #works = false;
  #jobs = 0;
  readonly #waiting: Waiting;

  private constructor(options: MinerLabOptions, ground: Ground) {
    this.options = options;
    this.ground = ground;
    this.random = new Random(options.entropy);
    this.#waiting = new Waiting(ground, options.stop);
  }

  static async open(options: MinerLabOptions, ground: Ground): Promise<MinerLab> {
    const lab = new MinerLab(options, ground);
    lab.#listener = await ground.listen(options.host, options.port, (link) => lab.#accept(link));
    return lab;
  }

  /** Where it listens for a miner. */
  get port(): number {
    return this.#listener?.address.port ?? 0;
  }

  get patience(): number {
    return this.options.patience;
  }

  close(): void {
    this.#listener?.close();
  }

  begin(): void {
    this.answers = [];
    this.#received = [];
    this.#sent = [];
  }

  evidence(): { readonly sent: readonly string[]; readonly received: readonly string[] } {
    return { sent: shorten(this.#sent, this.#sent), received: shorten(this.#received, this.#received) };
  }

  /** It is there as long as it connects and, if it ever did, answers an easy job. */
  async alive(): Promise<boolean> {
    this.begin();
    if (!this.#works) return this.connected();
    if ((await this.connected()) && (await this.mined(this.job())) !== undefined) return true;
    // Who is stuck on some work may be rid of it by a new connection.
    this.hangUp();
    return (await this.connected()) && (await this.mined(this.job())) !== undefined;
  }

  /** Waits for a miner. */
  async connected(limit = MINING_PATIENCE * this.patience): Promise<boolean> {
    return (await this.until(() => this.#link, limit)) !== undefined;
  }

  until<T>(look: () => T | undefined, limit: number): Promise<T | undefined> {
    return this.#waiting.until(look, limit);
  }

  pause(milliseconds: number): Promise<void> {
    return this.#waiting.pause(milliseconds);
  }

  /** Work that nobody was given before. */
  job(more: Partial<Job> = {}): Job {
    const number = ++this.#jobs;
    return {
      height: number,
      messages: [`word ${number}`, 'check'],
      previous_hash: this.#hash(),
      ...{ minedBy: 'peer check', difficulty: this.options.difficulty },
      ...more,
    };
  }

  /** Work that nobody finishes. */
  endless(more: Partial<Job> = {}): Job {
    return this.job({ difficulty: NEVER, ...more });
  }

  /** Sends a text as it is. */
  async send(text: string): Promise<void> {
    // Some miners end the connection after each block, and make another.
    if (this.#answered) await this.pause(this.patience / 10);
    if (!(await this.connected())) throw new Wrong('it does not connect');
    this.#answered = false;
    this.#gave = true;
    if (this.#sent.length < MAX_TRAFFIC) this.#sent.push(text.trimEnd());
    this.#link?.send(text);
  }

  give(job: Job): Promise<void> {
    return this.send(line(job));
  }

  /** Gives a job and waits for its block. */
  async mined(job: Job): Promise<Answer | undefined> {
    await this.give(job);
    return this.answerTo(job);
  }

  /** The block of a job, which was given. */
  answerTo(job: Job, limit = MINING_PATIENCE * this.patience): Promise<Answer | undefined> {
    return this.until(() => this.answers.find((answer) => isFor(answer, job)), limit);
  }

  /** Ends the connection, as a peer that restarts. */
  hangUp(): void {
    this.#link?.close();
    this.#link = undefined;
  }

  #hash(): string {
    const random = `${this.random.uuid()}${this.random.uuid()}`.replaceAll('-', '');
    return random.slice(0, -this.options.difficulty) + '0'.repeat(this.options.difficulty);
  }

  #accept(link: Link): { onBytes(bytes: Uint8Array): void; onEnd(): void } {
    const stream = new JsonObjectStream(MINING_STREAM_LIMITS);
    // The newest counts: a miner that connects again has given up the other one.
    this.#link = link;
    this.connections++;
    this.#waiting.wake();
    return {
      onBytes: (bytes) => {
        const { objects, fault } = stream.push(bytes);
        for (const text of objects) this.#receive(text);
        if (fault !== undefined) this.#note(Buffer.from(bytes).toString());
      },
      onEnd: () => {
        if (this.#link === link) this.#link = undefined;
        this.#waiting.wake();
      },
    };
  }

  #note(text: string): void {
    if (this.#received.length < MAX_TRAFFIC) this.#received.push(text);
    if (!this.#gave && this.before.length < MAX_TRAFFIC) this.before.push(text);
  }

  #receive(text: string): void {
    this.#note(text);
    const fields = jsonOrUndefined(text);
    if (!isJsonObject(fields) || this.answers.length >= MAX_TRAFFIC) return;
    this.#answered = true;
    this.#works ||= 'nonce' in fields;
    this.answers.push({ at: this.ground.now(), text, fields });
    this.#waiting.wake();
  }
}

/** A job as our own peer sends it: one line. */
export function line(job: Job): string {
  return `${JSON.stringify(job)}\n`;
}

/** Whether an answer may be the block of a job: what it leaves out it does not contradict. */
export function isFor({ fields }: Answer, job: Job): boolean {
  if (fields['nonce'] === undefined) return false;
  const { height, previous_hash: previous, messages } = fields;
  if (height !== undefined && readInteger(height) !== job.height) return false;
  if (typeof previous === 'string' && job.height > 0 && previous !== job.previous_hash) return false;
  // Miners may put the messages in another order: it is one more thing to vary.
  return !Array.isArray(messages) || sameWords(messages, job.messages);
}

export function sameWords(some: readonly unknown[], others: readonly unknown[]): boolean {
  return [...some].map(String).sort().join('\0') === [...others].map(String).sort().join('\0');
}

/** The block that an answer makes, whatever it leaves out taken from its job; undefined if it makes none. */
export function blockOf({ fields }: Answer, job: Job): Block | undefined {
  const { minedBy = job.minedBy, messages = job.messages, timestamp, nonce, hash } = fields;
  const time = readInteger(timestamp);
  if (typeof minedBy !== 'string' || !Array.isArray(messages) || time === undefined || !isHash(hash))
    return undefined;
  return {
    height: job.height,
    minedBy,
    messages: messages.map(String),
    timestamp: time,
    nonce: String(nonce),
    hash,
  };
}

/** Whether a block has the hash that it says. */
export function isHashed(block: Block, job: Job): boolean {
  return hashBlock(block, job.previous_hash) === block.hash;
}
