import type { Checkpoints } from './checkpoints.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import type { CatchUp } from './catch-up.ts';
import type { Execution } from './execution.ts';
import type { Inspection } from './inspection.ts';
import type { Intake } from './intake.ts';
import type { Journal, Position } from './journal.ts';
import type { SlotLog } from './log.ts';
import type { Ordering } from './ordering.ts';
import type { RequestPool } from './requests.ts';
import type { ReplicatedState } from './state.ts';
import type { Transfer } from './transfer.ts';
import type { ViewChanges } from './view-change.ts';

/** All parts of a replica, each of which finds the others here: the protocol's rules lead from one to the other. */
export interface Replica {
  readonly context: Context;
  readonly position: Position;
  readonly log: SlotLog;
  readonly state: ReplicatedState;
  readonly pool: RequestPool;
  readonly journal: Journal;
  readonly client: Client;
  readonly inspection: Inspection;
  readonly intake: Intake;
  readonly ordering: Ordering;
  readonly execution: Execution;
  readonly checkpoints: Checkpoints;
  readonly changes: ViewChanges;
  readonly transfer: Transfer;
  readonly catchUp: CatchUp;
}
