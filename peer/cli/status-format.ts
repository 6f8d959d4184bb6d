/** How states are written for people, whatever engine they are of. */
import { escapeControls } from '../../shared/escape.ts';

/** Rows of a table; the rest is counted. */
export const MAX_ROWS = 12;
/** Characters of a text from the network. */
const MAX_TEXT = 40;

/** Cut, and fit for a terminal. */
export function short(text: string): string {
  const safe = escapeControls(text);
  return safe.length > MAX_TEXT ? `${safe.slice(0, MAX_TEXT - 1)}…` : safe;
}
