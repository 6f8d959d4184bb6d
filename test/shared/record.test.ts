import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { blockToJson, type Block } from '../../shared/block.ts';
import {
  MAX_LINE_LENGTH,
  RECORD_RULES,
  readRecord,
  writeRecord,
  type RecordLine,
} from '../../shared/record.ts';
import { buildChain } from '../support/chains.ts';

const [FIRST, SECOND, THIRD] = buildChain(3, { difficulty: 0, messages: ['prot\u00e9g\u00e9', '\u{1f980}'] });
if (FIRST === undefined || SECOND === undefined || THIRD === undefined) throw new Error('no chain was built');

async function collect(input: Iterable<string | Uint8Array>): Promise<RecordLine[]> {
  const lines: RecordLine[] = [];
  for await (const line of readRecord(Readable.from(input, { objectMode: true }))) lines.push(line);
  return lines;
}

function read(...chunks: (string | Uint8Array)[]): Promise<RecordLine[]> {
  return collect(chunks);
}

async function written(blocks: Iterable<Block>): Promise<string> {
  const output = new PassThrough();
  const [content] = await Promise.all([text(output), writeRecord(blocks, output, { end: true })]);
  return content;
}

describe('a record', () => {
  it('has one block a line', async () => {
    const content = await written([FIRST, SECOND]);
    expect(content).toBe(`${blockToJson(FIRST)}\n${blockToJson(SECOND)}\n`);
    expect(await read(content)).toStrictEqual([
      { line: 1, block: FIRST },
      { line: 2, block: SECOND },
    ]);
    expect(await written([])).toBe('');
  });

  it('may lack the last line end', async () => {
    expect(await read(blockToJson(FIRST))).toStrictEqual([{ line: 1, block: FIRST }]);
  });

  it('may be empty', async () => {
    expect(await read()).toStrictEqual([]);
    expect(await read('')).toStrictEqual([]);
    expect(await read('\n \r\n\t\n# nothing here\n  # nor here')).toStrictEqual([]);
  });

  it('may hold empty lines and remarks, which count as lines', async () => {
    expect(
      await read(`# mined in 2024\n\n${blockToJson(FIRST)}\n   \n#\n${blockToJson(SECOND)}`),
    ).toStrictEqual([
      { line: 3, block: FIRST },
      { line: 6, block: SECOND },
    ]);
  });

  it('may begin with a byte order mark and have Windows line ends', async () => {
    const content = `\ufeff${blockToJson(FIRST)}\r\n${blockToJson(SECOND)}\r\n`;
    const expected = [
      { line: 1, block: FIRST },
      { line: 2, block: SECOND },
    ];
    expect(await read(content)).toStrictEqual(expected);
    expect(await read(Buffer.from(content))).toStrictEqual(expected);
  });

  it('may hold blocks as other programs write them', async () => {
    const foreign = { ...FIRST, nonce: 7, height: '0', timestamp: 1700000000.5, prev_hash: null, note: 'x' };
    expect(await read(JSON.stringify(foreign, undefined, ' ').replaceAll('\n', ' '))).toStrictEqual([
      { line: 1, block: { ...FIRST, nonce: '7', height: 0, timestamp: 1_700_000_000 } },
    ]);
  });

  it('keeps timestamps beyond 2^53', async () => {
    const block = { ...FIRST, timestamp: 2n ** 64n - 1n };
    expect(await read(await written([block]))).toStrictEqual([{ line: 1, block }]);
  });

  it('tells of each bad line, and reads on', async () => {
    const lines = [
      '{"height":',
      '[]',
      'null',
      '{}',
      blockToJson(FIRST),
      blockToJson(FIRST).replace('"minedBy"', '"by"'),
    ];
    expect(await read(lines.join('\n'))).toStrictEqual([
      { line: 1, fault: 'not-json' },
      { line: 2, fault: 'not-an-object' },
      { line: 3, fault: 'not-an-object' },
      { line: 4, fault: 'bad-height' },
      { line: 5, block: FIRST },
      { line: 6, fault: 'bad-miner' },
    ]);
    for (const rule of Object.values(RECORD_RULES)) expect(rule).toMatch(/^[A-Z][^.]*\.$/);
  });

  it('is read no further than a line that is too long', async () => {
    const longest = `#${'x'.repeat(MAX_LINE_LENGTH - 1)}`;
    expect(await read(`${longest}\n${blockToJson(FIRST)}`)).toStrictEqual([{ line: 2, block: FIRST }]);
    const expected = [
      { line: 1, block: FIRST },
      { line: 2, fault: 'line-too-long' },
    ];
    expect(await read(`${blockToJson(FIRST)}\n${longest}x\n${blockToJson(SECOND)}`)).toStrictEqual(expected);
    expect(await read(`${blockToJson(FIRST)}\n`, longest, 'x\n', blockToJson(SECOND))).toStrictEqual(
      expected,
    );
    expect(await read(`${blockToJson(FIRST)}\n`, longest, 'x')).toStrictEqual(expected);
  });

  it('without any line end is given up before it fills the memory', async () => {
    let chunks = 0;
    function* endless(): Generator<string, void, undefined> {
      for (;;) {
        chunks++;
        yield 'x'.repeat(1000);
      }
    }
    const lines = await collect(endless());
    expect(lines).toStrictEqual([{ line: 1, fault: 'line-too-long' }]);
    expect(chunks).toBeLessThan(2 * (MAX_LINE_LENGTH / 1000));
  });

  it('is written no faster than it is taken', async () => {
    let asked = 0;
    function* many(): Generator<Block, void, undefined> {
      for (; asked < 100_000; asked++) yield FIRST as Block;
    }
    const output = new PassThrough();
    const done = writeRecord(many(), output, { end: true });
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThan(10_000);
    output.destroy();
    await expect(done).rejects.toThrow();
  });

  it('does not depend on where the bytes are cut', async () => {
    const content = Buffer.from(`\ufeff# remark\r\n\n${await written([FIRST, SECOND, THIRD])}not json\n`);
    const whole = await read(content);
    expect(whole).toHaveLength(4);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(content.length), { maxLength: 12 }), async (cuts) => {
        const ends = [...cuts, content.length].sort((a, b) => a - b);
        const pieces = ends.map((end, index) => content.subarray(ends[index - 1] ?? 0, end));
        expect(await read(...pieces)).toStrictEqual(whole);
      }),
    );
  });
});
