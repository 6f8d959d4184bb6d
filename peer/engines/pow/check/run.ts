/** Runs rules one after the other. */
import { Stopped, Unjudged, Wrong, type Result, type Rule } from './rule.ts';

/** What a place where rules are tried has, whoever is checked there. */
export interface Place {
  /** Forgets what was sent and received before. */
  begin(): void;
  /** What was sent and received since. */
  evidence(): { readonly sent: readonly string[]; readonly received: readonly string[] };
  /** Whether the one that is checked is still there. */
  alive(): Promise<boolean>;
}

export interface RunHooks {
  onRule(id: string, number: number, of: number): void;
  onResult(result: Result): void;
}

/** The rules with these ids and what they need, in order; all if none is named. Slow ones only by name, or if asked for. */
export function chosenRules<Context>(
  rules: readonly Rule<Context>[],
  only: readonly string[],
  slow: boolean,
): Rule<Context>[] {
  if (only.length === 0) return rules.filter((rule) => slow || rule.slow !== true);
  const wanted = new Set<string>();
  const want = (id: string): void => {
    if (wanted.has(id)) return;
    wanted.add(id);
    for (const needed of rules.find((rule) => rule.id === id)?.needs ?? []) want(needed);
  };
  for (const id of only) want(id);
  return rules.filter(({ id }) => wanted.has(id));
}

/** Tries the rules in order; the ones after a death, or after a stop, stay unjudged. */
export async function runRules<Context extends Place>(
  rules: readonly Rule<Context>[],
  context: Context,
  hooks: RunHooks,
): Promise<Result[]> {
  const results: Result[] = [];
  /** Why nothing more can be judged. */
  let over: string | undefined;
  for (const [index, rule] of rules.entries()) {
    hooks.onRule(rule.id, index + 1, rules.length);
    const missing = (rule.needs ?? []).find((id) =>
      results.some((result) => result.id === id && result.verdict !== 'passed'),
    );
    context.begin();
    let outcome: Outcome;
    if (over !== undefined && rule.looksBack !== true) outcome = { verdict: 'unjudged', reason: over };
    else if (missing !== undefined) outcome = { verdict: 'unjudged', reason: `it needs "${missing}"` };
    else outcome = await tried(rule, context);
    const evidence = context.evidence();
    if (over === undefined && outcome.reason === STOPPED) over = STOPPED;
    if (over === undefined && missing === undefined && !(await stillAlive(context))) {
      over = `it no longer answers, since "${rule.id}"`;
      const what = outcome.verdict === 'failed' ? `${outcome.reason ?? ''}; now` : 'since then';
      outcome = { verdict: 'failed', reason: `${what} it answers nothing any more` };
    }
    const { id, title, level, source } = rule;
    const result = { id, title, level, source, ...outcome, ...evidence };
    results.push(result);
    hooks.onResult(result);
  }
  return results;
}

type Outcome = Pick<Result, 'verdict' | 'reason'>;

/** Why rules are not judged after a stop. */
export const STOPPED = 'the check was stopped';

async function tried<Context>(rule: Rule<Context>, context: Context): Promise<Outcome> {
  try {
    await rule.run(context);
    return { verdict: 'passed' };
  } catch (error) {
    if (error instanceof Wrong) return { verdict: 'failed', reason: error.message };
    if (error instanceof Unjudged) return { verdict: 'unjudged', reason: error.message };
    if (error instanceof Stopped) return { verdict: 'unjudged', reason: STOPPED };
    throw error;
  }
}

/** A stop in the middle of the question is no death. */
async function stillAlive(context: Place): Promise<boolean> {
  try {
    return await context.alive();
  } catch (error) {
    if (error instanceof Stopped) return true;
    throw error;
  }
}
