import type { Socket } from 'node:net';

import type { Address } from '../../../../../shared/address.ts';
import { JsonObjectStream } from '../../../../../shared/json-stream.ts';
import {
  MINING_STREAM_LIMITS,
  SUBMIT_INTERVAL_MS,
  WIRE_RULES,
  decodeMinerMessage,
  encodeJob,
  encodeResult,
  encodeWait,
  type MinerHello,
  type MiningAnswer,
} from '../../../../../shared/mining-wire.ts';
import { MAX_MESSAGES } from '../../../../../shared/block.ts';
import { minerMark, type SubmitResult, type WorkTemplate } from '../../../../../shared/work.ts';
import { Allowance, type MiningLimits } from './limits.ts';
import { sameTemplate } from './verify.ts';

/** Why a miner is cut off: one sentence each. */
export const CUT_RULES = {
  garbage: 'What it sent is no stream of JSON objects.',
  lies: 'It sent too many invalid messages or answers.',
  flood: 'It sent more than a miner has to say.',
  'half-object': 'It began an object and did not finish it.',
  stalled: 'It does not read what is sent to it.',
  crowded: 'It has found no block so far, and others wait for its place.',
} as const;

/** The code of a reason to cut a miner off. */
export type CutReason = keyof typeof CUT_RULES;

/** What a connection asks of the server. */
export interface ConnectionHost {
  /** What is to be mined now. */
  readonly template: WorkTemplate | null;
  /** Wall clock in whole seconds. */
  seconds(): number;
  /** A new id for a job. */
  jobId(): string;
  /** Judges an answer and passes it on; says whether it was an offence. */
  judge(answer: MiningAnswer, templates: readonly WorkTemplate[]): { result: SubmitResult; offence: boolean };
  /** Counts an event, by its name. */
  count(name: string): void;
  /** It is a miner, as it has just shown; may be called again. */
  greeted(connection: MinerConnection): void;
  /** The connection is to be closed for a breach; called once. */
  cut(connection: MinerConnection, reason: CutReason): void;
}

/** One miner. It knows how to speak to it, and when it has gone too far. */
export class MinerConnection {
  readonly address: Address;
  readonly noncePrefix: string;
  /** Wall clock in milliseconds. */
  readonly connectedAt: number;
  readonly results = { accepted: 0, stale: 0, rejected: 0 };
  /** Set once the miner has sent HELLO: it speaks our additions and is notified of everything at once. */
  hello: MinerHello | undefined;
  /** Monotonic time when anything last came from it, at first when it connected. */
  heardAt = performance.now();
  /** Hashes a second, as the miner last reported. */
  rate: number | undefined;

  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #limits: MiningLimits;
  readonly #stream = new JsonObjectStream(MINING_STREAM_LIMITS);
  readonly #messages: Allowance;
  readonly #bytes: Allowance;
  /** The templates that it was given, oldest first, each once. */
  readonly #templates: WorkTemplate[] = [];
  /** Number of the miner among those that have not sent HELLO, from 1; undefined for those that have. */
  #number: number | undefined;
  /** Whether a seed miner is at work: it must get nothing before it has answered. */
  #busy = false;
  /** The template whose block this miner found: the next job must be another one. */
  #answered: WorkTemplate | undefined;
  /** Monotonic time of the last job. */
  #jobAt = -Infinity;
  #offences = 0;
  #closed = false;
  #paceTimer: NodeJS.Timeout | undefined;
  #halfTimer: NodeJS.Timeout | undefined;
  #stallTimer: NodeJS.Timeout | undefined;

  constructor(
    socket: Socket,
    host: ConnectionHost,
    limits: MiningLimits,
    identity: {
      readonly address: Address;
      readonly noncePrefix: string;
      readonly connectedAt: number;
      readonly number: number;
    },
  ) {
    this.#socket = socket;
    this.#host = host;
    this.#limits = limits;
    this.address = identity.address;
    this.noncePrefix = identity.noncePrefix;
    this.connectedAt = identity.connectedAt;
    this.#number = identity.number;
    const now = performance.now();
    this.#messages = new Allowance(limits.messagesPerSecond, limits.messageBurst, now);
    this.#bytes = new Allowance(limits.bytesPerSecond, limits.byteBurst, now);
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('drain', () => {
      clearTimeout(this.#stallTimer);
      this.#stallTimer = undefined;
    });
  }

  get number(): number | undefined {
    return this.#number;
  }

  /** Gives its place to another one. */
  giveWay(): void {
    this.#cut('crowded');
  }

  /** The work has changed: passes it on if this miner may get it now. */
  update(): void {
    if (this.#closed) return;
    const { template } = this.#host;
    if (this.hello !== undefined) {
      if (template === null) this.#send(encodeWait());
      else this.#sendJob(template);
    } else if (!this.#busy && template !== null && template !== this.#answered) {
      const wait = this.#jobAt + SUBMIT_INTERVAL_MS - performance.now();
      if (wait <= 0) {
        this.#sendJob(template);
      } else {
        this.#paceTimer ??= setTimeout(() => {
          this.#paceTimer = undefined;
          this.update();
        }, wait);
      }
    }
  }

  /** Time has passed: the job is given again with a new timestamp. */
  tick(): void {
    this.#answered = undefined;
    if (this.hello === undefined || this.#host.template !== null) this.update();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#paceTimer);
    clearTimeout(this.#halfTimer);
    clearTimeout(this.#stallTimer);
    this.#socket.destroy();
  }

  #cut(reason: CutReason): void {
    if (this.#closed) return;
    this.close();
    this.#host.cut(this, reason);
  }

  #receive(chunk: Buffer): void {
    const now = performance.now();
    this.heardAt = now;
    if (!this.#bytes.take(chunk.length, now)) {
      this.#cut('flood');
      return;
    }
    const { objects, fault } = this.#stream.push(chunk);
    for (const object of objects) {
      if (!this.#messages.take(1, now)) this.#cut('flood');
      // Cut off, here or by what the object itself was.
      if (this.#closed) return;
      this.#handle(object);
    }
    if (fault !== undefined) this.#cut('garbage');
    else this.#watchHalfObject(objects.length > 0);
  }

  /** @param fresh whether the unfinished object, if there is one, began just now */
  #watchHalfObject(fresh: boolean): void {
    if (this.#closed) return;
    if (fresh || this.#stream.pending === 0) {
      clearTimeout(this.#halfTimer);
      this.#halfTimer = undefined;
    }
    if (this.#stream.pending > 0) {
      this.#halfTimer ??= setTimeout(() => {
        this.#cut('half-object');
      }, this.#limits.halfObject);
    }
  }

  #handle(object: string): void {
    const decoded = decodeMinerMessage(object);
    if (!decoded.ok) {
      this.#host.count(`message.${decoded.fault}`);
      // Another version of our own miner may know more types: they do no harm.
      if (decoded.fault === 'unknown-type') return;
      this.#offend();
      if (decoded.fault === 'bad-answer')
        this.#finish(undefined, { status: 'rejected', reason: WIRE_RULES['bad-answer'] });
      return;
    }
    const { message } = decoded;
    switch (message.type) {
      case 'hello': {
        const first = this.hello === undefined;
        this.hello = message.hello;
        this.#number = undefined;
        if (!first) return;
        this.#host.greeted(this);
        if (this.#host.template === null || this.#host.template !== this.#templates.at(-1)) this.update();
        return;
      }
      case 'rate':
        this.rate = message.hashesPerSecond;
        return;
      case 'answer':
        this.#answer(message.answer);
    }
  }

  #answer(answer: MiningAnswer): void {
    const { template } = this.#host;
    this.#host.greeted(this);
    const { result, offence } = this.#host.judge(answer, this.#templates);
    if (result.status === 'accepted') {
      this.#offences = 0;
      this.#answered = template ?? undefined;
    }
    if (offence) this.#offend();
    this.#finish(answer.job, result);
  }

  /** Sends the miner what became of its answer; to a seed miner, the next job. */
  #finish(job: string | undefined, result: SubmitResult): void {
    this.results[result.status]++;
    this.#host.count(`answer.${result.status}`);
    this.#busy = false;
    if (this.hello === undefined) {
      this.update();
    } else {
      const reason = result.status === 'rejected' ? result.reason : undefined;
      this.#send(encodeResult({ job, status: result.status, reason }));
    }
  }

  #offend(): void {
    if (++this.#offences >= this.#limits.offences) this.#cut('lies');
  }

  /**
   * Those of the seed pass over their part of the nonce space, and all begin at the same nonce: so that they do not all
   * search the same, each but the first gets a message of its own.
   */
  #own(template: WorkTemplate): WorkTemplate {
    const number = this.#number ?? 1;
    if (number === 1) return template;
    return { ...template, messages: [...template.messages.slice(0, MAX_MESSAGES - 1), minerMark(number)] };
  }

  #sendJob(work: WorkTemplate): void {
    const last = this.#templates.at(-1);
    const own = this.#own(work);
    const template = last !== undefined && sameTemplate(last, own) ? last : own;
    this.#busy = true;
    this.#jobAt = performance.now();
    if (last !== template) {
      this.#templates.push(template);
      if (this.#templates.length > this.#limits.recentTemplates) this.#templates.shift();
    }
    this.#send(
      encodeJob({
        height: template.height,
        previousHash: template.previousHash,
        messages: template.messages,
        minedBy: template.minedBy,
        difficulty: template.difficulty,
        job: this.#host.jobId(),
        noncePrefix: this.noncePrefix,
        timestamp: this.#host.seconds(),
      }),
    );
  }

  #send(line: string): void {
    if (this.#closed) return;
    if (this.#socket.write(line)) return;
    if (this.#socket.writableLength > this.#limits.writeBuffer) {
      this.#cut('stalled');
      return;
    }
    this.#stallTimer ??= setTimeout(() => {
      this.#cut('stalled');
    }, this.#limits.writeStall);
  }
}
