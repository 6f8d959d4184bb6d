/** What can be typed while a replica runs, or come through a pipe. */
import { setTimeout as pause } from 'node:timers/promises';

import { UserError } from '../../../../shared/errors.ts';
import { isJsonObject, jsonOrUndefined } from '../../../../shared/json.ts';
import type { Painter } from '../../../../shared/text-table.ts';
import { MAX_OPERATION_LENGTH } from '../../../core/application.ts';
import type { PbftSubject } from './subject.ts';
import { membersText, replicaText } from './text.ts';
import { Prompt, type PromptCommand, type PromptParts } from '../../../cli/prompt.ts';

/** An application's own verbs, which need no "submit" before them, and what the application has before them. */
interface Verbs {
  readonly prefix: string;
  readonly verbs: readonly (readonly [usage: string, help: string])[];
}

const VERBS: ReadonlyMap<string, Verbs> = new Map<string, Verbs>([
  [
    'log',
    {
      prefix: '/',
      verbs: [
        ['entry <number>', 'an entry of the ordered log, from 1 on'],
        ['length', 'how many entries there are, and a digest of them all'],
      ],
    },
  ],
  [
    'kv',
    {
      prefix: '',
      verbs: [
        ['get <key>', 'the value of a key'],
        ['put <key> <value>', 'give a key a value'],
        ['delete <key>', 'take a key out'],
        ['cas <key> <expected> <value>', 'put the value if the expected one is there ("absent" for none)'],
      ],
    },
  ],
]);

export interface ReplicaPromptParts extends PromptParts {
  readonly replica: PbftSubject;
  readonly paint: Painter;
  /** How long a line of a script waits for its answer, in milliseconds. */
  readonly patience: number;
  /** Whether a person types, who need not wait for one answer to ask for the next. */
  readonly interactive: boolean;
  readonly complain: (error: unknown) => void;
}

/**
 * Has something executed that a person typed.
 *
 * @returns the answer in words
 * @throws UserError if it says nothing, is not taken, has no answer, or one that says why it was not done
 */
export async function submitLine(
  { application, submit }: Pick<PbftSubject, 'application' | 'submit'>,
  line: string,
): Promise<string> {
  const result = await submit(application.parse(line));
  const words = application.describe(result);
  const fields = jsonOrUndefined(result);
  if (isJsonObject(fields) && typeof fields['error'] === 'string') throw new UserError(words);
  return words;
}

async function execute(line: string, parts: ReplicaPromptParts): Promise<void> {
  const { replica, interactive, print, complain, patience } = parts;
  const answer = submitLine(replica, line);
  if (interactive) {
    answer.then(print, complain);
    return;
  }
  const late = new AbortController();
  try {
    const words = await Promise.race([
      answer,
      pause(patience, undefined, { signal: late.signal }).then(() => {
        throw new UserError(`no answer within ${patience / 1000} s; it may be executed all the same`);
      }),
    ]);
    print(words);
  } finally {
    late.abort();
    // Nobody waits for it any more.
    answer.catch(() => undefined);
  }
}

const NONE: Verbs = { prefix: '', verbs: [] };

const COMMANDS: readonly (readonly [string, PromptCommand<ReplicaPromptParts>])[] = [
  [
    'submit',
    {
      usage: 'submit <operation>',
      help: 'have something executed by the cluster, and show the answer',
      short: ['s'],
      run: (_, parts, text) => execute(text, parts),
    },
  ],
  [
    'status',
    {
      usage: 'status',
      help: 'the view, its primary, and how far this replica is',
      short: ['st'],
      run: (_, { replica, paint, print }) => {
        print(replicaText(replica, paint));
      },
    },
  ],
  [
    'peers',
    {
      usage: 'peers',
      help: 'all members, and what is known of them',
      short: ['p'],
      run: (_, { replica, paint, print }) => {
        print(membersText(replica, paint));
      },
    },
  ],
];

/** What an application has besides, a line each. */
export function verbsText(application: string): string {
  const { verbs } = VERBS.get(application) ?? NONE;
  const width = Math.max(0, ...verbs.map(([usage]) => usage.length));
  return verbs.map(([usage, help]) => `  ${usage.padEnd(width)}  ${help}`).join('\n');
}

/** A prompt for a replica that runs an application. */
export function replicaPrompt(application: string): Prompt<ReplicaPromptParts> {
  const { prefix, verbs } = VERBS.get(application) ?? NONE;
  const own = verbs.map(([usage, help]): [string, PromptCommand<ReplicaPromptParts>] => {
    const [verb = usage] = usage.split(' ');
    return [
      verb,
      { usage, help, run: (_, parts, text) => execute(`${prefix}${verb} ${text}`.trimEnd(), parts) },
    ];
  });
  // The names of commands and spaces stand around the longest operation.
  return new Prompt([...own, ...COMMANDS], MAX_OPERATION_LENGTH + 100);
}
