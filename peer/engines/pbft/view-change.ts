/**
 * How the primary is replaced: when what waits is not executed in time, when f + 1 others want it, and when the next
 * primary does not begin its view either. Source: PBFT, sections 4.4 and 4.5.2.
 */
import { RateLimit } from '../bounded.ts';
import type { Gauge } from '../engine.ts';
import { HELP_BURST, HELP_PER_SECOND, MAX_DOUBLINGS } from './limits.ts';
import type { NewView, PreparedProof, ViewChange } from './messages.ts';
import { foundationOf, newViewFault, viewChangeFault } from './new-view.ts';
import type { Replica } from './replica.ts';
import type { RequestPool } from './requests.ts';

/** The timer of the request that has waited longest, and that of a new view that is to begin. */
export const REQUEST_TIMER = 'request';
export const NEW_VIEW_TIMER = 'new-view';

export class ViewChanges {
  /** View changes in a row since something was last executed. */
  attempts = 0;
  /** All since the start. */
  count = 0;
  private readonly replica: Replica;
  /** The last of each replica, our own too. */
  private readonly changes = new Map<number, ViewChange>();
  /** What began the view that we are in; undefined in the first one. */
  newView: NewView | undefined;
  /** The client, or rather its wait, that the timer runs for. */
  private watched: RequestPool['longest'];
  private newViewTimer = false;
  private readonly told: RateLimit;

  constructor(replica: Replica) {
    this.replica = replica;
    this.told = new RateLimit({
      ...{ perSecond: HELP_PER_SECOND, burst: HELP_BURST },
      maxKeys: replica.context.replicas,
    });
  }

  measure(tell: Gauge): void {
    tell('view changes', this.changes.size, this.replica.context.replicas);
    this.told.measure('replicas told of a view', tell);
  }

  /** The timeout in force, in milliseconds. */
  get timeout(): number {
    return this.replica.context.config.viewChangeTimeout * 2 ** Math.min(this.attempts, MAX_DOUBLINGS);
  }

  /** After a restart. */
  restore(newView: NewView | undefined, own: ViewChange | undefined): void {
    this.newView = newView;
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

  /** Tells everybody again what we want: it may have been lost, and nothing else happens until it is heard. */
  onRound(): void {
    const { context, position } = this.replica;
    const own = this.changes.get(context.self);
    if (position.changing && own !== undefined) context.broadcast({ type: 'VIEW_CHANGE', change: own });
  }

  onViewChange(from: number, change: ViewChange): void {
    const { context, position } = this.replica;
    if (change.replica !== from) {
      context.count('view-change.ignored');
      return;
    }
    if (change.view < position.view || (change.view === position.view && !position.changing)) {
      this.tell(from);
      return;
    }
    const known = this.changes.get(from);
    if (known !== undefined && known.view >= change.view) return;
    const fault = viewChangeFault(context, change);
    if (fault !== undefined) {
      context.offend(from, fault);
      return;
    }
    this.changes.set(from, change);
    context.count('view-change.taken');
    this.join();
    this.consider();
  }

  onNewView(from: number, newView: NewView): void {
    const { context, position } = this.replica;
    const { view } = newView;
    if (view < position.view || (view === position.view && !position.changing)) return;
    const fault = newViewFault(context, newView);
    if (fault === undefined) this.enter(newView);
    else context.offend(from, fault);
  }

  /** Shows a replica that is in an earlier view how ours began. */
  tell(to: number): void {
    const { context, position } = this.replica;
    if (this.newView === undefined || position.changing) return;
    if (this.told.take(String(to), context.now))
      context.send(to, { type: 'NEW_VIEW', newView: this.newView });
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
    const { digests } = foundationOf(viewChanges, signing.nothing);
    const headers = digests.map(({ sequence, digest }) => signing.header({ view, sequence, digest }));
    this.enter(signing.newView({ view, viewChanges, headers }));
  }

  private enter(newView: NewView): void {
    const { context, position, journal, ordering, checkpoints, intake, log, pool, catchUp } = this.replica;
    const { view, viewChanges, headers } = newView;
    const { stable, certificate } = foundationOf(viewChanges, context.signing.nothing);
    // Whoever is behind learns of the checkpoint that the others build upon: before the view begins, for a primary to which
    // that gives room must not propose anything until it has taken up what is carried over.
    checkpoints.settle(certificate);
    position.view = view;
    position.changing = false;
    this.newView = newView;
    this.newViewTimer = false;
    this.watched = undefined;
    context.cancel(NEW_VIEW_TIMER);
    for (const [replica, change] of this.changes) if (change.view <= view) this.changes.delete(replica);
    journal.newView(newView);
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
