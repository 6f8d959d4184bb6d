/** What can be typed while a replica runs, or come through a pipe. */
import { setTimeout as pause } from 'node:timers/promises';

import { UserError } from '../../shared/errors.ts';
import { isJsonObject, jsonOrUndefined } from '../../shared/json.ts';
import type { Painter } from '../../shared/text-table.ts';
import { MAX_OPERATION_LENGTH } from '../applications/application.ts';
import type { PbftSubject } from '../web/pbft/subject.ts';
import { membersText, replicaText } from './pbft-text.ts';
import { Prompt, type PromptCommand, type PromptParts } from './prompt.ts';

/** What the key-value store's own verbs do; they need no "submit" before them. */
const VERBS: readonly (readonly [verb: string, usage: string, help: string])[] = [
  ['get', 'get <key>', 'the value of a key'],
  ['put', 'put <key> <value>', 'give a key a value'],
  ['delete', 'delete <key>', 'take a key out'],
  ['cas', 'cas <key> <expected> <value>', 'put the value if the expected one is there ("absent" for none)'],
];

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

/** A prompt for a replica that runs an application. */
export function replicaPrompt(application: string): Prompt<ReplicaPromptParts> {
  const verbs = application === 'kv' ? VERBS : [];
  const own = verbs.map(([verb, usage, help]): [string, PromptCommand<ReplicaPromptParts>] => [
    verb,
    { usage, help, run: (_, parts, text) => execute(`${verb} ${text}`, parts) },
  ]);
  // The names of commands and spaces stand around the longest operation.
  return new Prompt([...own, ...COMMANDS], MAX_OPERATION_LENGTH + 100);
}
