import {
  hashBlock,
  isMineableName,
  isMineableNonce,
  isMineableWord,
  meetsDifficulty,
  type Block,
} from '../../../../../shared/block.ts';
import type { MiningAnswer } from '../../../../../shared/mining-wire.ts';
import type { SubmitResult, WorkTemplate } from '../../../../../shared/work.ts';

/** Why an answer of a miner is not taken: one sentence each, sent as the reason. */
export const ANSWER_RULES = {
  'unknown-job': 'It answers no recent job of this connection.',
  'bad-name': 'The name of the miner is 1 to 64 printable ASCII characters.',
  'bad-message': 'A message is 1 to 19 printable ASCII characters.',
  'bad-nonce': 'The nonce is 1 to 38 printable ASCII characters.',
  'future-timestamp': 'The timestamp is in the future: the clock of the miner is ahead.',
  'old-timestamp': 'The timestamp is too old.',
  'wrong-hash': 'The hash is not that of the block.',
  'misses-difficulty': 'The hash ends in too few zeros.',
} as const;

/** The code of a broken rule. */
export type AnswerFault = keyof typeof ANSWER_RULES;

/** A clock that is off is a mishap; everything else an honest miner's program never sends. */
export function isOffence(fault: AnswerFault): boolean {
  return fault !== 'future-timestamp' && fault !== 'old-timestamp';
}

/** The messages in one text, whatever their order: a miner may put them in the order that suits it. */
function messageKey(messages: readonly string[]): string {
  return JSON.stringify([...messages].sort());
}

/**
 * The template that an answer belongs to: the newest that agrees with every field the answer has.
 *
 * @param templates those given to this miner, oldest first
 */
export function findTemplate(
  answer: MiningAnswer,
  templates: readonly WorkTemplate[],
): WorkTemplate | undefined {
  const { height, previousHash, messages } = answer;
  const key = messages === undefined ? undefined : messageKey(messages);
  return templates.findLast(
    (template) =>
      (height === undefined || height === template.height) &&
      (previousHash === undefined || previousHash === template.previousHash) &&
      (key === undefined || key === messageKey(template.messages)),
  );
}

/** Whether two templates are for the same place in the same chain. */
export function sameTip(one: WorkTemplate | null, other: WorkTemplate | null): boolean {
  return one?.height === other?.height && one?.previousHash === other?.previousHash;
}

/** Whether nothing in two templates differs. */
export function sameTemplate(one: WorkTemplate | null, other: WorkTemplate | null): boolean {
  return (
    sameTip(one, other) &&
    one?.minedBy === other?.minedBy &&
    one?.difficulty === other?.difficulty &&
    JSON.stringify(one?.messages) === JSON.stringify(other?.messages)
  );
}

/**
 * Puts an answer and its template together into a block, if that is one we would mine: stricter than the
 * network's own rule, so that every known implementation takes it.
 *
 * @param now wall clock in milliseconds
 */
export function completeBlock(
  answer: MiningAnswer,
  template: WorkTemplate,
  now: number,
  answerAgeSeconds: number,
): Block | AnswerFault {
  const minedBy = answer.minedBy ?? template.minedBy;
  const messages = answer.messages ?? template.messages;
  const { nonce, timestamp } = answer;
  if (!isMineableName(minedBy)) return 'bad-name';
  if (!messages.every(isMineableWord)) return 'bad-message';
  if (!isMineableNonce(nonce)) return 'bad-nonce';
  const seconds = Math.floor(now / 1000);
  // Some implementations reject a block from the future, without tolerance.
  if (timestamp > seconds) return 'future-timestamp';
  if (timestamp < seconds - answerAgeSeconds) return 'old-timestamp';
  const parts = { height: template.height, minedBy, messages, nonce, timestamp };
  const hash = hashBlock(parts, template.previousHash);
  if (answer.hash !== undefined && answer.hash !== hash) return 'wrong-hash';
  if (!meetsDifficulty(hash, template.difficulty)) return 'misses-difficulty';
  return { ...parts, hash };
}

/** What is sent to the miner about an answer that broke a rule. */
export function rejection(fault: AnswerFault): SubmitResult {
  return { status: 'rejected', reason: ANSWER_RULES[fault] };
}
