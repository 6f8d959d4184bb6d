// What `node peer` and `node miner` have in common: run the compiled program if there is one, else the sources
// where Node can run TypeScript itself (22.18 and newer), else say what to do.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Loads a program's main module.
 * @param {'peer' | 'miner'} program the folder of the program
 */
export async function launch(program) {
  const built = new URL(`../dist/${program}/main.js`, import.meta.url);
  const source = new URL(`../${program}/main.ts`, import.meta.url);
  // What an installed package needs npm has put where it liked; and such a package has no sources.
  if (existsSync(source) && !existsSync(new URL('../node_modules/commander', import.meta.url))) {
    fail(program, 'its dependencies are not installed; run "npm ci" in the project folder first');
  } else if (existsSync(built)) {
    await warnIfStale(program);
    await import(built.href);
  } else if (process.features.typescript) {
    await import(source.href);
  } else {
    fail(program, 'it is not compiled yet; run "npm ci" (or "npm run build") in the project folder first');
  }
}

/**
 * Says that sources were changed since they were compiled, where that is what people do: in a checkout. Programs that
 * another one of ours has started leave it to that.
 * @param {'peer' | 'miner'} program
 */
async function warnIfStale(program) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  if (!existsSync(`${root}/.git`) || process.argv.includes('--supervised')) return;
  const looker = new URL('../dist/shared/stale.js', import.meta.url);
  // A dist/ from before there was one is old.
  const source = existsSync(looker)
    ? (await import(looker.href)).staleSource(root, [program, 'shared'])
    : 'shared/stale.ts';
  if (source === undefined) return;
  console.error(`${program}: dist/ is older than ${source}; "npm run build" brings it up to date`);
}

/**
 * @param {string} program
 * @param {string} problem
 */
function fail(program, problem) {
  console.error(`${program}: ${problem}`);
  process.exitCode = 1;
}
