/** The connections of a server: never too many, and those that only wait make room for others. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import { isLoopback, plainAddress } from './access.ts';
import { MAX_CONNECTIONS, SPARE_CONNECTIONS } from './limits.ts';

export class Connections {
  /** What each is asked for, if anything; the longest unused first. */
  readonly #open = new Map<Socket, IncomingMessage | undefined>();
  /** Beyond the bound: of this machine, oldest first. */
  readonly #spare = new Set<Socket>();
  readonly #onRefusal: () => void;

  /** @param onRefusal called for every connection that is refused, or ended to make room */
  constructor(onRefusal: () => void) {
    this.#onRefusal = onRefusal;
  }

  /** A connection has come. */
  add(socket: Socket): void {
    if (this.#open.size < MAX_CONNECTIONS || this.#makeRoom()) this.#open.set(socket, undefined);
    else if (isLoopback(plainAddress(socket.remoteAddress ?? ''))) this.#addSpare(socket);
    else this.#end(socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#spare.delete(socket);
    });
  }

  /** A request has begun. @returns whether it may be answered */
  begin(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket, url } = request;
    if (this.#spare.has(socket)) return url === '/healthz';
    this.#open.set(socket, request);
    response.once('close', () => {
      // Last of those that wait.
      if (this.#open.delete(socket) && !socket.destroyed) this.#open.set(socket, undefined);
    });
    return true;
  }

  /** Ends the connection that has waited longest for a request, or for the rest of one. */
  #makeRoom(): boolean {
    for (const [socket, request] of this.#open) {
      if (request?.complete === true) continue;
      this.#open.delete(socket);
      this.#end(socket);
      return true;
    }
    return false;
  }

  #addSpare(socket: Socket): void {
    this.#spare.add(socket);
    const [oldest] = this.#spare;
    if (oldest === undefined || this.#spare.size <= SPARE_CONNECTIONS) return;
    this.#spare.delete(oldest);
    this.#end(oldest);
  }

  #end(socket: Socket): void {
    this.#onRefusal();
    socket.destroy();
  }
}
