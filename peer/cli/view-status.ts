/** How terminals show a node by its view: one of any engine, also of one that this program has never heard of. */
import { addressKey } from '../../shared/address.ts';
import { section, table, type Painter } from '../../shared/text-table.ts';
import { shown, type Face, type Tone } from '../web/face.ts';
import { engineSchema, viewSchema, type ViewJson } from '../web/schemas.ts';
import { RefusedError, ask } from './ask.ts';
import { plainStatus } from './plain-status.ts';
import type { StatusAnswer, StatusFace } from './status-face.ts';
import { MAX_ROWS, firstRows, short } from './status-format.ts';

const COLOURS = { good: 'green', warn: 'yellow', bad: 'red', quiet: 'dim' } as const satisfies Record<
  Tone,
  string
>;

/** Everything about one node. */
function viewText(view: ViewJson, paint: Painter): string {
  const { name, address, phase, unready, figures, tables, journal, startedAt } = view;
  const rows = figures.map(({ title, text }) => [title.toLowerCase(), short(text)]);
  return [
    `${paint('bold', short(name))} at ${addressKey(address)}: ${paint(COLOURS[phase.tone], short(phase.text))}`,
    ...(unready === null ? [] : [`not ready: ${short(unready)}`]),
    ...table(['', ''], [...rows, ['running since', startedAt]], paint),
    ...tables.flatMap((one) =>
      section(
        short(one.title),
        one.rows.length === 0
          ? []
          : table(
              one.columns.map(short),
              firstRows(one.rows, (row) => row.map(({ text }) => short(text))),
              paint,
            ),
        paint,
      ),
    ),
    ...section(
      'What happened last',
      journal.length === 0
        ? []
        : table(
            ['', ''],
            journal.slice(0, MAX_ROWS).map(({ at, text }) => [at, short(text)]),
            paint,
          ),
      paint,
    ),
    '',
  ].join('\n');
}

/** One line that changes when something has happened. */
function viewLine({ phase, figures }: ViewJson): string {
  const parts = [
    ['phase', phase.text],
    ...figures.map(({ name, text, number }) => [name, String(number ?? text)]),
  ];
  return parts.map(([name = '', text = '']) => `${name}=${short(text).replaceAll(' ', '-')}`).join(' ');
}

async function askView(base: string): Promise<StatusAnswer> {
  let view: ViewJson;
  try {
    view = await ask(base, '/view', viewSchema);
  } catch (error) {
    if (error instanceof RefusedError && error.status === 404) return plainStatus.ask(base);
    throw error;
  }
  const status = await ask(base, '/status', engineSchema.loose());
  return { json: { status, view }, text: (paint) => viewText(view, paint), line: () => viewLine(view) };
}

/** For nodes of an engine that nothing is known of. */
export const viewStatus: StatusFace = { ...plainStatus, ask: askView };

/** For nodes of an engine with this face. */
export function statusOf<Status, Notice, Node>(face: Face<Status, Notice, Node>): StatusFace {
  const columns = face.figures.filter(({ column }) => column === true);
  return {
    ask: askView,
    columns: columns.map(({ title }) => title.toLowerCase()),
    row: (answer) => {
      const status = face.status.safeParse(answer).data;
      if (status === undefined) return undefined;
      const { text, tone } = face.phase(status);
      // Text from the network may be in any of them.
      const phase = short(text);
      const cells = columns.map((figure) => short(shown(figure.of(status), figure.unit)));
      const unusual = tone === 'warn' || tone === 'bad';
      return {
        cells,
        word: `${cells.join(':')}${unusual ? `(${phase.replaceAll(' ', '-')})` : ''}`,
        ...(unusual && { phase }),
      };
    },
  };
}
