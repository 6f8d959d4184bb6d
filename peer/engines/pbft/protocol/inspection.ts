/**
 * Long checks in slices. A proposed batch may have a thousand signatures that we have not seen yet; to verify them all in
 * one step would keep a replica from everything else.
 */
import type { Gauge } from '../../../core/engine.ts';
import type { Context } from './context.ts';
import { MAX_INSPECTED, VERIFIED_PER_STEP } from './limits.ts';

/** Stops before every signature that it looks at, and says in the end which rule is broken, if any. */
export type Check = Generator<undefined, string | undefined, undefined>;

/** What a check has come to: the rule that is broken, undefined if none is. */
export interface Verdict {
  readonly fault: string | undefined;
}

interface Case {
  /** What is looked at. */
  readonly subject: object;
  /** The replica that sent it. */
  readonly from: number;
  /** What distinguishes it from others of its sender: a copy of what is being looked at need not be. */
  readonly name: string;
  readonly check: Check;
  /** Asks for the verdict once more, when it is there. */
  readonly again: () => void;
}

/** The checks that are under way. They are in memory only: after a restart what was looked at is sent again. */
export class Inspection {
  private readonly context: Context;
  /** For each replica. */
  private readonly limit: number;
  /** Those that are not through, the one whose turn it is first. */
  private readonly cases: Case[] = [];
  /** What has just been looked at to the end. */
  private closed: (Verdict & { readonly subject: object }) | undefined;
  /** Signatures that may still be verified in this step. */
  private left = 0;

  constructor(context: Context) {
    this.context = context;
    this.limit = Math.max(MAX_INSPECTED, context.config.pipeline);
  }

  measure(report: Gauge): void {
    report('batches that are being verified', this.cases.length, this.limit * this.context.replicas);
  }

  beginStep(): void {
    this.left = VERIFIED_PER_STEP;
  }

  /**
   * What a check comes to, at once if it is short. If not it is undefined; then `again` is called in a later step, and
   * whoever asks for the same there gets the verdict.
   */
  look(opened: Omit<Case, 'check'> & { readonly begin: () => Check }): Verdict | undefined {
    const { subject, from, name, begin, again } = opened;
    if (this.closed?.subject === subject) return this.closed;
    const ofSender = this.cases.filter((one) => one.from === from);
    if (ofSender.some((one) => one.name === name)) {
      this.context.count('inspection.repeated');
      return undefined;
    }
    const check = begin();
    const verdict = this.goOn(check);
    if (verdict !== undefined) return verdict;
    if (ofSender.length >= this.limit) {
      this.context.count('limit.inspections');
      return undefined;
    }
    this.context.count('inspection.sliced');
    this.cases.push({ subject, from, name, check, again });
    this.context.goOn();
    return undefined;
  }

  /** The next slice, of each by turns: what takes long must not hold up the rest. */
  onContinue(): void {
    const first = this.cases.shift();
    if (first === undefined) return;
    const verdict = this.goOn(first.check);
    if (verdict === undefined) {
      this.cases.push(first);
    } else {
      this.closed = { ...verdict, subject: first.subject };
      first.again();
      this.closed = undefined;
    }
    if (this.cases.length > 0) this.context.goOn();
  }

  /** As far as it may go in this step. A check goes to its end if no signature is left that has to be verified. */
  private goOn(check: Check): Verdict | undefined {
    const { signing } = this.context;
    for (;;) {
      const before = signing.verifications;
      const { done, value } = check.next();
      this.left -= signing.verifications - before;
      if (done === true) return { fault: value };
      if (this.left <= 0) return undefined;
    }
  }
}
