/** The order that the honest nodes of a cluster have agreed upon, as far as any of them has executed it. */
import type { ExecutedRequest, PbftNotice } from '../protocol/interface.ts';
import type { SimulatedNode } from '../../../simulator/subject.ts';
import type { Model } from './users.ts';

type Executed = Extract<PbftNotice, { kind: 'executed' }>;

/** The checkers, each by the sentence that it holds the cluster to. */
export const ORDER_CHECKERS = {
  agreement: 'under each sequence number all honest nodes decide and answer the same, in all of their lives',
  once: 'no request is executed twice',
  valid: 'what is executed of an honest node was submitted to it',
  answers: 'what is answered stands in the agreed order, with that result',
  linearizable: 'what users are answered is linearizable',
  states: 'at a checkpoint all honest nodes have the same state',
} as const;

/** Requests under one sequence number: more than any batch has. */
const PLACES = 4_096;

/** What a user was answered, and what must stand before it in the order. */
interface Answer {
  readonly node: SimulatedNode;
  readonly result: string;
  readonly after: number;
}

/** A result, and where in the order it stands. */
interface Outcome {
  readonly result: string;
  readonly position: number;
}

export class AgreedOrder {
  /** The last sequence number that somebody has executed. */
  last = 0;
  /** How many requests were executed under each, in order. */
  readonly batchSizes: number[] = [];
  private readonly batches = new Map<number, Pick<Executed, 'digest' | 'requests'>>();
  private readonly outcomes = new Map<string, Outcome>();
  /**
   * What was replied to requests, and what their users were answered, before anybody has reported that they are
   * executed: who is about to report it may crash.
   */
  private readonly replied = new Map<string, string>();
  private readonly unsettled = new Map<string, Answer>();
  private readonly states = new Map<number, string>();
  /** How often each client has submitted each operation, less how often it was executed. */
  private readonly open = new Map<string, number>();
  private readonly violate: (
    checker: keyof typeof ORDER_CHECKERS,
    node: SimulatedNode,
    detail: string,
  ) => void;
  private readonly model: Model;
  private readonly isHonest: (client: number) => boolean;

  constructor(options: {
    model: Model;
    isHonest: (client: number) => boolean;
    violate: (checker: keyof typeof ORDER_CHECKERS, node: SimulatedNode, detail: string) => void;
  }) {
    this.model = options.model;
    this.isHonest = options.isHonest;
    this.violate = options.violate;
  }

  /** A user is about to ask a node for something. */
  onSubmit(client: number, operation: string): void {
    const key = `${client} ${operation}`;
    this.open.set(key, (this.open.get(key) ?? 0) + 1);
  }

  /** An honest node has executed a batch. */
  onExecuted(node: SimulatedNode, { sequence, digest, requests }: Executed): void {
    const known = this.batches.get(sequence);
    if (known === undefined) {
      this.batches.set(sequence, { digest, requests });
      this.batchSizes.push(requests.length);
      this.last = Math.max(this.last, sequence);
      for (const [place, request] of requests.entries()) {
        this.enter(node, request, sequence * PLACES + place);
      }
    } else if (known.digest !== digest) {
      this.violate('agreement', node, `under ${sequence} it decided ${digest}, others ${known.digest}`);
    } else if (!isDeepEqual(known.requests, requests)) {
      this.violate('agreement', node, `under ${sequence} it executed other requests, or with other results`);
    }
  }

  /** An honest node replies to a request. */
  onReply(node: SimulatedNode, client: number, timestamp: number, result: string): void {
    const key = `${client} ${timestamp}`;
    const known = this.outcomes.get(key)?.result ?? this.replied.get(key);
    if (known === undefined) this.replied.set(key, result);
    else if (known !== result) {
      this.violate('answers', node, `it replies ${result} to ${key}, which was ${known}`);
    }
  }

  /**
   * A user has an answer.
   *
   * @param after its place in the order must be greater
   * @returns its place, 0 if that is not known yet
   */
  onAnswer(node: SimulatedNode, timestamp: number, result: string, after: number): number {
    const key = `${node.index} ${timestamp}`;
    const outcome = this.outcomes.get(key);
    if (outcome === undefined) this.unsettled.set(key, { node, result, after });
    else this.settle(key, { node, result, after }, outcome);
    return outcome?.position ?? 0;
  }

  /** In the end every answer must stand in the order. */
  onEnd(): void {
    for (const [key, { node, result }] of this.unsettled) {
      this.violate('answers', node, `request ${key} is answered ${result}, and was never executed`);
    }
  }

  /** An honest node reports what state it has after a sequence number. */
  onState(node: SimulatedNode, sequence: number, digest: string): void {
    const known = this.states.get(sequence) ?? digest;
    this.states.set(sequence, known);
    if (known !== digest)
      this.violate('states', node, `after ${sequence} it has ${digest}, another ${known}`);
  }

  private settle(key: string, { node, result, after }: Answer, outcome: Outcome): void {
    if (outcome.result !== result) {
      this.violate('answers', node, `request ${key} is answered ${result}, but has ${outcome.result}`);
    } else if (outcome.position <= after) {
      this.violate(
        'linearizable',
        node,
        `request ${key} took effect before one that was answered before it was made`,
      );
    }
  }

  private enter(node: SimulatedNode, request: ExecutedRequest, position: number): void {
    const { client, timestamp, operation, result } = request;
    const key = `${client} ${timestamp}`;
    if (this.outcomes.has(key)) {
      this.violate('once', node, `request ${key}`);
      return;
    }
    const outcome = { result, position };
    this.outcomes.set(key, outcome);
    const answer = this.unsettled.get(key);
    if (answer !== undefined) this.settle(key, answer, outcome);
    this.unsettled.delete(key);
    const replied = this.replied.get(key) ?? result;
    this.replied.delete(key);
    if (replied !== result)
      this.violate('answers', node, `it replied ${replied} to ${key}, which was ${result}`);
    const expected = this.model.execute(operation);
    if (expected !== undefined && expected !== result) {
      this.violate('linearizable', node, `${operation} was answered ${result} instead of ${expected}`);
    }
    if (!this.isHonest(client)) return;
    const submitted = `${client} ${operation}`;
    const left = this.open.get(submitted) ?? 0;
    if (left === 0) this.violate('valid', node, `request ${key}: ${operation}`);
    this.open.set(submitted, left - 1);
  }
}

function isDeepEqual(one: readonly ExecutedRequest[], other: readonly ExecutedRequest[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
