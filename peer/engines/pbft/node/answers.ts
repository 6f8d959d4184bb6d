import type { Gauge } from '../../../core/engine.ts';
import type { PbftNotice, PbftResult } from '../protocol/interface.ts';
import { SubmitError } from './subject.ts';

interface Waiting {
  resolve(result: string): void;
  reject(error: SubmitError): void;
}

/** Brings the answers, which come as notices, to those who wait for them. */
export class Answers {
  /** By the timestamp of the request; the engine takes no more than its window. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #limit: number;
  /** The answer that came while the request was being made: of a cluster of one. */
  #early: { readonly timestamp: number; readonly result: string } | undefined;

  /** @param limit how many requests the engine lets wait at most */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#waiting.size;
  }

  measure(tell: Gauge): void {
    tell('awaited answers', this.#waiting.size, this.#limit);
  }

  /**
   * Makes a request and waits for its answer.
   *
   * @param make hands it to the engine
   * @throws SubmitError
   */
  async wait(make: () => PbftResult): Promise<string> {
    if (this.#waiting.size >= this.#limit) {
      throw new SubmitError('rejected', 'too many requests have no answer yet; try again in a moment');
    }
    this.#early = undefined;
    const made = make();
    if (made.status === 'rejected') throw new SubmitError('rejected', made.reason);
    const { timestamp } = made;
    const early = this.#takeEarly();
    if (early?.timestamp === timestamp) return early.result;
    return new Promise<string>((resolve, reject) => {
      this.#waiting.set(timestamp, { resolve, reject });
    });
  }

  onNotice(notice: PbftNotice): void {
    if (notice.kind !== 'answered') return;
    const { timestamp, result } = notice;
    const waiting = this.#waiting.get(timestamp);
    this.#waiting.delete(timestamp);
    if (waiting === undefined) this.#early = { timestamp, result };
    else waiting.resolve(result);
  }

  /** Nobody will answer any more. */
  close(): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const waiting of all) {
      waiting.reject(
        new SubmitError(
          'unanswered',
          'this replica ended before there was an answer; the request may be executed all the same',
        ),
      );
    }
  }

  #takeEarly(): { readonly timestamp: number; readonly result: string } | undefined {
    const early = this.#early;
    this.#early = undefined;
    return early;
  }
}
