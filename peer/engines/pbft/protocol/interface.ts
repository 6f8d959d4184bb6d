/** What the PBFT engine is given, is asked and emits: everything the rest of the peer sees of it. */

/** How a cluster works: the same at every replica. All times in milliseconds. */
export interface PbftConfig {
  /** How long a request may wait until the primary is given up. */
  readonly viewChangeTimeout: number;
  /** Every so many sequence numbers the replicas compare their states. */
  readonly checkpointInterval: number;
  /** Requests that a replica buffers, those of all clients together. */
  readonly messageBuffer: number;
  /** Most requests under one sequence number. */
  readonly batchSize: number;
  /** Most sequence numbers that the primary has under way at once. */
  readonly pipeline: number;
}

/** Defaults: the first three are those of the seed's table. */
export const DEFAULT_PBFT_CONFIG: PbftConfig = {
  viewChangeTimeout: 10_000,
  checkpointInterval: 100,
  messageBuffer: 1000,
  batchSize: 64,
  pipeline: 8,
};

/** What a member is called wherever people read of it: `replica-0` is the first of the members file. */
export function replicaName(member: number): string {
  return `replica-${member}`;
}

/** How messages are signed and verified. Members are numbered as in the members file. */
export interface Signatures {
  /** Signs with our own key. */
  sign(text: string): string;
  /** Whether a member signed just this. Pure. */
  verify(member: number, text: string, signature: string): boolean;
}

/** What a replica is given about its cluster. */
export interface PbftMembership {
  /** What all that is signed begins with: a digest of the name, the members and what they must have in common. */
  readonly cluster: string;
  /** How many replicas there are: n. */
  readonly replicas: number;
  /** Our own number, from 0 to n - 1. */
  readonly self: number;
  /** What `cluster` is a digest of, by names that people know it by. */
  readonly settings?: Settings;
}

/** Settings by name, as people know them. */
export type Settings = Readonly<Record<string, string | number>>;

/** Has an operation executed. */
export interface PbftRequest {
  readonly kind: 'submit';
  readonly operation: string;
}

export type PbftResult =
  /** f + 1 replicas have given this answer; `waited` is in milliseconds. */
  | {
      readonly status: 'answered';
      readonly timestamp: number;
      readonly result: string;
      readonly waited: number;
    }
  | { readonly status: 'rejected'; readonly reason: string };

/** How long the phases of a batch took at this replica, in milliseconds. */
export interface PhaseTimes {
  /** From the pre-prepare to 2f matching prepares. */
  readonly prepare: number;
  /** From there to a quorum of commits. */
  readonly commit: number;
  /** From the pre-prepare to the execution. */
  readonly total: number;
}

/** Notices for the log, the metrics and the page. */
export type PbftNotice =
  /** A batch was executed; `requests` is how many of its requests had not been executed before. */
  | {
      readonly kind: 'executed';
      readonly sequence: number;
      readonly view: number;
      readonly digest: string;
      readonly requests: readonly ExecutedRequest[];
      /** Undefined if the batch came as a whole, decided by others. */
      readonly phases: PhaseTimes | undefined;
    }
  /** The primary is given up: why. */
  | {
      readonly kind: 'view-change-started';
      readonly view: number;
      readonly reason: 'timeout' | 'joined' | 'no new view';
    }
  /** A new view is in force. */
  | {
      readonly kind: 'view-entered';
      readonly view: number;
      readonly primary: number;
      /** Sequence numbers that the new view carries over. */
      readonly carried: number;
    }
  /** A quorum has the same state. */
  | { readonly kind: 'checkpoint'; readonly sequence: number; readonly digest: string }
  /** A replica that fell behind fetches the state of others. */
  | { readonly kind: 'transfer-started'; readonly sequence: number; readonly executed: number }
  /** Sent at most a few times a second. */
  | { readonly kind: 'transfer-progress'; readonly pages: number; readonly total: number }
  | { readonly kind: 'transfer-finished'; readonly sequence: number; readonly pages: number }
  /** What a primary proposes has a time that is too far from our own, by so many milliseconds: one clock is wrong. */
  | { readonly kind: 'time-refused'; readonly primary: number; readonly difference: number }
  /** Our own state is not that of a quorum: it is thrown away. */
  | { readonly kind: 'diverged'; readonly sequence: number; readonly digest: string }
  /** A member did what no correct one does. `rule` names what it broke. */
  | { readonly kind: 'offence'; readonly member: number; readonly rule: string };

/** A request that was executed, as shown to people and checkers. */
export interface ExecutedRequest {
  readonly client: number;
  readonly timestamp: number;
  readonly operation: string;
  readonly result: string;
}

/** What a replica knows of another one, from what that one last sent. */
export interface ReplicaView {
  readonly replica: number;
  readonly view: number;
  /** Whether it is between two views. */
  readonly changing: boolean;
  /** Last sequence number that it executed, and its last stable checkpoint. */
  readonly executed: number;
  readonly stable: number;
  /** Milliseconds since it was last heard; null if it never was. */
  readonly silence: number | null;
  readonly offences: number;
}

/** The state of the engine, as shown to people. */
export interface PbftStatus {
  readonly self: number;
  readonly replicas: number;
  /** Replicas that may fail (f), and how many make a quorum (q). */
  readonly faulty: number;
  readonly quorum: number;
  readonly view: number;
  readonly primary: number;
  readonly phase: 'normal' | 'changing view' | 'fetching state';
  /** Last sequence number that was given out (at the primary) or seen, decided in order, and executed. */
  readonly proposed: number;
  readonly executed: number;
  /**
   * Stands for the state as of `executed`: replicas that have executed as much have the same. Null while a state is fetched
   * and while more has changed than is hashed at once.
   */
  readonly digest: string | null;
  /** Low and high watermark: the last stable checkpoint, and where the primary stops. */
  readonly low: number;
  readonly high: number;
  /** Requests that wait, and those of our own that have no answer yet. */
  readonly waiting: number;
  readonly outstanding: number;
  /** The timeout in force, in milliseconds: doubled for each view change in a row. */
  readonly timeout: number;
  readonly viewChanges: number;
  /** Every other replica. */
  readonly others: readonly ReplicaView[];
  /** How often each outcome was met, as `message.verdict` or `limit.name`. */
  readonly counters: Readonly<Record<string, number>>;
}
