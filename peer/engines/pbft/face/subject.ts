import type { Address } from '../../../../shared/address.ts';
import { UserError } from '../../../../shared/errors.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { PbftNotice, PbftStatus } from '../protocol/interface.ts';
import type { TcpCounters, TcpPeer } from '../../../transports/tcp.ts';

/** What a replica has counted, by part. */
export interface PbftCounters {
  readonly tcp: TcpCounters;
  /** Messages that were taken, and frames that were none, by the rule that they broke. */
  readonly host: { readonly messages: number; readonly malformed: Readonly<Record<string, number>> };
}

/** What is told as it happens. Called while the engine's effects are carried out, so each call is short. */
export interface PbftObserver {
  onNotice(notice: PbftNotice): void;
  /** Something was stored. */
  onWrite?(seconds: number): void;
}

/** A member of a cluster, as its replicas know it beforehand. */
export interface PbftMember {
  /** 64 lower-case hexadecimal digits. */
  readonly publicKey: string;
  /** Where it is, if that was told. */
  readonly address?: Address;
}

/** How people read and write the operations of the application that runs. */
export interface OperationLanguage {
  /** As on the command line. */
  readonly name: string;
  /** Reads a line that a person typed. @throws UserError with a sentence that says what can be done */
  parse(line: string): string;
  /** The answer to an operation in words for people. */
  describe(result: string): string;
}

/**
 * Why a request has no answer: the engine did not take it, it could not be taken any more, or nobody waits for its answer
 * any more, while it may still be executed.
 */
export type SubmitFault = 'rejected' | 'closed' | 'unanswered';

/** A request without an answer; the message is one sentence for people. */
export class SubmitError extends UserError {
  override name = 'SubmitError';
  readonly fault: SubmitFault;

  constructor(fault: SubmitFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** Everything that is shown of a replica, and that can be asked of it. */
export interface PbftSubject {
  /** Name of the cluster, and the digest of all that its replicas must have in common. */
  readonly cluster: string;
  readonly clusterId: string;
  /** Our own number among the members, from 0. */
  readonly self: number;
  readonly members: readonly PbftMember[];
  /** Where we listen. */
  readonly address: Address;
  readonly application: OperationLanguage;
  status(): PbftStatus;
  /** What is known of the connections to all others, in their order. */
  peers(): readonly TcpPeer[];
  counters(): PbftCounters;
  /** Tells how full each bounded collection is. */
  measure(tell: Gauge): void;
  /** Has everything told from now on; until the function that it returns is called. */
  observe(observer: PbftObserver): () => void;
  /**
   * Has an operation executed; also from within a notice.
   *
   * @param id under which it is executed once, however often and by way of whichever replicas it is submitted; see
   *   `applications/once.ts` for how long it is remembered
   * @returns the answer that f + 1 replicas have given: JSON
   * @throws SubmitError if it is refused, or the node ends before there is an answer
   */
  submit(operation: string, id?: string): Promise<string>;
  /** The answers to what was executed under an id, as far as this replica has executed and remembers it. */
  recall(id: string): readonly string[];
}
