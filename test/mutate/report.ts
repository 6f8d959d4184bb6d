/** What is said about the mutants of a run: a table by area, and the list of those that survived. */
import type { Mutant } from './operators.ts';
import type { Outcome } from './trial.ts';

export interface Tried extends Outcome {
  readonly area: string;
  readonly mutant: Mutant;
}

/** One line of the table. */
export interface Row {
  readonly area: string;
  /** Places and ways in which the files of the area can be mutated. */
  readonly possible: number;
  readonly tried: number;
  readonly killed: number;
  /** Of those killed, how many hung or crashed. */
  readonly hung: number;
  readonly survived: number;
}

/** The share that was killed, of 1; undefined if none was tried. */
export function rateOf({ killed, tried }: Pick<Row, 'killed' | 'tried'>): number | undefined {
  return tried === 0 ? undefined : killed / tried;
}

export function rowOf(area: string, possible: number, tried: readonly Tried[]): Row {
  const killers = tried.flatMap(({ killer }) => (killer === undefined ? [] : [killer.name]));
  return {
    area,
    possible,
    tried: tried.length,
    killed: killers.length,
    hung: killers.filter((name) => name === 'timeout' || name === 'crash').length,
    survived: tried.length - killers.length,
  };
}

const COLUMNS = ['possible', 'tried', 'killed', 'hung', 'survived'] as const;

export function table(rows: readonly Row[]): string {
  const line = (area: string, cells: readonly (string | number)[]): string =>
    `${area.padEnd(14)}${cells.map((cell) => String(cell).padStart(10)).join('')}`;
  const cells = (row: Row): (string | number)[] => {
    const rate = rateOf(row);
    return [
      ...COLUMNS.map((column) => row[column]),
      rate === undefined ? '–' : `${(100 * rate).toFixed(0)} %`,
    ];
  };
  const all: Row = {
    area: 'all',
    ...(Object.fromEntries(
      COLUMNS.map((column) => [column, rows.reduce((sum, row) => sum + row[column], 0)]),
    ) as Record<(typeof COLUMNS)[number], number>),
  };
  return [
    line('area', [...COLUMNS, 'rate']),
    ...rows.map((row) => line(row.area, cells(row))),
    ...(rows.length > 1 ? [line('all', cells(all))] : []),
  ].join('\n');
}

/** A mutant for people, as a change. */
export function change({ id, file, line, scope, operator, before, after }: Mutant): string {
  return `${id}  ${file}:${line}  ${operator}${scope === '' ? '' : ` in ${scope}`}\n  - ${before}\n  + ${after}`;
}

export function markdown(rows: readonly Row[], tried: readonly Tried[]): string {
  const survived = tried.filter(({ killer }) => killer === undefined);
  return [
    '```text',
    table(rows),
    '```',
    ...survived.map(
      ({ mutant, run, reaching }) =>
        `\n\`${mutant.file}:${mutant.line}\` ${mutant.operator}, \`${mutant.id}\`, ${run} of ${reaching} test files:\n\n` +
        `\`\`\`diff\n- ${mutant.before}\n+ ${mutant.after}\n\`\`\``,
    ),
    '',
  ].join('\n');
}
