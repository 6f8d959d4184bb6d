/**
 * The baseline of the network benchmarks: the least that a Node program can do to ask for, and to serve, the same
 * payloads over UDP. The requests and replies have their true bytes, but nobody parses, checks or stores them.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LOOPBACK = '127.0.0.1';
/** A reply missing for so long, in milliseconds, counts as lost, and as many requests are sent again. */
const LOST_AFTER = 200;

/** Opens a socket on loopback with a receive buffer as large as the system allows. */
export async function openBareSocket(): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    // As in the peer: the default puts every datagram off to a later tick.
    lookup: (address, _family, callback) => {
      callback(null, address, 4);
    },
  });
  await new Promise<void>((resolve) => {
    socket.bind(0, LOOPBACK, resolve);
  });
  try {
    socket.setRecvBufferSize(4 * 1024 * 1024);
  } catch {
    // What the system gives by default will do.
  }
  return socket;
}

/**
 * Sends `requests` in order, `window` of them under way at a time, until each was answered.
 *
 * @returns the seconds that it took
 */
export async function pump(
  socket: Socket,
  port: number,
  requests: readonly Uint8Array[],
  window: number,
): Promise<number> {
  const start = performance.now();
  let sent = 0;
  let answered = 0;
  let lastAnswer = start;
  const send = (): void => {
    const request = requests[sent % requests.length];
    sent++;
    if (request !== undefined) socket.send(request, port, LOOPBACK, noop);
  };
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (performance.now() - lastAnswer < LOST_AFTER) return;
      lastAnswer = performance.now();
      for (let count = 0; count < window; count++) send();
    }, LOST_AFTER);
    const onMessage = (): void => {
      answered++;
      lastAnswer = performance.now();
      if (answered >= requests.length) {
        clearInterval(timer);
        socket.off('message', onMessage);
        resolve();
      } else {
        send();
      }
    };
    socket.on('message', onMessage);
    for (let count = 0; count < window; count++) send();
  });
  return (performance.now() - start) / 1000;
}

function noop(): void {
  // A send that fails is a lost datagram; the window is filled up again after a while.
}

/** A responder in a process of its own. */
export interface Responder {
  readonly port: number;
  stop(): void;
}

/** Starts a responder that answers every datagram with the next line of a file. */
export async function startResponder(file: string): Promise<Responder> {
  const child = fork(fileURLToPath(import.meta.url), ['serve', file], { stdio: 'inherit' });
  const port = await firstMessage(child);
  return {
    port,
    stop: () => {
      child.kill('SIGKILL');
    },
  };
}

/**
 * Asks a responder for `count` payloads from a process of its own, as a peer that syncs does.
 *
 * @returns the seconds that it took, without the start of the process
 */
export async function pumpFromProcess(port: number, count: number, window: number): Promise<number> {
  const args = ['ask', String(port), String(count), String(window)];
  const child = fork(fileURLToPath(import.meta.url), args, { stdio: 'inherit' });
  return firstMessage(child);
}

async function firstMessage(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('message', (value) => {
      resolve(Number(value));
    });
    child.once('exit', (code) => {
      reject(new Error(`a process of the baseline ended with ${String(code)}`));
    });
  });
}

/** The requests for the heights below `count`, as peers write them. */
export function getBlockRequests(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, height) =>
    Buffer.from(JSON.stringify({ type: 'GET_BLOCK', height })),
  );
}

async function serve(file: string): Promise<void> {
  const payloads = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line));
  const socket = await openBareSocket();
  let next = 0;
  socket.on('message', (_, from) => {
    const payload = payloads[next++ % payloads.length];
    if (payload !== undefined) socket.send(payload, from.port, from.address, noop);
  });
  // Not to outlive whoever started it, however that ended.
  process.once('disconnect', () => {
    socket.close();
  });
  process.send?.(socket.address().port);
}

async function ask(port: number, count: number, window: number): Promise<void> {
  const socket = await openBareSocket();
  const seconds = await pump(socket, port, getBlockRequests(count), window);
  socket.close();
  process.send?.(seconds, () => {
    process.disconnect();
  });
}

// This module is also the program that it forks.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , role, ...rest] = process.argv;
  if (role === 'serve') await serve(rest[0] ?? '');
  else await ask(Number(rest[0]), Number(rest[1]), Number(rest[2]));
}
