// Builds the native kernel (scan.c) with whatever C compiler there is: `npm run build:native`, and once by the install.
// It downloads nothing, needs no headers of Node's, and never fails: it prints one line that says what came of it.
// Without the native kernel the miner uses WebAssembly.
//
//     node miner/kernel/native/build.js [output file]
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const output = process.argv[2] ?? join(here, '../../../dist/miner/kernel/native/scan.node');

/** A compiler that takes longer than this (milliseconds) is given up; it takes two seconds on a slow machine. */
const TIME_LIMIT = 60_000;

// On macOS a module's undefined symbols, those of Node, must be allowed; elsewhere they are.
const platformFlags = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
const flags = ['-std=c11', '-O3', '-fPIC', '-fvisibility=hidden', '-shared', ...platformFlags];

/**
 * Tries one compiler.
 * @param {string[]} command the compiler and the arguments that were given with it
 * @returns {string | undefined} what went wrong
 */
function compile([program = '', ...given]) {
  // Renamed when finished: a running miner keeps the file it has loaded, and none loads half of one.
  const unfinished = `${output}.${process.pid}`;
  const options = { encoding: /** @type {const} */ ('utf8'), timeout: TIME_LIMIT };
  const { error, status, stderr } = spawnSync(
    program,
    [...given, ...flags, join(here, 'scan.c'), '-o', unfinished],
    options,
  );
  try {
    if (error !== undefined) return 'code' in error && error.code === 'ENOENT' ? 'not found' : error.message;
    if (status !== 0)
      return stderr.split('\n').find((line) => line.includes('error')) ?? `exit code ${status}`;
    renameSync(unfinished, output);
    return undefined;
  } finally {
    rmSync(unfinished, { force: true });
  }
}

function build() {
  if (process.platform === 'win32')
    return 'no native kernel: not supported on Windows; the miner uses WebAssembly';
  const compilers = [process.env['CC'], 'cc', 'gcc', 'clang'].filter(
    (name) => name !== undefined && name !== '',
  );
  const failures = [];
  try {
    mkdirSync(dirname(output), { recursive: true });
    for (const compiler of compilers) {
      const failure = compile(compiler.trim().split(/\s+/));
      if (failure === undefined) return `native kernel built with ${compiler}`;
      failures.push(`${compiler}: ${failure}`);
    }
  } catch (error) {
    failures.push(String(error));
  }
  return `no native kernel (${failures.join('; ')}); the miner uses WebAssembly`;
}

console.log(`miner: ${build()}`);
