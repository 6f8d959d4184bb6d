import type { Address } from '../../../shared/address.ts';
import { UserError } from '../../../shared/errors.ts';
import type { Gauge } from '../../engines/engine.ts';
import type { PbftNotice, PbftStatus } from '../../engines/pbft/interface.ts';

/** What a replica's connections have done, by part: what the transport of a cluster and the host of the engine count. */
export interface PbftCounters {
  readonly tcp: {
    /** Messages and their bytes. */
    readonly received: number;
    readonly receivedBytes: number;
    readonly sent: number;
    readonly sentBytes: number;
    /** Messages not sent, by reason. */
    readonly dropped: Readonly<Record<string, number>>;
    /** Connections: established, those that failed before they were, and those that ended, by reason. */
    readonly established: number;
    readonly failed: Readonly<Record<string, number>>;
    readonly ended: Readonly<Record<string, number>>;
  };
  /** Messages that were taken, and frames that were none, by the rule that they broke. */
  readonly host: { readonly messages: number; readonly malformed: Readonly<Record<string, number>> };
}

/** The connection with another replica. */
export interface PbftConnection {
  readonly member: number;
  /** `paused` for a while after misbehaviour. */
  readonly state: 'up' | 'down' | 'blocked' | 'paused';
  /** Text from the network. */
  readonly address: Address | null;
  /** Milliseconds since 1970. */
  readonly connectedSince: number | null;
  /** Messages that wait to be sent. */
  readonly queued: number;
  /** Messages and their bytes, of all connections with it. */
  readonly received: number;
  readonly receivedBytes: number;
  readonly sent: number;
  readonly sentBytes: number;
}

/** The answer to an operation, once f + 1 replicas have given the same. */
export interface PbftAnswer {
  /** What was executed, as the application has it. */
  readonly operation: string;
  readonly result: string;
  /** From the submission to the answer, in milliseconds. */
  readonly waited: number;
}

/** The replica takes no request now; the message says why. */
export class BusyError extends UserError {
  override name = 'BusyError';
}

/** What is told as it happens. Called while the engine's effects are carried out, so each call is short. */
export interface PbftWebObserver {
  onNotice(notice: PbftNotice): void;
  /** Something was stored. */
  onWrite(seconds: number): void;
}

/** What the web server sees of a replica: everything that it shows. */
export interface PbftWebSubject {
  /** Our name, and those of all members by their number, ours too. */
  readonly name: string;
  readonly members: readonly string[];
  /** Where others reach the replica. */
  readonly address: Address;
  /** As on the command line. */
  readonly application: string;
  status(): PbftStatus;
  counters(): PbftCounters;
  /** Tells how full each bounded collection of the engine is. */
  measure(tell: Gauge): void;
  /**
   * Has the operation executed that a person typed; fulfilled with its answer, however long that takes.
   *
   * @throws UserError if the line says nothing that the application can do
   * @throws BusyError if no request is taken now
   * @throws Error if the node has failed or is closed, also while the answer is awaited
   */
  submit(line: string): Promise<PbftAnswer>;
  /** An answer of the application in words for people. */
  describe(result: string): string;
  /** The connections with all other members. */
  peers(): readonly PbftConnection[];
  /** Has everything told from now on; until the function that it returns is called. */
  observe(observer: PbftWebObserver): () => void;
}
