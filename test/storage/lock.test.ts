import { spawn, spawnSync, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openDataDir } from '../../peer/storage/data-dir.ts';
import { lockFolder, type FolderLock } from '../../peer/storage/lock.ts';
import { UserError } from '../../shared/errors.ts';
import { requireBuild } from '../support/built.ts';

const [HOLDER, READER] = ['holder', 'reader'].map((name) => {
  const file = `dist/test/storage/${name}.js`;
  requireBuild(file);
  return fileURLToPath(new URL(`../../${file}`, import.meta.url));
}) as [string, string];
const FILE = 'peer.lock';

type Program = ChildProcessByStdio<Writable, Readable, null>;

let folder: string;
const programs = new Set<ChildProcess>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterEach(async () => {
  for (const program of programs) await kill(program);
  rmSync(folder, { recursive: true });
});

/** Starts a program, and waits for the first line that it says. */
async function start(command: string, ...args: string[]): Promise<{ program: Program; said: string }> {
  expect(existsSync(HOLDER), 'the tests run compiled programs; run "npm run build" first').toBe(true);
  const program = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  programs.add(program);
  let said = '';
  for await (const text of program.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    said += text as string;
    if (said.endsWith('\n')) break;
  }
  return { program, said: said.trim() };
}

/** Takes the folder at once, or not at all: nobody who has it is about to end. */
const lockAtOnce = (): Promise<FolderLock> => lockFolder(folder, undefined, 0);

/** A process that takes the folder. */
const startHolder = (): ReturnType<typeof start> => start(process.execPath, HOLDER, folder);

async function kill(program: ChildProcess): Promise<void> {
  programs.delete(program);
  if (program.exitCode !== null || program.signalCode !== null) return;
  const ended = once(program, 'exit');
  program.kill('SIGKILL');
  await ended;
}

async function end(program: Program): Promise<void> {
  programs.delete(program);
  const ended = once(program, 'exit');
  program.stdin.end();
  await ended;
}

const inUse = (by: string): string =>
  `the data folder ${folder} is in use by ${by}; stop that one, or choose another with --data-dir`;

it('a folder is taken once in a process, and again when it was given back', async () => {
  const lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(UserError);
  await expect(lockFolder(folder)).rejects.toThrow('already open in this process');
  lock.release();
  const second = await lockFolder(folder);
  // The first has nothing to give back any more.
  lock.release();
  await expect(lockFolder(folder)).rejects.toThrow('already open in this process');
  second.release();
  expect(readdirSync(folder)).toStrictEqual([FILE]);
});

it('a folder is the same under another name', async () => {
  const alias = `${folder}-alias`;
  symlinkSync(folder, alias);
  try {
    const lock = await lockFolder(folder);
    await expect(lockFolder(alias)).rejects.toThrow('already open in this process');
    lock.release();
  } finally {
    rmSync(alias);
  }
});

it('a folder that another process has is refused, with its number and what to do', async () => {
  const { program, said } = await startHolder();
  expect(said).toBe(`held by ${program.pid}`);
  await expect(lockFolder(folder)).rejects.toThrow(UserError);
  await expect(lockAtOnce()).rejects.toThrow(inUse(`process ${program.pid}`));
  await end(program);
  // A lock that nobody has says nothing of anybody.
  expect(readFileSync(join(folder, FILE), 'utf8')).toBe('');
  (await lockFolder(folder)).release();
});

it.each([
  ['on another machine', { process: 7, namespace: '', host: 'far.example' }, 'process 7 on far.example'],
  ['that says nothing of itself', undefined, 'another process'],
  ['with a text that is none of ours', { process: 7, host: 'a\nb' }, 'another process'],
])('a folder in use by a process %s is refused in one sentence', async (_, holder, by) => {
  const { program } = await startHolder();
  writeFileSync(join(folder, FILE), holder === undefined ? '' : JSON.stringify(holder));
  await expect(lockAtOnce()).rejects.toThrow(inUse(by));
  await end(program);
});

it('a folder whose process was killed is free at once', async () => {
  for (let round = 0; round < 2; round++) {
    const { program, said } = await startHolder();
    expect(said).toBe(`held by ${program.pid}`);
    await kill(program);
  }
  (await lockFolder(folder)).release();
});

it.skipIf(process.platform === 'win32')(
  'a folder whose process was killed and not yet reaped is free',
  async () => {
    // The shell becomes a program that never asks what became of its child.
    const script = '"$0" "$1" "$2" 0 ever & exec sleep 600';
    const { said } = await start('sh', '-c', script, process.execPath, HOLDER, folder);
    const pid = Number(said.replace('held by ', ''));
    await expect(lockAtOnce()).rejects.toThrow(inUse(`process ${pid}`));
    process.kill(pid, 'SIGKILL');
    const lock = await lockFolder(folder);
    if (process.platform === 'linux') {
      expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toMatch(/^\d+ \(.*\) Z /);
    }
    lock.release();
  },
);

/** Runs a command in a PID namespace of its own, as a container does: its process is number 1. */
const CONTAINER = ['--pid', '--fork', '--mount-proc', '--kill-child'];
const hasContainers = spawnSync('unshare', [...CONTAINER, 'true']).status === 0;
const inContainer = (program = HOLDER, ...patience: string[]): ReturnType<typeof start> =>
  start('unshare', ...CONTAINER, process.execPath, program, folder, ...patience);

describe.skipIf(!hasContainers)(
  `PID namespaces${hasContainers ? '' : ' (skipped: unshare does not make any here)'}`,
  () => {
    it('a folder in use in one is refused in another, and outside', async () => {
      const { program, said } = await inContainer();
      expect(said).toBe('held by 1');
      expect((await inContainer(HOLDER, '0')).said).toBe(
        `refused: ${inUse('process 1 of another container')}`,
      );
      await expect(lockAtOnce()).rejects.toThrow(inUse('process 1 of another container'));
      await kill(program);
    });

    it('a folder in use outside is refused in one', async () => {
      const lock = await lockFolder(folder);
      expect((await inContainer(HOLDER, '0')).said).toBe(
        `refused: ${inUse(`process ${process.pid} of another container`)}`,
      );
      lock.release();
    });

    it('process 1 that was killed is followed at once by another process 1', async () => {
      for (let round = 0; round < 3; round++) {
        const { program, said } = await inContainer();
        expect(said).toBe('held by 1');
        // The end is not waited for: who restarts it may be faster than the kernel.
        program.kill('SIGKILL');
      }
    });

    it('a store that process 1 of one reads is not read by process 1 of another, which is said', async () => {
      const data = await openDataDir(folder);
      data.store.write([{ type: 'put', key: 'key', value: 'value' }]);
      expect((await inContainer(READER)).said).toBe('read value');
      const { program, said } = await inContainer(READER);
      expect(said).toBe(
        `refused: can't open the store in ${folder}: a process of another container has it open under our number, 1; run this one in that container, or in one with an init process`,
      );
      // Nothing of LMDB is left that would throw a moment later.
      expect(program.exitCode ?? (await once(program, 'exit'))[0]).toBe(0);
      expect((await start(process.execPath, READER, folder)).said).toBe('read value');
      await data.close();
    });
  },
);

describe('folders of an earlier version', () => {
  const leave = (pid: number, started: string): string => {
    const name = `peer-${pid}-${started}.lock`;
    writeFileSync(join(folder, name), '');
    return name;
  };

  it('a lock whose process is gone, or is another by now, is no hindrance and is removed', async () => {
    leave(4_000_000, '0badb00t1');
    leave(process.ppid, '0badb00t1');
    leave(process.pid, '0');
    (await lockFolder(folder)).release();
    expect(readdirSync(folder)).toStrictEqual([FILE]);
  });

  it.skipIf(process.platform !== 'linux')('a lock whose process runs is honoured', async () => {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
    const status = readFileSync(`/proc/${process.ppid}/stat`, 'utf8');
    const ticks = status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    const name = leave(process.ppid, `${boot}${ticks}`);
    const refusal = inUse(`process ${process.ppid} of an earlier version`);
    await expect(lockFolder(folder)).rejects.toThrow(refusal);
    rmSync(join(folder, name));
    (await lockFolder(folder)).release();
  });

  it('other files are left alone, whatever they are', async () => {
    const others = ['data.mdb', 'lock.mdb', 'lock', 'peer-.lock', 'peer-1.lock', 'peer-x-y.lock'];
    for (const name of [...others, 'peer-1-2.lock.txt']) writeFileSync(join(folder, name), 'half writ');
    (await lockFolder(folder)).release();
    expect(readdirSync(folder).sort()).toStrictEqual([...others, 'peer-1-2.lock.txt', FILE].sort());
  });
});

it('a folder that is not there, or is a file, is refused', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const place of [join(folder, 'nowhere'), file]) {
    await expect(lockFolder(place)).rejects.toThrow(UserError);
    await expect(lockFolder(place)).rejects.toThrow(/^can't write to the data folder [^\n]+$/);
  }
});

describe('a folder whose lock is no file is refused, with what to do', () => {
  const path = (): string => join(folder, FILE);

  it('a folder', async () => {
    mkdirSync(path());
    await expect(lockFolder(folder)).rejects.toThrow(
      new UserError(
        `can't open the data folder ${folder}: ${FILE} is a folder; remove it while no peer runs on this folder`,
      ),
    );
  });

  it('a link: what it leads to is neither made nor written', async () => {
    const elsewhere = join(folder, 'elsewhere');
    symlinkSync(elsewhere, path());
    await expect(lockFolder(folder)).rejects.toThrow(
      `${FILE}: there is no such file or folder (ENOENT); remove it while no peer runs on this folder`,
    );
    expect(existsSync(elsewhere)).toBe(false);
    writeFileSync(elsewhere, 'dear');
    await expect(lockFolder(folder)).rejects.toThrow(
      `${FILE} is a link; remove it while no peer runs on this folder`,
    );
    expect(readFileSync(elsewhere, 'utf8')).toBe('dear');
  });
});

it.skipIf(process.platform === 'win32')('nobody else may lock the file', async () => {
  (await lockFolder(folder)).release();
  expect(statSync(join(folder, FILE)).mode & 0o777).toBe(0o600);
});

describe('a lock that nobody can judge', () => {
  const refusal = (load: Parameters<typeof lockFolder>[1]): Promise<unknown> =>
    lockFolder(folder, load).catch((error: unknown) => error);

  it('without a binary for this machine the folder is refused, with what to do', async () => {
    const error = await refusal(() => Promise.reject(new Error("Cannot find addon '.'\n    at …")));
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain(
      `the data folder ${folder} can't be locked: fs-native-extensions does not run on this machine (Cannot find addon '.'); reinstall with "npm ci", or use a system for which it has a binary`,
    );
  });

  it('on a file system without locks the folder is refused, with what to do', async () => {
    const none = Object.assign(new Error('no locks available'), { code: 'ENOLCK' });
    const error = await refusal(() =>
      Promise.resolve(() => {
        throw none;
      }),
    );
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain(
      `the data folder ${folder} can't be locked: its file system does not do it (no locks available); choose a folder on another disk with --data-dir`,
    );
  });

  it('on a file system whose locks hold nobody off the folder is refused', async () => {
    const error = await refusal(() => Promise.resolve(() => true));
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain('(locks have no effect there)');
  });

  it('a system that calls a locked file busy means that somebody has it', async () => {
    const busy = Object.assign(new Error('resource busy or locked'), { code: 'EBUSY' });
    const error = await refusal(() =>
      Promise.resolve(() => {
        throw busy;
      }),
    );
    expect(String(error)).toContain(inUse('another process'));
  });
});

it('of several that start at once exactly one gets in, and none is in the way later', async () => {
  for (let round = 0; round < 2; round++) {
    // Leftovers make them all clean up at the same time.
    for (let dead = 0; dead < 20; dead++) writeFileSync(join(folder, `peer-${4_000_000 + dead}-0.lock`), '');
    const started = await Promise.all(Array.from({ length: 4 }, startHolder));
    const [winner, ...others] = started.filter(({ said }) => said.startsWith('held'));
    expect(others).toStrictEqual([]);
    for (const one of started) {
      if (one === winner) continue;
      expect(one.said).toBe(`refused: ${inUse(`process ${winner?.program.pid}`)}`);
    }
    for (const { program } of started) await kill(program);
    expect(readdirSync(folder)).toStrictEqual([FILE]);
    (await lockFolder(folder)).release();
  }
});

it('a lock on a file that was removed meanwhile does not count: the one that is there is locked', async () => {
  const file = join(folder, FILE);
  let tries = 0;
  const lock = await lockFolder(folder, async () => {
    const { tryLock } = await import('fs-native-extensions');
    return (descriptor) => {
      if (tries++ === 0) rmSync(file);
      return tryLock(descriptor);
    };
  });
  expect(existsSync(file)).toBe(true);
  await expect(lockFolder(folder)).rejects.toThrow('already open in this process');
  lock.release();
});
