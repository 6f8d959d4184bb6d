import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { requireBuild } from './built.ts';
import { Program } from './processes.ts';

/** The compiled module: Node 20 runs no TypeScript. */
const MODULE = 'dist/test/support/processes.js';
requireBuild(MODULE);

it('a process that ends before it has closed its lab leaves no folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gossip-leave-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const script = `
    import { mkdirSync } from 'node:fs';
    import { Lab } from './${MODULE}';
    mkdirSync(new Lab().path('data'));
    process.exit(130);
  `;
  const program = new Program(['--input-type=module', '-e', script], { env: { TMPDIR: folder } });
  expect((await program.ended).code).toBe(130);
  expect(readdirSync(folder)).toEqual([]);
});
