/** A mutant that the compiler refuses would never reach a test: it is not counted. */
import { join } from 'node:path';

import ts from 'typescript';

/** "Declared but never used", in its kinds: true of many a removed call, and no reason to believe it would be noticed. */
const UNUSED = new Set([6133, 6138, 6192, 6196, 6198]);

/** Reads the project once, and then judges one changed file at a time. */
export function compilerOf(root: string): (file: string, text: string) => boolean {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  let changed = { path: '', text: '', version: 0 };
  const registry = ts.createDocumentRegistry();
  const service = ts.createLanguageService(
    {
      getCompilationSettings: () => options,
      getScriptFileNames: () => fileNames.filter((name) => !name.includes('/test/')),
      getScriptVersion: (path) => (path === changed.path ? String(changed.version) : '0'),
      getScriptSnapshot: (path) => {
        const text = path === changed.path ? changed.text : ts.sys.readFile(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => root,
      getDefaultLibFileName: (forOptions) => ts.getDefaultLibFilePath(forOptions),
      fileExists: (path) => ts.sys.fileExists(path),
      readFile: (path) => ts.sys.readFile(path),
      readDirectory: (...args) => ts.sys.readDirectory(...args),
      directoryExists: (path) => ts.sys.directoryExists(path),
      getDirectories: (path) => ts.sys.getDirectories(path),
    },
    registry,
  );
  return (file, text) => {
    const path = join(root, file);
    changed = { path, text, version: changed.version + 1 };
    return [...service.getSyntacticDiagnostics(path), ...service.getSemanticDiagnostics(path)].every(
      ({ category, code }) => category !== ts.DiagnosticCategory.Error || UNUSED.has(code),
    );
  };
}
