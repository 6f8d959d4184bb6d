/**
 * What an engine shows, declared once: the page, the terminal, the API and Prometheus are made of it. A face is data and
 * plain functions: it holds no state, and no layout. How numbers and times are written is decided in `words.ts`.
 */
import type { z } from 'zod';

import type { Route } from './routes.ts';
import type { UNITS } from './schemas.ts';

/** How something is to be taken, in one colour. */
export type Tone = 'good' | 'warn' | 'bad' | 'quiet';

/** A text with its colour. */
export interface Toned {
  readonly text: string;
  readonly tone: Tone;
}

export type Value = string | number | boolean | null;

export type Unit = (typeof UNITS)[number];

/** How a metric of Prometheus is called, after the program's own prefix. */
export interface MetricName {
  /** With its unit, and `_total` if it is a counter, as `promtool check metrics` wants it. */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
}

/** What is shown of a value besides the value itself. */
export interface Described {
  /** Lower-case letters and hyphens; one of a kind within its list. */
  readonly name: string;
  readonly title: string;
  /** A sentence of help, without its full stop. */
  readonly help: string;
}

export interface Figure<Status> extends Described {
  readonly unit?: Unit;
  /** @returns null if it is not known */
  of(status: Status): Value;
  /** More about it, in words that change with it; the page has the help in its place where there is none. */
  note?(status: Status): string;
  readonly metric?: MetricName;
  /** Whether it is a column where the nodes of a network are listed; a text is the title that it has there. */
  readonly column?: boolean | string;
  /** Whether it stands only where everything is shown, and is none of the tiles of the page. */
  readonly minor?: boolean;
}

/** A value of a metric, or that value and one for each of the labels. */
export type Sample = number | readonly [value: number, ...labels: string[]];

/** What Prometheus alone is given. Every label has a bounded set of values. */
export type FaceMetric<Notice, Node> = {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
} & (
  | {
      readonly type: 'gauge' | 'counter';
      /** Read whenever somebody asks. */
      of(node: Node): readonly Sample[];
    }
  | {
      readonly type: 'counter' | 'histogram';
      /** Upper bounds of the buckets of a histogram. */
      readonly buckets?: readonly number[];
      /** What a notice adds. */
      on(notice: Notice, node: Node): readonly Sample[];
    }
  | {
      readonly type: 'counter' | 'histogram';
      readonly buckets?: readonly number[];
      /** What the answer to a request adds. */
      onReply(result: unknown): readonly Sample[];
    }
  | {
      readonly type: 'counter';
      /** What the engine counts under names that begin with this and a point: the rest of the name is the label. */
      readonly counted: string;
    }
);

export interface FaceTable<Node> extends Described {
  readonly columns: readonly {
    readonly title: string;
    readonly unit?: Unit;
    /** Whether a terminal, which is narrower than a page, leaves it out. */
    readonly wide?: boolean;
  }[];
  /** As many values in each as there are columns; the first ones are shown if there are very many. */
  rows(node: Node): readonly (readonly (Value | Toned)[])[];
  /** What stands there while there are no rows. */
  readonly empty?: string;
}

/** A line of a plot: read from the status at every step, or a quantile of what was notified since the last one. */
export type Line<Status, Notice> = { readonly title: string; readonly dashed?: boolean } & (
  | { of(status: Status): number | null }
  | {
      /** From 0 to 1. */
      readonly quantile: number;
      values(notice: Notice): readonly number[];
    }
);

/** Values over time, in one plot. */
export interface Series<Status, Notice> extends Described {
  /** What is drawn of what is read: the value, or by how much it rises in a second. */
  readonly draw: 'value' | 'rise';
  readonly lines: readonly Line<Status, Notice>[];
}

/** What a person can have done: a POST route, a command of the prompt, a form. It may be asked for again under an id. */
export interface Action<Node> extends Described {
  /** Of what is asked; an id may come with it. */
  readonly schema: z.ZodObject;
  /** Where it is posted, where that is not `/actions/` and its name; what became of it is below that. */
  readonly path?: string;
  /** What an answer contains besides its text. */
  readonly gives?: z.ZodObject;
  /** What is known of it before there is an answer, which the answer contains too. */
  readonly about?: {
    readonly gives: z.ZodObject;
    /** @throws UserError if nothing can be done with the input, with why */
    of(input: never, node: Node): object;
  };
  /**
   * @param input as the schema gives it
   * @param id under which it is to be done once, whichever node is asked
   * @returns what came of it, in words for people; it may take long
   * @throws UserError if it is not done, with why
   */
  run(input: object, node: Node, id?: string): string | Outcome | Promise<string | Outcome>;
  /** What came of what was asked under an id, as far as the node knows though it was not asked itself. */
  recall?(id: string, node: Node): Outcome | undefined;
  /** Whether a node offers it. */
  offered?(node: Node): boolean;
  /** What may be typed, as an example. */
  hint?(node: Node): string | undefined;
}

/** What came of an action: its text, and what the action gives besides. */
export interface Outcome {
  readonly text: string;
  readonly [name: string]: unknown;
}

/** Something that happened. */
export interface Happening extends Toned {
  /** What it is in a word or two, before the text. */
  readonly word?: string;
  /** The name under which it is counted, if it is; one of a fixed few. */
  readonly counter?: string;
  /** What it is called on the plots, where it is worth a mark. */
  readonly mark?: string;
}

/** The events of one kind; each kind has its own room, so that what is frequent does not crowd out the rest. */
export interface Journal<Notice, Node> extends Described {
  /** What is worth a line, in the log too; text from the network only if it is quiet. */
  of(notice: Notice, node: Node): Happening | undefined;
  /** What stands there while nothing has happened. */
  readonly empty?: string;
}

/** JSON of the API besides what all nodes have. */
export interface Resource<Node> {
  readonly path: string;
  /** What the JSON contains, in a sentence without its full stop. */
  readonly help: string;
  readonly schema: z.ZodType;
  /** What may be asked of it; everything in it has a default. */
  readonly query?: z.ZodObject;
  /**
   * @param plots the series by name, as far as they have come
   * @param query as its schema gives it
   */
  of(node: Node, plots: Plots, query: never): unknown;
}

/** The values of each line of a series, oldest first. */
export interface Plots {
  readonly stepSeconds: number;
  /** Of the last value. */
  readonly endsAt: string;
  values(series: string): readonly (readonly (number | null)[])[];
}

/** Events of an engine's own, besides those of all engines. */
export interface FaceEvents<Notice, Node> {
  readonly schemas: Readonly<Record<string, z.ZodType>>;
  of(notice: Notice, node: Node): readonly [name: string, data: unknown] | undefined;
  /** What is sent beside the status when it has changed. */
  readonly changing?: readonly {
    readonly name: string;
    /** JSON that changes when the event is to be sent. */
    key(node: Node): unknown;
    of(node: Node): unknown;
  }[];
}

/**
 * What an engine shows.
 *
 * @template Status what its nodes report of themselves: JSON
 * @template Notice what its engine notifies
 * @template Node what can be asked of a node that runs
 */
export interface Face<Status, Notice, Node> {
  /** Of `/status`, besides what every status begins with. */
  readonly status: z.ZodType<Status> & Pick<z.ZodObject, 'shape'>;
  /** What the API is, for its description: sentences. */
  readonly description?: string;
  /** What a node is doing. */
  phase(status: Status): Toned;
  readonly figures: readonly Figure<Status>[];
  readonly metrics?: readonly FaceMetric<Notice, Node>[];
  readonly tables: readonly FaceTable<Node>[];
  readonly series: readonly Series<Status, Notice>[];
  readonly journals: readonly Journal<Notice, Node>[];
  readonly actions: readonly Action<Node>[];
  readonly resources?: readonly Resource<Node>[];
  /** What else the API has. */
  routes?(node: Node): readonly Route[];
  readonly events?: FaceEvents<Notice, Node>;
  /** Longest body that is taken, in bytes, where it is not the usual one. */
  readonly maxBody?: number;
  /** Why a node is not ready, in a sentence; undefined if it is. */
  ready(status: Status): string | undefined;
  /** What people are to be shown before everything else; by default why the node is not ready. */
  alert?(status: Status): { readonly title: string; readonly text: string } | undefined;
  /** Where a node stands among others, in a word without spaces; by default what its columns say. */
  word?(status: Status): string;
}
