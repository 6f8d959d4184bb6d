/** What happened in a node, as its face has it in words: evaluated once for the log, the page and the metrics. */
import { isoTime } from '../../shared/time.ts';
import type { LiveNode, NodeObserver } from '../core/node.ts';
import type { Face, Happening } from './face.ts';
import { MAX_REMEMBERED } from './limits.ts';
import { Newest } from './newest.ts';
import type { HappeningJson, ViewJson } from './schemas.ts';

/** Notified of each entry. */
export type JournalReader = (happening: Happening, entry: HappeningJson) => void;

export class Journals<Status, Notice, Node extends LiveNode<Status, Notice>> implements Pick<
  NodeObserver<Notice>,
  'onNotice'
> {
  /** How often each counter was named. */
  readonly counts: Record<string, number> = {};
  readonly #node: Node;
  readonly #face: Pick<Face<Status, Notice, Node>, 'journals'>;
  readonly #now: () => number;
  readonly #readers = new Set<JournalReader>();
  readonly #entries = new Map<string, Newest<HappeningJson>>();

  /** @param now wall clock in milliseconds */
  constructor(node: Node, face: Pick<Face<Status, Notice, Node>, 'journals'>, now = Date.now) {
    this.#node = node;
    this.#face = face;
    this.#now = now;
    for (const { name } of face.journals) this.#entries.set(name, new Newest(MAX_REMEMBERED));
  }

  /** Notifies a reader of all that happens from now on. */
  read(reader: JournalReader): void {
    this.#readers.add(reader);
  }

  onNotice(notice: Notice): void {
    for (const journal of this.#face.journals) {
      const happening = journal.of(notice, this.#node);
      if (happening === undefined) continue;
      const { text, tone, word = null, mark = null, counter } = happening;
      if (counter !== undefined) this.counts[counter] = (this.counts[counter] ?? 0) + 1;
      const entry = { journal: journal.name, at: isoTime(this.#now()), word, text, tone, mark };
      this.#entries.get(journal.name)?.add(entry);
      for (const read of this.#readers) read(happening, entry);
    }
  }

  view(): ViewJson['journals'] {
    return this.#face.journals.map(({ name, title, help, empty = 'Nothing happened yet.' }) => ({
      ...{ name, title, help, empty },
      entries: this.#entries.get(name)?.items ?? [],
    }));
  }
}
