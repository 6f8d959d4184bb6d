/** A peer as miners see it, in a process of its own: the real mining server, on a chain that nobody keeps. */
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { MiningServer } from '../../peer/engines/pow/node/mining/server.ts';
import { silentLog } from '../../shared/log.ts';
import type { WorkTemplate } from '../../shared/work.ts';

const LOOPBACK = '127.0.0.1';
/** Milliseconds between two jobs for the same work: far shorter than a peer's, so that what a job costs is seen. */
const TICK = 1000;
/** Shortest and longest time from a tip to the next, in milliseconds, so that a tip falls into every part of a task. */
const PAUSE = { least: 40, most: 160 };

/** A tip that the peer had. */
export interface Tip {
  readonly hash: string;
  /** Of the system's monotonic clock, in nanoseconds: just before the server heard of it. */
  readonly at: bigint;
}

/** What the peer is asked to do: tips for so long, at a difficulty, one after the other; none but the first for 0 s. */
interface Request {
  readonly difficulty: number;
  readonly seconds: number;
}

/** What is to be mined on a tip: 119 bytes before the nonce, a good place for miners (see `suitsMiners`). */
export function templateOn(previousHash: string, difficulty: number): WorkTemplate {
  const messages = ['what a peer gives', 'its miners to mine.'];
  return { height: 1, previousHash, messages, minedBy: 'gossip-peer', difficulty };
}

/** The process of the peer, as its owner sees it. */
export class MiningPeer {
  readonly #child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(): Promise<MiningPeer> {
    const child = fork(fileURLToPath(import.meta.url), { serialization: 'advanced', stdio: 'inherit' });
    return new MiningPeer(child, await answer<number>(child));
  }

  /** Sets new tips for some seconds; what is found on a tip brings another one. Returns all tips in order. */
  async tips(request: Request): Promise<Tip[]> {
    const tips = answer<Tip[]>(this.#child);
    this.#child.send(request);
    return tips;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

async function answer<T>(child: ChildProcess): Promise<T> {
  const exit = new AbortController();
  const ended = (): void => {
    exit.abort(new Error('the peer of the benchmark has ended'));
  };
  child.once('exit', ended);
  const [{ value }] = (await once(child, 'message', { signal: exit.signal })) as [{ value: T }];
  child.off('exit', ended);
  return value;
}

async function bePeer(): Promise<void> {
  let tips: Tip[] = [];
  let difficulty = 1;
  const renew = (): void => {
    const template = templateOn(randomBytes(32).toString('hex'), difficulty);
    tips.push({ hash: template.previousHash, at: process.hrtime.bigint() });
    server.setTemplate(template);
  };
  const server = new MiningServer(
    { bind: LOOPBACK, port: 0, tick: TICK },
    {
      log: silentLog,
      submit: () => {
        renew();
        return { status: 'accepted' };
      },
      now: Date.now,
      entropy: randomBytes,
    },
  );
  const setTips = async ({ difficulty: zeros, seconds }: Request): Promise<void> => {
    const end = performance.now() + 1000 * seconds;
    tips = [];
    difficulty = zeros;
    do {
      renew();
      await sleep(PAUSE.least + Math.random() * (PAUSE.most - PAUSE.least));
    } while (performance.now() < end);
    process.send?.({ value: tips });
  };
  process.on('message', (request: Request) => void setTips(request));
  // Not to outlive whoever started it, however that ended.
  process.once('disconnect', () => process.exit());
  const { port } = await server.listen();
  process.send?.({ value: port });
}

// This module is also the program that it forks.
if (process.argv[1] === fileURLToPath(import.meta.url)) await bePeer();
