/** `peer network` as a process, looked at through its API and from outside. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';

import type { z } from 'zod';

import { takePorts } from '../../peer/network/ports.ts';
import { blockSchema, statusSchema, type Status } from '../../peer/engines/pow/face/schemas.ts';
import { nodesSchema, type NodesJson } from '../../peer/web/schemas.ts';
import { UserError } from '../../shared/errors.ts';
import { eventually } from './asker.ts';
import { freePorts, type Lab, type Program } from './processes.ts';

/** Low enough for the slowest kernel on a busy machine, high enough that blocks do not come by the hundred. */
export const DIFFICULTY = 4;
/** How long programs may take until they are where they are to be: many run at once, on a machine that does more. */
const PATIENCE = 120_000;

/** What was answered, as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly type: string | null;
  readonly body: unknown;
}

/** Processes that a process has started, and those that they have, as `ps` shows them. */
function descendants(pid: number): string[] {
  const rows = processRows();
  const found: typeof rows = [];
  let parents = new Set([pid]);
  while (parents.size > 0) {
    const children = rows.filter(({ parent }) => parents.has(parent));
    found.push(...children);
    parents = new Set(children.map((row) => row.pid));
  }
  return found.map(({ pid: own, args }) => `${own} ${args}`).filter((row) => !/^\d+ ps /.test(row));
}

function processRows(): { readonly pid: number; readonly parent: number; readonly args: string }[] {
  const text = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' });
  return text.split('\n').flatMap((line) => {
    const [, pid, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return args === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), args }];
  });
}

/** A network that was started with the command. */
export class CommandNetwork {
  readonly program: Program;
  /** Its first port. */
  readonly basePort: number;
  /** The folder in which it makes temporary ones, and nobody else does. */
  readonly folder: string;
  #url = '';

  private constructor(program: Program, basePort: number, folder: string) {
    this.program = program;
    this.basePort = basePort;
    this.folder = folder;
  }

  /**
   * Starts one, and waits until its page is there.
   *
   * @param options `basePort: 0` leaves the choice of ports to the program
   */
  static async start(
    lab: Lab,
    options: {
      nodes: number;
      /** None for a cluster of replicas. */
      miners?: number;
      difficulty?: number;
      basePort?: 0;
      extra?: readonly string[];
    },
  ): Promise<CommandNetwork> {
    const { nodes, miners, difficulty = DIFFICULTY, extra = [] } = options;
    const basePort = options.basePort ?? (await freePorts(2 * nodes));
    const folder = lab.path(`temporary-${Math.random()}`);
    mkdirSync(folder, { recursive: true });
    const program = lab.runIn(
      { input: 'pipe', env: { TMPDIR: folder } },
      ...['peer', 'network', '--nodes', String(nodes)],
      ...(miners === undefined
        ? ['--engine', 'pbft']
        : ['--miners', String(miners), '--difficulty', String(difficulty)]),
      ...(basePort === 0 ? [] : ['--base-port', String(basePort)]),
      ...extra,
    );
    const network = new CommandNetwork(program, basePort, folder);
    // Its programs have sessions of their own: they would not end with it if it did not end them itself.
    await network.says(/Status page: (http:\S+)/).then(([, url = '']) => {
      network.#url = url.replace(/\/$/, '');
    });
    return network;
  }

  /** Address of its page, without a slash at the end. */
  get url(): string {
    return this.#url;
  }

  /** Waits for a line. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(`it says ${pattern}`, () => {
      for (const line of this.program.lines) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      if (!this.program.alive) throw new Error('it has ended');
      return undefined;
    });
  }

  /** Asks for anything; a body is posted. */
  async ask(path: string, body?: unknown, init: RequestInit = {}): Promise<RawAnswer> {
    const response = await fetch(this.#url + path, {
      ...(body !== undefined && {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
      ...init,
    });
    const text = await response.text();
    const type = response.headers.get('content-type');
    return { status: response.status, type, body: type?.includes('json') === true ? JSON.parse(text) : text };
  }

  /** What a path gives. */
  async get<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>> {
    return schema.parse((await this.ask(path)).body);
  }

  /** Does something to the network, which must succeed. */
  async order(path: string, body: unknown = {}): Promise<NodesJson> {
    const answer = await this.ask(path, body);
    if (answer.status !== 200) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return nodesSchema.parse(answer.body);
  }

  status(node: number): Promise<Status> {
    return this.get(`/nodes/node-${node}/api/status`, statusSchema);
  }

  /** The hash of a block of a node's chain; undefined if it has none at that height. */
  async hash(node: number, height: number): Promise<string | undefined> {
    const { status, body } = await this.ask(`/nodes/node-${node}/api/blocks/${height}`);
    return status === 200 ? blockSchema.parse(body).hash : undefined;
  }

  /** Waits until these nodes have so many blocks, and returns the hash of each at a height. */
  async hashesAt(nodes: readonly number[], height: number): Promise<string[]> {
    return this.#until(`nodes ${nodes.join(', ')} have a block ${height}`, async () => {
      const hashes = await Promise.all(nodes.map((node) => this.hash(node, height)));
      return hashes.every((hash) => hash !== undefined) && hashes;
    });
  }

  /** Waits until these nodes have the same block at a height. */
  async agree(nodes: readonly number[], height: number): Promise<void> {
    await this.#until(`nodes ${nodes.join(', ')} agree on block ${height}`, async () => {
      const hashes = await Promise.all(nodes.map((node) => this.hash(node, height)));
      return !hashes.includes(undefined) && new Set(hashes).size === 1;
    });
  }

  /** The highest of the heights of these nodes; -1 if no one has a block. */
  async highest(nodes: readonly number[]): Promise<number> {
    return Math.max(...(await Promise.all(nodes.map(async (node) => (await this.status(node)).height)))) - 1;
  }

  /** Everything that it has started, to be compared with what is left later. */
  processes(): string[] {
    return descendants(this.program.pid);
  }

  /** Waits until none of these processes is left, nor anything in the temporary folder. */
  async leavesNothing(processes: readonly string[]): Promise<void> {
    await this.#until('nothing is left', () => {
      const now = new Set(processRows().map(({ pid, args }) => `${pid} ${args}`));
      return processes.every((one) => !now.has(one)) && readdirSync(this.folder).length === 0;
    });
  }

  /**
   * Waits until a network of so many nodes could have its ports. A process that is killed gives its command line up
   * before its sockets, so that for a moment after `leavesNothing` the system may still be closing them.
   */
  async leavesPorts(nodes: number): Promise<void> {
    await this.#until('its ports are free', async () => {
      try {
        (await takePorts(nodes, this.basePort)).release();
        return true;
      } catch (error) {
        if (error instanceof UserError) return false;
        throw error;
      }
    });
  }

  async #until<T>(
    what: string,
    look: () => T | undefined | false | Promise<T | undefined | false>,
  ): Promise<T> {
    try {
      return await eventually(what, look, PATIENCE);
    } catch (error) {
      throw new Error(`${String(error)}\n${this.program.explain()}`, { cause: error });
    }
  }
}
