/**
 * Long checks in slices. A proposed batch, a view change and a new view may have thousands of signatures; to verify them
 * all in one step would keep a replica from everything else.
 */
import type { Gauge } from '../engine.ts';
import type { Context } from './context.ts';
import { LOOKED_AT_PER_STEP, MAX_INSPECTED, VERIFIED_PER_STEP } from './limits.ts';

/** Stops after every signature that it looks at, and says in the end which rule is broken, if any. */
export type Check = Generator<undefined, string | undefined, undefined>;

/** What a check has come to: the rule that is broken, undefined if none is. */
export interface Verdict {
  readonly fault: string | undefined;
}

interface Case {
  readonly kind: keyof typeof MAX_INSPECTED;
  /** The message, or the part of it, that is looked at. */
  readonly subject: object;
  readonly from: number;
  /** What tells it from others of its sender: a copy of what is being looked at need not be. */
  readonly name: string;
  readonly check: Check;
  readonly again: () => void;
}

export class Inspection {
  private readonly context: Context;
  /** Those that are not through, the one whose turn it is first. */
  private readonly cases: Case[] = [];
  /** What has just been looked at to the end. */
  private closed: (Verdict & { readonly subject: object }) | undefined;
  /** Signatures that may still be verified in this step. */
  private left = 0;

  constructor(context: Context) {
    this.context = context;
  }

  measure(tell: Gauge): void {
    const most = Object.values(MAX_INSPECTED).reduce<number>((sum, limit) => sum + limit, 0);
    tell('messages that are being verified', this.cases.length, most * this.context.replicas);
  }

  beginStep(): void {
    this.left = VERIFIED_PER_STEP;
  }

  /**
   * What a check comes to, at once if it is short. If not it is undefined; then `again` is called in a later step, and
   * whoever asks for the same once more there is told.
   */
  look(opened: Omit<Case, 'check'> & { readonly begin: () => Check }): Verdict | undefined {
    const { kind, subject, from, name, begin, again } = opened;
    if (this.closed?.subject === subject) return this.closed;
    const ofSender = this.cases.filter((one) => one.kind === kind && one.from === from);
    if (ofSender.some((one) => one.name === name)) {
      this.context.count('inspection.repeated');
      return undefined;
    }
    const check = begin();
    const verdict = this.goOn(check);
    if (verdict !== undefined) return verdict;
    if (ofSender.length >= MAX_INSPECTED[kind]) {
      this.context.count('limit.inspections');
      return undefined;
    }
    this.context.count('inspection.sliced');
    this.cases.push({ kind, subject, from, name, check, again });
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

  /** As far as it may go in this step. */
  private goOn(check: Check): Verdict | undefined {
    const { signing } = this.context;
    const before = signing.verifications;
    for (let looks = 0; looks < LOOKED_AT_PER_STEP && signing.verifications - before < this.left; looks++) {
      const { done, value } = check.next();
      if (done === true) {
        this.left -= signing.verifications - before;
        return { fault: value };
      }
    }
    this.left -= signing.verifications - before;
    return undefined;
  }
}
