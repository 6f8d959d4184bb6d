/** Real peers on disks that are full, may not be written to, or have damaged what was written. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, vi, type TestContext } from 'vitest';

import { AcknowledgedMiner } from '../support/acknowledged-miner.ts';
import { eventually } from '../support/asker.ts';
import { buildChain, extendChain } from '../support/chains.ts';
import { ClassPeer, claimOf } from '../support/class-peer.ts';
import { DAMAGES } from '../support/damage.ts';
import { Lab, ROOT, forgetImportedChains, type Peer, type Program } from '../support/processes.ts';
import { seededRandom } from '../support/random.ts';
import { readDataFolder } from '../support/store-reader.ts';
import { LOOPBACK } from '../support/wire.ts';

const DIFFICULTY = 1;
/** Many go on at once, on a machine that does more. */
const LIMIT = 300_000;
const FILE = 'data.mdb';
/** It stays when its process ends, and holds nothing then. */
const LOCK = 'peer.lock';

// Most of the time these tests wait for programs to start and to end.
vi.setConfig({ maxConcurrency: 4 });

afterAll(forgetImportedChains);

function newLab({ onTestFinished }: TestContext): Lab {
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

describe.skipIf(process.platform === 'win32')('a full disk', { concurrent: true }, () => {
  /** So much more than it has now may the file have, in units of 512 bytes. */
  function limits(peer: Peer, more: number): string {
    return `ulimit -f ${Math.ceil(statSync(join(peer.dataDir, FILE)).size / 512) + more}`;
  }

  it(
    'ends a peer that mines with a sentence, and loses no acknowledged block',
    async (context) => {
      const lab = newLab(context);
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
    async (context) => {
      const lab = newLab(context);
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

/** Runs what follows where nobody else sees what it mounts, which goes with its last process. */
const MOUNTING = ['unshare', '--map-root-user', '--mount'];
const MOUNT = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs'];
/** Whether this user may mount a disk that is small enough to be filled: not in every container, and only on Linux. */
const mayMount = spawnSync('unshare', [...MOUNTING.slice(1), ...MOUNT, tmpdir()]).status === 0;

describe.runIf(mayMount)(
  'a disk that is full at the start (skipped where unshare can not mount a tmpfs)',
  { concurrent: true },
  () => {
    /** How long a program may run that ought to end: its test is over by then, and kills only the shell around it. */
    const SECONDS = 120;

    /**
     * Runs a program on a disk of a megabyte.
     *
     * @param prepare shell commands in the empty disk
     * @param left bytes that are left then
     * @param args of the program; its data folder is `data` on that disk
     * @returns its end, what it said, and the files that are in its data folder after it, with their sizes
     */
    async function runOnFullDisk(
      lab: Lab,
      prepare: string,
      left: number,
      args: readonly string[],
    ): Promise<{ program: Program; files: string[] }> {
      const disk = lab.path('disk');
      mkdirSync(disk, { recursive: true });
      const script = [
        `${MOUNT.join(' ')} '${disk}'`,
        `(cd '${disk}'; mkdir data; ${prepare})`,
        `cat /dev/zero > '${disk}/rest' 2> /dev/null`,
        `truncate -s "$(($(stat -c %s '${disk}/rest') - ${left}))" '${disk}/rest'`,
        `timeout -k 1 ${SECONDS} "$0" "$@"`,
        'code=$?',
        `cd '${disk}/data'; stat -c 'file %n %s' -- * 2> /dev/null`,
        'exit $code',
      ];
      const limits = `set -- "$0" "$@"; exec ${MOUNTING.join(' ')} /bin/sh -c '${script
        .join('\n')
        .replaceAll("'", "'\\''")}' "$@"`;
      const program = lab.runIn({ limits }, ...args, '--data-dir', join(disk, 'data'));
      await program.ended;
      const files = program.lines.filter((line) => line.startsWith('file ')).map((line) => line.slice(5));
      return { program, files };
    }

    const FULL = /^peer: can't write to the store in \S+, is the disk full\?: ENOSPC[^\n]+$/;
    const START = ['--bind', LOOPBACK, '--port', '0', '--http-port', '0'];
    const programs: readonly (readonly [string, readonly string[]])[] = [
      ['a peer', ['peer', '--genesis', '--difficulty', '1', '--miner-port', '0', ...START]],
      ['an import', ['peer', 'import', 'blocks.txt']],
      ['a replica', ['peer', 'pbft', 'start', '--index', '0', '--nodes', '4', ...START]],
    ];

    it.for(programs)(
      'ends %s with a sentence, and leaves no store without anything in it',
      async ([, args], context) => {
        const { program, files } = await runOnFullDisk(newLab(context), ':', 0, args);
        expect(await sentenceOf(program)).toMatch(FULL);
        expect(files).toEqual([`${LOCK} 0`]);
      },
    );

    it(
      'ends an import with a sentence, however little there is left',
      async (context) => {
        const lab = newLab(context);
        let imported = 0;
        for (let left = 0; left <= 640; left += 64) {
          const { program, files } = await runOnFullDisk(lab, ':', left * 1024, [
            'peer',
            'import',
            'blocks.txt',
          ]);
          if ((await program.ended).code === 0) {
            imported++;
          } else {
            expect(await sentenceOf(program)).toMatch(FULL);
            expect(files, `${left} KiB`).toEqual([`${LOCK} 0`]);
          }
        }
        expect(imported).toBeGreaterThan(0);
      },
      LIMIT,
    );

    it(
      'ends a peer whose lock file is not there, or is a hole; one that is there is enough to read the store',
      async (context) => {
        const lab = newLab(context);
        const peer = await lab.newPeer();
        await lab.importChain(peer, buildChain(100, { difficulty: DIFFICULTY }), DIFFICULTY);
        const copy = `cp '${peer.dataDir}'/*.mdb data`;
        const command = ['peer', 'export', '--to', '0'];
        for (const lose of [
          'rm data/lock.mdb',
          ': > data/lock.mdb',
          'truncate -s 0 data/lock.mdb; truncate -s 8272 data/lock.mdb',
        ]) {
          const store = lose.startsWith('rm') ? [FILE] : [FILE, 'lock.mdb'];
          for (const [args, expected] of [
            [programs[0]?.[1] ?? [], [...store, LOCK]],
            [command, store],
          ] as const) {
            const { program, files } = await runOnFullDisk(lab, `${copy}; ${lose}`, 0, args);
            expect(await sentenceOf(program), lose).toMatch(FULL);
            expect(files.map((file) => file.split(' ')[0])).toEqual(expected);
          }
        }
        const { program } = await runOnFullDisk(lab, copy, 0, command);
        expect((await program.ended).code, program.explain()).toBe(0);
      },
      LIMIT,
    );
  },
);

describe.concurrent('a folder that can not be used ends the start with a sentence', () => {
  async function refusal(lab: Lab, folder: string): Promise<string> {
    return sentenceOf(lab.run('peer', '--port', '0', '--miner-port', '0', '--data-dir', folder));
  }

  it('as a file in its place does', async (context) => {
    const lab = newLab(context);
    const file = lab.path('file');
    writeFileSync(file, '');
    expect(await refusal(lab, file)).toMatch(/^peer: .*file/);
    expect(await refusal(lab, join(file, 'below'))).toMatch(/^peer: can't create the data folder/);
  });

  // Skipped where there is no /proc, in which nobody may write, whoever he is.
  it.runIf(existsSync('/proc/self'))('as one in which nobody may write does', async (context) => {
    const lab = newLab(context);
    expect(await refusal(lab, '/proc')).toMatch(/^peer: can't write to the data folder \/proc: /);
    expect(await refusal(lab, '/proc/self/no-such-folder')).toMatch(/^peer: can't create the data folder/);
  });

  /** Rights do not bind an administrator: what he runs runs as a user who has nothing, of this number. */
  const NOBODY = 65_534;
  const isRoot = process.getuid?.() === 0;
  const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  /** Whether a user without rights can run the programs: not if the administrator keeps them where nobody may read. */
  const mayRun =
    process.platform !== 'win32' &&
    (!isRoot ||
      spawnSync(asNobody[0] ?? '', [...asNobody.slice(1), process.execPath, 'peer', 'verify', '--help'], {
        cwd: ROOT,
      }).status === 0);

  /** Runs a program as a user whom rights bind. */
  function runBound(lab: Lab, ...args: string[]): Program {
    return lab.runIn(isRoot ? { limits: `set -- "$0" "$@"; exec ${asNobody.join(' ')} "$@"` } : {}, ...args);
  }

  /** Gives a file or a folder in a lab to that user. */
  function giveAway(lab: Lab, ...names: string[]): void {
    if (!isRoot) return;
    chmodSync(lab.path('.'), 0o755);
    for (const name of names) chownSync(lab.path(name), NOBODY, NOBODY);
  }

  describe.runIf(mayRun)(
    'and rights (skipped on Windows, and where user 65534 can not run `node peer`)',
    () => {
      it('as one in which we may not write does', async (context) => {
        const lab = newLab(context);
        const folder = lab.path('folder');
        mkdirSync(folder, { mode: 0o555 });
        giveAway(lab, 'folder');
        const refused = (): Promise<string> =>
          sentenceOf(runBound(lab, 'peer', '--port', '0', '--miner-port', '0', '--data-dir', folder));
        expect(await refused()).toMatch(/^peer: can't write to the data folder/);
        chmodSync(folder, 0o755);
        writeFileSync(join(folder, FILE), '', { mode: 0o444 });
        expect(await refused()).toBe(
          `peer: can't open the store in ${folder}: data.mdb: this user may not do that (EACCES); give this user the right to read and write it`,
        );
      });

      it.for([
        ['lock.mdb', 'store in', 0o444],
        ['lock.mdb', 'store in', 0o000],
        [LOCK, 'data folder', 0o444],
        [LOCK, 'data folder', 0o000],
      ] as const)(
        'as a file %s that may not be written does, which only a chain that is read does without (%s, %o)',
        async ([name, what, mode], context) => {
          const lab = newLab(context);
          const peer = await lab.newPeer();
          await lab.importChain(peer, buildChain(100, { difficulty: DIFFICULTY }), DIFFICULTY);
          chmodSync(join(peer.dataDir, name), mode);
          giveAway(lab, ...['', FILE, 'lock.mdb', LOCK].map((file) => join('peer-0', file)));
          const data = ['--data-dir', peer.dataDir];
          for (const args of [
            ['peer', '--port', '0', '--miner-port', '0'],
            ['peer', 'import', 'blocks.txt'],
            ['peer', 'pbft', 'start', '--index', '0', '--nodes', '4', '--port', '0', '--bind', LOOPBACK],
          ])
            expect(await sentenceOf(runBound(lab, ...args, ...data))).toBe(
              `peer: can't open the ${what} ${peer.dataDir}: ${name}: this user may not do that (EACCES); remove it while no peer runs on this folder, or give this user the right to read and write it`,
            );
          const read = runBound(lab, 'peer', 'export', '--to', '0', ...data);
          expect((await read.ended).code, read.explain()).toBe(0);
        },
      );
    },
  );

  const places = [
    ['lock.mdb', 'a folder', 'lock.mdb is a folder; remove it while no peer runs on this folder'],
    ['lock.mdb', 'a link to nowhere', 'remove it while no peer runs on this folder'],
    [FILE, 'a folder', 'data.mdb is a folder; move it away'],
  ] as const;
  it.for(places)(
    'as in place of %s %s does, also where it is only read',
    async ([name, what, reported], context) => {
      const lab = newLab(context);
      const peer = await lab.newPeer();
      await lab.importChain(peer, buildChain(100, { difficulty: DIFFICULTY }), DIFFICULTY);
      const path = join(peer.dataDir, name);
      rmSync(path);
      if (what === 'a folder') mkdirSync(path);
      else symlinkSync(join(peer.dataDir, 'nowhere', 'file'), path);
      const read = lab.run('peer', 'export', '--data-dir', peer.dataDir);
      for (const said of [await refusal(lab, peer.dataDir), await sentenceOf(read)]) {
        expect(said).toContain(`peer: can't open the store in ${peer.dataDir}: ${name}`);
        expect(said).toContain(reported);
      }
    },
  );
});

describe.concurrent('a data file that is empty or no store', () => {
  const START = ['--bind', LOOPBACK, '--port', '0', '--http-port', '0', '--log-format', 'json'];
  const kinds = [
    {
      kind: 'a peer',
      args: ['peer', '--miner-port', '0', ...START],
      emptied: /: a new store begins; if something was in it, let the peer download the chain again, or stop/,
      damaged: /is not a store .*; move it away and let the peer download the chain again$/,
    },
    {
      kind: 'a replica',
      args: ['peer', 'pbft', 'start', '--index', '0', '--nodes', '4', ...START],
      emptied: /: a new store begins; if something was in it, this replica has forgotten what it signed/,
      damaged: /is not a store .*; move it away and let the replica fetch the state of the others; /,
    },
  ];

  function folderWith(lab: Lab, content: string): string {
    const folder = lab.path('data');
    mkdirSync(folder);
    writeFileSync(join(folder, FILE), content);
    return folder;
  }

  it.for(kinds)(
    '($kind) begins a new store of an empty one, and warns once',
    async ({ args, emptied }, context) => {
      const lab = newLab(context);
      const folder = folderWith(lab, '');
      for (const expected of [[expect.stringMatching(emptied)], []]) {
        const program = lab.run(...args, '--data-dir', folder);
        await eventually('it is up', () => {
          if (!program.alive) throw new Error(program.explain());
          return program.records.some(({ message }) => message.endsWith(' is up'));
        });
        await program.kill('SIGTERM');
        const warned = program.records.filter(({ level }) => level === 'warn').map(({ message }) => message);
        expect(warned.filter((message) => message.includes(FILE))).toEqual(expected);
      }
    },
  );

  it.for(kinds)('($kind) is told what to do about a damaged one', async ({ args, damaged }, context) => {
    const lab = newLab(context);
    const folder = folderWith(lab, 'not a store');
    expect(await sentenceOf(lab.run(...args, '--data-dir', folder))).toMatch(damaged);
  });

  it('(a replica) is told the same of a value that has changed, and nothing else', async (context) => {
    const lab = newLab(context);
    const folder = lab.path('data');
    const args = [...(kinds[1]?.args ?? []), '--data-dir', folder];
    const first = lab.run(...args);
    await eventually('it is up', () => first.records.some(({ message }) => message === 'replica is up'));
    await first.kill('SIGTERM');
    const bytes = readFileSync(join(folder, FILE));
    // The digits that say whose store it is, wherever they lie in the file.
    const owner = /[0-9a-f]{64}/.exec(bytes.toString('latin1'))?.[0] ?? '';
    expect(owner).not.toBe('');
    for (let at = -1; (at = bytes.indexOf(owner, at + 1)) >= 0;)
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(join(folder, FILE), bytes);
    expect(await sentenceOf(lab.run(...args))).toMatch(
      /^peer: the store in \S+ is damaged \(\S+\); move it away and let the replica fetch the state of the others; [^;]+$/,
    );
  });

  it('can not be exported if it is empty, and an import warns', async (context) => {
    const lab = newLab(context);
    const folder = folderWith(lab, '');
    const data = ['--data-dir', folder];
    expect(await sentenceOf(lab.run('peer', 'export', ...data))).toBe(
      `peer: there is no store in ${folder}: its data.mdb is empty`,
    );
    const program = lab.run('peer', 'import', 'blocks.txt', ...data);
    expect((await program.ended).code).toBe(0);
    expect(program.lines).toContainEqual(
      expect.stringMatching(/^peer: \S+ was empty, .*: a new store begins; /),
    );
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
