/**
 * The files that pages are made of. Styles and markup are read from the sources, which are always there; scripts from
 * what was built, or, where nothing is, from the sources with their types taken away; uPlot from its package.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as nodeModule from 'node:module';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

import { UserError } from '../../shared/errors.ts';

/** Where the project's package.json lies: the same for the sources and for what was built. */
export const ROOT = packageRoot(dirname(fileURLToPath(import.meta.url)));
const PAGE = 'peer/web/page';
/** The version of this program, as its package says. */
export const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string })
  .version;

/** What pages import of the folder shared: served below a folder of that name beside them. */
export const SHARED_SCRIPTS = ['shared/escape'] as const;

/** What is served below the name of an engine that has no page of its own. */
export const VIEW = 'view';

/** The folder with what the page of an engine has of its own, or, without an engine, with what all pages have. */
export function pageFolder(engine?: string): string {
  if (engine === undefined) return PAGE;
  return engine === VIEW ? `${PAGE}/${VIEW}` : `peer/engines/${engine}/page`;
}

/** The page that shows an engine: its own, or the one that is made of its view. */
export function pageOf(engine: string): string {
  return existsSync(join(ROOT, pageFolder(engine))) ? engine : VIEW;
}

/** Where a file lies that is served under a name: those of an engine are served below its name. */
function sourceOf(name: string): string {
  if (SHARED_SCRIPTS.some((one) => one === name)) return name;
  const [engine, file] = name.split('/');
  return file === undefined ? `${PAGE}/${name}` : `${pageFolder(engine)}/${file}`;
}

/** The opposite of {@link sourceOf}. */
function servedAs(path: string): string {
  return path.replace(/^peer\/web\/page\//, '').replace(/^peer\/engines\/(\w+)\/page\//, '$1/');
}

/**
 * A stylesheet or a page, as it is.
 *
 * @param name as in "style.css", or "ENGINE/page.css" for one of an engine
 */
export function pageText(name: string): string {
  return readFileSync(join(ROOT, sourceOf(name)), 'utf8');
}

/**
 * A module of a page, or one that pages share with the program, as browsers run it. What it imports is named by where it
 * is served, with the ending ".js".
 *
 * @param name without its ending, as in "report", or "ENGINE/main" for one of an engine
 * @throws UserError if it is not built and this Node can't take its types away
 */
export function pageScript(name: string): string {
  const path = sourceOf(name);
  return compiled(path).replace(/(['"])(\.{1,2}\/[\w./-]+\.js)\1/g, (_, quote: string, imported: string) => {
    const served = servedAs(posix.join(posix.dirname(path), imported));
    const relative = posix.relative(posix.dirname(name), served);
    return `${quote}${relative.startsWith('.') ? relative : `./${relative}`}${quote}`;
  });
}

function compiled(path: string): string {
  const built = join(ROOT, 'dist', `${path}.js`);
  if (existsSync(built)) return readFileSync(built, 'utf8');
  // Newer than the Node that types are for.
  const { stripTypeScriptTypes: strip } = nodeModule as { stripTypeScriptTypes?: (source: string) => string };
  if (strip === undefined) {
    throw new UserError('the page is not compiled yet; run "npm run build" in the project folder first');
  }
  // It would warn on the terminal that it may change.
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => undefined;
  try {
    return strip(readFileSync(join(ROOT, `${path}.ts`), 'utf8')).replace(
      /(['"])(\.{1,2}\/[\w./-]+)\.ts\1/g,
      '$1$2.js$1',
    );
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** uPlot, which draws the plots: a classic script that makes the global `uPlot`, and its stylesheet. */
export function uPlotFile(name: 'uPlot.iife.min.js' | 'uPlot.min.css'): string {
  // The package says only where its module is: the files lie beside it.
  return readFileSync(join(dirname(createRequire(import.meta.url).resolve('uplot')), name), 'utf8');
}

function packageRoot(folder: string): string {
  const above = dirname(folder);
  return above === folder || existsSync(join(folder, 'package.json')) ? folder : packageRoot(above);
}
