/** What `npm ci` and `npm pack` run to have dist/ made, with a compiler that only writes down what it is asked for. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ROOT } from '../support/built.ts';

const COMPILER = 'node_modules/typescript/bin/tsc';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gossip-build-'));
  mkdirSync(join(root, 'shared'));
  cpSync(join(ROOT, 'shared/build.js'), join(root, 'shared/build.js'));
  put('package.json', '{"type":"module"}');
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, content = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

/** @param outcome of the compiler */
function putCompiler(outcome: number): void {
  put('node_modules/typescript/package.json', '{"type":"commonjs"}');
  put(
    COMPILER,
    `require('node:fs').appendFileSync('asked', process.argv.slice(2).join(' ') + '\\n'); process.exitCode = ${outcome};`,
  );
}

function build(): { code: number | null; said: string } {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'shared/build.js')], {
    encoding: 'utf8',
  });
  return { code: status, said: stderr };
}

describe('the build of an install', () => {
  it('compiles the program and the page, and removes what is left of sources that are gone', () => {
    putCompiler(0);
    put('tsconfig.json');
    for (const source of ['peer/here.ts', 'shared/types.d.ts']) put(source);
    for (const made of ['here.js', 'here.d.ts', 'gone.js', 'gone.d.ts', 'deep/gone.js'])
      put(`dist/peer/${made}`);
    put('dist/miner/native.node');
    expect(build()).toEqual({ code: 0, said: '' });
    expect(readFileSync(join(root, 'asked'), 'utf8')).toBe('-p .\n-p peer/web/page\n');
    const left = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' });
    expect(left.filter((file) => /\.\w+$/.test(file)).toSorted()).toEqual([
      ...['miner/native.node', 'peer/here.d.ts', 'peer/here.js'],
    ]);
  });

  it('fails where the compiler does', () => {
    putCompiler(2);
    put('tsconfig.json');
    expect(build()).toEqual({ code: 2, said: '' });
  });

  it('says what to do where there is no compiler, and is silent in a package, which has nothing to compile', () => {
    put('tsconfig.json');
    const { code, said } = build();
    expect(code).toBe(0);
    expect(said).toContain('nothing was compiled');
    rmSync(join(root, 'tsconfig.json'));
    putCompiler(2);
    expect(build()).toEqual({ code: 0, said: '' });
    expect(existsSync(join(root, 'asked'))).toBe(false);
  });
});
