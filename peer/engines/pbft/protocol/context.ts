import type { StoreWrite } from '../../../core/store.ts';
import type { Effect } from '../../../core/engine.ts';
import type { PbftConfig, PbftMembership, PbftNotice, PbftResult } from './interface.ts';
import type { PbftMessage } from './messages.ts';
import { faultyOf, primaryOf, quorumOf } from './quorum.ts';
import type { Signing } from './signing.ts';
import type { PbftTypes } from './types.ts';

/** An effect of the PBFT engine; a peer is the number of a member. */
export type PbftEffect = Effect<PbftTypes>;

/** What the parts of the engine share: who we are, the time, and where effects go. */
export class Context {
  readonly config: PbftConfig;
  readonly replicas: number;
  readonly self: number;
  /** Replicas that may fail, and how many make a quorum. */
  readonly faulty: number;
  readonly quorum: number;
  /** Every other replica. */
  readonly others: readonly number[];
  readonly signing: Signing;
  /** How often each outcome was met. */
  readonly counters: Record<string, number> = {};
  /** Provable offences, by member. */
  readonly offences: number[];
  /** The time of the event that is being handled, in milliseconds. */
  now = 0;
  /** By how much the machine's clock is ahead of that, in milliseconds. */
  ahead = 0;
  private effects: PbftEffect[] = [];
  /** What must be stored before anything else happens. */
  private writes: StoreWrite[] = [];

  constructor(config: PbftConfig, { replicas, self }: PbftMembership, signing: Signing) {
    this.config = config;
    this.replicas = replicas;
    this.self = self;
    this.faulty = faultyOf(replicas);
    this.quorum = quorumOf(replicas);
    this.others = Array.from({ length: replicas }, (_, replica) => replica).filter(
      (replica) => replica !== self,
    );
    this.offences = Array.from({ length: replicas }, () => 0);
    this.signing = signing;
  }

  /**
   * What the machine's clock shows, in whole milliseconds since 1970. It may be set, also back: what rests on it must not
   * be how long something takes, and must hold whatever it showed before.
   */
  get wall(): number {
    return Math.max(0, Math.floor(this.now + this.ahead));
  }

  primary(view: number): number {
    return primaryOf(view, this.replicas);
  }

  /** The effects since the last call. */
  takeEffects(): PbftEffect[] {
    this.flush();
    const { effects } = this;
    this.effects = [];
    return effects;
  }

  count(outcome: string, by = 1): void {
    this.counters[outcome] = (this.counters[outcome] ?? 0) + by;
  }

  /** A member has proved, by what it has sent us itself, that it is faulty: no correct one would have sent this. */
  offend(member: number, rule: string): void {
    this.accuse(member, rule);
    this.effects.push({ type: 'disconnect', peer: member, reason: rule });
  }

  /**
   * A member looks faulty by what others have delivered, all of it or a part. That is reported, and nobody is
   * disconnected: a liar that finds a way to make a correct member look faulty must not be able to cut it off.
   */
  accuse(member: number, rule: string): void {
    this.count(`offence.${rule}`);
    this.offences[member] = (this.offences[member] ?? 0) + 1;
    this.notify({ kind: 'offence', member, rule });
  }

  /**
   * Has something stored before any effect that is pushed later is carried out. What is pushed within one step, with no
   * message between, is written at once.
   */
  store(writes: readonly StoreWrite[]): void {
    this.writes.push(...writes);
  }

  send(to: number, message: PbftMessage): void {
    this.flush();
    this.effects.push({ type: 'send', to, message });
  }

  /** To every other replica, unless some are named. */
  broadcast(message: PbftMessage, to: readonly number[] = this.others): void {
    this.flush();
    if (to.length > 0) this.effects.push({ type: 'broadcast', to, message });
  }

  timer(timer: string, after: number): void {
    this.effects.push({ type: 'timer', timer, after });
  }

  cancel(timer: string): void {
    this.effects.push({ type: 'cancel', timer });
  }

  reply(id: number, result: PbftResult): void {
    this.flush();
    this.effects.push({ type: 'reply', id, result });
  }

  notify(notice: PbftNotice): void {
    this.flush();
    this.effects.push({ type: 'notify', notice });
  }

  goOn(): void {
    this.effects.push({ type: 'continue' });
  }

  private flush(): void {
    const { writes } = this;
    if (writes.length === 0) return;
    this.writes = [];
    this.effects.push({ type: 'store', writes });
  }
}
