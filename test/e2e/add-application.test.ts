/** What `peer/applications/README.md` says of adding an application, done to the letter in a copy of the checkout. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, expect, it } from 'vitest';

import { ROOT, requireBuild } from '../support/built.ts';
import { copyFromCheckout, shellWell } from '../support/project.ts';

const folder = mkdtempSync(join(tmpdir(), 'gossip-application-'));
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The blocks of code of a kind, as lines, in their order. */
function blocks(text: string, kind: string): string[][] {
  return [...text.matchAll(new RegExp(`\`\`\`${kind}\n([^]*?)\n\`\`\``, 'g'))].map(([, code = '']) =>
    code.split('\n'),
  );
}

/** Puts lines behind the last one that matches. */
function insert(path: string, pattern: RegExp, lines: readonly string[]): void {
  const all = readFileSync(join(folder, path), 'utf8').split('\n');
  const at = all.findLastIndex((line) => pattern.test(line));
  expect(at).toBeGreaterThan(-1);
  writeFileSync(join(folder, path), all.toSpliced(at + 1, 0, ...lines).join('\n'));
}

/** Puts a line in the place of the one that matches. */
function replaceLine(path: string, pattern: RegExp, line: string): void {
  const all = readFileSync(join(folder, path), 'utf8').split('\n');
  const at = all.findIndex((one) => pattern.test(one));
  expect(at).toBeGreaterThan(-1);
  writeFileSync(join(folder, path), all.with(at, line).join('\n'));
}

it('an application that is added as the README says is tested, and runs', async () => {
  requireBuild();
  copyFromCheckout(folder, [
    ...['package.json', 'tsconfig.json', 'vitest.config.ts', 'peer', 'miner', 'shared', 'test/applications'],
    ...['dist/peer', 'dist/miner', 'dist/shared'],
  ]);
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, '.git'));
  const readme = readFileSync(join(folder, 'peer/applications/README.md'), 'utf8');
  const [begin = [], finish = []] = blocks(readme, 'sh');
  const [[imported = '', entry = ''] = [], subject = []] = blocks(readme, 'ts');

  for (const line of begin) await shellWell(line, folder, folder);
  insert('peer/applications/registry.ts', /^import /, [imported]);
  replaceLine('peer/applications/registry.ts', /^const ALL/, entry);
  insert('test/applications/applications.test.ts', /^const SUBJECTS/, subject);

  const said: string[] = [];
  for (const line of finish) {
    // Types were checked with those of the example; what takes long is to check those of everything else again.
    const quick = line.replace('npm run build', 'node node_modules/typescript/bin/tsc -p . --noCheck');
    const { stdout, stderr } = await shellWell(quick, folder, join(folder, 'npm'));
    expect(stderr).not.toContain('dist/ is older than');
    said.push(stdout);
  }
  expect(finish).toContain('npm run build');
  expect(said.join('\n')).toMatch(/✓[^\n]*applications\.test\.ts/);
  expect(
    said
      .at(-1)
      ?.split('\n')
      .filter((line) => /^-?\d+$/.test(line)),
  ).toEqual(['5', '4', '4']);
});
