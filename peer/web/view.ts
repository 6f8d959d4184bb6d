/** The view of a node: what its face shows of it, in words, for pages and terminals that know no engine. */
import { z } from 'zod';

import type { LiveNode } from '../core/node.ts';
import { VERSION } from './assets.ts';
import type { Described, Face, FaceTable, Figure, Toned, Unit, Value } from './face.ts';
import { MAX_SHOWN_ROWS } from './limits.ts';
import type { CellJson, FieldJson, GlanceJson, TableJson, ViewJson } from './schemas.ts';
import { shown } from './words.ts';

function isToned(value: Value | Toned): value is Toned {
  return typeof value === 'object' && value !== null;
}

function cellOf(value: Value | Toned, unit?: Unit): CellJson {
  if (isToned(value)) return { text: value.text, tone: value.tone };
  const text = shown(value, unit);
  return typeof value === 'number' ? { text, number: value } : text;
}

function describedBy({ name, title, help }: Described): Described {
  return { name, title, help };
}

/** The name of the field that every action has: the id under which it is done once. */
export const ID_FIELD = 'id';

/** What a form asks for, made of the schema of an action. */
export function fieldsOf(schema: z.ZodObject): FieldJson[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' });
  return Object.entries(properties).flatMap(([name, property]) => {
    const { type, title, description, default: initial } = typeof property === 'object' ? property : {};
    if (name === ID_FIELD) return [];
    return {
      name,
      title: title ?? description ?? name,
      kind: type === 'integer' || type === 'number' || type === 'boolean' ? type : 'text',
      required: required.includes(name),
      initial: ['string', 'number', 'boolean'].includes(typeof initial) ? String(initial) : null,
    };
  });
}

function figureOf<Status>(figure: Figure<Status>, status: Status): GlanceJson['figures'][number] {
  const { column = false, minor = false, unit = null } = figure;
  const value = figure.of(status);
  const number = typeof value === 'number' ? value : null;
  // There is room for the whole of a hash.
  const text = unit === 'hash' && typeof value === 'string' ? value : shown(value, figure.unit);
  return {
    ...{ ...describedBy(figure), text, number, unit, note: figure.note?.(status) ?? null },
    ...{ column: column !== false, minor },
  };
}

/** What is seen of a node at a glance. */
export function glanceOf<Status, Notice, Node extends LiveNode<Status, Notice>>(
  node: Node,
  face: Face<Status, Notice, Node>,
): GlanceJson {
  const status = node.status();
  const unready = face.ready(status);
  const alert = unready === undefined ? undefined : { title: 'Not ready', text: unready };
  return {
    ...{ engine: node.engine, name: node.name, address: node.address },
    phase: face.phase(status),
    unready: unready ?? null,
    alert: face.alert?.(status) ?? alert ?? null,
    figures: face.figures.map((figure) => figureOf(figure, status)),
  };
}

function tableOf<Node>(table: FaceTable<Node>, node: Node): TableJson {
  const all = table.rows(node);
  const { columns, empty = 'There is nothing.' } = table;
  return {
    ...describedBy(table),
    columns: columns.map(({ title, unit = null, wide = false }) => ({ title, unit, wide })),
    rows: all.slice(0, MAX_SHOWN_ROWS).map((row) => row.map((value, at) => cellOf(value, columns[at]?.unit))),
    ...{ count: all.length, empty },
  };
}

/** Those tables that are not as they were when it was last called. */
export function changedTables<Node>(tables: readonly FaceTable<Node>[], node: Node): () => TableJson[] {
  const before = new Map<string, string>();
  return () =>
    tables.flatMap((table) => {
      const current = tableOf(table, node);
      const text = JSON.stringify(current);
      if (before.get(table.name) === text) return [];
      before.set(table.name, text);
      return [current];
    });
}

/** What has come together of a node over time. */
export type Past = Pick<ViewJson, 'startedAt' | 'series' | 'journals'>;

/** Everything that is shown of a node at the moment. */
export function viewOf<Status, Notice, Node extends LiveNode<Status, Notice>>(
  node: Node,
  face: Face<Status, Notice, Node>,
  past: Past,
): ViewJson {
  return {
    ...{ version: VERSION, ...glanceOf(node, face), ...past },
    tables: face.tables.map((table) => tableOf(table, node)),
    actions: face.actions
      .filter((action) => action.offered?.(node) !== false)
      .map((action) => ({
        ...describedBy(action),
        path: pathOf(action),
        fields: fieldsOf(action.schema),
        hint: action.hint?.(node) ?? null,
      })),
  };
}

/** Where an action is posted. */
export function pathOf({ name, path }: { readonly name: string; readonly path?: string }): string {
  return path ?? `/actions/${name}`;
}
