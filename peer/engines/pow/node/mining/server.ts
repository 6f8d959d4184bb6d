import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { addressKey, type Address } from '../../../../../shared/address.ts';
import type { Block } from '../../../../../shared/block.ts';
import { UserError, messageOf, systemCodeOf } from '../../../../../shared/errors.ts';
import type { Log } from '../../../../../shared/log.ts';
import { NONCE_ALPHABET, type MiningAnswer } from '../../../../../shared/mining-wire.ts';
import type { SubmitResult, WorkTemplate } from '../../../../../shared/work.ts';
import { CUT_RULES, MinerConnection, type ConnectionHost, type CutReason } from './connection.ts';
import { DEFAULT_MINING_LIMITS, type MiningLimits } from './limits.ts';
import { completeBlock, findTemplate, isOffence, rejection, sameTemplate, sameTip } from './verify.ts';

/**
 * Characters of a miner's part of the nonce space: 262,144 parts, a thousand times as many as there may be miners,
 * and short, since every character of it is one that the miner's fast loops cannot vary.
 */
const PREFIX_LENGTH = 3;
const PREFIXES = NONCE_ALPHABET.length ** PREFIX_LENGTH;
/** How often a job is given again with the time of then, in milliseconds: a block's time is at most so much too old. */
const DEFAULT_TICK = 15_000;
/** After so much silence of the other side the system asks whether it is still there, in milliseconds. */
const KEEP_ALIVE = 30_000;

export interface MiningServerOptions {
  /** The address to listen at. */
  readonly bind: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Milliseconds between two jobs for the same work. */
  readonly tick?: number;
  readonly limits?: Partial<MiningLimits>;
}

export interface MiningServerModules {
  readonly log: Log;
  /** Takes a verified block to the chain. */
  readonly submit: (block: Block) => SubmitResult;
  /** Wall clock in milliseconds. */
  readonly now: () => number;
  /** So many random bytes. */
  readonly entropy: (bytes: number) => Uint8Array;
}

/** One miner, as shown to people. */
export interface MinerView {
  readonly address: Address;
  /** What the miner says it is: text from the network, printable ASCII. Null for a seed miner, which says nothing. */
  readonly agent: string | null;
  readonly processes: number | null;
  /** As the miner last reported. */
  readonly hashesPerSecond: number | null;
  readonly accepted: number;
  readonly stale: number;
  readonly rejected: number;
  /** Wall clock in milliseconds. */
  readonly connectedAt: number;
}

/**
 * Serves work to miners over TCP. Every miner gets its own part of the nonce space; whatever a miner hands in is
 * verified before the chain hears of it; a miner that misbehaves is cut off, and the others notice nothing.
 */
export class MiningServer {
  readonly #options: MiningServerOptions;
  readonly #modules: MiningServerModules;
  readonly #limits: MiningLimits;
  readonly #server: Server;
  readonly #connections = new Set<MinerConnection>();
  /** Miners that were logged as joined. */
  readonly #greeted = new Set<MinerConnection>();
  readonly #counters = new Map<string, number>();
  readonly #host: ConnectionHost;
  #template: WorkTemplate | null = null;
  #jobs = 0;
  #nextPrefix: number;
  #tickTimer: NodeJS.Timeout | undefined;
  /** Runs while a change of words waits for {@link MiningLimits.wordsInterval}. */
  #wordsTimer: NodeJS.Timeout | undefined;
  /** Monotonic time of the last change that was passed on. */
  #changedAt = -Infinity;
  #logLines = 0;

  constructor(options: MiningServerOptions, modules: MiningServerModules) {
    this.#options = options;
    this.#modules = modules;
    this.#limits = { ...DEFAULT_MINING_LIMITS, ...options.limits };
    // A random start, so that a peer that restarts within a second does not give out the same parts again.
    this.#nextPrefix = modules.entropy(4).reduce((sum, byte) => sum * 256 + byte, 0) % PREFIXES;
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE });
    this.#server.on('connection', (socket) => {
      this.accept(socket);
    });
    this.#host = this.#createHost();
  }

  /**
   * Opens the port.
   *
   * @returns the address listened at
   * @throws UserError if the port cannot be opened
   */
  async listen(): Promise<Address> {
    const { bind, port, tick } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(listenError(error, bind, port));
      });
      this.#server.listen(port, bind, resolve);
    });
    this.#server.removeAllListeners('error').on('error', (error) => {
      this.#modules.log.error('mining: a miner could not be accepted', { error: messageOf(error) });
    });
    this.#tickTimer = setInterval(() => {
      this.#logLines = 0;
      for (const connection of this.#connections) connection.tick();
    }, tick ?? DEFAULT_TICK);
    const { address: host, port: bound } = this.#server.address() as AddressInfo;
    return { host, port: bound };
  }

  /** Sets what is to be mined; null if there is nothing. Miners are notified at once. */
  setTemplate(template: WorkTemplate | null): void {
    const before = this.#template;
    if (sameTemplate(before, template)) return;
    this.#template = template;
    const wait = this.#changedAt + this.#limits.wordsInterval - performance.now();
    const onlyWords = before !== null && template !== null && sameTip(before, template);
    if (!onlyWords || wait <= 0) {
      this.#passOn();
    } else {
      this.#wordsTimer ??= setTimeout(() => {
        this.#passOn();
      }, wait);
    }
  }

  /** The miners that are connected, in the order of their coming. */
  miners(): MinerView[] {
    return [...this.#connections].map((connection) => ({
      address: connection.address,
      agent: connection.hello?.agent ?? null,
      processes: connection.hello?.processes ?? null,
      hashesPerSecond: connection.rate ?? null,
      ...connection.results,
      connectedAt: connection.connectedAt,
    }));
  }

  /**
   * How often each thing happened: `connection.accepted`, `connection.refused`, `cut.<reason>`,
   * `answer.<status>`, `answer.<broken rule>`, `message.<broken rule>`.
   */
  counters(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counters);
  }

  /** Closes the port and every connection. */
  async close(): Promise<void> {
    clearInterval(this.#tickTimer);
    clearTimeout(this.#wordsTimer);
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    for (const connection of this.#connections) connection.close();
    await closed;
  }

  #passOn(): void {
    clearTimeout(this.#wordsTimer);
    this.#wordsTimer = undefined;
    this.#changedAt = performance.now();
    for (const connection of this.#connections) connection.update();
  }

  /** Takes in a miner that has connected, or closes the connection if there are too many. */
  accept(socket: Socket): void {
    // Resets and broken pipes are ends like any other; 'close' follows.
    socket.on('error', (error) => {
      this.#modules.log.debug('mining: connection failed', { error: messageOf(error) });
    });
    const address = {
      host: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
      port: socket.remotePort ?? 0,
    };
    if (!this.#makeRoom(address.host)) {
      this.#count('connection.refused');
      socket.destroy();
      return;
    }
    this.#count('connection.accepted');
    const connection = new MinerConnection(socket, this.#host, this.#limits, {
      address,
      noncePrefix: this.#takePrefix(),
      connectedAt: this.#modules.now(),
      number: this.#takeNumber(),
    });
    this.#connections.add(connection);
    const silent = setTimeout(() => {
      this.#greet(connection);
    }, this.#limits.hello);
    socket.once('close', () => {
      clearTimeout(silent);
      connection.close();
      // One that was cut off is gone from the list already.
      const left = this.#connections.delete(connection);
      if (this.#greeted.delete(connection) && left) this.#log('mining: miner left', connection);
    });
    connection.update();
  }

  /**
   * Whether there is a place for one more from this host. In half of the places are only those that have found a block;
   * where the others are full, the one gives way that was silent longest on the host that has most of them.
   */
  #makeRoom(host: string): boolean {
    const { miners, minersPerHost } = this.#limits;
    const idle = [...this.#connections].filter(({ results }) => results.accepted === 0);
    const perHost = new Map<string, MinerConnection[]>([[host, []]]);
    for (const connection of idle) {
      const { host: other } = connection.address;
      perHost.set(other, [...(perHost.get(other) ?? []), connection]);
    }
    let crowd = perHost.get(host) ?? [];
    const fromHost = [...this.#connections].filter(({ address }) => address.host === host).length;
    if (fromHost < minersPerHost) {
      if (idle.length < Math.ceil(miners / 2) && this.#connections.size < miners) return true;
      for (const other of perHost.values()) if (other.length > crowd.length) crowd = other;
    }
    if (crowd.length === 0) return false;
    crowd.reduce((a, b) => (b.heardAt < a.heardAt ? b : a)).giveWay();
    return true;
  }

  /** The lowest number that none has of those that may be miners of the seed. */
  #takeNumber(): number {
    const taken = new Set([...this.#connections].map(({ number }) => number));
    let number = 1;
    while (taken.has(number)) number++;
    return number;
  }

  /** A part of the nonce space that no connected miner has. */
  #takePrefix(): string {
    const taken = new Set([...this.#connections].map((connection) => connection.noncePrefix));
    let prefix: string;
    do {
      let rest = this.#nextPrefix;
      prefix = '';
      for (let at = 0; at < PREFIX_LENGTH; at++) {
        prefix += NONCE_ALPHABET.charAt(rest % NONCE_ALPHABET.length);
        rest = Math.floor(rest / NONCE_ALPHABET.length);
      }
      this.#nextPrefix = (this.#nextPrefix + 1) % PREFIXES;
    } while (taken.has(prefix));
    return prefix;
  }

  #createHost(): ConnectionHost {
    const current = (): WorkTemplate | null => this.#template;
    return {
      get template() {
        return current();
      },
      seconds: () => Math.floor(this.#modules.now() / 1000),
      jobId: () => String(++this.#jobs),
      judge: (answer, templates) => this.#judge(answer, templates),
      count: (name) => {
        this.#count(name);
      },
      greeted: (connection) => {
        this.#greet(connection);
      },
      cut: (connection, reason: CutReason) => {
        this.#connections.delete(connection);
        this.#count(`cut.${reason}`);
        this.#log(`mining: miner cut off: ${CUT_RULES[reason]}`, connection);
      },
    };
  }

  #judge(
    answer: MiningAnswer,
    templates: readonly WorkTemplate[],
  ): { result: SubmitResult; offence: boolean } {
    const template = findTemplate(answer, templates);
    if (template !== undefined && !sameTip(template, this.#template)) {
      return { result: { status: 'stale' }, offence: false };
    }
    const block =
      template === undefined
        ? 'unknown-job'
        : completeBlock(answer, template, this.#modules.now(), this.#limits.answerAgeSeconds);
    if (typeof block === 'string') {
      this.#count(`answer.${block}`);
      return { result: rejection(block), offence: isOffence(block) };
    }
    return { result: this.#modules.submit(block), offence: false };
  }

  #count(name: string): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + 1);
  }

  /** A miner has sent HELLO, has handed in a block, or has sent nothing for so long that it is one of the seed. */
  #greet(connection: MinerConnection): void {
    if (this.#greeted.has(connection)) return;
    this.#greeted.add(connection);
    this.#log('mining: miner joined', connection);
  }

  /** At level info, unless miners come and go so often that they would fill the log. */
  #log(message: string, connection: MinerConnection): void {
    const { log } = this.#modules;
    const data = { miner: addressKey(connection.address), miners: this.#connections.size };
    if (this.#logLines++ < this.#limits.logLines) log.info(message, data);
    else log.debug(message, data);
  }
}

function listenError(error: Error, bind: string, port: number): Error {
  switch (systemCodeOf(error)) {
    case 'EADDRINUSE':
      return new UserError(`port ${port} for miners is in use; choose another with --miner-port`);
    case 'EACCES':
      return new UserError(
        `port ${port} for miners is not allowed to this user; choose one above 1023 with --miner-port`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new UserError(
        `${bind} is not an address of this machine to serve miners at; choose another with --miner-bind`,
      );
    default:
      return error;
  }
}
