/**
 * The package as others get it: packed by npm, installed in an empty project without the network, and used there as the
 * README says. What it depends on is there before, so that npm has nothing to fetch.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { eventually } from '../support/asker.ts';
import { ROOT, requireBuild } from '../support/built.ts';
import { Lab, freePort } from '../support/processes.ts';
import { findProgram } from '../support/programs.ts';
import { copyFromCheckout, shell, shellWell, type Outcome } from '../support/project.ts';
import { LOOPBACK } from '../support/wire.ts';

const NPM = findProgram('NPM', ['npm']);
/**
 * A compiler of programs that use the package. With its types, where that is asked for; not with those of Node and of what
 * the package depends on, which would take most of its time.
 */
const CHECK = `
import ts from ${JSON.stringify(pathToFileURL(join(ROOT, 'node_modules/typescript/lib/typescript.js')).href)};

const [, , resolution, checked, ...files] = process.argv;
const { options, errors } = ts.convertCompilerOptionsFromJson({
  strict: true, target: 'es2022', outDir: 'out',
  module: resolution === 'bundler' ? 'esnext' : resolution, moduleResolution: resolution,
}, '.');
const program = ts.createProgram(files, options);
const ours = (name) =>
  checked === 'package' ? /node_modules\\/gossip-peer\\/|^[^/]+$/.test(name) : /^[^/]+$/.test(name);
const sources = program.getSourceFiles().filter(({ fileName }) => ours(fileName));
const found = [
  ...errors, ...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics(),
  ...sources.flatMap((source) => [
    ...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source),
  ]),
  ...files.flatMap((file) => program.emit(program.getSourceFile(file)).diagnostics),
];
if (checked === 'package' && sources.length < files.length + 5) throw new Error('the package was not looked at');
process.stdout.write(ts.formatDiagnostics(found, {
  getCanonicalFileName: (name) => name, getCurrentDirectory: () => process.cwd(), getNewLine: () => '\\n',
}));
process.exitCode = found.length;
`;
/** What programs in TypeScript for Node have besides the package. */
const NODE_TYPES = ['@types/node', 'undici-types'];

/** The folder with everything, the project in it, and the package as it was installed there. */
let folder: string;
let project: string;
let installed: string;

const run = (line: string): Promise<Outcome> => shell(line, project, join(folder, 'npm'));

/** Packs what is in a copy, since other tests run what is in this checkout. */
async function pack(): Promise<string> {
  requireBuild();
  const copy = join(folder, 'checkout');
  copyFromCheckout(copy, [
    ...['package.json', 'README.md', 'LICENSE', 'blocks.txt', 'peer', 'miner', 'shared'],
    ...['dist/peer', 'dist/miner', 'dist/shared'],
  ]);
  for (const unwanted of [
    'test/e2e/some.test.js',
    'dist/test/e2e/some.test.js',
    'dist/miner/kernel/native/scan.node',
  ]) {
    mkdirSync(join(copy, unwanted, '..'), { recursive: true });
    writeFileSync(join(copy, unwanted), '');
  }
  // What the scripts would do was done: this checkout is compiled.
  await shellWell('npm pack --ignore-scripts --pack-destination ..', copy, join(folder, 'npm'));
  const [archive = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  return archive;
}

/** Puts what this checkout has of what the package depends on into the project. */
function putDependencies(): void {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  };
  const wanted = Object.entries(packages)
    .filter(
      ([path, { dev }]) => path !== '' && (dev !== true || NODE_TYPES.some((name) => path.endsWith(name))),
    )
    .map(([path]) => path)
    .filter((path) => existsSync(join(ROOT, path)));
  for (const path of wanted) cpSync(join(ROOT, path), join(project, path), { recursive: true });
  // Without the programs that they bring npm takes them for broken, and would fetch them.
  const programs = 'node_modules/.bin';
  for (const name of readdirSync(join(ROOT, programs))) {
    const target = join('node_modules', readlinkSync(join(ROOT, programs, name)).replace('../', ''));
    if (wanted.some((path) => target.startsWith(`${path}/`))) {
      cpSync(join(ROOT, programs, name), join(project, programs, name), { verbatimSymlinks: true });
    }
  }
}

function filesOf(place: string): string[] {
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1));
}

/** What the README of PBFT shows of the library. */
function shownExample(): string {
  const [, shown = ''] =
    /```ts\n([^]*?)```/.exec(readFileSync(join(ROOT, 'peer/engines/pbft/README.md'), 'utf8')) ?? [];
  return shown;
}

/** All that a page is made of, as a browser finds it, with how each was answered. */
async function crawl(page: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const waiting = [page];
  for (let url = waiting.pop(); url !== undefined; url = waiting.pop()) {
    if (found.has(url)) continue;
    const response = await fetch(url);
    found.set(url, response.status);
    const type = response.headers.get('content-type') ?? '';
    const content = await response.text();
    const pattern = type.startsWith('text/html')
      ? /<(?:link|script)\b[^>]*?\b(?:href|src)="([^"]+)"/g
      : /\b(?:from|import) ?['"](\.[^'"]+)['"]/g;
    for (const [, name = ''] of content.matchAll(pattern)) waiting.push(new URL(name, url).href);
  }
  return new Map([...found].map(([url, status]) => [url.slice(page.length), status]));
}

describe.skipIf(NPM === undefined)(
  `the package${NPM === undefined ? ' (skipped: this machine has no npm)' : ''}`,
  () => {
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'gossip-pack-'));
      project = join(folder, 'project');
      installed = join(project, 'node_modules/gossip-peer');
      mkdirSync(project);
      const archive = await pack();
      putDependencies();
      const types = JSON.parse(readFileSync(join(ROOT, 'node_modules/@types/node/package.json'), 'utf8')) as {
        readonly version: string;
      };
      writeFileSync(
        join(project, 'package.json'),
        JSON.stringify({ private: true, type: 'module', devDependencies: { '@types/node': types.version } }),
      );
      await shellWell(`npm install ../${archive}`, project, join(folder, 'npm'));
    });
    afterAll(() => {
      rmSync(folder, { recursive: true, force: true });
    });

    it('holds what is run, shown and read, and nothing of the tests or of the machine that packed it', () => {
      const files = filesOf(installed);
      expect(files).toEqual(
        expect.arrayContaining([
          ...['package.json', 'README.md', 'LICENSE', 'blocks.txt', 'peer/index.js', 'miner/index.js'],
          ...[
            'dist/peer/library.js',
            'dist/peer/library.d.ts',
            'dist/miner/search.js',
            'dist/shared/escape.js',
          ],
          ...['miner/kernel/native/scan.c', 'peer/web/deploy/compose.yaml', 'peer/web/page/shell.html'],
        ]),
      );
      for (const engine of readdirSync(join(ROOT, 'peer/engines'), { withFileTypes: true })) {
        if (engine.isDirectory()) expect(files).toContain(`peer/engines/${engine.name}/page/main.html`);
      }
      expect(files.filter((file) => /(?:^|\/)test\/|\.test\.|tsconfig|eslint/.test(file))).toEqual([]);
      const native = join(installed, 'dist/miner/kernel/native/scan.node');
      // That of the one who packs would not be empty either, but is of another machine.
      expect(existsSync(native) && readFileSync(native).length === 0).toBe(false);
    });

    it('compiles the native kernel where it is installed, if that can be done', async () => {
      const own = join(folder, 'scan.node');
      await shellWell(`node miner/kernel/native/build.js ${own}`, installed, folder);
      expect(existsSync(join(installed, 'dist/miner/kernel/native/scan.node'))).toBe(existsSync(own));
    });

    it('runs the example of the README, whose types are found in all ways in which they are looked for', async () => {
      writeFileSync(join(project, 'example.ts'), shownExample());
      writeFileSync(
        join(project, 'engine.ts'),
        `import { NodeBuilder } from 'gossip-peer/pbft';

// @ts-expect-error a port is a number
new NodeBuilder('8000');
new NodeBuilder(8000).build().on('executed', ({ requests }) => {
  // @ts-expect-error it is a number
  requests.length.trim();
});
`,
      );
      writeFileSync(
        join(project, 'platform.ts'),
        `import { generateKeyPair, type EngineModule } from 'gossip-peer';

// @ts-expect-error a key is a text
export const key: number = generateKeyPair().publicKey;
// @ts-expect-error an engine has a name
export const engine: EngineModule = {};
`,
      );
      const check = join(folder, 'check.mjs');
      writeFileSync(check, CHECK);
      // One entry at a time: what one of them brings, another could lack.
      for (const [files, resolution, skipped] of [
        ['example.ts engine.ts', 'nodenext', false],
        ['example.ts engine.ts', 'node16', true],
        ['example.ts engine.ts', 'bundler', true],
        ['platform.ts', 'bundler', false],
      ] as const) {
        const { code, stdout } = await run(
          `node ${check} ${resolution} ${skipped ? 'outside' : 'package'} ${files}`,
        );
        expect({ files, resolution, skipped, code, stdout }).toEqual({
          ...{ files, resolution, skipped, code: 0, stdout: '' },
        });
      }
      const { code, stdout, stderr } = await run('node out/example.js');
      expect({ code, stdout: stdout.split('\n'), stderr }).toEqual({
        ...{ code: 0, stdout: ['stored', '{ swapped: true }', '"good morning"', ''], stderr: '' },
      });
    });

    it('has an entry for all engines, and one for each that has a library', async () => {
      writeFileSync(
        join(project, 'entries.js'),
        `import { allEngines } from 'gossip-peer';
const names = (await allEngines()).map(({ name }) => name);
const { NodeBuilder } = await import('gossip-peer/pbft');
console.log(names.includes('pbft'), typeof NodeBuilder, import.meta.resolve('gossip-peer/package.json') !== '');
await import('gossip-peer/dist/peer/library.js').catch(({ code }) => console.log(code));
`,
      );
      expect(await run('node entries.js')).toEqual({
        ...{ code: 0, stderr: '', stdout: 'true function true\nERR_MODULE_NOT_FOUND\n' },
      });
    });

    it('brings both programs, which say nothing of a build or an install', async () => {
      for (const [program, first] of [
        ['gossip-peer', 'Usage: peer '],
        ['gossip-miner', 'Usage: miner '],
      ] as const) {
        const { code, stdout, stderr } = await run(`npx ${program} --help`);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout.slice(0, first.length)).toBe(first);
      }
      const { code, stdout } = await run('npx gossip-peer verify node_modules/gossip-peer/blocks.txt');
      expect({ code, stdout: stdout.slice(0, 16) }).toEqual({ code: 0, stdout: 'valid: 52 blocks' });
      const simulated = await run('npx gossip-peer simulate pbft --hours 0.01 --seeds 1..2');
      expect({ code: simulated.code, stderr: simulated.stderr }).toEqual({ code: 0, stderr: '' });
    });

    it('has a peer and a miner found a network together, and the peer serve the whole of its page', async () => {
      const lab = new Lab();
      onTestFinished(() => lab.close());
      const minerPort = String(await freePort());
      const peer = lab.run(
        join(project, 'node_modules/.bin/gossip-peer'),
        ...[
          '--port',
          '0',
          '--bind',
          LOOPBACK,
          '--genesis',
          '--difficulty',
          '3',
          '--data-dir',
          lab.path('data'),
        ],
        ...['--miner-port', minerPort, '--http-port', String(await freePort()), '--log-format', 'json'],
      );
      const up = await eventually('the peer is up', () => {
        if (!peer.alive) throw new Error(peer.explain());
        return peer.records.find(({ message }) => message === 'peer is up');
      });
      const miner = lab.run(
        join(project, 'node_modules/.bin/gossip-miner'),
        ...['--peer-host', LOOPBACK, '--peer-port', minerPort, '--processes', '1', '--log-format', 'json'],
      );
      await eventually('a block is mined', () => {
        if (!miner.alive) throw new Error(miner.explain());
        return peer.records.some(({ message }) => message === 'block mined by us');
      });
      const files = await crawl(String(up['page']));
      expect([...files].filter(([, status]) => status !== 200)).toEqual([]);
      expect([...files.keys()]).toEqual(
        expect.arrayContaining([
          ...[
            '',
            'style.css',
            'pow/page.css',
            'pow/main.js',
            'uPlot.iife.min.js',
            'icon.svg',
            'shared/escape.js',
          ],
        ]),
      );
      for (const program of [miner, peer]) expect((await program.kill('SIGINT')).code).toBe(0);
    });

    it('starts a network of the programs that it brings', async () => {
      const { code, stdout } = await run(
        `printf 'submit hello\\nquit\\n' | npx gossip-peer network --engine pbft --nodes 4`,
      );
      expect(stdout).toContain('\nentry 1\n');
      expect(code).toBe(0);
    });
  },
);
