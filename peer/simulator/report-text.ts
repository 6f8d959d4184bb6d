/** Reports as text for people. */
import { escapeControls } from '../../shared/escape.ts';
import {
  formatNumber,
  painter,
  section,
  table,
  wrap,
  type Painter,
  type Style,
} from '../../shared/text-table.ts';
import type { CampaignResult, Failure } from './campaign.ts';
import { settingsOf } from './settings.ts';
import type { SimulatedEngine } from './offer.ts';
import { messageFaults, passed, type RunReport, type Verdict, type Violation } from './report.ts';

/** Columns of a paragraph, at most. */
const WIDTH = 100;

/** What a report needs that is not of the simulation itself. */
export interface Surroundings {
  readonly engine: SimulatedEngine;
  /** The command that runs just the same again. */
  readonly command: string;
  /** Seconds that it took. */
  readonly wallSeconds: number;
  readonly colour: boolean;
  /** Columns that lines may have; Infinity for as many as they take. */
  readonly width: number;
  /** Whether the run has come to its end; true by default. */
  readonly complete?: boolean;
}

/** Simulated seconds: `12.3 s`, `1.25 h`. */
export function formatTime(seconds: number): string {
  return seconds < 3_600 ? `${formatNumber(seconds)} s` : `${(seconds / 3_600).toFixed(2)} h`;
}

/** A number and its unit; a share stands close to its sign. */
function withUnit(value: number, unit: string): string {
  return `${formatNumber(value)}${unit === '' ? '' : ` ${unit}`}`;
}

/** Items with commas between them, in lines of limited width. */
function listed(items: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = '';
  items.forEach((item, place) => {
    const text = place < items.length - 1 ? `${item}, ` : item;
    if (line !== '' && line.length + text.trimEnd().length + 2 > Math.min(width, WIDTH)) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += text;
  });
  return [...lines, line].map((one) => `  ${one}`);
}

/** What the seed has drawn, as far as it is not as in a quiet network. */
function settingsLines({ settings }: RunReport, { engine, width }: Surroundings): string[] {
  const { values, shape, partitionKinds, byzantine, foreign = [] } = settings;
  const numbers = Object.entries(settingsOf(engine)).flatMap(([name, { initial, unit }]) => {
    const value = values[name] ?? initial;
    return value === initial && name !== 'nodes' && name !== 'hours'
      ? []
      : [`${name} ${withUnit(value, unit)}`];
  });
  const shown = [
    ...numbers,
    ...(shape === 'exponential' ? [] : [`latency-shape ${shape}`]),
    ...(partitionKinds === undefined ? [] : [`partition-kinds ${partitionKinds.join(',')}`]),
    ...(byzantine.length === 0 ? [] : [`byzantine ${byzantine.join(',')}`]),
    ...(foreign.length === 0 ? [] : [`foreign ${foreign.join(',')}`]),
  ];
  return listed(shown, width);
}

/** How many partitions of each kind there were. */
function partitionRows(byKind: Readonly<Record<string, number>>): (readonly [string, number])[] {
  return Object.entries(byKind).map(([kind, count]) => [`of these ${kind}`, count]);
}

function verdictLine({ checker, kind, result, reached }: Verdict, paint: Painter): string {
  const sign = { held: '✓', violated: '✗', 'not reached': '-' }[result];
  const style: Style = result === 'held' ? 'green' : result === 'violated' ? 'red' : 'yellow';
  const note =
    result !== 'held'
      ? result
      : kind === 'safety'
        ? 'held'
        : `reached ${formatTime(reached ?? 0)} after healing`;
  return `  ${paint(style, sign)} ${checker}: ${paint(style, note)}`;
}

function violationLine({ checker, kind, at, node, detail }: Violation): string {
  const place = node === null ? '' : `, node ${node}`;
  return escapeControls(`${kind}, at ${formatTime(at)}${place}: ${checker}: ${detail}`);
}

/** A failure in one line, shown while a campaign goes on; the details come at its end. */
export function failureLine({ seed, violations }: Failure, replay: (seed: number) => string): string {
  const checkers = [...new Set(violations.map(({ checker }) => checker))];
  return `seed ${seed}: ${escapeControls(checkers.join('; '))}: ${replay(seed)}`;
}

/** How fast it was: the only lines that are not the same each time. */
function speedLine(simulatedSeconds: number, events: number, wallSeconds: number): string {
  const ratio = formatNumber(simulatedSeconds / wallSeconds);
  const rate = formatNumber(Math.round(events / wallSeconds));
  return (
    `${formatTime(simulatedSeconds)} simulated in ${formatNumber(wallSeconds)} s, ${ratio} times as fast as real time; ` +
    `${formatNumber(events)} events, ${rate} a second`
  );
}

/** Everything that a run reports. */
export function runText(report: RunReport, surroundings: Surroundings): string {
  const { engine, command, wallSeconds, colour, width, complete = true } = surroundings;
  const paint = painter(colour);
  const { network, faults, violations, distributions, nodes } = report;
  const dropped = Object.entries(network.dropped);
  const [firstNode] = nodes;
  const columns = Object.keys(firstNode ?? {});
  const verdict = passed(report)
    ? paint(['bold', 'green'], complete ? 'everything held' : 'everything held so far')
    : paint(['bold', 'red'], 'VIOLATED');
  return [
    `${paint('bold', engine.title)}, seed ${report.seed}: ${verdict}`,
    ...(complete ? [] : [paint('yellow', '  stopped before the end')]),
    ...settingsLines(report, surroundings),
    ...section(
      'Violations',
      violations.flatMap((violation) => wrap(`  ${paint('red', violationLine(violation))}`, width)),
      paint,
    ),
    ...section(
      'Checkers',
      report.verdicts.flatMap((one) => wrap(verdictLine(one, paint), width)),
      paint,
    ),
    ...section(
      'Figures',
      table(
        ['', '', ''],
        report.figures.map(({ title, value, unit }) => [title, value, unit]),
        paint,
      ),
      paint,
    ),
    ...section(
      'Distributions',
      table(
        ['', 'count', 'least', 'median', 'p90', 'p99', 'most', ''],
        distributions.map(({ title, count, least, median, p90, p99, most, unit }) => {
          return [title, count, least, median, p90, p99, most, unit];
        }),
        paint,
      ),
      paint,
    ),
    ...section(
      'Messages',
      table(
        ['', 'sent', 'delivered'],
        [
          ...Object.entries(network.byType).map(([type, { sent, delivered }]) => [type, sent, delivered]),
          ['in all', network.sent, network.delivered],
        ],
        paint,
      ),
      paint,
    ),
    ...section(
      'Datagrams dropped',
      table(
        ['', ''],
        dropped.map(([reason, count]) => [reason, count]),
        paint,
      ),
      paint,
    ),
    ...section(
      'Faults',
      table(
        ['', ''],
        [
          ['message faults', messageFaults(report)],
          ['duplicated', network.duplicated],
          ['reordered', network.reordered],
          ['held back', network.heldBack],
          ['malformed', network.malformed],
          ['partitions', faults.partitions],
          ...partitionRows(faults.partitionsByKind),
          ['crashes', faults.crashes],
          ['of these in the midst of a step', faults.crashesMidStep],
          ['writes lost', faults.lostWrites],
          ['writes torn', faults.tornWrites],
          ['nodes replaced', faults.replaced],
        ].filter(([, count]) => count !== 0),
        paint,
      ),
      paint,
    ),
    ...section(
      'Nodes',
      table(
        columns,
        nodes.map((row) => columns.map((column) => row[column] ?? '')),
        paint,
        width,
      ),
      paint,
    ),
    '',
    ...wrap(speedLine(report.simulatedSeconds, report.events, wallSeconds), width),
    `digest ${report.digest}`,
    `replay ${paint('cyan', command)}`,
    '',
  ].join('\n');
}

/** What a campaign needs besides; `command` is that of the whole campaign. */
export interface CampaignSurroundings extends Surroundings {
  /** The command that runs one of its seeds alone. */
  readonly replay: (seed: number) => string;
  /** The command that runs what a campaign that was stopped has left; null if it has left nothing. */
  readonly rest: string | null;
  /** Whether it was to go on after a failure. */
  readonly keepGoing: boolean;
}

/** Everything that a campaign reports. */
export function campaignText(
  result: CampaignResult,
  { engine, command, rest, replay, keepGoing, wallSeconds, colour, width }: CampaignSurroundings,
): string {
  const paint = painter(colour);
  const { sums, peaks, seeds, unfinishedEvents, failed, failures, furtherFailures, deaths } = result;
  const verdict =
    failed > 0
      ? paint(['bold', 'red'], `${formatNumber(failed)} of them VIOLATED`)
      : // Where nothing was run, nothing held.
        seeds > 0
        ? paint(['bold', 'green'], 'everything held')
        : paint('yellow', 'nothing was checked');
  const reported = furtherFailures.length > 0 ? `Violations of the first ${failures.length}` : 'Violations';
  return [
    `${paint('bold', engine.title)}, ${seeds === 1 ? '1 seed' : `${formatNumber(seeds)} seeds`}: ${verdict}`,
    ...(result.complete ? [] : [paint('yellow', '  stopped before the end')]),
    ...(failed > 0 && !keepGoing ? [`  it ended with the first that failed; --keep-going goes on`] : []),
    ...(unfinishedEvents > 0
      ? [`  ${formatNumber(unfinishedEvents)} events of seeds that were not done are not counted`]
      : []),
    ...section(
      'Over all seeds',
      table(
        ['', ''],
        // Zeros would say that nothing went wrong where nothing was looked at.
        seeds === 0
          ? []
          : [
              ['simulated hours', Math.round((sums.simulatedSeconds / 3_600) * 100) / 100],
              ['events', sums.events],
              ['message faults', sums.messageFaults],
              ['partitions', sums.partitions],
              ...partitionRows(sums.partitionsByKind),
              ['crashes', sums.crashes],
              ['of these in the midst of a step', sums.crashesMidStep],
              ['writes lost', sums.lostWrites],
              ['writes torn', sums.tornWrites],
              ['nodes replaced', sums.replaced],
              ['Byzantine nodes', sums.byzantine],
              ...Object.entries(sums.figures),
              ...Object.entries(peaks).map(([title, value]) => [`${title}, at most`, value] as const),
            ],
        paint,
      ),
      paint,
    ),
    ...section(
      reported,
      failures.flatMap(({ seed, violations }) => [
        ...violations.flatMap((violation) =>
          wrap(`  seed ${seed}: ${paint('red', violationLine(violation))}`, width),
        ),
        `    ${paint('cyan', replay(seed))}`,
      ]),
      paint,
    ),
    ...section(
      'Further seeds that failed',
      furtherFailures.map((seed) => `  ${paint('cyan', replay(seed))}`),
      paint,
    ),
    ...section(
      'Seeds over which a worker died',
      deaths.flatMap(({ seed, reason }) => [
        `  seed ${seed}: ${paint('red', escapeControls(reason))}`,
        `    ${paint('cyan', replay(seed))}`,
      ]),
      paint,
    ),
    '',
    ...(seeds === 0 ? [] : wrap(speedLine(sums.simulatedSeconds, sums.events, wallSeconds), width)),
    ...(result.digest === null ? [] : [`digest ${result.digest}`]),
    ...(seeds === 0 ? [] : [`replay ${paint('cyan', command)}`]),
    ...(rest === null ? [] : [`go on with ${paint('cyan', rest)}`]),
    '',
  ].join('\n');
}
