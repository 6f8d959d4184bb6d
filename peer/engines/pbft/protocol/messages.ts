/** The messages of PBFT. Everything that is signed says which member signed it; members are numbered from 0. */

/** An operation that a client wants executed. */
export interface ClientRequest {
  readonly client: number;
  /** Grows with every request of the client; each is executed once. */
  readonly timestamp: number;
  readonly operation: string;
  readonly signature: string;
}

/** What one sequence number decides. One without requests does nothing: new views fill gaps with it. */
export interface Batch {
  /**
   * What the primary's clock showed, in whole milliseconds since 1970: less than in the batch before where a clock was set
   * back. The time agreed upon, which operations see, is the highest so far.
   */
  readonly time: number;
  readonly requests: readonly ClientRequest[];
}

/** What the primary of a view signs of a pre-prepare. */
export interface Header {
  readonly view: number;
  readonly sequence: number;
  /** Of the batch. */
  readonly digest: string;
  readonly signature: string;
}

/** A prepare or a commit. */
export interface Vote extends Header {
  readonly replica: number;
}

export interface CheckpointVote {
  readonly sequence: number;
  /** Of the state after that sequence number. */
  readonly digest: string;
  readonly replica: number;
  readonly signature: string;
}

/** Votes of a quorum for the same checkpoint. */
export type Certificate = readonly CheckpointVote[];

/** The signature of a member under something that need not be sent again. */
export type Signed = readonly [replica: number, signature: string];

/** That a batch was prepared: the pre-prepare, and prepares of q - 1 different backups. */
export interface PreparedProof {
  readonly header: Header;
  /** Each for what the header says: view, sequence number and digest are the same. */
  readonly prepares: readonly Signed[];
}

export interface ViewChange {
  /** The view that is wanted. */
  readonly view: number;
  /** The last stable checkpoint, 0 for the beginning. */
  readonly stable: number;
  /** Proves it; empty for the beginning. */
  readonly certificate: Certificate;
  /** What the replica has prepared above that: for each sequence number the proof of the highest view. */
  readonly prepared: readonly PreparedProof[];
  readonly replica: number;
  readonly signature: string;
}

export interface NewView {
  readonly view: number;
  /** Of a quorum, by name. Everybody was sent them; all together they may be too long for one message. */
  readonly viewChanges: readonly Signed[];
  /** What follows from them: one for each sequence number above their highest stable checkpoint. */
  readonly headers: readonly Header[];
  readonly signature: string;
}

/** The answers of a replica to requests of one client that were in the same batch. */
export interface Reply {
  readonly view: number;
  readonly replica: number;
  readonly client: number;
  readonly results: readonly (readonly [timestamp: number, result: string])[];
  readonly signature: string;
}

/** Where a replica stands. Not signed: it counts only from the replica itself. */
export interface Status {
  readonly view: number;
  readonly changing: boolean;
  readonly stable: number;
  readonly executed: number;
}

export type PbftMessage =
  | { readonly type: 'REQUEST'; readonly requests: readonly ClientRequest[] }
  | { readonly type: 'PRE_PREPARE'; readonly header: Header; readonly batch: Batch }
  | { readonly type: 'PREPARE'; readonly vote: Vote }
  | { readonly type: 'COMMIT'; readonly vote: Vote }
  | { readonly type: 'REPLY'; readonly reply: Reply }
  | { readonly type: 'CHECKPOINT'; readonly vote: CheckpointVote }
  /** From its replica, or from whoever was asked for it. */
  | { readonly type: 'VIEW_CHANGE'; readonly change: ViewChange }
  | { readonly type: 'NEW_VIEW'; readonly newView: NewView }
  /** Asks for a view change that the new view of that view names. */
  | {
      readonly type: 'FETCH_VIEW_CHANGE';
      readonly view: number;
      readonly replica: number;
      readonly signature: string;
    }
  | { readonly type: 'STATUS'; readonly status: Status }
  /** A batch with the commits of a quorum: whoever missed it has it. */
  | { readonly type: 'DECIDED'; readonly batch: Batch; readonly commits: readonly Vote[] }
  | { readonly type: 'FETCH_BATCH'; readonly sequence: number; readonly digest: string }
  | { readonly type: 'BATCH'; readonly sequence: number; readonly batch: Batch }
  /** A checkpoint that is stable: whoever is further behind fetches the state. */
  | { readonly type: 'STABLE'; readonly certificate: Certificate }
  | { readonly type: 'FETCH_INDEX'; readonly sequence: number }
  /** The digests of all pages of a checkpoint. */
  | { readonly type: 'INDEX'; readonly sequence: number; readonly digests: readonly string[] }
  | { readonly type: 'FETCH_PAGES'; readonly sequence: number; readonly pages: readonly number[] }
  | {
      readonly type: 'PAGES';
      readonly sequence: number;
      readonly pages: readonly (readonly [page: number, text: string])[];
    };

export type MessageOf<Type extends PbftMessage['type']> = Extract<PbftMessage, { type: Type }>;
