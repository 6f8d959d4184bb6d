/** What people are shown of what was sent and received. */
import { addressKey } from '../../../../shared/address.ts';
import { escapeControls } from '../../../../shared/escape.ts';
import type { Actor, Heard } from './actor.ts';
import { MAX_SHOWN, MAX_SHOWN_LENGTH, MAX_TRAFFIC } from './limits.ts';

/** What ours have sent. */
export class Sent {
  readonly #lines: { readonly group: string; readonly line: string }[] = [];

  note(actor: Pick<Actor, 'name'>, what: string | Uint8Array): void {
    if (this.#lines.length >= MAX_TRAFFIC) return;
    const text = typeof what === 'string' ? what : `bytes ${Buffer.from(what).toString('hex')}`;
    const [, type = text] = /"type":"(\w+)"/.exec(text) ?? [];
    this.#lines.push({
      group: `${actor.name} ${type}`,
      line: `${actor.name}: ${text === '' ? '(an empty datagram)' : text}`,
    });
  }

  shown(): string[] {
    return shorten(
      this.#lines.map(({ line }) => line),
      this.#lines.map(({ group }) => group),
    );
  }
}

/** What came to ours. */
export function received(heard: readonly Heard[]): string[] {
  return shorten(
    heard.map(lineOf),
    heard.map(({ actor, message }) => `${actor.name} ${String(message?.['type'])}`),
  );
}

function lineOf({ actor, from, text, bytes }: Heard): string {
  const shown = bytes === 0 ? '(an empty datagram)' : text;
  return `to ${actor.name}, from ${addressKey(from)}: ${shown}`;
}

/**
 * What people are shown of many lines: of each group the last.
 *
 * @param groups which group each line belongs to
 */
export function shorten(lines: readonly string[], groups: readonly string[]): string[] {
  const shown = new Map<string, { readonly line: string; readonly times: number }>();
  for (const [index, line] of lines.entries()) {
    const group = groups[index] ?? line;
    const times = (shown.get(group)?.times ?? 0) + 1;
    // What came last stands last.
    shown.delete(group);
    shown.set(group, { line, times });
  }
  const all = [...shown.values()].map(({ line, times }) => {
    const cut = line.length > MAX_SHOWN_LENGTH ? `${line.slice(0, MAX_SHOWN_LENGTH)}…` : line;
    return escapeControls(cut) + (times === 1 ? '' : ` (the last of ${times})`);
  });
  const more = all.length - MAX_SHOWN;
  return more <= 0 ? all : [`… ${more + 1} more …`, ...all.slice(more + 1)];
}
