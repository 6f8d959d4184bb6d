/** What a rule is, and what comes of it. */

/** `must`: the assignment demands it; `should`: without it a peer does not get on in the network as it is. */
export type Level = 'must' | 'should';

/** One thing that a peer, or a miner, is held to. */
export interface Rule<Context> {
  readonly id: string;
  /** What is right, as one sentence. */
  readonly title: string;
  readonly level: Level;
  /** The sentence of the assignment, or what was seen in the network. */
  readonly source: string;
  /** Rules that must have been obeyed, or this one can't be judged. */
  readonly needs?: readonly string[];
  /** Takes minutes, so only when asked for. */
  readonly slow?: boolean;
  /** Looks back only, so that it can be judged of one that is gone. */
  readonly looksBack?: boolean;
  /**
   * Tries it.
   *
   * @throws Wrong if the rule is broken
   * @throws Unjudged if that can't be found out
   */
  run(context: Context): Promise<void>;
}

/** A rule is broken: one sentence, what happened. */
export class Wrong extends Error {
  override name = 'Wrong';
}

/** A rule can't be judged: one sentence, why. */
export class Unjudged extends Error {
  override name = 'Unjudged';
}

/** The check was stopped by whoever runs it. */
export class Stopped extends Error {
  override name = 'Stopped';
}

export type Verdict = 'passed' | 'failed' | 'unjudged';

/** What came of a rule. */
export interface Result {
  readonly id: string;
  readonly title: string;
  readonly level: Level;
  readonly source: string;
  readonly verdict: Verdict;
  /** What was wrong, or why the rule can't be judged. */
  readonly reason?: string;
  /** What was sent for it, and what came back. */
  readonly sent: readonly string[];
  readonly received: readonly string[];
}

/** How many rules of a level were obeyed, of those that could be judged. */
export interface Score {
  readonly passed: number;
  readonly judged: number;
}

export interface Report {
  /** Who was checked. */
  readonly subject: string;
  readonly results: readonly Result[];
  readonly must: Score;
  readonly should: Score;
  /** Whether everything that the assignment demands, and that could be judged, is right. */
  readonly passed: boolean;
}

export function reportOf(subject: string, results: readonly Result[]): Report {
  const score = (level: Level): Score => {
    const judged = results.filter((result) => result.level === level && result.verdict !== 'unjudged');
    return { passed: judged.filter(({ verdict }) => verdict === 'passed').length, judged: judged.length };
  };
  const must = score('must');
  // Of whom nothing is known nothing good is known.
  return {
    subject,
    results,
    must,
    should: score('should'),
    passed: must.judged > 0 && must.passed === must.judged,
  };
}
