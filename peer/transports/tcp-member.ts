/** The members of a cluster, and whom a node is to be connected with. */
import { addressKey, type Address } from '../../shared/address.ts';
import { verifierOf, type Verifier } from '../../shared/ed25519.ts';
import type { AddressRecord } from './address-record.ts';
import type { FrameQueue } from './frame-queue.ts';
import type { KnownMember } from './handshake.ts';
import type { TcpConnection } from './tcp-connection.ts';
import type { TcpMember } from './tcp-interface.ts';

/** Other addresses at which a member was met, besides the one that it advertises; the last ones are kept. */
const MAX_ALIASES = 4;

/** Somebody to be connected with: a member, or whoever is at an address. */
export class Target {
  /** Tried by turns. */
  readonly addresses: () => readonly Address[];
  /** Undefined for an address of which it is not known whose it is. */
  readonly member: Member | undefined;
  /** Attempts since the last success that lasted. */
  attempts = 0;
  /** Calls off the attempt that is planned. */
  cancel: (() => void) | undefined;
  /** An attempt is under way: the name is looked up or the connection made. */
  busy = false;
  /** What was logged about it lately. */
  readonly reported = new Set<string>();

  constructor(addresses: () => readonly Address[], member?: Member) {
    this.addresses = addresses;
    this.member = member;
  }

  /** Calls off the attempt that is planned, if there is one. */
  callOff(): void {
    this.cancel?.();
    this.cancel = undefined;
  }
}

/** Another member, or we ourselves. */
export class Member implements KnownMember {
  readonly member: number;
  readonly verifier: Verifier;
  readonly queue: FrameQueue;
  readonly target: Target;
  readonly counters = { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0 };
  /** The address that it advertises. */
  record: AddressRecord | undefined;
  /** The connection in use, since when (wall clock), and its place in the order of events. */
  connection: TcpConnection | undefined;
  connectedSince = 0;
  upAt = 0;
  /** A connection that was replaced and has something on its way. */
  retiring: TcpConnection | undefined;
  /** From where it was last connected. */
  host: string | undefined;
  /** Whose addresses are to be sent to it. */
  readonly owed = new Set<Member>();
  blocked = false;
  /** Ticks for which it is still kept out, and how often it misbehaved. */
  paused = 0;
  offences = 0;
  /** What it may still change and cause to be logged until the next allowance. */
  changes = 0;
  lines = 0;
  /** How often since then it has dialled although it was connected. */
  replacements = 0;
  /** Where else it was met. */
  readonly #aliases: Address[] = [];
  readonly #address: Address | undefined;

  constructor(member: number, { publicKey, address }: TcpMember, queue: FrameQueue) {
    this.member = member;
    this.verifier = verifierOf(publicKey);
    this.queue = queue;
    this.#address = address;
    this.target = new Target(() => this.#addresses(), this);
  }

  /** Where it most probably is. */
  get address(): Address | undefined {
    return this.#addresses()[0];
  }

  /** Whether it was met at a host, or says that it is there. */
  isAt(host: string): boolean {
    return this.host === host || this.#addresses().some((address) => address.host === host);
  }

  addAlias(address: Address): void {
    const known = this.#addresses().some((other) => addressKey(other) === addressKey(address));
    if (!known) this.#aliases.unshift(address);
    this.#aliases.splice(MAX_ALIASES);
  }

  #addresses(): Address[] {
    return [this.record, this.#address, ...this.#aliases].filter((address) => address !== undefined);
  }
}
