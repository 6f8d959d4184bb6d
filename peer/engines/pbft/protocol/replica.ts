import { Checkpoints } from './checkpoints.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { CatchUp } from './catch-up.ts';
import { Execution } from './execution.ts';
import { Inspection } from './inspection.ts';
import { Intake } from './intake.ts';
import type { Journal, Position } from './journal.ts';
import type { SlotLog } from './log.ts';
import { Ordering } from './ordering.ts';
import type { RequestPool } from './requests.ts';
import type { ReplicatedState } from './state.ts';
import { Transfer } from './transfer.ts';
import { ViewChanges } from './view-change.ts';

/** What is there before the parts that need each other. */
type Base = Pick<Replica, 'context' | 'position' | 'log' | 'state' | 'pool' | 'journal' | 'client'>;

/** All parts of a replica. None of them looks at another one before all are there. */
export class Replica {
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

  constructor(base: Base) {
    this.context = base.context;
    this.position = base.position;
    this.log = base.log;
    this.state = base.state;
    this.pool = base.pool;
    this.journal = base.journal;
    this.client = base.client;
    this.inspection = new Inspection(base.context);
    this.intake = new Intake(this);
    this.ordering = new Ordering(this);
    this.execution = new Execution(this);
    this.checkpoints = new Checkpoints(this);
    this.changes = new ViewChanges(this);
    this.transfer = new Transfer(this);
    this.catchUp = new CatchUp(this);
  }
}
