// Runs after `npm ci` and `npm install` (the "prepare" script): compiles the sources, and what runs in browsers, to
// dist/, and beside that the native kernel of the miner, if there is a C compiler. The latter never fails: without it
// the miner is only slower. Without the development dependencies there is no TypeScript compiler; that must not fail an
// install, so it only says so.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

// Not one that happens to be installed in a folder above: its version is anybody's.
const compiler = join(root, 'node_modules/typescript/bin/tsc');
if (!existsSync(compiler)) {
  console.error(
    'gossip-peer: the TypeScript compiler is not installed (npm ci --omit=dev?), so nothing was compiled.\n' +
      'Node 22.18 or newer runs the sources as they are; on Node 20 run "npm ci" once with the development dependencies.',
  );
} else {
  spawn(process.execPath, [join(root, 'miner/kernel/native/build.js')], { stdio: 'inherit' }).on(
    'error',
    () => {},
  );
  for (const project of ['.', 'peer/web/page']) {
    const { status } = spawnSync(process.execPath, [compiler, '-p', project], {
      stdio: 'inherit',
      cwd: root,
    });
    process.exitCode ||= status ?? 1;
  }
}
