/** What came of a check, for people: a line for each rule, and what happened where it was broken. */
import { stripVTControlCharacters } from 'node:util';

import { escapeControls } from '../../../../shared/escape.ts';
import { wrap, type Painter } from '../../../../shared/text-table.ts';
import { STOPPED } from './run.ts';
import type { Report, Result, Rule, Score } from './rule.ts';

const MARKS = { passed: '✓', failed: '✗', unjudged: '–' } as const;
const STYLES = { passed: 'green', failed: 'red', unjudged: 'yellow' } as const;
/** Columns before what belongs to a rule, and of its name. */
const INDENT = '    ';
const ID_WIDTH = 22;
const LABEL_WIDTH = 11;

export interface Look {
  readonly paint: Painter;
  /** Columns. */
  readonly width: number;
  /** Whether what was sent and came back is shown of every rule, not only of broken ones. */
  readonly details: boolean;
}

/** The lines of one rule. */
export function resultLines(result: Result, { paint, width, details }: Look): string[] {
  const { id, title, level, source, verdict, reason, sent, received } = result;
  const mark = paint(STYLES[verdict], MARKS[verdict]);
  if (verdict === 'unjudged' && !details)
    return wrap(
      `${mark} ${id.padEnd(ID_WIDTH)} ${paint('dim', `not judged: ${escapeControls(reason ?? '')}`)}`,
      width,
    );
  const lines = [`${mark} ${id.padEnd(ID_WIDTH)} ${title}${level === 'should' ? ' (should)' : ''}`];
  if (reason !== undefined) lines.push(INDENT + paint(STYLES[verdict], escapeControls(reason)));
  if (verdict === 'failed' || details) {
    lines.push(...labelled(level === 'must' ? 'assignment' : 'seen', [source]));
    if (verdict !== 'unjudged') {
      lines.push(...labelled('sent', sent.length === 0 ? ['nothing'] : sent));
      lines.push(...labelled('came back', received.length === 0 ? ['nothing'] : received));
    }
  }
  return lines.flatMap((line) => wrap(line, width));
}

function labelled(label: string, texts: readonly string[]): string[] {
  return texts.map(
    (text, index) => `${INDENT}${(index === 0 ? label : '').padEnd(LABEL_WIDTH)} ${escapeControls(text)}`,
  );
}

/** The last lines: how good it is. */
export function scoreLines({ results, must, should, passed }: Report, paint: Painter): string[] {
  const unjudged = results.filter(({ verdict }) => verdict === 'unjudged').length;
  const said = (name: string, score: Score): string => `${name} ${score.passed} of ${score.judged}`;
  const rest = unjudged === 0 ? '' : `, ${unjudged} not judged`;
  const stopped = results.some(({ reason }) => reason === STOPPED);
  const verdict = stopped
    ? paint('yellow', 'Stopped before all was tried')
    : passed
      ? paint('green', 'It does all that the assignment demands')
      : paint('red', 'It does not do all that the assignment demands');
  return ['', `${verdict}: ${said('must', must)}, ${said('should', should)}${rest}.`];
}

/** The rules themselves, for `--list` and for the README. */
export function ruleLines<Context>(rules: readonly Rule<Context>[], { paint, width }: Look): string[] {
  return rules.flatMap(({ id, title, level, source, slow }) => [
    ...wrap(
      `${paint('bold', id.padEnd(ID_WIDTH))} ${level.padEnd(6)} ${title}${slow === true ? ' (slow)' : ''}`,
      width,
    ),
    ...wrap(`${' '.repeat(ID_WIDTH + 8)}${paint('dim', source)}`, width),
  ]);
}

/** A line that is written over the one before it, as wide as the terminal at most. */
export function progressLine(id: string, number: number, of: number, columns: number): string {
  return stripVTControlCharacters(`${number}/${of} ${id} …`).slice(0, columns - 1);
}
