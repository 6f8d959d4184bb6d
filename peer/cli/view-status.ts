/** How terminals show a node by its view: one of any engine, also of one that this program has never heard of. */
import { z } from 'zod';

import { addressKey } from '../../shared/address.ts';
import { escapeControls } from '../../shared/escape.ts';
import { formatNumber, section, table, type Cell, type Painter } from '../../shared/text-table.ts';
import type { Face, Tone } from '../web/face.ts';
import { engineSchema, viewSchema, type CellJson, type TableJson, type ViewJson } from '../web/schemas.ts';
import { shownNarrow } from '../web/words.ts';
import { RefusedError, ask } from './ask.ts';
import { plainStatus } from './plain-status.ts';
import type { StatusAnswer, StatusFace } from './status-face.ts';
import { MAX_ROWS, short } from './status-format.ts';

const COLOURS = { good: 'green', warn: 'yellow', bad: 'red', quiet: 'dim' } as const satisfies Record<
  Tone,
  string
>;

/** The first rows as a table, and how many more there are. */
function rowsOf(titles: readonly string[], rows: readonly (readonly Cell[])[], paint: Painter): string[] {
  const more = rows.length > MAX_ROWS ? [`  … and ${formatNumber(rows.length - MAX_ROWS)} more`] : [];
  return rows.length === 0 ? [] : [...table(titles, rows.slice(0, MAX_ROWS), paint), ...more];
}

function cellOf(cell: CellJson | undefined, unit: string | null | undefined): Cell {
  if (typeof cell !== 'object') return short(cell ?? '');
  return 'number' in cell && unit === null ? cell.number : short(cell.text);
}

function tableLines({ title, columns, rows }: TableJson, paint: Painter): string[] {
  const kept = columns.flatMap(({ wide }, at) => (wide ? [] : [at]));
  const titles = kept.map((at) => short(columns[at]?.title ?? '').toLowerCase());
  const cells = rows.map((row) => kept.map((at) => cellOf(row[at], columns[at]?.unit)));
  return section(short(title), rowsOf(titles, cells, paint), paint);
}

function journalLines({ title, entries }: ViewJson['journals'][number], paint: Painter): string[] {
  const rows = entries.map(({ at, word, text }) => [
    ...[short(at), escapeControls(word === null ? text : `${word}: ${text}`)],
  ]);
  return section(short(title), rowsOf(['', ''], rows, paint), paint);
}

/** Everything about one node. */
function viewText(view: ViewJson, paint: Painter): string {
  const { name, address, phase, unready, alert, figures, tables, journals, startedAt } = view;
  const rows = figures.map(({ title, text, note }) => [
    short(title).toLowerCase(),
    escapeControls(note === null ? text : `${text}; ${note}`),
  ]);
  const head = `${paint('bold', short(name))} at ${short(addressKey(address))}`;
  const warning = alert?.text ?? (unready === null ? undefined : `not ready: ${unready}`);
  return [
    `${head}: ${paint(COLOURS[phase.tone], short(phase.text))}`,
    ...(warning === undefined ? [] : [escapeControls(warning)]),
    ...table(['', ''], [...rows, ['running since', short(startedAt)]], paint),
    ...tables.flatMap((one) => tableLines(one, paint)),
    ...journals.flatMap((one) => journalLines(one, paint)),
    '',
  ].join('\n');
}

/** One line that changes when something has happened. */
function viewLine({ phase, figures }: ViewJson): string {
  const parts = [
    ['phase', phase.text],
    // Time goes on though nothing happens.
    ...figures
      .filter(({ unit }) => unit !== 'ago')
      .map(({ name, text, number, unit }) => [
        name,
        unit === null && number !== null ? String(number) : text,
      ]),
  ];
  return parts
    .map(([name = '', text = '']) => `${short(name)}=${escapeControls(text).replaceAll(' ', '-')}`)
    .join(' ');
}

/** What the API of a node answers besides its view, by the path of each. */
async function askResources(base: string, paths: readonly string[]): Promise<Record<string, unknown>> {
  const answers = await Promise.all(paths.map((path) => ask(base, path, z.unknown())));
  return Object.fromEntries(paths.map((path, at) => [camelCase(path.slice(1)), answers[at]]));
}

function camelCase(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

async function askView(base: string, paths: readonly string[] = []): Promise<StatusAnswer> {
  let view: ViewJson;
  try {
    view = await ask(base, '/view', viewSchema);
  } catch (error) {
    if (error instanceof RefusedError && error.status === 404) return plainStatus.ask(base);
    throw error;
  }
  return {
    json: async () => ({
      status: await ask(base, '/status', engineSchema.loose()),
      ...(await askResources(base, paths)),
      view,
    }),
    text: (paint) => viewText(view, paint),
    line: () => viewLine(view),
  };
}

/** For nodes of an engine that nothing is known of. */
export const viewStatus: StatusFace = { ...plainStatus, ask: (base) => askView(base) };

/** For nodes of an engine with this face. */
export function statusOf<Status, Notice, Node>(face: Face<Status, Notice, Node>): StatusFace {
  const columns = face.figures.filter(({ column = false }) => column !== false);
  const paths = (face.resources ?? []).map(({ path }) => path);
  return {
    ask: (base) => askView(base, paths),
    columns: columns.map(({ title, column }) => (typeof column === 'string' ? column : title.toLowerCase())),
    row: (answer) => {
      const status = face.status.safeParse(answer).data;
      if (status === undefined) return undefined;
      const { text, tone } = face.phase(status);
      // Text from the network may be in any of them.
      const phase = short(text);
      const values = columns.map((figure) => ({ value: figure.of(status), unit: figure.unit }));
      const texts = values.map(({ value, unit }) => short(shownNarrow(value, unit)));
      const word = face.word?.(status) ?? texts.join(':');
      const unusual = tone === 'warn' || tone === 'bad';
      return {
        cells: values.map(({ value, unit }, at) =>
          typeof value === 'number' && unit === undefined ? value : (texts[at] ?? ''),
        ),
        word: `${short(word)}${unusual ? `(${phase.replaceAll(' ', '-')})` : ''}`,
        ...(unusual && { phase }),
      };
    },
  };
}
