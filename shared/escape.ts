/**
 * What is not seen, or turns what stands beside it round: controls (C0, C1), formats (bidirectional, zero width, tags),
 * separators of lines, whatever else a font leaves out, and halves of pairs of surrogates.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/** As JSON and JavaScript write it: a character of two units takes two escapes. */
function escapeUnits(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}

/** A text for people, wherever it is shown, with what is unseen in it as escapes. */
export function escapeControls(text: string): string {
  return text.replace(UNSEEN, escapeUnits);
}

/** JSON for people, with what is unseen in it as escapes. It stands in strings alone, so that no value changes. */
export function escapeJson(json: string): string {
  return json.replace(UNSEEN, (character) => (character === '\n' ? character : escapeUnits(character)));
}

/** A value as JSON that can be shown as it is; integers beyond 2^53 as text. */
export function toJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(
    value,
    (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one),
    indent,
  );
  return escapeJson(json);
}
