// What `node peer` and `node miner` have in common: run the compiled program if there is one, else the sources
// where Node can run TypeScript itself (22.18 and newer), else say what to do.
import { existsSync } from 'node:fs';

/**
 * Loads a program's main module.
 * @param {'peer' | 'miner'} program the folder of the program
 */
export async function launch(program) {
  const built = new URL(`../dist/${program}/main.js`, import.meta.url);
  const source = new URL(`../${program}/main.ts`, import.meta.url);
  if (!existsSync(new URL('../node_modules/commander', import.meta.url))) {
    fail(program, 'its dependencies are not installed; run "npm ci" in the project folder first');
  } else if (existsSync(built)) {
    await import(built.href);
  } else if (process.features.typescript) {
    await import(source.href);
  } else {
    fail(program, 'it is not compiled yet; run "npm ci" (or "npm run build") in the project folder first');
  }
}

/**
 * @param {string} program
 * @param {string} problem
 */
function fail(program, problem) {
  console.error(`${program}: ${problem}`);
  process.exitCode = 1;
}
