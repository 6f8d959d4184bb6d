import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { defaultName, startCommand } from '../../../../peer/engines/pow/node/start.ts';
import { requireBuild } from '../../../support/built.ts';
import { freePort } from '../../../support/processes.ts';
import { isMineableName } from '../../../../shared/block.ts';
import { runHere } from '../../../commands/run.ts';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const LOOPBACK = '127.0.0.1';
/** Options with which any number of peers run beside each other, unseen by other machines. */
const PRIVATE = [
  ...['--port', '0', '--bind', LOOPBACK, '--miner-port', '0', '--http-port', '0'],
  ...['--log-format', 'json'],
];

type LogRecord = Record<string, unknown>;

/** A run of `node peer`, or of another program. */
class Run {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  stdout = '';
  stderr = '';
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  constructor(args: string[], env: Record<string, string> = {}, program = 'dist/peer/main.js') {
    requireBuild();
    const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith('GOSSIP_'));
    this.child = spawn(process.execPath, [program, ...args], {
      cwd: ROOT,
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout.setEncoding('utf8').on('data', (chunk: string) => (this.stdout += chunk));
    this.child.stderr.setEncoding('utf8').on('data', (chunk: string) => (this.stderr += chunk));
    this.ended = once(this.child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
  }

  /** The JSON log so far; fails if a line is anything else. */
  get records(): LogRecord[] {
    const complete = this.stderr.slice(0, this.stderr.lastIndexOf('\n') + 1);
    return complete
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as LogRecord);
  }

  /** Waits for a line of the JSON log. */
  async says(message: string | RegExp): Promise<LogRecord> {
    for (;;) {
      const found = this.records.find((record) => new RegExp(message).test(String(record['message'])));
      if (found !== undefined) return found;
      const more = await Promise.race([once(this.child.stderr, 'data'), this.ended.then(() => undefined)]);
      if (more === undefined) throw new Error(`it ended without saying "${String(message)}": ${this.stderr}`);
    }
  }

  async stop(
    signal: NodeJS.Signals = 'SIGTERM',
  ): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.child.kill(signal);
    return this.ended;
  }
}

let folder: string;
const runs: Run[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gossip-start-'));
});
afterEach(async () => {
  for (const run of runs.splice(0)) {
    run.child.kill('SIGKILL');
    await run.ended;
  }
  rmSync(folder, { recursive: true });
});

function peer(args: string[], env?: Record<string, string>, program?: string): Run {
  const run = new Run(args, env, program);
  runs.push(run);
  return run;
}

/** A peer of its own, in the JSON log's format. */
function privatePeer(args: string[] = [], env?: Record<string, string>): Run {
  return peer([...PRIVATE, '--data-dir', join(folder, 'data'), ...args], env);
}

describe('help', () => {
  test('names every option with its default and its variable, the commands, and examples', async () => {
    const run = peer(['--help']);
    expect(await run.ended).toEqual({ code: 0, signal: null });
    expect(run.stderr).toBe('');
    const text = run.stdout.replaceAll(/\s+/g, ' ');
    for (const [option, value] of Object.entries({
      port: '8784',
      bind: '"0.0.0.0"',
      join: 'none',
      difficulty: '8',
      'data-dir': '".gossip-peer"',
      'miner-port': '8786',
      'http-port': '8998',
      'http-bind': '"127.0.0.1"',
      'consensus-interval': '300',
      'gossip-interval': '30',
      'peer-timeout': '60',
      'idle-word': '"gossip-peer"',
      'log-level': '"info"',
      'log-format': '"text"',
    })) {
      expect(text).toMatch(new RegExp(`--${option} <[^>]+> [^<]*\\(default: ${value}, env: GOSSIP_PEER_`));
    }
    for (const option of [
      'host',
      'name',
      'genesis',
      'miner-bind',
      'mined-by',
      'http-token',
      'http-origin',
      'http-trusted-proxy',
      'config',
      'verbose',
    ])
      expect(text).toContain(`--${option} `);
    for (const command of ['export', 'import', 'verify']) expect(text).toContain(` ${command} [options]`);
    expect(text).toContain('Examples: node peer ');
  });

  test.each([['peer'], ['peer', 'simulate'], ['miner']])('of %j fits into 80 columns', async (...command) => {
    const run = peer([...command.slice(1), '--help'], {}, command[0]);
    expect(await run.ended).toEqual({ code: 0, signal: null });
    expect(run.stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test.each(['export', 'import', 'verify'])('%s has its own', async (command) => {
    const run = await runHere([command, '--help']);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain(`Usage: peer ${command} `);
  });
});

test('the default name is one that every peer accepts', () => {
  expect(isMineableName(defaultName())).toBe(true);
});

describe('what is wrong is said in one line', () => {
  const values: [string[], RegExp][] = [
    [
      ['--port', 'abc'],
      /'--port <number>' argument 'abc' is invalid\. It must be a whole number from 0 to 65535\./,
    ],
    [['--port', '65536'], /whole number from 0 to 65535/],
    [['--port'], /'--port <number>' argument missing/],
    [['--host', 'two words'], /--host <host>.*host name that others can reach/],
    [['--host', '0.0.0.0'], /--host <host>.*host name that others can reach/],
    [['--name', ''], /--name <name>.*1 to 64 printable ASCII/],
    [['--name', 'é'], /--name <name>.*1 to 64 printable ASCII/],
    [['--mined-by', 'x'.repeat(65)], /--mined-by <name>.*1 to 64 printable ASCII/],
    [['--idle-word', 'x'.repeat(20)], /--idle-word <word>.*1 to 19 printable ASCII/],
    [['--join', 'nowhere'], /--join <host:port>.*It must be host:port/],
    [['--difficulty', '0'], /--difficulty <zeros>.*from 1 to 64/],
    [['--consensus-interval', '0'], /--consensus-interval <seconds>.*above 0/],
    [['--gossip-interval', '-1'], /--gossip-interval <seconds>.*above 0/],
    [['--peer-timeout', '1e9'], /--peer-timeout <seconds>.*above 0/],
    [['--http-port', '-1'], /--http-port <number>.*from 0 to 65535/],
    [['--http-origin', 'https://chain.example/peer'], /--http-origin <origin>.*without a path/],
    [['--http-trusted-proxy', '10.0.0.0/33'], /--http-trusted-proxy <address>.*10\.0\.0\.0\/8/],
    [['--http-token', 'two words'], /--http-token <text>.*printable ASCII characters without spaces/],
    [['--log-level', 'loud'], /--log-level <level>.*error, warn, info, debug/],
    [['--log-format', 'xml'], /--log-format <format>.*text, json/],
  ];
  test.each(values)('%j', async (args, line) => {
    let output = '';
    const command = startCommand('node peer')
      .exitOverride()
      .configureOutput({ writeErr: (text) => (output += text) });
    await expect(command.parseAsync(args, { from: 'user' })).rejects.toThrow(line);
    expect(output).toMatch(/^error: [^\n]+\n$/);
  });

  const runs: [string[], RegExp][] = [
    [['--peer_timeout', '0'], /--peer-timeout <seconds>.*above 0/],
    [['--genesis', 'pfbt'], /^peer: unknown command 'pfbt' \(did you mean pbft\?\)/],
    [['127.0.0.1:8784'], /^peer: unknown command '127\.0\.0\.1:8784'; --help lists them\n$/],
    [['--data_dir', '--genesis'], /^peer: --data-dir is given without its value: write --data-dir <folder>/],
    [['simulate', '--trace', '--json'], /^peer: --trace is given without its value: write --trace <file>/],
    [['pbft', 'start', '--index', '--members'], /^peer: --index is given without its value: write --index </],
    [['--bind', '300.1.1.1'], /^peer: --bind: "300\.1\.1\.1" is not an IPv4 address/],
    [['--bind', '192.0.2.1'], /^peer: --bind: this machine does not have the address 192\.0\.2\.1/],
    [['--join', '[::1]:8999'], /^peer: --join: "::1" is an IPv6 address; the network speaks IPv4 only/],
    [
      ['--config', '/nonexistent.json'],
      /^peer: option file \/nonexistent\.json: there is no such file or folder \(ENOENT\)\n$/,
    ],
    [['--data-dir', '/dev/null/x'], /^peer: .*\/dev\/null\/x/],
    [['export'], /^peer: --port stands before "export"; options go after the command/],
  ];
  test.each(runs)('peer %j', async (args, line) => {
    const all = ['--port', '0', '--miner-port', '0', '--data-dir', join(folder, 'data'), ...args];
    const run = await runHere(all);
    expect(run.code).toBe(1);
    expect(run.stdout).toBe('');
    expect(run.stderr).toMatch(/^peer: [^\n]+\n$/);
    expect(run.stderr).toMatch(line);
  });

  test.each([
    [['statu', '--url', 'x'], 'statu', 'status'],
    [['help', 'verfiy'], 'verfiy', 'verify'],
  ])('a command that was mistyped: peer %j', async (args, name, meant) => {
    const run = await runHere(args);
    expect(run.code).toBe(1);
    expect(run.stderr).toBe(`peer: unknown command '${name}' (did you mean ${meant}?); --help lists them\n`);
  });

  test('a misspelt option, with what was probably meant', async () => {
    const run = peer(['--prot', '1']);
    expect(await run.ended).toEqual({ code: 1, signal: null });
    expect(run.stderr).toBe("peer: unknown option '--prot'\n(Did you mean --port?)\n");
  });

  test('with --verbose, also where it came from', async () => {
    const run = await runHere(['--config', '/nonexistent.json', '--verbose']);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^peer: UserError: option file .*\n {4}at /);
  });

  test.each([
    ['GOSSIP_PEER_PORT', 'abc', /'--port <number>' value 'abc' from env 'GOSSIP_PEER_PORT' is invalid/],
    [
      'GOSSIP_PEER_GENESIS',
      'maybe',
      /^peer: environment variable GOSSIP_PEER_GENESIS: it must be true or false/,
    ],
  ])('environment variable %s=%s', async (name, value, line) => {
    const run = await runHere([], { [name]: value });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(line);
  });
});

describe('options', () => {
  test('command line, environment, option file and default, in this order', async () => {
    const config = join(folder, 'options.json');
    writeFileSync(
      config,
      JSON.stringify({ name: 'file', difficulty: 5, miner_port: 0, 'data-dir': join(folder, 'f') }),
    );
    const run = peer(
      ['--port', '0', '--bind', LOOPBACK, '--log_format', 'json', '--config', config, '--name', 'line'],
      { GOSSIP_PEER_NAME: 'environment', GOSSIP_PEER_DIFFICULTY: '6', GOSSIP_PEER_HOST: '' },
    );
    expect(await run.says('peer is up')).toMatchObject({
      level: 'info',
      name: 'line',
      difficulty: 6,
      data: join(folder, 'f'),
      miners: 'off',
      height: 'none',
      tip: 'none',
    });
    expect(await run.stop()).toEqual({ code: 0, signal: null });
  });

  test('with underscores', async () => {
    const run = peer([
      ...PRIVATE,
      `--data_dir=${join(folder, 'a_b')}`,
      '--idle_word',
      'a_b',
      '--peer_timeout',
      '2.5',
    ]);
    expect(await run.says('peer is up')).toMatchObject({ data: join(folder, 'a_b') });
  });

  test('a flag whose variable says false is off', async () => {
    const run = privatePeer(['--gossip-interval', '0.05', '--consensus-interval', '0.05'], {
      GOSSIP_PEER_GENESIS: 'false',
    });
    await run.says('waiting for a peer that has a chain');
  });

  test('the advertised address is --host with the port that was taken', async () => {
    const run = privatePeer(['--host', 'peer.example.org']);
    expect((await run.says('peer is up'))['address']).toMatch(/^peer\.example\.org:[1-9]\d*$/);
  });

  test('--http-port 0 serves no page', async () => {
    expect(await privatePeer().says('peer is up')).toMatchObject({ page: 'off' });
  });

  test('the page is at the port that was asked for, or, where nobody asked, at any', async () => {
    const port = await freePort();
    const asked = privatePeer(['--http-port', String(port)]);
    expect(await asked.says('peer is up')).toMatchObject({ page: `http://127.0.0.1:${port}/` });
    const status = await fetch(`http://127.0.0.1:${port}/status`);
    expect(await status.json()).toMatchObject({ engine: 'pow', height: 0 });
    expect((await fetch(`http://127.0.0.1:${port}/`)).headers.get('content-type')).toMatch('text/html');
    const args = [...PRIVATE.filter((arg, at) => arg !== '--http-port' && PRIVATE[at - 1] !== '--http-port')];
    const two = [1, 2].map((n) => peer([...args, '--data-dir', join(folder, `any-${n}`)]));
    const pages = await Promise.all(two.map(async (run) => String((await run.says('peer is up'))['page'])));
    expect(pages[0]).not.toBe(pages[1]);
    for (const page of pages) expect((await fetch(`${page}healthz`)).status).toBe(200);
    expect(await asked.stop()).toEqual({ code: 0, signal: null });
  });

  test('a name in --join that has no address is no reason to stop', async () => {
    const run = privatePeer(['--join', 'nobody.invalid:8999']);
    expect(await run.says('--join: "nobody.invalid" has no address now')).toMatchObject({ level: 'warn' });
    await run.says('peer is up');
    expect(await run.stop()).toEqual({ code: 0, signal: null });
  });

  test('the log is text unless asked otherwise, and as quiet as asked for', async () => {
    const args = [
      ...['--port', '0', '--bind', LOOPBACK, '--miner-port', '0', '--http-port', '0'],
      ...['--data-dir', join(folder, 'data')],
    ];
    const run = peer(args);
    while (!run.stderr.includes('peer is up')) await once(run.child.stderr, 'data');
    expect(run.stderr).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info {2}peer is up address=127\.0\.0\.1:\d+ miners=off /,
    );
    expect(await run.stop()).toEqual({ code: 0, signal: null });
    expect(run.stdout).toBe('');
  });
});

describe('what is taken already', () => {
  test('a UDP port', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve));
    const { port } = socket.address();
    const run = privatePeer(['--port', String(port)]);
    expect(await run.ended).toEqual({ code: 1, signal: null });
    socket.close();
    expect(run.stderr).toBe(
      `peer: UDP port ${port} is already in use on ${LOOPBACK}; choose another one with --port\n`,
    );
    // It has given its data folder back.
    await privatePeer().says('peer is up');
  });

  test('a port for miners', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    const { port } = server.address() as AddressInfo;
    const run = privatePeer(['--miner-port', String(port)]);
    expect(await run.ended).toEqual({ code: 1, signal: null });
    server.close();
    expect(run.stderr).toMatch(new RegExp(`^peer: [^\\n]*${port}[^\\n]*--miner-port[^\\n]*\\n$`));
    await privatePeer().says('peer is up');
  });

  test('a port for the status page that was asked for', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    const { port } = server.address() as AddressInfo;
    const run = privatePeer(['--http-port', String(port)]);
    expect(await run.ended).toEqual({ code: 1, signal: null });
    server.close();
    expect(run.stderr).toBe(
      `peer: port ${port} for the status page is in use; choose another with --http-port\n`,
    );
    await privatePeer().says('peer is up');
  });

  test('a data folder, until its peer has ended', async () => {
    const first = privatePeer();
    await first.says('peer is up');
    const second = privatePeer();
    expect(await second.ended).toEqual({ code: 1, signal: null });
    expect(second.stderr).toMatch(/^peer: [^\n]+\n$/);
    expect(second.stderr).toContain(String(first.child.pid));
    expect(second.stderr).toContain(join(folder, 'data'));
    await first.stop();
    await privatePeer().says('peer is up');
  });
});

describe('the end', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s stops it in order', async (signal) => {
    const run = privatePeer(['--genesis']);
    await run.says('peer is up');
    expect(await run.stop(signal)).toEqual({ code: 0, signal: null });
    expect(run.records.slice(-2)).toMatchObject([{ message: 'stopping', signal }, { message: 'stopped' }]);
    expect(run.stdout).toBe('');
  });

  test('it survives that nobody reads its log any more', async () => {
    const run = privatePeer(['--log-level', 'debug', '--gossip-interval', '0.05']);
    await run.says('peer is up');
    run.child.stderr.destroy();
    run.child.stdout.destroy();
    run.child.kill('SIGTERM');
    const [code] = (await once(run.child, 'exit')) as [number | null];
    expect(code).toBe(0);
  });
});
