/** Words that came through the API, and what became of them: so that whoever got no answer may ask again. */
import { randomUUID } from 'node:crypto';

import { RecentMap } from '../../../core/bounded.ts';
import { reused } from '../../../web/idempotency.ts';
import { MAX_KEPT_SUBMISSIONS, MAX_SEARCHED_BLOCKS, SEARCHED_BEFORE } from '../../../web/limits.ts';
import { ProblemError } from '../../../web/problem.ts';
import type { QueuedWordJson, SubmittedWordJson } from './schemas.ts';
import type { PowSubject } from './subject.ts';

interface SubmittedWord {
  readonly word: string;
  /** Blocks of our chain when it was queued. */
  readonly height: number;
}

export class SubmittedWords {
  readonly #subject: Pick<PowSubject, 'status' | 'block' | 'request'>;
  readonly #kept = new RecentMap<SubmittedWord>(MAX_KEPT_SUBMISSIONS);

  constructor(subject: Pick<PowSubject, 'status' | 'block' | 'request'>) {
    this.#subject = subject;
  }

  /**
   * Queues a word.
   *
   * @param given the id that the client has chosen: a word that came under it before is not queued again
   * @throws ProblemError if it can't be queued, or the id stands for another word
   */
  submit(word: string, given: string | undefined): QueuedWordJson {
    const subject = this.#subject;
    const id = given ?? randomUUID();
    const known = this.#kept.get(id);
    if (known !== undefined && known.word !== word) throw reused();
    if (known === undefined) {
      const { height } = subject.status();
      const result = subject.request({ kind: 'submit-word', word });
      if (result.status === 'rejected') throw new ProblemError(409, result.reason);
      this.#kept.set(id, { word, height });
    }
    return { id, word, waiting: subject.status().words.length };
  }

  /**
   * What became of a word.
   *
   * @throws ProblemError if none came under that id
   */
  look(id: string): SubmittedWordJson {
    const submitted = this.#kept.get(id);
    if (submitted === undefined) {
      throw new ProblemError(
        404,
        'No word came under that id, or that was before this peer was started, or long ago; look for it in the chain.',
      );
    }
    const { word } = submitted;
    if (this.#subject.status().words.includes(word)) return { id, word, state: 'waiting', height: null };
    const height = this.#minedAt(submitted);
    return { id, word, state: height === undefined ? 'gone' : 'mined', height: height ?? null };
  }

  /** Searched when somebody asks, from the tip down: what it was mined in may be replaced by another chain. */
  #minedAt({ word, height }: SubmittedWord): number | undefined {
    const tip = this.#subject.status().height - 1;
    const lowest = Math.max(0, height - SEARCHED_BEFORE, tip - MAX_SEARCHED_BLOCKS);
    for (let at = tip; at >= lowest; at--) {
      if (this.#subject.block(at)?.messages.includes(word) === true) return at;
    }
    return undefined;
  }
}
