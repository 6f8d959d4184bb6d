/** Serves the files of a page. They are few: each is read once, when somebody wants it, and kept compressed too. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import type { Hono } from 'hono';

import { UserError } from '../../shared/errors.ts';
import { ROOT, SHARED_SCRIPTS, VIEW, pageFolder, pageOf, pageScript, pageText, uPlotFile } from './assets.ts';
import type { WebEnv } from './access.ts';
import { ProblemError } from './problem.ts';

const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

interface PageFile {
  readonly etag: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly compressed: Uint8Array<ArrayBuffer>;
}

export interface PageKind {
  /** The name of the engine whose page it is. */
  readonly page: string;
  /** Whether it shows a whole network of nodes. */
  readonly network: boolean;
}

/** Where a file is served, where that is not its name. */
const PATHS: Readonly<Record<string, readonly string[]>> = {
  'index.html': ['/'],
  // Browsers ask for the second where they show something that is no page, as JSON.
  'icon.svg': ['/icon.svg', '/favicon.ico'],
};

/** Has the files of a page served: the page itself at `/`, everything else beside it. */
export function servePage(app: Hono<WebEnv>, kind: PageKind): void {
  const kept = new Map<string, PageFile>();
  for (const [name, read] of pageFiles(kind)) {
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1) as keyof typeof TYPES];
    for (const path of PATHS[name] ?? [`/${name}`])
      app.get(path, ({ req }) => {
        let file = kept.get(name);
        if (file === undefined) kept.set(name, (file = load(read)));
        const headers: Record<string, string> = {
          'content-type': type,
          // Cached, but asked for again: the program may be another one by then.
          'cache-control': 'no-cache',
          etag: file.etag,
          vary: 'accept-encoding',
        };
        if (req.header('if-none-match') === file.etag) return new Response(null, { status: 304, headers });
        if (!/\bgzip\b/.test(req.header('accept-encoding') ?? ''))
          return new Response(file.plain, { headers });
        return new Response(file.compressed, { headers: { ...headers, 'content-encoding': 'gzip' } });
      });
  }
}

/** The names of all files, and how each is read. Of a script there is its source. */
function pageFiles({ page: engine, network }: PageKind): Map<string, () => string> {
  const page = pageOf(engine);
  const files = new Map<string, () => string>([['index.html', () => documentOf({ page, network })]]);
  for (const name of ['uPlot.iife.min.js', 'uPlot.min.css'] as const) files.set(name, () => uPlotFile(name));
  for (const name of SHARED_SCRIPTS) files.set(`${name}.js`, () => pageScript(name));
  // What an engine has of its own stands among the parts of the view.
  for (const part of new Set([undefined, VIEW, page])) {
    const path = join(ROOT, pageFolder(part));
    for (const file of existsSync(path) ? readdirSync(path) : []) {
      const name = part === undefined ? file : `${part}/${file}`;
      if (name.endsWith('.ts'))
        files.set(name.replace(/ts$/, 'js'), () => pageScript(name.replace(/\.ts$/, '')));
      else if (/\.(css|svg)$/.test(name)) files.set(name, () => pageText(name));
    }
  }
  return files;
}

/** The document of a page: what all have, and in it what this one has. */
function documentOf({ page, network }: PageKind): string {
  const parts: Readonly<Record<string, () => string>> = {
    page: () => page,
    network: () => (network ? 'data-network' : ''),
    style: () => (page === VIEW ? '' : `<link rel="stylesheet" href="${page}/page.css" />`),
    header: () =>
      pageText(`${existsSync(join(ROOT, pageFolder(page), 'header.html')) ? page : VIEW}/header.html`),
    main: () => pageText(`${page}/main.html`),
  };
  return pageText('shell.html').replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => parts[name]?.() ?? '');
}

/** @throws ProblemError if a script was not compiled, and this Node can't do without */
function load(read: () => string): PageFile {
  try {
    const plain = new TextEncoder().encode(read());
    return {
      etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
      plain,
      compressed: new Uint8Array(gzipSync(plain, { level: 9 })),
    };
  } catch (error) {
    if (error instanceof UserError) throw new ProblemError(503, `${error.message}.`);
    throw error;
  }
}
