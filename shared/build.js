// Runs after `npm ci` and `npm install`, and before `npm pack` (the "prepare" script): compiles the sources, and what runs
// in browsers, to dist/. Without the development dependencies there is no TypeScript compiler; that must not fail an
// install, so it only says so.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

// Not one that happens to be installed in a folder above: its version is anybody's.
const compiler = join(root, 'node_modules/typescript/bin/tsc');

function compile() {
  for (const project of ['.', 'peer/web/page']) {
    const { status } = spawnSync(process.execPath, [compiler, '-p', project], {
      stdio: 'inherit',
      cwd: root,
    });
    process.exitCode ||= status ?? 1;
  }
}

/** The compiler leaves what it once made of sources that are gone, and a package would have it too. */
function removeOrphans() {
  for (const file of readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })) {
    const source = join(root, file.replace(/(?:\.d\.ts|\.js)$/, '.ts'));
    if (/\.(?:ts|js)$/.test(file) && !existsSync(source)) rmSync(join(root, 'dist', file));
  }
}

// A package brings dist/ and nothing to compile.
if (existsSync(join(root, 'tsconfig.json'))) {
  if (existsSync(compiler)) {
    compile();
    if (!process.exitCode) removeOrphans();
  } else {
    console.error(
      'gossip-peer: the TypeScript compiler is not installed (npm ci --omit=dev?), so nothing was compiled.\n' +
        'Node 22.18 or newer runs the sources as they are; on Node 20 run "npm ci" once with the development dependencies.',
    );
  }
}
