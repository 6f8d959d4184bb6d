import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { staleSource } from '../../shared/stale.ts';
import { ROOT, requireBuild } from '../support/built.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gossip-stale-'));
  put('peer/main.ts', 10);
  put('peer/deep/part.ts', 10);
  put('shared/types.d.ts', 99);
  put('dist/peer/main.js', 20);
  put('dist/peer/deep/part.js', 20);
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** Writes a file that was changed last so many seconds after 1970. */
function put(path: string, time: number, content = ''): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  writeFileSync(join(root, path), content);
  utimesSync(join(root, path), time, time);
}

describe('a source is stale', () => {
  test('if it was changed since it was compiled, or never was', () => {
    expect(staleSource(root, ['peer', 'shared'])).toBeUndefined();
    put('peer/deep/part.ts', 21);
    expect(staleSource(root, ['shared'])).toBeUndefined();
    expect(staleSource(root, ['shared', 'peer'])).toBe(join('peer', 'deep', 'part.ts'));
    put('dist/peer/deep/part.js', 21);
    expect(staleSource(root, ['peer'])).toBeUndefined();
    put('peer/fresh.ts', 1);
    expect(staleSource(root, ['peer'])).toBe(join('peer', 'fresh.ts'));
  });
});

describe('a program that runs from dist/', () => {
  const run = (...args: readonly string[]): string => {
    const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'peer/index.js'), ...args], {
      encoding: 'utf8',
    });
    return stdout + stderr;
  };

  test('says in a checkout that it is old, unless another one has started it', () => {
    requireBuild();
    for (const file of ['peer/index.js', 'shared/launch.js', 'dist/shared/stale.js'])
      cpSync(join(ROOT, file), join(root, file));
    put('package.json', 1, '{"type":"module"}');
    put('node_modules/commander/index.js', 1);
    put('dist/peer/main.js', 20, 'console.log("it runs");\n');
    put('peer/main.ts', 30);
    // Nobody changes the sources of an installed package.
    expect(run()).toBe('it runs\n');
    mkdirSync(join(root, '.git'));
    expect(run()).toBe(
      `it runs\npeer: dist/ is older than ${join('peer', 'main.ts')}; "npm run build" brings it up to date\n`,
    );
    expect(run('--supervised')).toBe('it runs\n');
    put('peer/main.ts', 20);
    expect(run()).toBe('it runs\n');
    // As a dist/ is from before this was looked at.
    rmSync(join(root, 'dist/shared/stale.js'));
    expect(run()).toMatch(/^it runs\npeer: dist\/ is older than shared\/stale\.ts; /);
  });

  test('needs its dependencies in a checkout; where npm has put those of a package is its own matter', () => {
    for (const file of ['peer/index.js', 'shared/launch.js']) cpSync(join(ROOT, file), join(root, file));
    put('package.json', 1, '{"type":"module"}');
    put('dist/peer/main.js', 20, 'console.log("it runs");\n');
    expect(run()).toBe(
      'peer: its dependencies are not installed; run "npm ci" in the project folder first\n',
    );
    // A package has no sources.
    rmSync(join(root, 'peer/main.ts'));
    expect(run()).toBe('it runs\n');
  });
});

describe('before the tests', () => {
  const FOLDERS = ['peer', 'miner', 'shared', 'test'];
  const SETTINGS = ['tsconfig.json', 'peer/web/page/tsconfig.json', 'package-lock.json'];
  /** What it does, with a build that only says so, or fails. */
  const prepare = (build = 'echo compiled'): { readonly stdout: string; readonly status: number | null } => {
    put('package.json', 1, JSON.stringify({ type: 'module', scripts: { build } }));
    const { stdout, status } = spawnSync(process.execPath, [join(root, 'shared/build-if-stale.js')], {
      encoding: 'utf8',
    });
    return { stdout, status };
  };

  beforeEach(() => {
    requireBuild();
    for (const folder of FOLDERS) mkdirSync(join(root, folder), { recursive: true });
    for (const file of SETTINGS) put(file, 10, '{}');
    cpSync(join(ROOT, 'shared/build-if-stale.js'), join(root, 'shared/build-if-stale.js'));
    cpSync(join(ROOT, 'dist/shared/stale.js'), join(root, 'dist/shared/stale.js'));
  });

  test('nothing is compiled that is compiled', () => {
    expect(prepare()).toEqual({ stdout: '', status: 0 });
  });

  test.each(['peer/main.ts', 'test/new.test.ts', 'miner/new.ts'])(
    '%s, which is newer, is compiled',
    (file) => {
      put(file, 30);
      expect(prepare()).toEqual({ stdout: 'compiled\n', status: 0 });
      expect(prepare('exit 3').status).not.toBe(0);
    },
  );

  test.each(SETTINGS)('all is compiled where %s is newer', (file) => {
    put(file, Date.now() / 1000 + 1000);
    expect(prepare().stdout).toBe('compiled\n');
  });

  test('all is compiled where nothing was', () => {
    rmSync(join(root, 'dist'), { recursive: true });
    expect(prepare().stdout).toBe('compiled\n');
  });
});
