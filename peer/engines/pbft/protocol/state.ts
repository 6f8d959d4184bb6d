/**
 * The state that the replicas have in common: what the clients were answered, the time agreed upon and the application, in
 * pages.
 */
import type { Paged, StateMachine } from '../../../core/application.ts';
import { digestsOf, PagedState } from '../../../core/paged-state.ts';
import { CLIENT_WINDOW, ClientTables, type Known } from './clients.ts';

/**
 * Snapshots that are stored: no replica executes beyond two checkpoint intervals after the stable one, whose snapshot
 * others may be fetching; one more is for a stable one that is just being given up.
 */
export const MAX_SNAPSHOTS = 4;

export const DIGESTS = digestsOf('gossip-peer/pbft');

/** What became of a request: its answer, and whether it was executed just now or before; no answer if it is too old. */
export type Execution =
  | { readonly kind: 'executed'; readonly result: string }
  | { readonly kind: 'repeated'; readonly result: string }
  | { readonly kind: 'old' };

/** See the top of this file. Pages: one for each client, one for the time, those of the application. */
export class ReplicatedState extends PagedState {
  private readonly machine: StateMachine;
  private readonly clients: ClientTables;
  private readonly clock: Clock;

  /**
   * @param machine in its first state
   * @param clients how many members may ask for something
   * @param window how many requests of each are remembered
   */
  constructor(machine: StateMachine, clients: number, window = CLIENT_WINDOW) {
    const [tables, clock] = [new ClientTables(clients, window), new Clock()];
    super([tables, clock, machine], DIGESTS, { snapshots: MAX_SNAPSHOTS });
    this.machine = machine;
    this.clients = tables;
    this.clock = clock;
  }

  /** Why an operation cannot be taken, in a sentence; undefined if it can. */
  check(operation: string): string | undefined {
    return this.machine.check(operation);
  }

  /** The time agreed upon, in milliseconds since 1970; 0 at first. */
  get time(): number {
    return this.clock.time;
  }

  /** Sets the time for the operations that follow: a safe integer. It never goes back: an earlier one changes nothing. */
  advanceTime(time: number): void {
    this.clock.advance(time);
  }

  /** What is known of a request of a client. */
  look(client: number, timestamp: number): Known {
    return this.clients.look(client, timestamp);
  }

  /** All timestamps of a client up to this one are old. */
  floor(client: number): number {
    return this.clients.floor(client);
  }

  /** The last timestamp of a client of which anything is known; 0 if nothing is. */
  latest(client: number): number {
    return this.clients.latest(client);
  }

  /** Executes a request, unless that was done before or it is too old. */
  execute(client: number, timestamp: number, operation: string): Execution {
    const known = this.clients.look(client, timestamp);
    if (known === 'old') return { kind: 'old' };
    if (known !== 'new') return { kind: 'repeated', result: known.result };
    const result = this.machine.execute(operation, { client, time: this.clock.time });
    this.clients.record(client, timestamp, result);
    return { kind: 'executed', result };
  }
}

/** The time that the replicas agreed upon, as a page. */
class Clock implements Paged {
  readonly pageCount = 1;
  time = 0;
  private changed = false;

  advance(time: number): void {
    if (time <= this.time) return;
    this.time = time;
    this.changed = true;
  }

  page(): string {
    return this.time === 0 ? '' : String(this.time);
  }

  restore(_index: number, text: string): void {
    const time = Number(text);
    if (text !== '' && !(Number.isSafeInteger(time) && time > 0 && String(time) === text)) {
      throw new Error('This is no time.');
    }
    this.time = time;
  }

  takeChanged(): readonly number[] {
    const { changed } = this;
    this.changed = false;
    return changed ? [0] : [];
  }
}
