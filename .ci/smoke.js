// Whether the programs of a checkout work under the Node that runs this file: two peers and a miner, as processes on
// loopback, mine until both peers have the same block at height 3 or above, and end in order; then the chain is
// exported and verified. Four replicas agree, though their primary is killed. Simulations must come out as they do under
// every other Node.
//
//     node .ci/smoke.js [folder of the checkout]
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(process.argv[2] ?? '.');
const folder = mkdtempSync(join(tmpdir(), 'gossip-smoke-'));
/** Low enough for the slowest kernel, high enough that blocks do not come by the hundred. */
const DIFFICULTY = '5';
const HEIGHT = 3;
/** For everything together, in milliseconds. */
const PATIENCE = 150_000;

/** One process of the project, with its JSON log. */
class Program {
  /** @type {Record<string, unknown>[]} */
  records = [];
  output = '';
  errors = '';
  code = undefined;

  /** @param {string[]} args @param {string} [input] what is typed into it */
  constructor(args, input) {
    const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith('GOSSIP_'));
    this.name = args.slice(0, 2).join(' ');
    this.child = spawn(process.execPath, args, {
      cwd: root,
      env: Object.fromEntries(inherited),
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    this.child.stdin?.end(input);
    programs.push(this);
    this.child.stdout.setEncoding('utf8').on('data', (text) => (this.output += text));
    let rest = '';
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.errors += text;
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('{')) this.records.push(JSON.parse(line));
    });
    this.ended = new Promise((done) => {
      this.child.once('close', (code, signal) => {
        this.code = code ?? signal;
        done(this.code);
      });
    });
  }

  /** The first line of its log with that message, if it was said. */
  said(message) {
    return this.records.find((record) => record.message === message);
  }

  /** Every block that it told of, as `height hash`. */
  blocks() {
    return this.records.flatMap(({ message, height, blocks, hash }) => {
      if (message === 'block' || message === 'block mined by us') return [`${height} ${hash}`];
      if (message === 'sync finished' || message === 'reorganisation') return [`${blocks - 1} ${hash}`];
      return [];
    });
  }

  /** Ends it as Ctrl-C does, and checks that it ends well. */
  async stop() {
    this.child.kill('SIGINT');
    const code = await this.ended;
    if (code !== 0) throw new Error(`${this.name} ended with ${code}`);
  }
}

/** @type {Program[]} */
const programs = [];

/** @template T @param {string} what @param {() => T | undefined | false} look @returns {Promise<T>} */
async function until(what, look) {
  for (;;) {
    const found = look();
    if (found) return found;
    const dead = programs.find(({ code }) => code !== undefined && code !== 0);
    if (dead) throw new Error(`${dead.name} ended with ${dead.code} while waiting until ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

function startPeer(name, ...args) {
  const common = ['--port', '0', '--bind', '127.0.0.1', '--name', name, '--data-dir', join(folder, name)];
  common.push('--http-port', '0');
  const quick = ['--gossip-interval', '1', '--consensus-interval', '2', '--difficulty', DIFFICULTY];
  return new Program(['peer', ...common, ...quick, '--log-format', 'json', ...args]);
}

async function smoke() {
  const minerPort = String(await freePort());
  const httpPort = String(await freePort());
  const first = startPeer('first', '--genesis', '--miner-port', minerPort, '--http-port', httpPort);
  const { address, page } = await until('the first peer is up', () => first.said('peer is up'));
  const second = startPeer('second', '--join', String(address), '--miner-port', '0');
  const miner = new Program([
    'miner',
    '--peer_host',
    '127.0.0.1',
    '--peer_port',
    minerPort,
    '--processes',
    '1',
    '--log-format',
    'json',
  ]);
  const common = await until(`both peers have the same block at height ${HEIGHT}`, () => {
    const theirs = new Set(second.blocks());
    return first.blocks().find((block) => Number.parseInt(block, 10) >= HEIGHT && theirs.has(block));
  });
  for (const path of ['', 'pow/main.js', 'status', 'metrics']) {
    const { status } = await fetch(`${page}${path}`);
    if (status !== 200) throw new Error(`the page's /${path} is answered with ${status}`);
  }
  for (const program of [miner, second, first]) await program.stop();
  const record = join(folder, 'blocks.txt');
  for (const args of [
    ['export', record, '--data-dir', join(folder, 'first')],
    ['verify', record, '--difficulty', DIFFICULTY],
  ]) {
    const code = await new Program(['peer', ...args]).ended;
    if (code !== 0) throw new Error(`peer ${args[0]} ended with ${code}`);
  }
  await cluster();
  const compiled = 'dist/test/simulator/golden.js';
  const golden = new Program([existsSync(join(root, compiled)) ? compiled : 'test/simulator/golden.ts']);
  if ((await golden.ended) !== 0) throw new Error('simulations do not have the digests of golden.json');
  console.log(`smoke: Node ${process.version}: two peers agree on block ${common}`);
}

/** Four replicas decide something, lose their primary, and decide something more. */
async function cluster() {
  const commands = ['submit hello', 'kill 1', 'submit hello again', 'status', 'quit', ''];
  const network = new Program(['peer', 'network', '--engine', 'pbft'], commands.join('\n'));
  const code = await network.ended;
  if (code !== 0 || !/^entry 1$[^]*^entry 2$/m.test(network.output)) {
    throw new Error(`a cluster ended with ${code}: ${network.output}`);
  }
}

const late = new Promise((_, fail) => {
  setTimeout(() => fail(new Error(`not done after ${PATIENCE} ms`)), PATIENCE).unref();
});
try {
  await Promise.race([smoke(), late]);
} catch (error) {
  console.error(`smoke: Node ${process.version}: ${error.message}`);
  for (const { name, errors, output } of programs) {
    console.error(`--- ${name}\n${(output + errors).split('\n').slice(-25).join('\n')}`);
  }
  process.exitCode = 1;
} finally {
  for (const { child, code, ended } of programs) {
    if (code === undefined) child.kill('SIGKILL');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}
