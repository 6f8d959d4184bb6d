import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { openDataDir } from '../../peer/storage/data-dir.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'data-dir-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

it('a folder has a name: an empty one is not the current folder', async () => {
  await expect(openDataDir('')).rejects.toThrow('the name of the data folder is empty');
});

const modeOf = (path: string): number => statSync(path).mode & 0o777;

it.skipIf(process.platform === 'win32')('a folder with secrets is for its owner alone', async () => {
  const path = join(folder, 'cluster', 'replica');
  await (await openDataDir(path, { secret: true })).close();
  expect(modeOf(path)).toBe(0o700);
  // One that others may look into is that of somebody who wants it so, or of an earlier version.
  chmodSync(path, 0o750);
  const warnings: string[] = [];
  const warn = (message: string): void => {
    warnings.push(message);
  };
  await (await openDataDir(path, { secret: true, warn })).close();
  expect(warnings).toStrictEqual([
    `others on this machine may look into the data folder ${path}; keep them out with chmod 700 ${path}`,
  ]);
  expect(modeOf(path)).toBe(0o750);
});

it.skipIf(process.platform === 'win32')('what everybody is told anyway is no secret', async () => {
  const path = join(folder, 'peer');
  const warnings: string[] = [];
  const warn = (message: string): void => {
    warnings.push(message);
  };
  await (await openDataDir(path, { warn })).close();
  // Whatever the mask of the user leaves of it.
  mkdirSync(join(folder, 'plain'));
  expect(modeOf(path)).toBe(modeOf(join(folder, 'plain')));
  await (await openDataDir(path, { warn })).close();
  expect(warnings).toStrictEqual([]);
});
