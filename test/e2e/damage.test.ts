/** Real peers on disks that are full, may not be written to, or have damaged what was written. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { AcknowledgedMiner } from '../support/acknowledged-miner.ts';
import { eventually } from '../support/asker.ts';
import { buildChain, extendChain } from '../support/chains.ts';
import { ClassPeer, claimOf } from '../support/class-peer.ts';
import { DAMAGES } from '../support/damage.ts';
import { Lab, forgetImportedChains, type Peer, type Program } from '../support/processes.ts';
import { seededRandom } from '../support/random.ts';
import { readDataFolder } from '../support/store-reader.ts';

const DIFFICULTY = 1;
const LIMIT = 120_000;
const FILE = 'data.mdb';

afterAll(forgetImportedChains);

function newLab(): Lab {
  const lab = new Lab();
  onTestFinished(async () => {
    await lab.close();
    expect((await lab.asker()).rules.violations).toEqual([]);
  });
  return lab;
}

/** How a peer ends that can't go on: by itself, with exit code 1 and one sentence for people. */
async function sentenceOf(program: Program): Promise<string> {
  const { code } = await program.ended;
  expect(code, program.explain()).toBe(1);
  const errors = program.records.filter(({ level }) => level === 'error').map(({ message }) => message);
  const said = [...program.lines.filter((line) => line.startsWith('peer: ')), ...errors];
  expect(said, program.explain()).toHaveLength(1);
  // No stack, from nobody.
  expect(program.lines.filter((line) => /^\s+at /.test(line))).toEqual([]);
  return said[0] ?? '';
}

describe.skipIf(process.platform === 'win32')('a full disk', () => {
  /** So much more than it has now may the file have, in units of 512 bytes. */
  function limits(peer: Peer, more: number): string {
    return `ulimit -f ${Math.ceil(statSync(join(peer.dataDir, FILE)).size / 512) + more}`;
  }

  it(
    'ends a peer that mines with a sentence, and loses no acknowledged block',
    async () => {
      const lab = newLab();
      const chain = buildChain(100, { difficulty: DIFFICULTY });
      const peer = await lab.newPeer();
      await lab.importChain(peer, chain, DIFFICULTY);
      await peer.start({ difficulty: DIFFICULTY, limits: limits(peer, 64) });
      const miner = new AcknowledgedMiner(peer.minerPort);
      expect(await sentenceOf(peer.program)).toMatch(
        /can't go on: can't write to the store in .*is the disk full\?/,
      );
      await miner.close();
      expect(miner.acknowledged.length).toBeGreaterThan(0);
      const stored = await readDataFolder(peer.dataDir);
      expect(stored.fault).toBeUndefined();
      expect(stored.blocks).toEqual([...chain, ...miner.acknowledged].slice(0, stored.blocks.length));
      expect(stored.blocks.length).toBe(chain.length + miner.acknowledged.length);
      // With room on the disk it goes on.
      await peer.start({ difficulty: DIFFICULTY });
      expect(await (await lab.asker()).chain(peer.port)).toEqual(stored.blocks);
      const later = new AcknowledgedMiner(peer.minerPort);
      await eventually('blocks are mined again', () => later.acknowledged.length > 2);
      await later.close();
    },
    LIMIT,
  );

  it(
    'ends a peer that syncs with a sentence, and leaves its chain as it was',
    async () => {
      const lab = newLab();
      const chain = buildChain(300, { difficulty: DIFFICULTY });
      const longer = extendChain(chain, 5000, { difficulty: DIFFICULTY });
      const peer = await lab.newPeer();
      await lab.importChain(peer, chain, DIFFICULTY);
      const source = await ClassPeer.open({ chain: longer, subjects: lab.subjects });
      lab.onClose(() => {
        source.close();
      });
      await peer.start({ difficulty: DIFFICULTY, join: [source], limits: limits(peer, 500) });
      expect(await sentenceOf(peer.program)).toMatch(/is the disk full\?/);
      expect(await readDataFolder(peer.dataDir)).toMatchObject({ fault: undefined, blocks: chain });
      await peer.start({ difficulty: DIFFICULTY, join: [source] });
      await peer.reaches('the longer chain', ({ hash }) => hash === claimOf(longer).hash);
    },
    LIMIT,
  );
});

describe('a folder that can not be used ends the start with a sentence', () => {
  async function refusal(lab: Lab, folder: string): Promise<string> {
    return sentenceOf(lab.run('peer', '--port', '0', '--miner-port', '0', '--data-dir', folder));
  }

  it('as a file in its place does', async () => {
    const lab = newLab();
    const file = lab.path('file');
    writeFileSync(file, '');
    expect(await refusal(lab, file)).toMatch(/^peer: .*file/);
    expect(await refusal(lab, join(file, 'below'))).toMatch(/^peer: can't create the data folder/);
  });

  // Skipped where there is no /proc, in which nobody may write, whoever he is.
  it.runIf(existsSync('/proc/self'))('as one in which nobody may write does', async () => {
    const lab = newLab();
    expect(await refusal(lab, '/proc')).toMatch(/^peer: can't write to the data folder \/proc: /);
    expect(await refusal(lab, '/proc/self/no-such-folder')).toMatch(/^peer: can't create the data folder/);
  });

  // Skipped for an administrator, whom no permission binds.
  it.skipIf(process.getuid?.() === 0)('as one in which we may not write does', async () => {
    const lab = newLab();
    const folder = lab.path('folder');
    mkdirSync(folder, { mode: 0o555 });
    expect(await refusal(lab, folder)).toMatch(/^peer: can't write to the data folder/);
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, FILE), '', { mode: 0o444 });
    expect(await refusal(lab, folder)).toMatch(/^peer: can't open the store in/);
  });
});

describe.concurrent('a damaged store', () => {
  const lab = new Lab();
  const chain = buildChain(600, { difficulty: DIFFICULTY });
  let whole: Buffer;

  beforeAll(async () => {
    const peer = await lab.newPeer();
    await lab.importChain(peer, chain, DIFFICULTY);
    whole = readFileSync(join(peer.dataDir, FILE));
  }, LIMIT);
  afterAll(() => lab.close());

  async function damagedPeer(bytes: Buffer): Promise<Peer> {
    const peer = await lab.newPeer();
    mkdirSync(peer.dataDir);
    writeFileSync(join(peer.dataDir, FILE), bytes);
    return peer;
  }

  const cases = Object.keys(DAMAGES).map((name, index) => [name, index] as const);
  it.for(cases)(
    '(%s) is refused with a sentence, or what is served is true',
    { timeout: LIMIT },
    async ([name, index]) => {
      const { bytes, what } = DAMAGES[name]?.(whole, seededRandom(40 + index)) ?? { bytes: whole, what: '' };
      const peer = await damagedPeer(bytes);
      try {
        await peer.start({ difficulty: DIFFICULTY });
      } catch {
        expect(await sentenceOf(peer.program), what).toMatch(/damaged|missing|not a store/);
        // It is not different the next time, and nothing was made worse.
        expect(readFileSync(join(peer.dataDir, FILE)).subarray(0, bytes.length).equals(bytes)).toBe(true);
        return;
      }
      const { height } = await peer.stats();
      const asker = await lab.asker();
      for (let at = 0; at < height && peer.program.alive; at++) {
        const block = asker.block(peer.port, at);
        // Nobody waits for the answer of a peer that has ended.
        block.catch(() => undefined);
        const answer = await Promise.race([block, peer.program.ended.then(() => undefined)]);
        if (answer !== undefined) expect(answer, what).toEqual(chain[at]);
      }
      if (!peer.program.alive) expect(await sentenceOf(peer.program), what).toMatch(/damaged/);
    },
  );

  it(
    'whose damage is within a block serves all blocks but that one, then ends with a sentence',
    async () => {
      const bytes = Buffer.from(whole);
      // Digits in the messages of the blocks 300 and on, as they lie in the file.
      const at = bytes.indexOf('"word 300"') + 6;
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      const peer = await damagedPeer(bytes);
      await peer.start({ difficulty: DIFFICULTY });
      const asker = await lab.asker();
      expect(await asker.chain(peer.port, 300)).toEqual(chain.slice(0, 300));
      expect(await asker.block(peer.port, 301)).toEqual(chain[301]);
      asker.send(peer.port, { type: 'GET_BLOCK', height: 300 });
      expect(await sentenceOf(peer.program)).toMatch(
        /^the peer can't go on: the store in .* is damaged \(b\/.*\); move it away and let the peer download/,
      );
    },
    LIMIT,
  );

  it(
    'that was moved away is downloaded again',
    async () => {
      const peer = await damagedPeer(Buffer.from('not a store'));
      const source = await ClassPeer.open({ chain, subjects: lab.subjects });
      lab.onClose(() => {
        source.close();
      });
      const plan = { difficulty: DIFFICULTY, join: [source] };
      await expect(peer.start(plan)).rejects.toThrow('it ended at once');
      expect(await sentenceOf(peer.program)).toMatch(
        /move it away and let the peer download the chain again/,
      );
      renameSync(join(peer.dataDir, FILE), join(peer.dataDir, 'away'));
      await peer.start(plan);
      await peer.reaches('the chain', ({ hash }) => hash === claimOf(chain).hash);
    },
    LIMIT,
  );
});
