/**
 * New views that can't begin here yet: they name view changes that we lack, or of which we have another version, for a
 * replica that lies may sign several. Those are fetched from whoever sent the new view and so says that it has them.
 */
import type { Gauge } from '../../../core/engine.ts';
import { PATIENCE_ROUNDS, STALLED_ROUNDS, VIEW_CHANGES_AT_ONCE } from './limits.ts';
import type { NewView, Signed, ViewChange } from './messages.ts';
import { foundationFault, foundationOf, newViewFault, viewChangeFault, type Foundation } from './new-view.ts';
import type { Replica } from './replica.ts';

interface Pending {
  readonly newView: NewView;
  /** Who has sent it. */
  readonly sources: Set<number>;
  /** Whether it has been waited for in vain. */
  stalled: boolean;
}

/** A new view that is valid, and all that it rests on. */
export interface Founded {
  readonly newView: NewView;
  readonly viewChanges: readonly ViewChange[];
  readonly foundation: Foundation;
}

/** What it needs of a replica. */
type Parts = Pick<Replica, 'context' | 'position'>;

export class PendingViews {
  private readonly replica: Parts;
  private readonly held: ReadonlyMap<number, ViewChange>;
  /**
   * One of each primary, that of its highest view: a faulty one may sign new views of any of its views that nobody can ever
   * complete, and they must not be in the way of those of others. Only for the first of them something is fetched.
   */
  private readonly queue: Pending[] = [];
  /** What was fetched for the first one, by replica, and whose view changes we have asked for, in which round. */
  private readonly fetched = new Map<number, ViewChange>();
  private readonly asked = new Map<number, number>();
  /** The view for which others last had to wait, because we wanted it: once for each, or a liar makes them wait for ever. */
  private preferred = 0;
  private rounds = 0;
  /** Rounds without anything new, and which source is asked. */
  private quiet = 0;
  private turn = 0;

  /** @param held view changes that came from their replicas, by replica, valid each */
  constructor(replica: Parts, held: ReadonlyMap<number, ViewChange>) {
    this.replica = replica;
    this.held = held;
  }

  measure(report: Gauge): void {
    const { replicas } = this.replica.context;
    report('pending new views', this.queue.length, replicas);
    report('fetched view changes', this.fetched.size, replicas);
  }

  /** Somebody sends a new view that is not behind us, its primary or anybody else who is in it. */
  add(from: number, newView: NewView): void {
    const { context, position } = this.replica;
    const { view } = newView;
    const primary = context.primary(view);
    const place = this.queue.findIndex((other) => context.primary(other.newView.view) === primary);
    const known = this.queue[place];
    if (known !== undefined && known.newView.view > view) {
      context.count('new-view.ignored');
      return;
    }
    if (known !== undefined && context.signing.isSameNewView(known.newView, newView)) {
      known.sources.add(from);
      return;
    }
    const fault = newViewFault(context, newView);
    if (fault !== undefined) {
      if (fault === 'new-view-signature' || from === primary) context.offend(from, fault);
      else context.accuse(primary, fault);
      return;
    }
    if (known?.newView.view === view) {
      if (from === primary && known.sources.has(from)) context.offend(primary, 'equivocation');
      else context.accuse(primary, 'equivocation');
      // Others may have entered the other one, and this one can perhaps not be completed.
      if (!known.stalled) return;
    }
    const pending = { newView, sources: new Set([from]), stalled: false };
    if (known !== undefined) this.queue.splice(place, 1);
    const preferred = position.changing && view === position.view && view > this.preferred;
    if (preferred) this.preferred = view;
    if (preferred || place === 0) {
      this.queue.unshift(pending);
      this.forget();
    } else {
      this.queue.push(pending);
    }
  }

  /**
   * Somebody sends a view change of somebody else, or another one than we have.
   *
   * @returns whether it is one that was missing
   */
  onServed(from: number, change: ViewChange): boolean {
    const { context } = this.replica;
    const [first] = this.queue;
    const name = first?.newView.viewChanges.find(([replica]) => replica === change.replica);
    if (first === undefined || name === undefined || this.find(name) !== undefined) {
      context.count('view-change.ignored');
      return false;
    }
    if (name[1] !== change.signature) {
      context.count('view-change.another');
      return false;
    }
    const fault = viewChangeFault(context, change);
    if (fault === 'view-change-signature') {
      // It goes by the name of the one that was asked for, and is not that one.
      context.offend(from, fault);
      return false;
    }
    if (fault !== undefined) {
      this.condemn(first, 'new-view-view-change');
      return false;
    }
    context.count('view-change.fetched');
    this.fetched.set(change.replica, change);
    this.quiet = 0;
    return true;
  }

  /** One whose view changes are all there, and from which it follows. Those that do not follow are given up. */
  takeFounded(): Founded | undefined {
    const { context } = this.replica;
    for (const pending of [...this.queue]) {
      const { newView } = pending;
      const found = newView.viewChanges.map((name) => this.find(name));
      const viewChanges = found.filter((change) => change !== undefined);
      if (viewChanges.length < found.length) continue;
      const foundation = foundationOf(viewChanges, context.signing.nothing);
      const fault = foundationFault(newView, viewChanges, foundation);
      if (fault === undefined) return { newView, viewChanges, foundation };
      this.condemn(pending, fault);
    }
    return undefined;
  }

  /** Asks for what the first one lacks. */
  ask(): void {
    const { context } = this.replica;
    const [first] = this.queue;
    if (first === undefined) return;
    const sources = [...first.sources];
    const source = sources[this.turn % sources.length];
    if (source === undefined) return;
    const { view, viewChanges } = first.newView;
    const missing = viewChanges.filter((name) => this.find(name) === undefined);
    const needed = missing.filter(([replica]) => !this.asked.has(replica));
    const room = VIEW_CHANGES_AT_ONCE - (missing.length - needed.length);
    for (const [replica, signature] of needed.slice(0, room)) {
      this.asked.set(replica, this.rounds);
      context.send(source, { type: 'FETCH_VIEW_CHANGE', view, replica, signature });
    }
  }

  /** Asks again for what does not come, and another source; if that is in vain for a while, for another new view. */
  onRound(): void {
    const [first] = this.queue;
    if (first === undefined) return;
    this.rounds++;
    const overdue = [...this.asked].filter(([, round]) => this.rounds - round >= PATIENCE_ROUNDS);
    for (const [replica] of overdue) this.asked.delete(replica);
    if (overdue.length > 0) this.turn++;
    if (++this.quiet > STALLED_ROUNDS) {
      first.stalled = true;
      this.queue.push(...this.queue.splice(0, 1));
      if (this.queue[0] !== first) this.forget();
    }
    this.ask();
  }

  /** We have got to a view, or want it: what is before it is over. @param least view that still matters */
  dropBefore(least: number): void {
    this.keepWhere(({ newView }) => newView.view >= least);
  }

  private find([replica, signature]: Signed): ViewChange | undefined {
    return [this.held.get(replica), this.fetched.get(replica)].find(
      (change) => change?.signature === signature,
    );
  }

  /** Its primary has signed what no correct one would have; others have delivered what shows it. */
  private condemn(pending: Pending, fault: string): void {
    const { context } = this.replica;
    context.accuse(context.primary(pending.newView.view), fault);
    this.keepWhere((other) => other !== pending);
  }

  private keepWhere(test: (pending: Pending) => boolean): void {
    const [first] = this.queue;
    this.queue.splice(0, this.queue.length, ...this.queue.filter(test));
    if (this.queue[0] !== first) this.forget();
  }

  /** Another one is the first. */
  private forget(): void {
    this.fetched.clear();
    this.asked.clear();
    this.quiet = 0;
  }
}
