/**
 * How the primary is replaced: when what waits is not executed in time, when f + 1 others want it, and when the next
 * primary does not begin its view either. Source: PBFT, sections 4.4 and 4.5.2.
 */
import { RateLimit } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { Beginning } from './journal.ts';
import {
  HELP_BURST,
  HELP_PER_SECOND,
  MAX_DOUBLINGS,
  MAX_REPEAT_ROUNDS,
  VIEW_CHANGES_BURST,
  VIEW_CHANGES_PER_SECOND,
} from './limits.ts';
import type { MessageOf, NewView, PreparedProof, ViewChange } from './messages.ts';
import { foundationOf, nameOf, viewChangeFault } from './new-view.ts';
import { PendingViews, type Founded } from './pending-views.ts';
import type { Replica } from './replica.ts';
import type { RequestPool } from './requests.ts';

/** The timer of the request that has waited longest, and that of a new view that is to begin. */
export const REQUEST_TIMER = 'request';
export const NEW_VIEW_TIMER = 'new-view';

/** What it needs of a replica. */
type Parts = Pick<
  Replica,
  'catchUp' | 'checkpoints' | 'context' | 'intake' | 'journal' | 'log' | 'ordering' | 'pool' | 'position'
>;

export class ViewChanges {
  /** View changes in a row since something was last executed. */
  attempts = 0;
  /** All since the start. */
  count = 0;
  private readonly replica: Parts;
  /** The last of each replica, our own too. */
  private readonly changes = new Map<number, ViewChange>();
  private readonly pending: PendingViews;
  /** What began the view that we are in; undefined in the first one. */
  beginning: Beginning | undefined;
  /** The client, or rather its wait, that the timer runs for. */
  private watched: RequestPool['longest'];
  private newViewTimer = false;
  /** Rounds until our own view change is sent again, and from then to the next time. */
  private untilRepeat = 1;
  private repeatRounds = 1;
  private readonly reported: RateLimit;
  private readonly served: RateLimit;

  constructor(replica: Parts) {
    this.replica = replica;
    this.reported = new RateLimit({
      ...{ perSecond: HELP_PER_SECOND, burst: HELP_BURST },
      maxKeys: replica.context.replicas,
    });
    this.served = new RateLimit({
      ...{ perSecond: VIEW_CHANGES_PER_SECOND, burst: VIEW_CHANGES_BURST },
      maxKeys: replica.context.replicas,
    });
    this.pending = new PendingViews(replica, this.changes);
  }

  measure(report: Gauge): void {
    report('view changes', this.changes.size, this.replica.context.replicas);
    this.pending.measure(report);
    this.reported.measure('replicas told of a view', report);
    this.served.measure('replicas served view changes', report);
  }

  /** The timeout in force, in milliseconds. */
  get timeout(): number {
    return this.replica.context.config.viewChangeTimeout * 2 ** Math.min(this.attempts, MAX_DOUBLINGS);
  }

  /** After a restart. */
  restore(beginning: Beginning | undefined, own: ViewChange | undefined): void {
    this.beginning = beginning;
    if (own !== undefined) this.changes.set(own.replica, own);
  }

  /** Something that waited was executed. */
  onProgress(): void {
    if (!this.replica.position.changing) this.attempts = 0;
  }

  /**
   * Sees to the timer, at the end of each step. It runs for the client that has waited longest, and begins anew only when
   * something of that client is executed that is no later than what waits: a primary that serves others but not this one is
   * given up all the same. Who knows to be behind has itself to blame.
   */
  watch(): void {
    const { context, pool, position } = this.replica;
    const idle = position.changing || this.replica.catchUp.isFarBehind;
    const longest = idle ? undefined : pool.longest;
    if (longest === this.watched) return;
    this.watched = longest;
    if (longest === undefined) context.cancel(REQUEST_TIMER);
    else context.timer(REQUEST_TIMER, this.timeout);
  }

  onTimer(timer: string): void {
    const { position } = this.replica;
    if (timer === REQUEST_TIMER && !position.changing && this.watched !== undefined) {
      this.start(position.view + 1, 'timeout');
    } else if (timer === NEW_VIEW_TIMER && position.changing) {
      this.start(position.view + 1, 'no new view');
    }
  }

  /**
   * Sends again what we want to all who may need it: it may have been lost, and nothing else happens until it arrives.
   * It is long, so it is sent less often by and by.
   */
  onRound(): void {
    const { context, position, catchUp } = this.replica;
    this.pending.onRound();
    const own = this.changes.get(context.self);
    if (!position.changing || own === undefined || --this.untilRepeat > 0) return;
    this.repeatRounds = Math.min(2 * this.repeatRounds, MAX_REPEAT_ROUNDS);
    this.untilRepeat = this.repeatRounds;
    context.broadcast({ type: 'VIEW_CHANGE', change: own }, catchUp.outside(own.view));
  }

  onViewChange(from: number, change: ViewChange): void {
    const { context, position } = this.replica;
    if (change.replica !== from) {
      if (this.pending.onServed(from, change)) this.proceed();
      return;
    }
    if (change.view < position.view || (change.view === position.view && !position.changing)) {
      this.report(from);
      return;
    }
    const known = this.changes.get(from);
    if (known !== undefined && known.view >= change.view) {
      if (known.signature !== change.signature && this.pending.onServed(from, change)) this.proceed();
      return;
    }
    const fault = viewChangeFault(context, change);
    if (fault !== undefined) {
      context.offend(from, fault);
      return;
    }
    this.changes.set(from, change);
    context.count('view-change.taken');
    if (this.proceed()) return;
    this.join();
    this.consider();
  }

  onNewView(from: number, newView: NewView): void {
    const { position } = this.replica;
    const { view } = newView;
    if (view < position.view || (view === position.view && !position.changing)) return;
    this.pending.add(from, newView);
    this.proceed();
  }

  /** Somebody lacks a view change that the new view names by which our view began. */
  onFetch(from: number, { view, replica, signature }: MessageOf<'FETCH_VIEW_CHANGE'>): void {
    const { context, journal } = this.replica;
    const { newView } = this.beginning ?? {};
    const isNamed = newView?.viewChanges.some(([one, other]) => one === replica && other === signature);
    const change = newView?.view === view && isNamed === true ? journal.named(replica) : undefined;
    if (change === undefined) context.count('fetch-view-change.unknown');
    else if (this.served.take(String(from), context.now)) context.send(from, { type: 'VIEW_CHANGE', change });
    else context.count('limit.view-changes');
  }

  /** Shows a replica that is in an earlier view how ours began. */
  report(to: number): void {
    const { context, position } = this.replica;
    if (this.beginning === undefined || position.changing) return;
    const { newView } = this.beginning;
    if (this.reported.take(String(to), context.now)) context.send(to, { type: 'NEW_VIEW', newView });
  }

  /** Gives up the view that we are in. */
  private start(view: number, reason: 'timeout' | 'joined' | 'no new view'): void {
    const { context, position, log, checkpoints, journal } = this.replica;
    this.attempts++;
    this.count++;
    position.view = view;
    position.changing = true;
    const prepared = log
      .all()
      .flatMap((slot): PreparedProof[] => (slot.prepared === undefined ? [] : [slot.prepared]))
      .filter(({ header }) => header.sequence > log.certified);
    const change = context.signing.viewChange({
      ...{ view, stable: log.certified, certificate: checkpoints.highest },
      ...{ prepared, replica: context.self },
    });
    this.changes.set(context.self, change);
    this.watched = undefined;
    this.newViewTimer = false;
    this.untilRepeat = 1;
    this.repeatRounds = 1;
    this.pending.dropBefore(view);
    context.cancel(REQUEST_TIMER);
    context.cancel(NEW_VIEW_TIMER);
    journal.position(position, change);
    context.count(`view-change.${reason.replaceAll(' ', '-')}`);
    context.notify({ kind: 'view-change-started', view, reason });
    context.broadcast({ type: 'VIEW_CHANGE', change });
    this.consider();
  }

  /** Goes along once so many want it that one of them is correct, whatever our own timer says. */
  private join(): void {
    const { context, position } = this.replica;
    const later = [...this.changes.values()].map(({ view }) => view).filter((view) => view > position.view);
    if (later.length > context.faulty) this.start(Math.min(...later), 'joined');
  }

  /**
   * Once a quorum wants the view that we want, it is to begin before long; if it is ours, now. Those who want a later one
   * count too: they come back no more, so without them we could wait for ever.
   */
  private consider(): void {
    const { context, position } = this.replica;
    if (!position.changing) return;
    const { view } = position;
    const own = this.changes.get(context.self);
    const wanting = [...this.changes.values()].filter((change) => change.view >= view && change !== own);
    if (own?.view !== view || wanting.length + 1 < context.quorum) return;
    const others = wanting.filter((change) => change.view === view);
    if (context.primary(view) === context.self && others.length + 1 >= context.quorum) {
      this.lead(view, [own, ...others].slice(0, context.quorum));
    } else if (!this.newViewTimer) {
      this.newViewTimer = true;
      context.timer(NEW_VIEW_TIMER, this.timeout);
    }
  }

  /** We are the primary of a view that a quorum wants. */
  private lead(view: number, viewChanges: readonly ViewChange[]): void {
    const { signing } = this.replica.context;
    const foundation = foundationOf(viewChanges, signing.nothing);
    const headers = foundation.digests.map(({ sequence, digest }) =>
      signing.header({ view, sequence, digest }),
    );
    const newView = signing.newView({ view, viewChanges: viewChanges.map(nameOf), headers });
    this.enter({ newView, viewChanges, foundation });
  }

  /**
   * Enters a view that others have begun, once there is all that its new view rests on.
   *
   * @returns whether that is so
   */
  private proceed(): boolean {
    const founded = this.pending.takeFounded();
    if (founded === undefined) this.pending.ask();
    else this.enter(founded);
    return founded !== undefined;
  }

  private enter({ newView, viewChanges, foundation }: Founded): void {
    const { context, position, journal, ordering, checkpoints, intake, log, pool, catchUp } = this.replica;
    const { view, headers } = newView;
    const { stable, certificate } = foundation;
    // Whoever is behind learns of the checkpoint that the others build upon: before the view begins, for a primary to which
    // that gives room must not propose anything until it has taken up what is carried over.
    checkpoints.settle(certificate);
    position.view = view;
    position.changing = false;
    this.beginning = { newView, stable };
    this.newViewTimer = false;
    this.watched = undefined;
    context.cancel(NEW_VIEW_TIMER);
    for (const [replica, change] of this.changes) if (change.view <= view) this.changes.delete(replica);
    this.pending.dropBefore(view + 1);
    journal.begin(this.beginning, viewChanges);
    journal.position(position);
    const primary = context.primary(view);
    if (primary === context.self) context.broadcast({ type: 'NEW_VIEW', newView });
    context.notify({ kind: 'view-entered', view, primary, carried: headers.length });
    const last = headers.at(-1)?.sequence ?? stable;
    // What is carried over is proposed; everything else that waits is to be proposed again.
    pool.forgetProposals();
    ordering.onNewView(headers, Math.max(last, log.low) + 1);
    catchUp.fetchMissing();
    intake.onNewView();
  }
}
