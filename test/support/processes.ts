/** Starts the real programs as processes, on loopback, and makes sure that all of them end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { addressKey, type Address } from '../../shared/address.ts';
import { blockToJson, type Block } from '../../shared/block.ts';
import { Asker, eventually } from './asker.ts';
import { ROOT, requireBuild } from './built.ts';
import { FIRST_PORT, LOOPBACK, PORT_SPAN, type Claim } from './wire.ts';

export { ROOT };

/** Log lines kept of each process, the newest: enough to explain a failure. */
const KEPT_LINES = 2000;
/** How long a program may take to end after SIGTERM, or to come up. */
const PATIENCE = 30_000;

/** Children that still run, so that they end with the tests however those end. */
const running = new Set<ChildProcess>();
/** Folders of this process, for the same reason. */
const folders = new Set<string>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) {
    try {
      // A child that was killed this moment may still be about to make a file.
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // Nobody is left who could do something about it.
    }
  }
});

function makeFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  folders.add(folder);
  return folder;
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

/** A line of the JSON log. */
export type LogRecord = Readonly<Record<string, unknown>> & { readonly message: string };

/** What a program is given besides its arguments. */
export interface Surroundings {
  /** Standard input: nothing, or lines that are written later. */
  readonly input?: 'ignore' | 'pipe';
  readonly env?: Readonly<Record<string, string>>;
  /** Shell commands before it that limit what it may do, such as `ulimit`. */
  readonly limits?: string;
}

/** One run of a program. */
export class Program {
  readonly pid: number;
  /** The JSON log, oldest first. */
  readonly records: LogRecord[] = [];
  /** Everything else that it wrote. */
  readonly lines: string[] = [];
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  readonly #title: string;
  /** Told of each line that it wrote outside of its log. */
  readonly #listeners = new Set<() => void>();

  constructor(args: readonly string[], { input = 'ignore', env: more = {}, limits }: Surroundings = {}) {
    requireBuild(...args);
    this.#title = args.join(' ');
    // Options from the environment of whoever runs the tests must not reach the programs.
    const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith('GOSSIP_'));
    const env = { ...Object.fromEntries(inherited), ...more };
    // Not through its launcher: that what was compiled is new was seen above, once for all.
    const [program = '', ...rest] = args;
    const main = ['peer', 'miner'].includes(program) ? `dist/${program}/main.js` : program;
    const [command, ...operands] =
      limits === undefined
        ? [process.execPath, main, ...rest]
        : ['/bin/sh', '-c', `${limits}; exec "$0" "$@"`, process.execPath, main, ...rest];
    const child = spawn(command, operands, { cwd: ROOT, env, stdio: [input, 'pipe', 'pipe'] });
    this.#child = child;
    running.add(child);
    this.pid = child.pid ?? -1;
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
      child.once('error', (error) => {
        this.lines.push(String(error));
        running.delete(child);
        resolve({ code: -1, signal: null });
      });
    });
    child.stdin?.on('error', () => {
      // It has ended before it has read all, and that is heard in another way.
    });
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream?.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.#take(line);
      });
    }
  }

  get alive(): boolean {
    return running.has(this.#child);
  }

  /** Writes a line to its standard input. */
  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** The line of that number among {@link lines}, as soon as it is there; fails if the program ends without. */
  async line(at: number): Promise<string> {
    const there = new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.lines.length <= at) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      look();
    });
    await Promise.race([there, this.ended]);
    const line = this.lines[at];
    if (line === undefined) throw new Error(`it has ended: ${this.explain()}`);
    return line;
  }

  /** Sends a signal and waits until the process is gone. */
  async kill(
    signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT',
  ): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.#child.kill(signal);
    const last = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE);
    const end = await this.ended;
    clearTimeout(last);
    return end;
  }

  /** The last that it said, for the message of a failed test. */
  explain(): string {
    const log = this.records.slice(-15).map((record) => JSON.stringify(record));
    return [
      `${this.#title} (pid ${this.pid}, ${this.alive ? 'running' : 'ended'})`,
      ...log,
      ...this.lines.slice(-15),
    ].join('\n  ');
  }

  #take(line: string): void {
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch {
      record = undefined;
    }
    if (typeof record === 'object' && record !== null && 'message' in record) {
      this.records.push(record as LogRecord);
      if (this.records.length > KEPT_LINES) this.records.shift();
    } else if (line.trim() !== '') {
      this.lines.push(line);
      if (this.lines.length > KEPT_LINES) this.lines.shift();
      for (const look of this.#listeners) look();
    }
  }
}

/** Whether nothing listens on a port yet, in UDP and in TCP. */
async function isFree(port: number): Promise<boolean> {
  const udp = await new Promise<boolean>((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      resolve(false);
    });
    socket.bind(port, LOOPBACK, () => {
      socket.close(() => {
        resolve(true);
      });
    });
  });
  if (!udp) return false;
  return new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, LOOPBACK, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/** Ports that a test process takes at a time; as many processes as there are such blocks may run at once. */
const BLOCK = 500;
let block: Promise<{ readonly first: number; used: number }> | undefined;

/**
 * Takes a block of ports for this process alone, by holding its first port for as long as the process lives: a port
 * that is free for a moment, because its peer was killed, must not go to a test in another process.
 */
async function takeBlock(): Promise<{ readonly first: number; used: number }> {
  for (let first = FIRST_PORT; first < FIRST_PORT + PORT_SPAN; first += BLOCK) {
    const socket = createSocket('udp4');
    const taken = await new Promise<boolean>((resolve) => {
      socket.once('error', () => {
        resolve(false);
      });
      socket.bind({ port: first, address: LOOPBACK, exclusive: true }, () => {
        resolve(true);
      });
    });
    if (taken) {
      socket.unref();
      return { first, used: 0 };
    }
    socket.close();
  }
  throw new Error('no free block of ports');
}

/** A port on which nothing listens; it is never given out twice. */
export async function freePort(): Promise<number> {
  for (;;) {
    const current = (block ??= takeBlock());
    const ports = await current;
    const port = ports.first + ++ports.used;
    if (port >= ports.first + BLOCK) {
      if (block === current) block = undefined;
    } else if (await isFree(port)) {
      return port;
    }
  }
}

/** The first of so many ports beside each other on which nothing listens; none of them is ever given out twice. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const ports: number[] = [];
    while (ports.length < count) ports.push(await freePort());
    const [first = 0] = ports;
    if (ports.every((port, index) => port === first + index)) return first;
  }
}

/** How a peer is started; what is left out has a value that makes tests quick. */
export interface PeerPlan {
  readonly difficulty: number;
  readonly join?: readonly Address[];
  readonly genesis?: boolean;
  readonly name?: string;
  readonly minedBy?: string;
  readonly extra?: readonly string[];
  /** Shell commands before it, such as `ulimit`. */
  readonly limits?: string;
}

/** A peer that can be killed and started again on its data. */
export class Peer {
  readonly host = LOOPBACK;
  readonly port: number;
  readonly minerPort: number;
  readonly dataDir: string;
  readonly #lab: Lab;
  #program: Program | undefined;

  constructor(lab: Lab, port: number, minerPort: number, dataDir: string) {
    this.#lab = lab;
    this.port = port;
    this.minerPort = minerPort;
    this.dataDir = dataDir;
  }

  get program(): Program {
    if (this.#program === undefined) throw new Error('the peer was never started');
    return this.#program;
  }

  /** Starts it and waits until it answers. */
  async start(plan: PeerPlan): Promise<void> {
    this.#program = this.#lab.runIn(
      plan.limits === undefined ? {} : { limits: plan.limits },
      'peer',
      ...['--port', String(this.port), '--bind', LOOPBACK, '--host', LOOPBACK],
      ...['--miner-port', String(this.minerPort), '--data-dir', this.dataDir],
      ...['--difficulty', String(plan.difficulty), '--name', plan.name ?? `peer ${this.port}`],
      ...['--consensus-interval', '1', '--gossip-interval', '1', '--peer-timeout', '20'],
      ...['--log-format', 'json', '--log-level', 'debug', '--http-port', '0'],
      ...(plan.minedBy === undefined ? [] : ['--mined-by', plan.minedBy]),
      ...(plan.join ?? []).flatMap((address) => ['--join', addressKey(address)]),
      ...(plan.genesis === true ? ['--genesis'] : []),
      ...(plan.extra ?? []),
    );
    const asker = await this.#lab.asker();
    await eventually('a peer is up', async () => {
      if (!this.program.alive) throw new Error('it ended at once');
      return asker.introduce(this.port, 1000).then(
        () => true,
        () => false,
      );
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.program.explain()}`, { cause: error });
    });
  }

  /** Whether it runs. */
  get alive(): boolean {
    return this.program.alive;
  }

  /** The last that it said, for the message of a failed test. */
  explain(): string {
    return this.program.explain();
  }

  async kill9(): Promise<void> {
    await this.program.kill('SIGKILL');
  }

  async stats(): Promise<Claim> {
    return (await this.#lab.asker()).stats(this.port);
  }

  /** Waits until its STATS pass `test`. */
  async reaches(what: string, test: (claim: Claim) => boolean, patience = 60_000): Promise<Claim> {
    let last: Claim | undefined;
    try {
      return await eventually(
        what,
        async () => {
          last = await this.stats();
          return test(last) && last;
        },
        patience,
      );
    } catch (error) {
      throw new Error(`${String(error)}; it stands at ${JSON.stringify(last)}\n${this.explain()}`, {
        cause: error,
      });
    }
  }
}

/** Data folders with chains in them, to be copied, by chain. */
const importedChains = new Map<string, Promise<string>>();
let templateFolder: string | undefined;

/** Removes the chains that were imported for {@link Lab.importChain}; to be called after the last test of a file. */
export function forgetImportedChains(): void {
  importedChains.clear();
  if (templateFolder !== undefined) removeFolder(templateFolder);
  templateFolder = undefined;
}

/** Imports a chain with the program itself. */
async function importInto(folder: string, chain: readonly Block[], difficulty: number): Promise<string> {
  const file = `${folder}.txt`;
  writeFileSync(file, chain.map((block) => `${blockToJson(block)}\n`).join(''));
  const program = new Program([
    ...['peer', 'import', file, '--data-dir', folder, '--difficulty', String(difficulty)],
  ]);
  const { code } = await program.ended;
  if (code !== 0) throw new Error(`import ended with ${code}: ${program.explain()}`);
  return folder;
}

/** Everything that one test opens, closed together however the test ends. */
export class Lab {
  #directory: string | undefined;
  readonly #programs: Program[] = [];
  readonly #closing: (() => void | Promise<void>)[] = [];
  readonly peers: Peer[] = [];
  #asker: Promise<Asker> | undefined;

  /** The listening ports of all peers under test. */
  readonly subjects = (): readonly number[] => this.peers.map((peer) => peer.port);

  /** A path in the lab's own folder, which goes with it. */
  path(name: string): string {
    this.#directory ??= makeFolder('gossip-peer-test-');
    return join(this.#directory, name);
  }

  /** The socket that asks peers what they have. */
  asker(): Promise<Asker> {
    this.#asker ??= this.newAsker();
    return this.#asker;
  }

  /** Another such socket, for what should not get the first one a bad name. */
  async newAsker(): Promise<Asker> {
    const asker = await Asker.open(this.subjects);
    this.onClose(() => {
      asker.close();
    });
    return asker;
  }

  /**
   * Puts a chain into a peer's data, as a user would, while it is not running. The same chain is imported once and
   * copied after that.
   */
  async importChain(peer: Peer, chain: readonly Block[], difficulty: number): Promise<void> {
    const key = `${difficulty} ${chain.length} ${chain.at(-1)?.hash}`;
    let imported = importedChains.get(key);
    if (imported === undefined) {
      templateFolder ??= makeFolder('gossip-peer-chains-');
      imported = importInto(join(templateFolder, String(importedChains.size)), chain, difficulty);
      importedChains.set(key, imported);
    }
    cpSync(await imported, peer.dataDir, { recursive: true });
  }

  /** A peer that is not started yet. */
  newPeer(): Promise<Peer> {
    return this.addPeer((...where) => new Peer(...where));
  }

  /** The same of another kind. */
  async addPeer<T extends Peer>(make: (...where: ConstructorParameters<typeof Peer>) => T): Promise<T> {
    const [port, minerPort] = [await freePort(), await freePort()];
    const peer = make(this, port, minerPort, this.path(`peer-${this.peers.length}`));
    this.peers.push(peer);
    return peer;
  }

  /** A peer that runs. */
  async startPeer(plan: PeerPlan): Promise<Peer> {
    const peer = await this.newPeer();
    await peer.start(plan);
    return peer;
  }

  /** A miner for a peer, with one worker: the tests share two cores. */
  startMiner(peer: Peer): Program {
    return this.run(
      'miner',
      ...['--peer-host', LOOPBACK, '--peer-port', String(peer.minerPort), '--processes', '1'],
      ...['--log-format', 'json'],
    );
  }

  /** Runs any program of the project. */
  run(...args: string[]): Program {
    return this.runIn({}, ...args);
  }

  /** The same in surroundings of its own. */
  runIn(surroundings: Surroundings, ...args: string[]): Program {
    const program = new Program(args, surroundings);
    this.#programs.push(program);
    return program;
  }

  onClose(close: () => void | Promise<void>): void {
    this.#closing.push(close);
  }

  /** Ends every process, closes every socket and removes the data. */
  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill('SIGKILL')));
    for (const close of this.#closing.splice(0)) await close();
    if (this.#directory !== undefined) removeFolder(this.#directory);
  }
}
