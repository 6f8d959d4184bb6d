/** ANNOUNCE and NEW_WORD. */
import { MAX_MESSAGES, MAX_MESSAGE_LENGTH, type Block } from '../../../../../shared/block.ts';
import type { Actor, Claim } from '../actor.ts';
import type { Lab } from '../lab.ts';
import { level } from '../meeting.ts';
import { forged, missBlock } from '../mine.ts';
import { Wrong, type Rule } from '../rule.ts';
import { tipSuits, untilTip } from '../tips.ts';

const SOURCE = 'ANNOUNCE: verify the hash before adding; no reply.';

/** Announces a block and waits until the peer has it; then all of ours have it, too. */
async function taken(lab: Lab, block: Block, from = lab.cast[0]): Promise<boolean> {
  lab.announce(from, block);
  if (!(await untilTip(lab, ({ hash }) => hash === block.hash))) return false;
  lab.setChain([...lab.chain, block]);
  return true;
}

async function needTaken(lab: Lab, block: Block): Promise<void> {
  if (!(await taken(lab, block))) throw new Wrong(`it did not take block ${block.height}, which is valid`);
}

/** Announces a block that must change nothing. */
async function needRefused(lab: Lab, block: Block, what: string): Promise<void> {
  const before = await lab.stats();
  lab.announce(lab.cast[0], block);
  await lab.settle();
  const after = await lab.stats();
  if (after !== undefined && !same(before, after))
    throw new Wrong(
      `${what} changed its chain: its STATS say ${after.height} blocks, ending in ${after.hash ?? 'nothing'}`,
    );
}

function same(before: Claim | undefined, after: Claim): boolean {
  return before?.height === after.height && before.hash === after.hash;
}

/** A rule of one block that is not valid. */
function refuses(id: string, title: string, source: string, make: (lab: Lab) => Promise<Block>): Rule<Lab> {
  return {
    id,
    title,
    level: 'must',
    source,
    needs: ['announce'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      await needRefused(lab, await make(lab), 'the ANNOUNCE');
    },
  };
}

export const ANNOUNCE_RULES: readonly Rule<Lab>[] = [
  {
    id: 'announce',
    title: 'A valid block that is announced is added, and served',
    level: 'must',
    source: SOURCE,
    needs: ['stats', 'block'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const block = await lab.next();
      await needTaken(lab, block);
      const served = await lab.block(block.height);
      if (served?.hash !== block.hash)
        throw new Wrong(`its STATS have block ${block.height}, but it does not serve it`);
    },
  },
  {
    id: 'announce-limits',
    title: 'A block with all that is allowed (10 messages of 20 characters, a nonce of 39) is added',
    level: 'must',
    source: '1 to 10 messages of at most 20 characters, a nonce of less than 40 characters.',
    needs: ['announce'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const messages = Array.from({ length: MAX_MESSAGES }, (_, number) =>
        `${number}`.padEnd(MAX_MESSAGE_LENGTH, 'x'),
      );
      await needTaken(lab, await lab.next({ messages, nonceStart: 'n'.repeat(33) }));
    },
  },
  {
    id: 'announce-utf8',
    title: 'A block with text beyond ASCII, and a nonce with control characters, is added',
    level: 'must',
    source: 'A nonce is "a string, really bytes"; real blocks have both. All text is hashed as UTF-8.',
    needs: ['announce'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      await needTaken(lab, await lab.next({ messages: ["protégé's"], nonceStart: '*Ic\u001dB:D\u0012e?' }));
    },
  },
  refuses('announce-wrong-hash', 'A block whose hash is not its own is refused', SOURCE, async (lab) =>
    forged(await lab.next()),
  ),
  refuses(
    'announce-difficulty',
    'A block with too few zeros at the end of its hash is refused',
    'A hash with DIFFICULTY ASCII zeros at its end.',
    (lab) => missBlock(lab.mine, lab.chain.at(-1) ?? null),
  ),
  refuses(
    'announce-long-message',
    'A block with a message of 21 characters is refused',
    '1 to 10 messages of at most 20 characters.',
    (lab) => lab.next({ messages: ['x'.repeat(MAX_MESSAGE_LENGTH + 1)] }),
  ),
  refuses(
    'announce-many-messages',
    'A block with 11 messages is refused',
    '1 to 10 messages of at most 20 characters.',
    (lab) => lab.next({ messages: Array.from({ length: MAX_MESSAGES + 1 }, String) }),
  ),
  refuses(
    'announce-no-messages',
    'A block without messages is refused',
    '1 to 10 messages of at most 20 characters.',
    (lab) => lab.next({ messages: [] }),
  ),
  refuses(
    'announce-long-nonce',
    'A block with a nonce of 41 characters is refused',
    'A nonce of less than 40 characters.',
    (lab) => lab.next({ nonceStart: 'n'.repeat(35) }),
  ),
  {
    id: 'announce-duplicate',
    title: 'The same block announced again changes nothing',
    level: 'must',
    source: 'ANNOUNCE: verify the hash before adding; on top of itself no block is valid.',
    needs: ['announce'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const block = await lab.next();
      await needTaken(lab, block);
      await needRefused(lab, block, 'the second ANNOUNCE of the same block');
    },
  },
  {
    id: 'announce-behind',
    title: 'An older block announced again changes nothing',
    level: 'must',
    source: SOURCE,
    needs: ['announce'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const old = lab.chain.at(-3) ?? lab.chain[0];
      if (old !== undefined) await needRefused(lab, old, `the ANNOUNCE of block ${old.height}`);
    },
  },
  {
    id: 'announce-ahead',
    title: 'A block further ahead is not put on top of blocks that it does not follow',
    level: 'must',
    source: SOURCE,
    needs: ['announce'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      // Nobody has the blocks in between, so there is no other way to get there either.
      const ahead = (await lab.extended(3, { minedBy: `${lab.mine.name} ahead` })).at(-1);
      if (ahead !== undefined) await needRefused(lab, ahead, `the ANNOUNCE of block ${ahead.height}`);
    },
  },
  {
    id: 'announce-silent',
    title: 'An ANNOUNCE is not answered',
    level: 'must',
    source: SOURCE,
    needs: ['announce'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const block = await lab.next();
      await needSilence(lab, (stranger) => {
        lab.announce(stranger, block);
      });
      if (await tipSuits(lab, ({ hash }) => hash === block.hash)) lab.setChain([...lab.chain, block]);
    },
  },
  {
    id: 'new-word',
    title: 'NEW_WORD is not answered',
    level: 'must',
    source: 'NEW_WORD {word}: a word to put in a block; no reply.',
    run: (lab: Lab): Promise<void> =>
      needSilence(lab, (stranger) => {
        lab.send(stranger, { type: 'NEW_WORD', word: 'check' });
      }),
  },
];

/** Nothing may come back to a socket that sends something, but questions. */
async function needSilence(lab: Lab, send: (stranger: Actor) => void): Promise<void> {
  const stranger = lab.stranger();
  const since = lab.heard.length;
  send(stranger);
  await lab.settle();
  const answer = lab.heard
    .slice(since)
    .find(({ actor, message }) => actor === stranger && !isQuestion(message?.['type']));
  if (answer !== undefined) throw new Wrong(`it was answered with ${answer.text.slice(0, 80)}`);
}

/** What is sent to anybody at any time is no answer. */
function isQuestion(type: unknown): boolean {
  return type === 'STATS' || type === 'GET_BLOCK' || type === 'GOSSIP' || type === 'CONSENSUS';
}

/** The block with its nonce as the number that it is written as, as some send it. */
export function withIntegerNonce(block: Block): string {
  return JSON.stringify({ type: 'ANNOUNCE', ...block, nonce: Number(block.nonce) });
}
