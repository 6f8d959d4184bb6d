/**
 * What an engine shows, declared once: the page, the terminal, the API and Prometheus are made of it. A face is data and
 * plain functions; how numbers and times are written is decided here and nowhere else.
 */
import { z } from 'zod';

import { formatNumber } from '../../shared/text-table.ts';
import type { LiveNode } from '../core/node.ts';
import { VERSION } from './assets.ts';
import { MAX_TOLD_ROWS, MAX_TOLD_TEXT } from './limits.ts';
import { bytes, duration } from './page/format.ts';
import type { CellJson, FieldJson, ViewJson } from './schemas.ts';

/** How something is to be taken, in one colour. */
export type Tone = 'good' | 'warn' | 'bad' | 'quiet';

/** A text with its colour. */
export interface Toned {
  readonly text: string;
  readonly tone: Tone;
}

export type Value = string | number | boolean | null;

/** What a value is. Prometheus is given times in seconds, whatever they are in here. */
export type Unit = 'seconds' | 'milliseconds' | 'bytes' | 'per second' | 'hash';

/** How a metric of Prometheus is called, after the program's own prefix. */
export interface MetricName {
  /** With its unit, and `_total` if it is a counter, as `promtool check metrics` wants it. */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
}

/** What is shown of a value besides the value itself. */
interface Described {
  /** Lower-case letters and hyphens; one of a kind within its list. */
  readonly name: string;
  readonly title: string;
  /** What it says, in a sentence without its full stop. */
  readonly help: string;
}

export interface Figure<Status> extends Described {
  readonly unit?: Unit;
  /** @returns null if it is not known */
  of(status: Status): Value;
  readonly metric?: MetricName;
  /** Whether it is a column where the nodes of a network are listed. */
  readonly column?: boolean;
}

export interface FaceTable<Node> extends Described {
  readonly columns: readonly { readonly title: string; readonly unit?: Unit }[];
  /** As many values in each as there are columns; the first ones are shown if there are very many. */
  rows(node: Node): readonly (readonly Value[])[];
}

/** Values over time, in one plot. */
export interface Series<Status> extends Described {
  /** What is drawn of each: the value, or by how much it rises in a second. */
  readonly draw: 'value' | 'rise';
  readonly lines: readonly { readonly title: string; of(status: Status): number | null }[];
}

/** What a person can have done: a POST route, a command of the prompt, a form. */
export interface Action<Node> extends Described {
  readonly schema: z.ZodObject;
  /**
   * @param input as the schema gives it
   * @returns what came of it, in words for people
   * @throws UserError if it is not done, with why
   */
  run(input: object, node: Node): string | Promise<string>;
}

/** Something that happened. */
export interface Happening extends Toned {
  /** The name under which it is counted, if it is; one of a fixed few. */
  readonly counter?: string;
}

/**
 * What an engine shows.
 *
 * @template Status what its nodes say of themselves: JSON
 * @template Notice what its engine notifies
 * @template Node what can be asked of a node that runs
 */
export interface Face<Status, Notice, Node> {
  /** Of `/status`, besides what every status begins with. */
  readonly status: z.ZodType<Status> & Pick<z.ZodObject, 'shape'>;
  /** What a node is doing. */
  phase(status: Status): Toned;
  readonly figures: readonly Figure<Status>[];
  readonly tables: readonly FaceTable<Node>[];
  readonly series: readonly Series<Status>[];
  /** What is worth a line, in the log too; text from the network only if it is quiet. */
  journal(notice: Notice): Happening | undefined;
  readonly actions: readonly Action<Node>[];
  /** Why a node is not ready, in a sentence; undefined if it is. */
  ready(status: Status): string | undefined;
}

/** A value in words: the one place where numbers, times and hashes get their form. */
export function shown(value: Value, unit?: Unit): string {
  if (value === null) return '–';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return unit === 'hash' ? hashText(value) : told(value);
  switch (unit) {
    case 'seconds':
      return duration(value * 1000);
    case 'milliseconds':
      return duration(value);
    case 'bytes':
      return bytes(value);
    case 'per second':
      return `${formatNumber(value)}/s`;
    default:
      return formatNumber(value);
  }
}

/** Digits of a hash, from its beginning: enough to tell one from the other. */
const HASH_DIGITS = 16;

function hashText(hash: string): string {
  return hash.length > HASH_DIGITS ? `${hash.slice(0, HASH_DIGITS)}…` : hash;
}

/** A text as far as it is told, and not cut within a pair of surrogates. */
function told(text: string): string {
  return text.length <= MAX_TOLD_TEXT ? text : `${text.slice(0, MAX_TOLD_TEXT - 1).toWellFormed()}…`;
}

function cellOf(value: Value, unit?: Unit): CellJson {
  return { text: shown(value, unit), number: typeof value === 'number' ? value : null };
}

/** What a form asks for, made of the schema of an action. */
export function fieldsOf(schema: z.ZodObject): FieldJson[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' });
  return Object.entries(properties).map(([name, property]) => {
    const { type, description, default: initial } = typeof property === 'object' ? property : {};
    return {
      name,
      title: description ?? name,
      kind: type === 'integer' || type === 'number' || type === 'boolean' ? type : 'text',
      required: required.includes(name),
      initial: ['string', 'number', 'boolean'].includes(typeof initial) ? String(initial) : null,
    };
  });
}

/** What has come together of a node over time. */
export interface Past {
  readonly startedAt: string;
  readonly series: ViewJson['series'];
  /** Newest first. */
  readonly journal: ViewJson['journal'];
}

/** Everything that is shown of a node at the moment. */
export function viewOf<Status, Notice, Node extends LiveNode<Status, Notice>>(
  node: Node,
  face: Face<Status, Notice, Node>,
  { startedAt, series, journal }: Past,
): ViewJson {
  const status = node.status();
  const { engine, name, address } = node;
  return {
    ...{ engine, version: VERSION, startedAt, name, address },
    phase: face.phase(status),
    unready: face.ready(status) ?? null,
    figures: face.figures.map((figure) => ({
      ...describedBy(figure),
      column: figure.column === true,
      ...cellOf(figure.of(status), figure.unit),
    })),
    tables: face.tables.map((table) => {
      const all = table.rows(node);
      const units = table.columns.map(({ unit }) => unit);
      return {
        ...describedBy(table),
        columns: table.columns.map(({ title }) => title),
        rows: all.slice(0, MAX_TOLD_ROWS).map((row) => row.map((value, at) => cellOf(value, units[at]))),
        count: all.length,
      };
    }),
    series,
    journal,
    actions: face.actions.map((action) => ({ ...describedBy(action), fields: fieldsOf(action.schema) })),
  };
}

function describedBy({ name, title, help }: Described): Described {
  return { name, title, help };
}
