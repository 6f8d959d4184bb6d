/**
 * Whether what clients saw can be explained by one copy of the state that does one operation after the other, each at
 * some moment between its invocation and its return. The search is that of Wing and Gong ("Testing and Verifying
 * Concurrent Objects", 1993) with Lowe's memory of what was tried ("Testing for linearizability", 2017), for each
 * partition of the state by itself, as Porcupine does it. Operations of unknown outcome, which may take effect long
 * after they were invoked, would make it endless; so they are done only where it does not go on without, and what was
 * tried with fewer of them need not be tried with more.
 */

/** An operation as its client saw it. Times are on one clock, those of all clients. */
export interface Observation {
  readonly client: number | string;
  readonly invoked: number;
  /** Undefined if the outcome is unknown: it may take effect at any time from its invocation on, or never. */
  readonly returned: number | undefined;
  readonly operation: string;
  /** Undefined if the outcome is unknown. */
  readonly answer: string | undefined;
}

/** What one copy of the state does. */
export interface Model<Operation, State> {
  /** Reads an operation; those of different partitions must not affect each other. */
  read(operation: string): { readonly partition: string; readonly operation: Operation };
  /** The state of a partition at first. */
  readonly initial: State;
  /** Whether operations with such an answer change nothing, so that a history without them is as good. */
  readsOnly(operation: Operation, answer: string | undefined): boolean;
  /**
   * Does an operation.
   *
   * @param answer undefined if any will do
   * @returns undefined if the answer would be another one
   */
  step(state: State, operation: Operation, answer: string | undefined): { readonly state: State } | undefined;
  /** The same for states that are the same. */
  keyOf(state: State): string;
}

/** The outcome; the counterexample is a text for people. */
export type Verdict =
  { readonly linearizable: true } | { readonly linearizable: false; readonly counterexample: string };

/** Steps of a search after which it is given up, and of each search for a smaller counterexample. */
const MAX_STEPS = 2_000_000;
const MAX_SMALL_STEPS = 100_000;
/** Operations that a counterexample shows. */
const SHOWN = 25;

/** An operation as the search has it. */
interface Item<Operation> {
  readonly seen: Observation;
  readonly operation: Operation;
}

/**
 * Checks a history.
 *
 * @throws Error if the search takes too long
 */
export function checkLinearizable<Operation, State>(
  history: readonly Observation[],
  model: Model<Operation, State>,
): Verdict {
  const partitions = new Map<string, Item<Operation>[]>();
  for (const seen of history) {
    const { partition, operation } = model.read(seen.operation);
    const items = partitions.get(partition) ?? [];
    items.push({ seen, operation });
    partitions.set(partition, items);
  }
  for (const [partition, items] of partitions) {
    const explained = isExplained(items, model, MAX_STEPS);
    if (explained === undefined) throw new Error(`no verdict on ${items.length} operations on one partition`);
    if (!explained) return { linearizable: false, counterexample: explain(partition, smaller(items, model)) };
  }
  return { linearizable: true };
}

/** A moment in the search: what has been done up to it, and what may be done next. */
interface Moment<State> {
  readonly state: State;
  /** What was done last. */
  readonly done: Choice | undefined;
  readonly choices: readonly Choice[];
  next: number;
}

/** An operation with a known outcome by its place, or one of several equal ones whose outcome is unknown. */
type Choice =
  { readonly place: number; readonly kind?: never } | { readonly kind: number; readonly place?: never };

/**
 * Whether there is an order that explains all answers.
 *
 * @returns undefined if the search takes too long
 */
function isExplained<Operation, State>(
  items: readonly Item<Operation>[],
  model: Model<Operation, State>,
  maxSteps: number,
): boolean | undefined {
  const known = items
    .filter(({ seen }) => seen.returned !== undefined)
    .sort((one, other) => one.seen.invoked - other.seen.invoked);
  const unknown = unknownOf(items, model);
  const done = new Done(known.length);
  const used = unknown.map(() => 0);
  /** Under what was done and the state, the fewest operations of unknown outcome that it took; all of them in vain. */
  const tried = new Map<string, number[][]>();

  /** @returns undefined if no operation has to be done any more */
  const choicesAt = (state: State): Choice[] | undefined => {
    // None may be done that was invoked after another one, not yet done, had returned.
    let end = Infinity;
    const choices: Choice[] = [];
    for (let place = done.first; place < known.length; place++) {
      if (done.has(place)) continue;
      const item = known[place];
      if (item === undefined || item.seen.invoked > end) break;
      const { operation, seen } = item;
      // A read that finds what it should is done at once: whatever comes of it would come of it without.
      if (
        model.readsOnly(operation, seen.answer) &&
        model.step(state, operation, seen.answer) !== undefined
      ) {
        return [{ place }];
      }
      choices.push({ place });
      end = Math.min(end, seen.returned ?? Infinity);
    }
    if (choices.length === 0) return undefined;
    const key = model.keyOf(state);
    for (const [kind, { operation, invoked }] of unknown.entries()) {
      // The earliest of equal ones is as good as any, and one that changes nothing is better kept.
      if ((invoked[used[kind] ?? 0] ?? Infinity) > end) continue;
      const after = model.step(state, operation, undefined);
      if (after !== undefined && model.keyOf(after.state) !== key) choices.push({ kind });
    }
    return choices;
  };
  const mark = (choice: Choice | undefined, by: 1 | -1): void => {
    if (choice?.kind !== undefined) used[choice.kind] = (used[choice.kind] ?? 0) + by;
    else if (choice !== undefined && by === 1) done.add(choice.place);
    else if (choice !== undefined) done.remove(choice.place);
  };
  /** Whether this is new: what can be done with more operations left could be done with those and more. */
  const isNew = (state: State): boolean => {
    const key = `${done.key()} ${model.keyOf(state)}`;
    const before = tried.get(key) ?? [];
    if (before.some((counts) => counts.every((count, kind) => count <= (used[kind] ?? 0)))) return false;
    const fewer = before.filter((counts) => !counts.every((count, kind) => count >= (used[kind] ?? 0)));
    tried.set(key, [...fewer, [...used]]);
    return true;
  };

  let choices = choicesAt(model.initial);
  if (choices === undefined) return true;
  const moments: Moment<State>[] = [{ state: model.initial, done: undefined, choices, next: 0 }];
  for (let steps = 0; steps < maxSteps; steps++) {
    const moment = moments.at(-1);
    if (moment === undefined) return false;
    const choice = moment.choices[moment.next++];
    if (choice === undefined) {
      moments.pop();
      mark(moment.done, -1);
      continue;
    }
    const operation =
      choice.kind === undefined ? known[choice.place]?.operation : unknown[choice.kind]?.operation;
    const answer = choice.kind === undefined ? known[choice.place]?.seen.answer : undefined;
    const after = model.step(moment.state, operation as Operation, answer);
    if (after === undefined) continue;
    mark(choice, 1);
    if (!isNew(after.state)) {
      mark(choice, -1);
      continue;
    }
    choices = choicesAt(after.state);
    if (choices === undefined) return true;
    moments.push({ state: after.state, done: choice, choices, next: 0 });
  }
  return undefined;
}

/** Operations whose outcome is unknown that are equal to each other, with the times from which each may take effect. */
interface Unknown<Operation> {
  readonly operation: Operation;
  readonly invoked: number[];
}

function unknownOf<Operation>(
  items: readonly Item<Operation>[],
  model: Model<Operation, unknown>,
): readonly Unknown<Operation>[] {
  const kinds = new Map<string, Unknown<Operation>>();
  for (const { seen, operation } of items) {
    if (seen.returned !== undefined || model.readsOnly(operation, undefined)) continue;
    const kind = kinds.get(seen.operation) ?? { operation, invoked: [] };
    kind.invoked.push(seen.invoked);
    kinds.set(seen.operation, kind);
  }
  for (const { invoked } of kinds.values()) invoked.sort((one, other) => one - other);
  return [...kinds.values()];
}

/**
 * Which operations are done. Most of the time these are all up to some place, and a few more: so the key is short,
 * although there may be thousands.
 */
class Done {
  /** All before this one are done. */
  first = 0;
  private readonly places: Uint8Array;
  /** The last one that was ever done. */
  private last = -1;

  constructor(count: number) {
    this.places = new Uint8Array(count);
  }

  has(place: number): boolean {
    return this.places[place] === 1;
  }

  add(place: number): void {
    this.places[place] = 1;
    this.last = Math.max(this.last, place);
    while (this.places[this.first] === 1) this.first++;
  }

  remove(place: number): void {
    this.places[place] = 0;
    this.first = Math.min(this.first, place);
  }

  /** The same just for the same operations: where it changes from not done to done and back. */
  key(): string {
    const parts = [this.first];
    for (let place = this.first + 1; place <= this.last + 1; place++) {
      if (this.has(place) !== this.has(place - 1)) parts.push(place);
    }
    return parts.join();
  }
}

/**
 * A smaller history that cannot be explained either: up to the first return that makes it so, and without reads that
 * do not matter for that.
 */
function smaller<Operation, State>(
  items: readonly Item<Operation>[],
  model: Model<Operation, State>,
): Item<Operation>[] {
  const returns = items.flatMap(({ seen }) => seen.returned ?? []).sort((one, other) => one - other);
  // If a history can be explained, so can all that begins it: the first that cannot is found by halving.
  let [good, bad] = [-1, returns.length - 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (isExplained(until(items, returns[middle] ?? NaN), model, MAX_SMALL_STEPS) === false) bad = middle;
    else good = middle;
  }
  let kept = until(items, returns[bad] ?? NaN);
  // If a history can be explained, so can it be without reads: so one that cannot without them is as wrong with them.
  const reads = kept.filter(({ operation, seen }) => model.readsOnly(operation, seen.answer));
  for (let size = reads.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < reads.length; from += size) {
      const left = new Set(reads.slice(from, from + size));
      const without = kept.filter((item) => !left.has(item));
      if (without.length < kept.length && isExplained(without, model, MAX_SMALL_STEPS) === false)
        kept = without;
    }
  }
  return kept;
}

/** What was known at a time. */
function until<Operation>(items: readonly Item<Operation>[], time: number): Item<Operation>[] {
  return items
    .filter(({ seen }) => seen.invoked <= time)
    .map((item) => {
      const { returned = Infinity } = item.seen;
      return returned <= time
        ? item
        : { ...item, seen: { ...item.seen, returned: undefined, answer: undefined } };
    });
}

function explain(partition: string, items: readonly Item<unknown>[]): string {
  const last = Math.max(...items.map(({ seen }) => seen.returned ?? -Infinity));
  const ordered = items.toSorted((one, other) => one.seen.invoked - other.seen.invoked);
  const shown = ordered.slice(-SHOWN);
  const lines = shown.map(({ seen }) => {
    const { client, invoked, returned, operation, answer } = seen;
    const mark = returned === last ? '>' : ' ';
    return `${mark} client ${client}, ${invoked} to ${returned ?? '?'}: ${operation} -> ${answer ?? 'unknown'}`;
  });
  return [
    `no order of these operations on ${JSON.stringify(partition)} explains their answers, up to the one marked with >:`,
    ...(shown.length < ordered.length ? [`  … ${ordered.length - shown.length} before`] : []),
    ...lines,
  ].join('\n');
}

type KeyValueOperation = readonly [verb: string, key: string, first?: string | null, second?: string | null];

/** The key-value store: each key by itself. */
export const keyValueModel: Model<KeyValueOperation, string | null> = {
  initial: null,
  read: (text) => {
    const operation = JSON.parse(text) as KeyValueOperation;
    return { partition: operation[1], operation };
  },
  readsOnly: ([verb], answer) => verb === 'get' || (answer !== undefined && !TOOK_EFFECT.has(answer)),
  step: (state, operation, answer) => {
    // Refused, as it may be at any time for want of room: nothing happened.
    if (answer?.startsWith('{"error":') === true) return { state };
    const [after, own] = apply(state, operation);
    return answer === undefined || answer === JSON.stringify(own) ? { state: after } : undefined;
  },
  keyOf: (state) => JSON.stringify(state),
};

const TOOK_EFFECT: ReadonlySet<string> = new Set(
  [{ stored: true }, { deleted: true }, { swapped: true }].map((answer) => JSON.stringify(answer)),
);

/** What becomes of the value of a key, and the answer. */
function apply(
  state: string | null,
  [verb, , first = null, second = null]: KeyValueOperation,
): [string | null, object] {
  switch (verb) {
    case 'put':
      return [first, { stored: true }];
    case 'delete':
      return [null, { deleted: state !== null }];
    case 'cas':
      return state === first ? [second, { swapped: true }] : [state, { swapped: false, value: state }];
    default:
      return [state, { value: state }];
  }
}
