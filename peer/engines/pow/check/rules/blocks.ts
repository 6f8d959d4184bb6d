/** STATS and GET_BLOCK: what a peer says of its chain. */
import { isHash, readBlock, readInteger, verifyBlock, type Block } from '../../../../../shared/block.ts';
import type { Fields, Heard } from '../actor.ts';
import type { Lab } from '../lab.ts';
import { BURST, BURST_SHARE, MAX_CHAIN } from '../limits.ts';
import { Unjudged, Wrong, type Rule } from '../rule.ts';

/** The fields that an unknown block has as null. */
const NULL_FIELDS = ['height', 'messages', 'nonce', 'minedBy'] as const;

/** The length of the peer's chain, as the blocks that it has say. */
async function lengthOf(lab: Lab): Promise<number> {
  const claim = await lab.stats();
  if (claim === undefined || claim.hash === null || claim.height <= 0)
    throw new Unjudged(
      `it has no chain, and took none of ours (is its difficulty ${lab.options.difficulty}?)`,
    );
  return claim.height;
}

/** Whether an answer has a block. */
function hasBlock(answer: Heard): boolean {
  return typeof readBlock(answer.message) !== 'string';
}

async function needNulls(lab: Lab, height: number): Promise<void> {
  const answer = await lab.ask({ type: 'GET_BLOCK', height });
  if (answer === undefined) throw new Wrong(`GET_BLOCK ${height} was not answered`);
  if (hasBlock(answer))
    throw new Wrong(`GET_BLOCK ${height} was answered with block ${String(answer.message?.['height'])}`);
  const { message } = answer;
  const wrong = NULL_FIELDS.find((field) => message?.[field] !== null);
  if (wrong !== undefined)
    throw new Wrong(`GET_BLOCK ${height} was answered with ${wrong} ${said(message?.[wrong])}`);
}

function said(value: unknown): string {
  return value === undefined ? 'left out' : JSON.stringify(value);
}

/** What about a block is not as the assignment has it; undefined if nothing is. */
function fieldFault(message: Fields): string | undefined {
  const { type, height, minedBy, messages, nonce, timestamp, hash } = message;
  if (type !== 'GET_BLOCK_REPLY') return `its type is ${JSON.stringify(type)}`;
  if (typeof height !== 'number' || !Number.isInteger(height)) return 'its height is no whole number';
  if (typeof minedBy !== 'string') return 'its minedBy is no text';
  if (!Array.isArray(messages) || !messages.every((one) => typeof one === 'string'))
    return 'its messages are no list of texts';
  if (typeof nonce !== 'string') return 'its nonce is no text';
  if (typeof timestamp !== 'bigint' && (typeof timestamp !== 'number' || !Number.isInteger(timestamp)))
    return 'its timestamp is no whole number';
  if (!isHash(hash)) return 'its hash is no text of 64 lower-case hex digits';
  return undefined;
}

export const BLOCK_RULES: readonly Rule<Lab>[] = [
  {
    id: 'stats',
    title: 'STATS is answered, to whoever asked',
    level: 'must',
    source: 'STATS to everyone, choose the most agreed (height, hash).',
    run: async (lab: Lab): Promise<void> => {
      if ((await lab.stats()) === undefined) throw new Wrong('no height and hash came back');
    },
  },
  {
    id: 'stats-fields',
    title: 'A STATS_REPLY has its type, a height that is a whole number and a hash',
    level: 'must',
    source: 'STATS_REPLY {height, hash}.',
    needs: ['stats'],
    run: async (lab: Lab): Promise<void> => {
      await lengthOf(lab);
      const { type, height, hash } = (await lab.ask({ type: 'STATS' }))?.message ?? {};
      if (type !== 'STATS_REPLY') throw new Wrong(`its type is ${JSON.stringify(type)}`);
      if (typeof height !== 'number' || !Number.isInteger(height))
        throw new Wrong(`its height is ${JSON.stringify(height)}`);
      if (!isHash(hash)) throw new Wrong(`its hash is ${JSON.stringify(hash)}`);
    },
  },
  {
    id: 'block',
    title: 'GET_BLOCK is answered with the block at that height',
    level: 'must',
    source: 'Load it with GET_BLOCKs.',
    needs: ['stats'],
    run: async (lab: Lab): Promise<void> => {
      const height = Math.max(1, Math.floor((await lengthOf(lab)) / 2));
      if ((await lab.block(height)) === undefined) throw new Wrong(`no block ${height} came back`);
    },
  },
  {
    id: 'stats-height',
    title: 'Its height is the number of blocks, its hash that of the last one',
    level: 'must',
    source: 'STATS_REPLY: height = number of blocks (tip index + 1), hash = hash of block height − 1.',
    needs: ['stats', 'block'],
    run: async (lab: Lab): Promise<void> => {
      const claim = await lab.stats();
      if (claim === undefined || claim.hash === null) throw new Unjudged('it has no chain');
      const { height, hash } = claim;
      const last = await lab.block(height - 1);
      if (last?.hash === hash) return;
      const next = await lab.block(height);
      if (next?.hash === hash)
        throw new Wrong(`it says ${height}, the height of its last block, but it has ${height + 1} blocks`);
      throw new Wrong(`it says ${height}, but its block ${height - 1} has another hash`);
    },
  },
  {
    id: 'block-genesis',
    title: 'Block 0 is served like every other block',
    level: 'must',
    source: 'Verify the full chain from genesis: nobody can who does not get the genesis.',
    needs: ['block'],
    run: async (lab: Lab): Promise<void> => {
      if ((await lab.block(0)) === undefined) throw new Wrong('no block 0 came back');
    },
  },
  {
    id: 'block-fields',
    title: 'A GET_BLOCK_REPLY has its type and the six fields of a block, each as it should be',
    level: 'must',
    source:
      'Block: who mined it, 1 to 10 messages of at most 20 characters, a nonce ("a string, really bytes", less than 40 characters), a hash, a height; the time.',
    needs: ['block'],
    run: async (lab: Lab): Promise<void> => {
      const answer = await lab.ask({ type: 'GET_BLOCK', height: 1 });
      const fault = fieldFault(answer?.message ?? {});
      if (fault !== undefined) throw new Wrong(fault);
    },
  },
  {
    id: 'block-chain',
    title: 'Its blocks are a valid chain, from the genesis to the hash of its STATS',
    level: 'must',
    source:
      "Hash order: previous block's hash as hex text (skipped for the genesis block), minedBy, messages in order, the time as 8 bytes big-endian, the nonce; SHA-256; DIFFICULTY ASCII zeros at its end.",
    needs: ['block', 'block-genesis'],
    run: async (lab: Lab): Promise<void> => {
      const claim = await lab.stats();
      let previous: Block | null = null;
      while (previous?.hash !== claim?.hash) {
        const height: number = previous === null ? 0 : previous.height + 1;
        if (height > MAX_CHAIN) throw new Unjudged(`its chain has more than ${MAX_CHAIN} blocks`);
        const block = await lab.block(height);
        if (block === undefined)
          throw new Wrong(`there is no block ${height}, but the chain does not end before`);
        const fault = verifyBlock(block, previous, lab.options.difficulty);
        if (fault !== undefined) throw new Wrong(`block ${height} is not valid: ${fault}`);
        previous = block;
      }
    },
  },
  {
    id: 'block-unknown',
    title: 'A height that the chain does not reach is answered with nulls',
    level: 'must',
    source: 'GET_BLOCK for an invalid height is answered with null height, messages, nonce, minedBy.',
    needs: ['stats', 'block'],
    run: async (lab: Lab): Promise<void> => {
      const claim = await lab.stats();
      const length = claim?.height ?? 0;
      // Two beyond: a peer that counts from 0 has reported one less.
      await needNulls(lab, length + 2);
      await needNulls(lab, length + 1_000);
    },
  },
  {
    id: 'block-negative',
    title: 'A negative height is answered with nulls',
    level: 'must',
    source: 'GET_BLOCK for an invalid height is answered with null height, messages, nonce, minedBy.',
    needs: ['block-unknown'],
    run: (lab: Lab): Promise<void> => needNulls(lab, -1),
  },
  {
    id: 'block-burst',
    title: `Of ${BURST} GET_BLOCKs at once nearly all are answered`,
    level: 'should',
    source:
      'Most implementations fire all their GET_BLOCKs at once; who loses bursts can not be synced from.',
    needs: ['block'],
    run: async (lab: Lab): Promise<void> => {
      const length = Math.max(1, (await lengthOf(lab)) - 1);
      const stranger = lab.stranger();
      for (let number = 0; number < BURST; number++)
        lab.send(stranger, { type: 'GET_BLOCK', height: 1 + (number % length) });
      const answers = (): number =>
        lab.heard.filter(
          ({ actor, message }) => actor === stranger && readInteger(message?.['height']) !== undefined,
        ).length;
      const enough = Math.ceil(BURST * BURST_SHARE);
      await lab.until(() => (answers() >= enough ? true : undefined), 2 * lab.patience);
      if (answers() < enough) throw new Wrong(`${answers()} of ${BURST} were answered`);
    },
  },
];

/** Some die of these, so they come late. */
export const ODD_HEIGHT_RULES: readonly Rule<Lab>[] = [
  {
    id: 'block-odd',
    title: 'A height that is none gets no block',
    level: 'should',
    source:
      'Some send heights that are fractions, text, null or huge; GET_BLOCK for an invalid height has no block.',
    needs: ['block'],
    run: async (lab: Lab): Promise<void> => {
      for (const height of [1.5, 'one', null, [1], 2 ** 60]) {
        const answer = await lab.ask({ type: 'GET_BLOCK', height }, undefined, 1);
        if (answer !== undefined && hasBlock(answer))
          throw new Wrong(
            `GET_BLOCK ${JSON.stringify(height)} was answered with block ${String(answer.message?.['height'])}`,
          );
      }
    },
  },
];
