/**
 * The record that the project shows: blocks of our own miner on the class network's genesis. Besides our verifier, a
 * reader that shares no code with it looks at every block; what both call right is right for the class as well.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';

import { expect, test } from 'vitest';

import { DEFAULT_DIFFICULTY, verifyBlock, type Block } from '../shared/block.ts';
import { readRecord } from '../shared/record.ts';
import { GENESES } from './vectors/geneses.ts';

/** The genesis of the class network of 2024. */
const GENESIS = '75977fa09516d028befa0695e16c93be20271b66630236d38718e35700000000';
const OWN_NAME = 'gossip-peer';

/** Read once: a miner may be adding to it, and both readers are to see the same. */
const text = readFileSync(new URL('../blocks.txt', import.meta.url), 'utf8');

/** Prints how many blocks it read, and a line for each rule that one breaks. Written from the assignment alone. */
const INDEPENDENT_READER = `
import hashlib, json, sys

previous = None
count = 0
for line in sys.stdin.buffer.read().decode('utf-8').splitlines():
    if not line.strip() or line.startswith('#'):
        continue
    block = json.loads(line)
    def check(right, rule):
        if not right:
            print('block', count, rule)
    sha = hashlib.sha256()
    if previous is not None:
        sha.update(previous.encode())
    sha.update(block['minedBy'].encode())
    for message in block['messages']:
        sha.update(message.encode())
    sha.update(int(block['timestamp']).to_bytes(8, 'big'))
    sha.update(block['nonce'].encode())
    check(sha.hexdigest() == block['hash'], 'hash')
    check(block['hash'].endswith('0' * int(sys.argv[1])), 'difficulty')
    check(block['height'] == count, 'height')
    check(1 <= len(block['messages']) <= 10, 'messages')
    check(all(len(message) <= 20 for message in block['messages']), 'message length')
    check(len(block['nonce']) < 40, 'nonce length')
    previous = block['hash']
    count += 1
print(count, 'blocks')
`;

/** What the independent reader says about a record. */
function readIndependently(record: string, difficulty = DEFAULT_DIFFICULTY): string[] {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', INDEPENDENT_READER, String(difficulty)], {
    input: record,
    encoding: 'utf8',
    timeout: 50_000,
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout.trim().split(/\r?\n/);
}

/** What our own verifier says about it, in the same way. */
async function readOurselves(record: string): Promise<{ blocks: Block[]; faults: string[] }> {
  const blocks: Block[] = [];
  const faults: string[] = [];
  for await (const { block, fault, line } of readRecord(Readable.from([record]))) {
    const broken =
      block === undefined ? fault : verifyBlock(block, blocks.at(-1) ?? null, DEFAULT_DIFFICULTY);
    if (broken !== undefined) faults.push(`line ${line}: ${broken}`);
    if (block !== undefined) blocks.push(block);
  }
  return { blocks, faults };
}

/** The same record with one thing changed in the block at `height`; the later blocks are left as they are. */
function damage(record: string, height: number, change: Partial<Block>): string {
  const lines = record.split('\n');
  lines[height] = JSON.stringify({ ...(JSON.parse(lines[height] ?? '') as Block), ...change });
  return lines.join('\n');
}

test('every block is right, and at least three of our own stand on the genesis of 2024', async () => {
  const { blocks, faults } = await readOurselves(text);
  expect(faults).toEqual([]);
  expect(blocks[0]).toMatchObject({ height: 0, hash: GENESIS });
  expect(blocks.slice(1).filter(({ minedBy }) => minedBy === OWN_NAME).length).toBeGreaterThanOrEqual(3);
});

/** Why there is no independent reader here; undefined if there is one. */
function missingReader(): string | undefined {
  const { error, status, stderr } = spawnSync('python3', ['-c', 'import hashlib, json'], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  return error?.message ?? (status === 0 ? undefined : stderr);
}

const missing = missingReader();
if (missing !== undefined) console.log(`blocks.txt is not read independently, without python3: ${missing}`);

test.skipIf(missing !== undefined)('an independent reader finds every block right', async () => {
  const { blocks } = await readOurselves(text);
  expect(readIndependently(text)).toEqual([`${blocks.length} blocks`]);
});

test.skipIf(missing !== undefined).each(GENESES)(
  'an independent reader finds the genesis of $network right, and no zero more',
  ({ block, difficulty }) => {
    const record = JSON.stringify(block);
    expect(readIndependently(record, difficulty)).toEqual(['1 blocks']);
    expect(readIndependently(record, difficulty + 1)).toEqual(['block 0 difficulty', '1 blocks']);
  },
);

test.skipIf(missing !== undefined)('the independent reader sees what is wrong', async () => {
  const { blocks } = await readOurselves(text);
  const all = `${blocks.length} blocks`;
  const wrong = (change: Partial<Block>): string[] => readIndependently(damage(text, 1, change));
  expect(wrong({ timestamp: 1 })).toEqual(['block 1 hash', all]);
  expect(wrong({ height: 7 })).toEqual(['block 1 height', all]);
  // A block with another hash is not the one that the next block stands on.
  expect(wrong({ hash: '1'.repeat(64) })).toEqual([
    'block 1 hash',
    'block 1 difficulty',
    'block 2 hash',
    all,
  ]);
  expect(wrong({ nonce: 'n'.repeat(40) })).toEqual(['block 1 hash', 'block 1 nonce length', all]);
  expect(wrong({ messages: [] })).toEqual(['block 1 hash', 'block 1 messages', all]);
  expect(wrong({ messages: ['m'.repeat(21)] })).toEqual(['block 1 hash', 'block 1 message length', all]);
});
