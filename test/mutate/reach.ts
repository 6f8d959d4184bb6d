/** Which tests load a source file, and through how many others. */
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

import ts from 'typescript';

import { sourcesBelow } from './areas.ts';

/**
 * Who loads one of these starts programs: they run what is compiled, and would not see a mutant. The rest of the rooms
 * measures, or tests the tests.
 */
const STARTS_PROGRAMS = ['test/support/processes.ts', 'test/commands/run.ts', 'test/support/browser.ts'];
const OTHER_ROOMS = /^test\/(?:bench|campaigns|e2e|mutate|examples)\//;
/** Many random runs: whatever survives the others may be put before them too, for minutes. */
const LONG = /^test\/(?:fuzz\/fuzz|simulator\/(?:seeds-\d|late-seeds|campaign|compliance))\.test\.ts$/;

/** What a file loads when it runs: imports of types load nothing. */
function loadedBy(root: string, file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest);
  return source.statements.flatMap((statement) => {
    const named =
      (ts.isImportDeclaration(statement) &&
        statement.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword) ||
      (ts.isExportDeclaration(statement) && !statement.isTypeOnly);
    const name = named ? statement.moduleSpecifier : undefined;
    if (name === undefined || !ts.isStringLiteral(name) || !name.text.startsWith('.')) return [];
    const path = posix.join(posix.dirname(file), name.text);
    return existsSync(join(root, path)) && path.endsWith('.ts') ? [path] : [];
  });
}

/** A test file, and its distance to the source: 1 if it loads it itself. */
export interface Reach {
  readonly test: string;
  readonly distance: number;
}

/**
 * Reads the sources once; then the tests of a source, the nearest first.
 *
 * @param long whether those of many random runs are among them
 */
export function reachOf(root: string, long = false): (source: string) => Reach[] {
  const loaded = new Map<string, string[]>();
  const distances = (test: string): Map<string, number> => {
    const found = new Map([[test, 0]]);
    for (const [file, distance] of found) {
      const next = loaded.get(file) ?? loadedBy(root, file);
      loaded.set(file, next);
      for (const one of next) if (!found.has(one)) found.set(one, distance + 1);
    }
    return found;
  };
  const tests = sourcesBelow(root, 'test')
    .filter((file) => file.endsWith('.test.ts') && !OTHER_ROOMS.test(file) && (long || !LONG.test(file)))
    .map((test) => ({ test, found: distances(test) }))
    .filter(({ found }) => !STARTS_PROGRAMS.some((file) => found.has(file)));
  return (source) =>
    tests
      .flatMap(({ test, found }) => {
        const distance = found.get(source);
        return distance === undefined ? [] : [{ test, distance }];
      })
      .sort((a, b) => a.distance - b.distance);
}
