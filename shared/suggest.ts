/** What somebody who mistyped a word may have meant. */

/** Most letters that are changed, added or left out in a word that is taken for another. */
const MAX_DISTANCE = 3;
/** The share of its letters that must be right. */
const MIN_SIMILARITY = 0.4;
/** Longer words are no mistyped names. */
const MAX_LENGTH = 40;

/** How many letters must be changed, added or left out to make one word of the other. */
function distance(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 0; row < one.length; row++) {
    const line = [row + 1];
    for (let column = 0; column < other.length; column++) {
      const changed = (above[column] ?? 0) + (one[row] === other[column] ? 0 : 1);
      line.push(Math.min(changed, (above[column + 1] ?? 0) + 1, (line[column] ?? 0) + 1));
    }
    above = line;
  }
  return above.at(-1) ?? 0;
}

/** ` (did you mean status?)`, with every name that is as close as the closest; empty if none is close. */
export function didYouMean(word: string, names: Iterable<string>): string {
  if (word.length > MAX_LENGTH) return '';
  let closest: string[] = [];
  let least = MAX_DISTANCE;
  for (const name of names) {
    const apart = distance(word, name);
    const length = Math.max(word.length, name.length);
    // One letter is like any other.
    if (name.length < 2 || apart > least || 1 - apart / length < MIN_SIMILARITY) continue;
    closest = apart < least ? [name] : [...closest, name];
    least = apart;
  }
  return closest.length === 0 ? '' : ` (did you mean ${closest.join(' or ')}?)`;
}
