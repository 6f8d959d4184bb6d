import type { Address } from '../../../../shared/address.ts';
import { UserError } from '../../../../shared/errors.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { NodeCounters, NodeObserver } from '../../../core/node.ts';
import type { TcpCounters, TcpMember, TcpPeer } from '../../../transports/tcp.ts';
import type { Submitter } from '../../../web/operations.ts';
import type { PbftNotice, PbftStatus } from '../protocol/interface.ts';

/** What a replica has counted, by part. */
export interface PbftCounters extends Pick<NodeCounters, 'host'> {
  readonly tcp: TcpCounters;
}

/**
 * Why a request has no answer: the engine did not take it, it could not be taken any more, or nobody waits for its answer
 * any more, while it may still be executed.
 */
export type SubmitFault = 'rejected' | 'closed' | 'unanswered';

/** A request without an answer; the message is one sentence for people. */
export class SubmitError extends UserError {
  override name = 'SubmitError';
  override readonly passing: boolean;
  readonly fault: SubmitFault;

  constructor(fault: SubmitFault, message: string) {
    super(message);
    this.fault = fault;
    this.passing = fault !== 'rejected';
  }
}

/** Everything that is shown of a replica, and that can be asked of it. */
export interface PbftSubject extends Submitter {
  /** Name of the cluster, and the digest of all that its replicas must have in common. */
  readonly cluster: string;
  readonly clusterId: string;
  /** Our own number among the members, from 0. */
  readonly self: number;
  readonly members: readonly TcpMember[];
  /** Where we listen. */
  readonly address: Address;
  status(): PbftStatus;
  /** What is known of the connections to all others, in their order. */
  peers(): readonly TcpPeer[];
  counters(): PbftCounters;
  /** Reports how full each bounded collection is. */
  measure(report: Gauge): void;
  /** Notifies an observer of everything from now on; until the function that it returns is called. */
  observe(observer: NodeObserver<PbftNotice>): () => void;
  /**
   * Has an operation executed; also from within a notice.
   *
   * @param id under which it is executed once, however often and by way of whichever replicas it is submitted; see
   *   `applications/once.ts` for how long it is remembered
   * @returns the answer that f + 1 replicas have given: JSON
   * @throws SubmitError if it is refused, or the node ends before there is an answer
   */
  submit(operation: string, id?: string): Promise<string>;
}
