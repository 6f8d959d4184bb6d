/** What reaches the disk, and when, as the system sees it: `kill -9` can't show it, for the system outlives that. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { requireBuild } from '../support/built.ts';

const STORE = 'dist/peer/storage/lmdb.js';
requireBuild(STORE);
const hasStrace = spawnSync('strace', ['true']).status === 0;

const PROGRAM = `
import { writeSync } from 'node:fs';
import { openLmdbStore } from '${new URL(`../../${STORE}`, import.meta.url).href}';
const store = openLmdbStore(process.argv[1]);
for (const value of ['one', 'two', 'three']) {
  store.write([{ type: 'put', key: 'key', value }]);
  writeSync(1, 'written');
}
process.exit();
`;

/** What a program does to the disk, in its order. */
function* events(trace: string, parent: string): Generator<string, void, undefined> {
  let rootFile = '';
  for (const line of trace.split('\n')) {
    const [, call = '', file = '', path = ''] = /^\d+ +(\w+)\((\d+)<([^>]*)>/.exec(line) ?? [];
    if (line.includes('data.mdb') && line.includes('O_DSYNC')) rootFile = / = (\d+)</.exec(line)?.[1] ?? '';
    if (call === 'write' && line.includes('"written"')) yield 'written';
    else if (!path.startsWith(parent)) continue;
    else if (call === 'fsync') yield `sync of ${path.slice(parent.length)}/`;
    else if (!path.endsWith('/data.mdb')) continue;
    else if (call === 'fdatasync') yield 'flush';
    else if (/writev?(64)?$/.test(call)) yield file === rootFile ? 'root' : 'pages';
  }
}

it.skipIf(!hasStrace)(
  `a write is on the disk before it returns: its pages, then its root, and at first all folders${hasStrace ? '' : ' (skipped: there is no strace)'}`,
  () => {
    const parent = realpathSync(mkdtempSync(join(tmpdir(), 'sync-')));
    onTestFinished(() => {
      rmSync(parent, { recursive: true });
    });
    const log = join(parent, 'trace');
    const traced = ['openat', 'fsync', 'fdatasync', 'pwrite64', 'pwritev', 'writev', 'write'].join(',');
    const options = ['-f', '-y', '-e', `trace=${traced}`, '-o', log];
    const program = [process.execPath, '--input-type=module', '--eval', PROGRAM, join(parent, 'a', 'b')];
    const { status, stderr } = spawnSync('strace', [...options, ...program], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    const all = [...events(readFileSync(log, 'utf8'), parent)];
    // A write takes as many calls as LMDB likes.
    const seen = all.filter((event, index) => event !== all[index - 1]);
    const begin = seen.lastIndexOf('sync of /a/') + 1;
    expect(seen.slice(0, begin)).toEqual(
      expect.arrayContaining(['sync of /', 'sync of /a/', 'sync of /a/b/']),
    );
    const write = ['pages', 'flush', 'root', 'written'];
    expect(seen.slice(begin)).toEqual([...write, ...write, ...write]);
  },
);
