import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { lockFolder } from '../../peer/storage/lock.ts';
import { UserError } from '../../shared/errors.ts';

const HOLDER = fileURLToPath(new URL('../../dist/test/storage/holder.js', import.meta.url));

type Holder = ChildProcessByStdio<Writable, Readable, null>;

let folder: string;
const holders = new Set<Holder>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterEach(async () => {
  for (const holder of holders) await end(holder, 'SIGKILL');
  rmSync(folder, { recursive: true });
});

/** Starts a process that takes the folder, and waits for what it says. */
async function startHolder(): Promise<{ holder: Holder; said: string }> {
  expect(existsSync(HOLDER), 'the tests run compiled programs; run "npm run build" first').toBe(true);
  const holder = spawn(process.execPath, [HOLDER, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  holders.add(holder);
  const [said] = (await once(holder.stdout.setEncoding('utf8'), 'data')) as [string];
  return { holder, said: said.trim() };
}

async function end(holder: Holder, how: 'SIGKILL' | 'orderly'): Promise<void> {
  holders.delete(holder);
  if (holder.exitCode !== null || holder.signalCode !== null) return;
  const ended = once(holder, 'exit');
  if (how === 'SIGKILL') holder.kill(how);
  else holder.stdin.end();
  await ended;
}

it('a folder is taken once in a process, and again when it was given back', async () => {
  const lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(UserError);
  await expect(lockFolder(folder)).rejects.toThrow('already open in this process');
  lock.release();
  expect(readdirSync(folder)).toStrictEqual([]);
  const second = await lockFolder(folder);
  // The first has nothing to give back any more.
  lock.release();
  await expect(lockFolder(folder)).rejects.toThrow('already open in this process');
  second.release();
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
  const { holder, said } = await startHolder();
  expect(said).toBe('held');
  await expect(lockFolder(folder)).rejects.toThrow(UserError);
  await expect(lockFolder(folder)).rejects.toThrow(
    `the data folder ${folder} is in use by process ${String(holder.pid)}; stop that one, or choose another with --data-dir`,
  );
  expect(readdirSync(folder)).toHaveLength(1);
  await end(holder, 'orderly');
  expect(readdirSync(folder)).toStrictEqual([]);
  (await lockFolder(folder)).release();
});

it('a folder whose process was killed is free', async () => {
  for (let round = 0; round < 3; round++) {
    const { holder, said } = await startHolder();
    expect(said).toBe('held');
    await end(holder, 'SIGKILL');
    expect(readdirSync(folder)).toHaveLength(1);
  }
  const lock = await lockFolder(folder);
  expect(readdirSync(folder)).toHaveLength(1);
  lock.release();
  expect(readdirSync(folder)).toStrictEqual([]);
});

it.skipIf(process.platform !== 'linux')(
  'a folder whose process number belongs to another by now is free',
  async () => {
    writeFileSync(join(folder, `peer-${process.ppid}-0badb00t1.lock`), '');
    const lock = await lockFolder(folder);
    expect(readdirSync(folder)).toHaveLength(1);
    lock.release();
  },
);

it('our own number of an earlier life is no hindrance', async () => {
  const lock = await lockFolder(folder);
  const [name = ''] = readdirSync(folder);
  lock.release();
  writeFileSync(join(folder, name), '');
  (await lockFolder(folder)).release();
  expect(readdirSync(folder)).toStrictEqual([]);
});

it('other files are left alone, whatever they are', async () => {
  const others = [
    'data.mdb',
    'lock.mdb',
    'lock',
    'peer-.lock',
    'peer-1.lock',
    'peer-x-y.lock',
    'peer-1-2.lock.txt',
  ];
  for (const name of others) writeFileSync(join(folder, name), 'half writ');
  const lock = await lockFolder(folder);
  lock.release();
  expect(readdirSync(folder).sort()).toStrictEqual(others.sort());
});

it('a folder that is not there, or is a file, is refused', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const place of [join(folder, 'nowhere'), file]) {
    await expect(lockFolder(place)).rejects.toThrow(UserError);
    await expect(lockFolder(place)).rejects.toThrow(/^can't write to the data folder [^\n]+$/);
  }
});

it('of several that start at once, at most one gets in, and none is in the way later', async () => {
  for (let round = 0; round < 4; round++) {
    // Leftovers make them all clean up at the same time.
    for (let dead = 0; dead < 20; dead++) writeFileSync(join(folder, `peer-${4_000_000 + dead}-0.lock`), '');
    const started = await Promise.all(Array.from({ length: 5 }, startHolder));
    const winners = started.filter(({ said }) => said === 'held');
    expect(winners.length).toBeLessThanOrEqual(1);
    for (const { said } of started)
      expect(said).toMatch(/^(held|refused: the data folder .* is in use by process \d+;.*)$/);
    expect(readdirSync(folder)).toHaveLength(winners.length);
    for (const { holder } of started) await end(holder, 'orderly');
    (await lockFolder(folder)).release();
  }
});
