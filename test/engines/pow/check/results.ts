/** What a test looks at in the results of a check. */
import type { Result, Rule, Verdict } from '../../../../peer/engines/pow/check/rule.ts';

export function idsOf(results: readonly Result[], verdict: Verdict): string[] {
  return results.filter((result) => result.verdict === verdict).map(({ id }) => id);
}

/** What fails, with the reason, so that a test that fails says why. */
export function failures(results: readonly Result[]): string[] {
  return results
    .filter(({ verdict }) => verdict === 'failed')
    .map(({ id, reason }) => `${id}: ${reason ?? ''}`);
}

/** Rules that may stay unjudged where some are broken: those that need them, and all after one that was deadly. */
export function needing<Context>(
  rules: readonly Rule<Context>[],
  broken: readonly string[],
  results: readonly Result[],
): Set<string> {
  const all = new Set(broken);
  let dead = false;
  for (const { id, needs = [] } of rules) {
    if (dead || needs.some((needed) => all.has(needed))) all.add(id);
    dead ||= results.some(
      (result) => result.id === id && result.reason?.includes('answers nothing any more') === true,
    );
  }
  return all;
}
