/**
 * The framed, authenticated TCP transport against bare sockets:
 *
 *     npm run build && node dist/test/bench/tcp.bench.js [rounds, default 9]
 *
 * Two ends in one process, over loopback: one sends so many messages at a time, the other sends each back. The baseline
 * writes the same bytes to a socket of `node:net` and gets them back, with nothing around them: no frames, no codes, no
 * queues, and no boundaries between messages. By turns, so that what else runs slows both; a ratio is of one turn.
 * At the end what the code of one such frame takes; small messages share one with those that leave at the same time.
 */
import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { FrameMac } from '../../peer/transports/frame-mac.ts';
import { openTcpMesh, type TcpMesh } from '../../peer/transports/tcp.ts';
import { generateKeyPair } from '../../shared/ed25519.ts';
import { silentLog } from '../../shared/log.ts';
import { argument, median } from './measure.ts';

const LOOPBACK = '127.0.0.1';

/** Something that sends messages of a length, gets them all back, and is done. */
interface Echo {
  exchange(message: Uint8Array, count: number, inFlight: number): Promise<void>;
  close(): Promise<void>;
}

/** Keeps so many messages under way until as many have come back; counts bytes, for bare sockets know no messages. */
class Window {
  readonly #send: () => void;
  readonly #length: number;
  #toSend: number;
  #toCome: number;
  #finish: (() => void) | undefined;
  #rest = 0;

  constructor(send: () => void, length: number, count: number) {
    this.#send = send;
    this.#length = length;
    this.#toSend = count;
    this.#toCome = count;
  }

  run(inFlight: number): Promise<void> {
    return new Promise((resolve) => {
      this.#finish = resolve;
      this.#sendMore(inFlight);
    });
  }

  came(bytes: number): void {
    this.#rest += bytes;
    const whole = Math.floor(this.#rest / this.#length);
    this.#rest -= whole * this.#length;
    this.#toCome -= whole;
    this.#sendMore(whole);
    if (this.#toCome === 0) this.#finish?.();
  }

  #sendMore(most: number): void {
    for (let sent = 0; sent < most && this.#toSend > 0; sent++, this.#toSend--) this.#send();
  }
}

async function bareEcho(): Promise<Echo> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const { port } = server.address() as AddressInfo;
  const socket = await new Promise<Socket>((resolve) => {
    const one = connect({ host: LOOPBACK, port, noDelay: true }, () => {
      resolve(one);
    });
  });
  let window: Window | undefined;
  socket.on('data', (chunk: Buffer) => window?.came(chunk.length));
  return {
    exchange: (message, count, inFlight) => {
      window = new Window(() => socket.write(message), message.length, count);
      return window.run(inFlight);
    },
    close: async () => {
      socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function meshEcho(): Promise<Echo> {
  const keys = [generateKeyPair(), generateKeyPair()] as const;
  const members = keys.map(({ publicKey }) => ({ publicKey }));
  const options = {
    bind: LOOPBACK,
    port: 0,
    cluster: 'bench',
    members,
    bufferFrames: 10_000,
    log: silentLog,
  };
  const meshes: TcpMesh[] = [];
  let window: Window | undefined;
  const onError = (error: Error): void => {
    throw error;
  };
  meshes[0] = await openTcpMesh(
    { ...options, self: 0, key: keys[0], bootstrap: [] },
    { onMessage: (bytes, from) => meshes[0]?.send(bytes, from), onError },
  );
  const { local } = meshes[0];
  let isUp: () => void = () => undefined;
  const up = new Promise<void>((resolve) => (isUp = resolve));
  meshes[1] = await openTcpMesh(
    { ...options, self: 1, key: keys[1], bootstrap: [local] },
    {
      onMessage: (bytes) => window?.came(bytes.length),
      onPeer: () => {
        isUp();
      },
      onError,
    },
  );
  await up;
  return {
    exchange: (message, count, inFlight) => {
      window = new Window(() => meshes[1]?.send(message, 0), message.length, count);
      return window.run(inFlight);
    },
    close: async () => {
      for (const mesh of meshes) await mesh.close();
    },
  };
}

interface Case {
  readonly name: string;
  readonly bytes: number;
  readonly count: number;
  readonly inFlight: number;
}

const CASES: readonly Case[] = [
  { name: '256 B, one at a time', bytes: 256, count: 3_000, inFlight: 1 },
  { name: '256 B, 64 at a time', bytes: 256, count: 30_000, inFlight: 64 },
  { name: '64 KiB, one at a time', bytes: 65_536, count: 1_000, inFlight: 1 },
  { name: '64 KiB, 16 at a time', bytes: 65_536, count: 2_000, inFlight: 16 },
];

/** Microseconds that an exchange takes for each message, there and back. */
async function timeOf(echo: Echo, { bytes, count, inFlight }: Case): Promise<number> {
  const message = randomBytes(bytes);
  const start = performance.now();
  await echo.exchange(message, count, inFlight);
  return ((performance.now() - start) * 1000) / count;
}

/** Microseconds for the code of one frame. Alone, a message has four there and back: two are made, two are checked. */
function timeOfCode(bytes: number): number {
  const mac = new FrameMac(randomBytes(32));
  const body = randomBytes(bytes);
  const count = Math.ceil(2e8 / (bytes + 10_000));
  const start = performance.now();
  for (let number = 0; number < count; number++) mac.next(body);
  return ((performance.now() - start) * 1000) / count;
}

function row(cells: readonly string[]): void {
  console.log(cells.map((cell, index) => (index === 0 ? cell.padEnd(24) : cell.padStart(16))).join(''));
}

const rounds = argument(0, 'rounds', 9);
const bare = await bareEcho();
const mesh = await meshEcho();
row(['echo', 'bare, a second', 'mesh, a second', 'RATIO', '(least to most)', 'code, µs each']);
for (const one of CASES) {
  for (const echo of [bare, mesh]) await timeOf(echo, one);
  const times: { bare: number; mesh: number; code: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    times.push({
      bare: await timeOf(bare, one),
      mesh: await timeOf(mesh, one),
      code: timeOfCode(one.bytes),
    });
  }
  const ratios = times.map((time) => time.bare / time.mesh);
  const rate = (microseconds: number): string => Math.round(1e6 / microseconds).toLocaleString('en');
  row([
    one.name,
    rate(median(times.map((time) => time.bare))),
    rate(median(times.map((time) => time.mesh))),
    median(ratios).toFixed(2),
    `(${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
    median(times.map((time) => time.code)).toFixed(1),
  ]);
}
await bare.close();
await mesh.close();
