/** What a miner is held to that works for a peer over TCP. */
import {
  MAX_NONCE_LENGTH,
  isHash,
  meetsDifficulty,
  readInteger,
  type Block,
} from '../../../../../shared/block.ts';
import { MAX_AGE, MINING_PATIENCE } from '../limits.ts';
import {
  blockOf,
  isFor,
  isHashed,
  line,
  sameWords,
  type Answer,
  type Job,
  type MinerLab,
} from '../miner-lab.ts';
import { Wrong, type Level, type Rule } from '../rule.ts';

const WORKERS = 'The peer forwards new words to its workers, they report a mined block.';
const CONNECTS = 'A separate program connects to the peer by TCP.';
const UNFRAMED = 'Seen: jobs are sent without a frame, so that two come in one read, or half of one.';

/** The answer to a job that was given, or a fault. */
async function needAnswer(lab: MinerLab, job: Job): Promise<Answer> {
  const answer = await lab.answerTo(job);
  if (answer === undefined) throw new Wrong('no block came back for it');
  return answer;
}

/** Gives an easy job, and has the block that comes of it. */
async function needBlock(
  lab: MinerLab,
  job = lab.job(),
): Promise<{ answer: Answer; block: Block; job: Job }> {
  await lab.give(job);
  const answer = await needAnswer(lab, job);
  const block = blockOf(answer, job);
  if (block === undefined) throw new Wrong('what came back is no block');
  return { answer, block, job };
}

/** A rule of the way in which a job comes: after it, the miner works. */
function takes(
  id: string,
  title: string,
  source: string,
  bring: (lab: MinerLab, job: Job) => Promise<void>,
  { level = 'should', needs = ['job'] }: { level?: Level; needs?: readonly string[] } = {},
): Rule<MinerLab> {
  return {
    ...{ id, title, level, source, needs },
    run: async (lab: MinerLab): Promise<void> => {
      const job = lab.job();
      await bring(lab, job);
      await needAnswer(lab, job);
    },
  };
}

export const MINER_RULES: readonly Rule<MinerLab>[] = [
  {
    id: 'quiet',
    title: 'It says nothing before it has a job',
    level: 'should',
    source: 'Seen: a peer takes whatever a miner sends for a block.',
    run: async (lab: MinerLab): Promise<void> => {
      await lab.pause(lab.patience / 10);
      const [first] = lab.before;
      if (first !== undefined) throw new Wrong(`it said ${first.slice(0, 80)}`);
    },
  },
  {
    id: 'job',
    title: 'A job is answered with a block',
    level: 'must',
    source: WORKERS,
    run: async (lab: MinerLab): Promise<void> => {
      const job = lab.job();
      await lab.give(job);
      await needAnswer(lab, job);
    },
  },
  {
    id: 'fields',
    title: 'The block has the height, messages, minedBy, timestamp, nonce and hash',
    level: 'must',
    source: 'Block: who mined it, 1 to 10 messages, a nonce, a hash, a height; the time.',
    needs: ['job'],
    run: async (lab: MinerLab): Promise<void> => {
      const job = lab.job();
      await lab.give(job);
      const { height, messages, minedBy, timestamp, hash } = (await needAnswer(lab, job)).fields;
      if (readInteger(height) === undefined) throw new Wrong('it has no height');
      if (!Array.isArray(messages)) throw new Wrong('it has no list of messages');
      if (typeof minedBy !== 'string') throw new Wrong('it has no minedBy');
      if (readInteger(timestamp) === undefined) throw new Wrong('it has no timestamp in whole seconds');
      if (!isHash(hash)) throw new Wrong('it has no hash of 64 lower-case hex digits');
    },
  },
  {
    id: 'hash',
    title: 'The hash is that of the block, on top of the block of the job',
    level: 'must',
    source:
      "Hash order: previous block's hash as hex text (skipped for the genesis block), minedBy, messages in order, the time as 8 bytes big-endian, the nonce; SHA-256; hex digest.",
    needs: ['job', 'fields'],
    run: async (lab: MinerLab): Promise<void> => {
      const { block, job } = await needBlock(lab);
      if (!isHashed(block, job)) throw new Wrong('the hash is another one');
    },
  },
  {
    id: 'difficulty',
    title: 'The hash ends in as many zeros as the job says',
    level: 'must',
    source: 'A hash with DIFFICULTY ASCII zeros at its end.',
    needs: ['job', 'fields'],
    run: async (lab: MinerLab): Promise<void> => {
      const { block, job } = await needBlock(lab);
      if (!meetsDifficulty(block.hash, job.difficulty)) throw new Wrong(`it ends in ${block.hash.slice(-8)}`);
    },
  },
  {
    id: 'utf8',
    title: 'Messages beyond ASCII are hashed as UTF-8',
    level: 'must',
    source: 'All text is hashed as UTF-8; real blocks have such messages.',
    needs: ['hash'],
    run: async (lab: MinerLab): Promise<void> => {
      const { block, job } = await needBlock(lab, lab.job({ messages: ["protégé's"] }));
      if (!isHashed(block, job)) throw new Wrong('the hash is another one');
    },
  },
  {
    id: 'messages',
    title: 'The block has the messages of the job, and no others',
    level: 'must',
    source: WORKERS,
    needs: ['job', 'fields'],
    run: async (lab: MinerLab): Promise<void> => {
      const job = lab.job({ messages: ['one', 'two', 'three'] });
      await lab.give(job);
      const any = await lab.until(
        () => lab.answers.find(({ fields }) => readInteger(fields['height']) === job.height),
        MINING_PATIENCE * lab.patience,
      );
      const messages = any?.fields['messages'];
      if (!Array.isArray(messages) || !sameWords(messages, job.messages))
        throw new Wrong(`its messages are ${JSON.stringify(messages)}`);
    },
  },
  {
    id: 'nonce-length',
    title: 'The nonce has less than 40 characters',
    level: 'must',
    source: 'A nonce ("a string, really bytes", less than 40 characters).',
    needs: ['job'],
    run: async (lab: MinerLab): Promise<void> => {
      const { block } = await needBlock(lab);
      if (block.nonce.length > MAX_NONCE_LENGTH) throw new Wrong(`it has ${block.nonce.length}`);
    },
  },
  {
    id: 'nonce-text',
    title: 'The nonce is a text, not a number',
    level: 'should',
    source: 'A nonce is a string. Three peers died of an ANNOUNCE whose nonce was a number.',
    needs: ['job'],
    run: async (lab: MinerLab): Promise<void> => {
      const { answer } = await needBlock(lab);
      if (typeof answer.fields['nonce'] !== 'string')
        throw new Wrong(`it is ${JSON.stringify(answer.fields['nonce'])}`);
    },
  },
  {
    id: 'name',
    title: 'The block is signed with the name in the job',
    level: 'should',
    source: 'Miners sign blocks with their name; the most blocks win.',
    needs: ['job', 'fields'],
    run: async (lab: MinerLab): Promise<void> => {
      const { block } = await needBlock(lab, lab.job({ minedBy: 'somebody else' }));
      if (block.minedBy !== 'somebody else') throw new Wrong(`it is signed ${JSON.stringify(block.minedBy)}`);
    },
  },
  {
    id: 'time',
    title: 'Its time is that of now, and not in the future',
    level: 'should',
    source: 'Seen: a peer refuses blocks from the future, by a second.',
    needs: ['job'],
    run: async (lab: MinerLab): Promise<void> => {
      const { block } = await needBlock(lab);
      const age = lab.ground.seconds() - Number(block.timestamp);
      if (age < 0) throw new Wrong(`it is ${-age} s in the future`);
      if (age > MAX_AGE) throw new Wrong(`it is ${age} s old`);
    },
  },
  takes(
    'next-job',
    'After a block it takes the next job, over the same connection',
    WORKERS,
    async (lab, job) => {
      await needBlock(lab);
      const before = lab.connections;
      await lab.give(job);
      await needAnswer(lab, job);
      if (lab.connections !== before) throw new Wrong('it made a new connection for it');
    },
    { level: 'must' },
  ),
  {
    id: 'genesis',
    title: 'A job without a block below it, height 0, is mined as a genesis',
    level: 'should',
    source: "Hash order: previous block's hash as hex text (skipped for the genesis block), …",
    needs: ['hash'],
    run: async (lab: MinerLab): Promise<void> => {
      const { block, job } = await needBlock(lab, lab.job({ height: 0, previous_hash: '' }));
      if (!isHashed(block, job)) throw new Wrong('the hash is another one');
    },
  },
  takes(
    'new-block',
    'A job for the next height takes the place of the one it works on',
    'Seen: miners that go on with a block that is lost already.',
    async (lab, job) => {
      await lab.give(lab.endless({ height: job.height - 1 }));
      await lab.give(job);
    },
  ),
  takes(
    'new-tip',
    'So does one for the same height on another block, as after a fork',
    'Seen: a miner passes over jobs of the height that it works on.',
    async (lab, job) => {
      await lab.give(lab.endless({ height: job.height }));
      await lab.give(job);
    },
  ),
  takes('new-words', 'So does one with other words on the same block', WORKERS, async (lab, job) => {
    await lab.give(lab.endless({ height: job.height, previous_hash: job.previous_hash }));
    await lab.give(job);
  }),
  {
    id: 'no-stale',
    title: 'It hands in no block of a job that was replaced some time ago',
    level: 'should',
    source: 'Seen: miners hand in blocks for a tip that is gone.',
    needs: ['new-block'],
    run: async (lab: MinerLab): Promise<void> => {
      const old = lab.job();
      const fresh = lab.job();
      await lab.send(line(old));
      await lab.give(fresh);
      await needAnswer(lab, fresh);
      const since = lab.answers.length;
      await lab.pause(lab.patience);
      if (lab.answers.slice(since).some((answer) => isFor(answer, old)))
        throw new Wrong(`a block ${old.height} came after block ${fresh.height}`);
    },
  },
  {
    id: 'once',
    title: 'It hands in a block once',
    level: 'should',
    source: 'ANNOUNCE goes to everybody: a second copy ruins some peers.',
    needs: ['job'],
    run: async (lab: MinerLab): Promise<void> => {
      const { answer } = await needBlock(lab);
      await lab.pause(lab.patience / 2);
      if (lab.answers.filter(({ text }) => text === answer.text).length > 1) throw new Wrong('it came twice');
    },
  },
  takes('unframed', 'A job need not end in a new line', UNFRAMED, (lab, job) =>
    lab.send(JSON.stringify(job)),
  ),
  takes('split', 'A job may come in two parts', UNFRAMED, async (lab, job) => {
    const text = line(job);
    await lab.send(text.slice(0, 30));
    await lab.pause(lab.patience / 10);
    await lab.send(text.slice(30));
  }),
  takes(
    'coalesced',
    'Of two jobs that come at once, without anything between, it takes the second',
    UNFRAMED,
    (lab, job) => lab.send(JSON.stringify(lab.endless()) + JSON.stringify(job)),
    { needs: ['unframed'] },
  ),
  takes(
    'unknown',
    'A message that it does not know does no harm',
    'Peers add messages of their own.',
    async (lab, job) => {
      await lab.send('{"type":"HELLO","text":"a message of another kind"}\n');
      await lab.give(job);
    },
  ),
  takes('reconnect', 'It comes back when the connection is lost', CONNECTS, async (lab, job) => {
    lab.hangUp();
    if (!(await lab.connected())) throw new Wrong('it did not connect again');
    await lab.give(job);
  }),
  takes(
    'garbage',
    'Bytes that are no JSON do not end it: it goes on, or connects again',
    'Seen in datagrams and streams.',
    async (lab, job) => {
      await lab.send('garbage\n');
      await lab.pause(lab.patience / 2);
      await lab.give(job);
    },
  ),
];
