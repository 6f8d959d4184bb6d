import { lookup } from 'node:dns/promises';
import { isIPv4, isIPv6 } from 'node:net';

import { TokenBucket } from '../core/bounded.ts';

/** Names that are remembered; the names come from the network, so anybody may make them up. */
const MAX_NAMES = 1024;
/** Lookups under way at a time: each holds one of the few threads of Node's pool, some for many seconds. */
const MAX_LOOKUPS = 2;
/**
 * Lookups a second, and at once: a stranger can have us make one with every datagram, and somebody has to answer them.
 * The burst lets a newcomer learn the names of a whole class.
 */
const LOOKUPS = { perSecond: 20, burst: 256 };
/** Names that wait for a lookup. */
const MAX_WAITING_NAMES = 64;
/** Callers that wait for one name. */
const MAX_WAITERS = 8;
/** How long an answer is believed, in milliseconds: peers move, but not often. */
const POSITIVE_TTL = 300_000;
/** How long a failure is believed, in milliseconds: as long as a round of gossip, so a name is asked for once in each. */
const NEGATIVE_TTL = 30_000;

/** Letters, digits, hyphens (and the underscores of some machines) in labels that are separated by dots. */
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i;
/**
 * Names that the system's resolver takes for numbers (`127.1`, `0x7f.1`, `2130706433`). Nobody is called that, and
 * as another spelling of a numeric address they would slip past every comparison of addresses.
 */
const NUMERIC_NAME = /(^|\.)(\d+|0x[0-9a-f]*)\.?$/i;
/** This machine, whatever a resolver says (RFC 6761). */
const LOCALHOST = /^(.+\.)?localhost\.?$/i;

/** Why there is no address to send to. */
export type HostFault =
  /** Neither an IPv4 address nor a host name. */
  | 'bad-host'
  /** The network is IPv4 only. */
  | 'ipv6'
  /** The unspecified, a multicast or a broadcast address: no single other machine. */
  | 'unroutable'
  /** The resolver knows no IPv4 address for the name. */
  | 'unresolved'
  /** Too many names wait, or were looked up of late. */
  | 'lookup-limit';

/** Where a host is, or why nothing can be sent to it. */
export type HostAnswer =
  | { readonly address: string; readonly fault?: never }
  | { readonly fault: HostFault; readonly address?: never };

/** Finds the IPv4 address of a name, or rejects. */
export type Resolve = (name: string) => Promise<string>;

interface Entry {
  /** Undefined while the first lookup is under way. */
  answer: HostAnswer | undefined;
  /** When the answer is no longer believed. */
  expires: number;
  /** Whether a lookup waits or is under way. */
  pending: boolean;
  waiters: ((answer: HostAnswer) => void)[];
}

/** An IPv4 address, if it stands for one machine: not "this network", multicast, reserved or broadcast. */
function numeric(address: string): HostAnswer {
  const first = Number.parseInt(address, 10);
  return first > 0 && first < 224 ? { address } : { fault: 'unroutable' };
}

/**
 * Turns hosts into IPv4 addresses: numeric ones at once, names by way of a bounded cache, so that a flood of made-up
 * names neither fills the memory nor delays anybody else's datagrams.
 */
export class HostResolver {
  readonly #resolve: Resolve;
  readonly #now: () => number;
  /** In the order of their last lookup, oldest first. */
  readonly #names = new Map<string, Entry>();
  readonly #waiting: string[] = [];
  readonly #rate = new TokenBucket(LOOKUPS);
  #lookups = 0;

  /**
   * @param options.resolve asks the system by default
   * @param options.now a clock in milliseconds that never goes back
   */
  constructor(options: { resolve?: Resolve; now?: () => number } = {}) {
    this.#resolve = options.resolve ?? (async (name) => (await lookup(name, { family: 4 })).address);
    this.#now = options.now ?? (() => performance.now());
  }

  /** How many names are remembered; at most 1024. */
  get size(): number {
    return this.#names.size;
  }

  /**
   * Where a host is. Undefined if it must be looked up first: then `later` is called, once, when that is done.
   */
  find(host: string, later: (answer: HostAnswer) => void): HostAnswer | undefined {
    if (isIPv4(host)) return numeric(host);
    if (isIPv6(host)) return { fault: 'ipv6' };
    if (!HOST_NAME.test(host) || NUMERIC_NAME.test(host)) return { fault: 'bad-host' };
    if (LOCALHOST.test(host)) return { address: '127.0.0.1' };
    let entry = this.#names.get(host);
    if (entry === undefined) {
      if (!this.#makeRoom()) return { fault: 'lookup-limit' };
      entry = { answer: undefined, expires: 0, pending: false, waiters: [] };
      this.#names.set(host, entry);
    }
    if (!entry.pending && this.#now() >= entry.expires && !this.#ask(host, entry)) {
      if (entry.answer === undefined) this.#names.delete(host);
      return entry.answer ?? { fault: 'lookup-limit' };
    }
    // While an old answer is looked up again, it still serves.
    if (entry.answer !== undefined) return entry.answer;
    if (entry.waiters.length >= MAX_WAITERS) return { fault: 'lookup-limit' };
    entry.waiters.push(later);
    return undefined;
  }

  /** Forgets the oldest name that nobody waits for, if there are too many. */
  #makeRoom(): boolean {
    if (this.#names.size < MAX_NAMES) return true;
    for (const [name, entry] of this.#names) {
      if (!entry.pending) return this.#names.delete(name);
    }
    return false;
  }

  #ask(host: string, entry: Entry): boolean {
    if (this.#waiting.length >= MAX_WAITING_NAMES || !this.#rate.take(this.#now())) return false;
    entry.pending = true;
    this.#waiting.push(host);
    this.#lookUpNext();
    return true;
  }

  #lookUpNext(): void {
    while (this.#lookups < MAX_LOOKUPS) {
      const host = this.#waiting.shift();
      if (host === undefined) return;
      this.#lookups++;
      this.#resolve(host).then(
        (address) => {
          this.#settle(host, isIPv4(address) ? numeric(address) : { fault: 'unresolved' });
        },
        () => {
          this.#settle(host, { fault: 'unresolved' });
        },
      );
    }
  }

  #settle(host: string, answer: HostAnswer): void {
    this.#lookups--;
    const entry = this.#names.get(host);
    // Always there: only names without a pending lookup are forgotten.
    if (entry !== undefined) {
      entry.answer = answer;
      entry.expires = this.#now() + (answer.fault === undefined ? POSITIVE_TTL : NEGATIVE_TTL);
      entry.pending = false;
      this.#names.delete(host);
      this.#names.set(host, entry);
      for (const later of entry.waiters.splice(0)) later(answer);
    }
    this.#lookUpNext();
  }
}
