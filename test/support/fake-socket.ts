import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/** A TCP connection without a network, as far as the programs look at one. Events come at once. */
export class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly connecting = false;
  /** Everything that was written. */
  readonly written: string[] = [];
  /** Bytes that were written after `stalled` was set. */
  writableLength = 0;
  destroyed = false;
  /** Set while nothing that is written is read. */
  stalled = false;

  constructor(remoteAddress = '192.0.2.1', remotePort = 50_000) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  /** The same as what the programs take it for. */
  get socket(): Socket {
    return this as unknown as Socket;
  }

  get writable(): boolean {
    return !this.destroyed;
  }

  write(text: string): boolean {
    if (this.destroyed) throw new Error('written to after it was destroyed');
    this.written.push(text);
    if (this.stalled) this.writableLength += text.length;
    return !this.stalled;
  }

  /** Lets bytes arrive, unless the connection has ended. */
  receive(bytes: Uint8Array): void {
    if (!this.destroyed) this.emit('data', Buffer.from(bytes));
  }

  setTimeout(): this {
    return this;
  }

  destroySoon(): void {
    this.destroy();
  }

  destroy(): this {
    if (!this.destroyed) {
      this.destroyed = true;
      process.nextTick(() => this.emit('close'));
    }
    return this;
  }
}
