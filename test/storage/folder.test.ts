import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { makeFolder } from '../../peer/storage/folder.ts';

describe('makeFolder', () => {
  let home: string;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'gossip-folder-'));
  });
  afterAll(() => {
    rmSync(home, { recursive: true });
  });

  it('creates a folder and those above it, and leaves them if they are there', () => {
    const folder = join(home, 'a', 'b', 'c');
    makeFolder(folder);
    makeFolder(folder);
    expect(existsSync(folder)).toBe(true);
  });

  it('says so where a file is in the way', () => {
    writeFileSync(join(home, 'file'), '');
    expect(() => {
      makeFolder(join(home, 'file', 'x'));
    }).toThrow(/ENOTDIR/);
  });

  // Skipped where there is no /proc: only its refusals make Node's own recursive mkdir run for ever.
  it.runIf(existsSync('/proc/self'))('ends where the system refuses', () => {
    expect(() => {
      makeFolder('/proc/self/no-such-folder/x');
    }).toThrow(/ENOENT|EACCES|EPERM|EROFS/);
  });
});
