import { setTimeout as pause } from 'node:timers/promises';

import { Command, InvalidArgumentError, Option } from 'commander';

import { UserError } from '../../shared/errors.ts';
import { toJson } from '../../shared/escape.ts';
import { addOption, addVerboseOption, seconds, type OptionParser } from '../../shared/options.ts';
import { painterFor } from '../../shared/text-table.ts';
import { engineSchema } from '../web/schemas.ts';
import { ask } from '../cli/ask.ts';
import { askNetwork, engineOf, isNetwork, networkLine, networkText } from '../cli/network-text.ts';
import type { StatusAnswer, StatusFace } from '../cli/status-face.ts';
import { viewStatus } from '../cli/view-status.ts';
import { engineNamed, type Registry } from '../engines/registry.ts';
import { commandsOfEngine } from './node-commands.ts';

/** The longest time between two looks, in seconds: a day. */
const MAX_INTERVAL = 86_400;

interface StatusOptions {
  readonly url: string;
  readonly watch?: boolean;
  readonly interval: number;
  readonly json?: boolean;
}

const baseUrl: OptionParser<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new InvalidArgumentError(
      'It must be the address of a status page, for example http://127.0.0.1:8998.',
    );
  }
  return (url.origin + url.pathname).replace(/\/+$/, '');
};

/** `peer status`: asks a running peer and prints what its page shows; exit code 1 if nobody answers. */
export function statusCommand(registry: Registry): Command {
  const command = new Command('status')
    .description('ask a running peer, or a whole network, and print what its status page shows')
    .addHelpText(
      'after',
      `
With --watch a terminal is drawn anew; otherwise a line is written whenever something has changed. Ctrl-C ends it.

Examples:
  node peer status
  node peer status --watch
  node peer status --url http://127.0.0.1:8998/nodes/node-2/api    one node of "node peer network"
  node peer status --json | jq .status.height`,
    )
    .action(async (options: StatusOptions) => {
      if (options.watch === true) await watch(options, registry);
      else await show(options, registry);
    });
  addOption(command, 'peer', {
    flags: '--url <address>',
    description: 'where its status page is',
    parse: baseUrl,
    default: 'http://127.0.0.1:8998',
  });
  command.addOption(new Option('--watch', 'go on, and show what changes'));
  addOption(command, 'peer', {
    flags: '--interval <seconds>',
    description: 'with --watch, how often to ask',
    parse: seconds(MAX_INTERVAL),
    default: 1,
  });
  command.addOption(new Option('--json', 'as JSON; with --watch a line whenever something has changed'));
  return addVerboseOption(command);
}

/** How nodes of an engine are shown: one that this program does not know too. */
async function faceOf(engine: string, registry: Registry): Promise<StatusFace> {
  if (!Object.hasOwn(registry, engine)) return viewStatus;
  return commandsOfEngine(await engineNamed(engine, registry)).status();
}

/** @throws UserError if nobody answers */
async function look(base: string, network: boolean, registry: Registry): Promise<StatusAnswer> {
  if (network) {
    const json = await askNetwork(base);
    const engine = engineOf(json);
    const face = engine === undefined ? undefined : await faceOf(engine, registry);
    return {
      json: () => json,
      text: (paint) => networkText(json, face, paint),
      line: () => networkLine(json, face),
    };
  }
  const { engine } = await ask(base, '/status', engineSchema);
  return (await faceOf(engine, registry)).ask(base);
}

async function show({ url, json }: StatusOptions, registry: Registry): Promise<void> {
  const answer = await look(url, await isNetwork(url), registry);
  if (json === true) console.log(toJson(await answer.json(), 2));
  else process.stdout.write(answer.text(painterFor(process.stdout)));
}

/** Shows what changes until Ctrl-C. A peer that goes away may come back, but one must be there at the start. */
async function watch({ url, json, interval }: StatusOptions, registry: Registry): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      stopping.abort();
    });
  // Nobody reads any more: `| head`.
  process.stdout.on('error', () => {
    stopping.abort();
  });
  const network = await isNetwork(url);
  const live = process.stdout.isTTY && json !== true;
  const paint = painterFor(process.stdout);
  let last = '';
  let answered = false;
  while (!stopping.signal.aborted) {
    let text: string;
    try {
      const answer = await look(url, network, registry);
      answered = true;
      text = live ? answer.text(paint) : json === true ? toJson(await answer.json()) : answer.line();
    } catch (error) {
      if (!answered || !(error instanceof UserError)) throw error;
      text = json === true ? toJson({ error: error.message }) : error.message;
    }
    if (live) draw(text);
    else if (text !== last)
      console.log(json === true ? text : `${new Date().toISOString().slice(0, 19)}Z ${text}`);
    last = text;
    await pause(interval * 1000, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
}

/** Draws a text in place of what the terminal shows, as far as there is room for it. */
function draw(text: string): void {
  const { rows, columns } = process.stdout;
  const lines = text
    .split('\n')
    .slice(0, Math.max(1, rows - 1))
    .map((line) => cut(line, columns));
  // Each line wipes what is left of the one before it, so that nothing flickers.
  process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
}

/** The first columns of a line, without breaking a colour. */
function cut(line: string, columns: number): string {
  let left = columns;
  return line.replace(/(\u001b\[[\d;]*m)|./gu, (piece, colour?: string) =>
    colour !== undefined || left-- > 0 ? piece : '',
  );
}
