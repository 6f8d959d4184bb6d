// Runs before the tests: compiles, unless everything has been compiled since it was changed last, as right after an install.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const looker = join(root, 'dist/shared/stale.js');
const changed = (file) => statSync(join(root, file)).mtimeMs;

async function isStale() {
  if (!existsSync(looker)) return true;
  // What is compiled depends on how it is compiled, and by what, too.
  const settings = ['tsconfig.json', 'peer/web/page/tsconfig.json', 'package-lock.json'];
  if (settings.some((file) => changed(file) > statSync(looker).mtimeMs)) return true;
  const { staleSource } = await import(pathToFileURL(looker).href);
  return staleSource(root, ['peer', 'miner', 'shared', 'test']) !== undefined;
}

if (await isStale()) {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], {
    stdio: 'inherit',
    cwd: root,
    shell: process.platform === 'win32',
  });
  process.exitCode = status ?? 1;
}
