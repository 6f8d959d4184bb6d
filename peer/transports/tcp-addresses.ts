/** The addresses of all members, each signed by the member itself: what comes from others, and whom it is passed on to. */
import { addressKey, type Address } from '../../shared/address.ts';
import type { KeyPair } from '../../shared/ed25519.ts';
import {
  decodeAddress,
  encodeAddress,
  isSignedAddress,
  signAddress,
  type AddressRecord,
} from './address-record.ts';
import { numericHost, type TcpConnection } from './tcp-connection.ts';
import type { Dialler } from './tcp-dialler.ts';
import type { Member } from './tcp-member.ts';

/** Highest sequence of an address of ours from an earlier life that is answered with a higher one; times are far below. */
const MAX_SEQUENCE = 2 ** 52;

interface Modules {
  readonly cluster: string;
  readonly key: KeyPair;
  readonly self: Member;
  readonly members: readonly Member[];
  readonly byKey: ReadonlyMap<string, Member>;
  readonly dialler: Pick<Dialler, 'askTwin' | 'planAfresh'>;
  /** Wall clock in milliseconds. */
  readonly now: () => number;
  /** Where we listen, and, if it was given, the address that we advertise. */
  readonly local: Address;
  readonly advertise: Address | undefined;
  /** Counts what comes from others. */
  readonly counters: Record<'new' | 'old' | 'unknown' | 'too-many', number>;
}

export class AddressBook {
  readonly #modules: Modules;

  constructor(modules: Modules) {
    this.#modules = modules;
  }

  begin(): void {
    const { advertise, local } = this.#modules;
    if (advertise !== undefined) this.#advertise(advertise);
    else if (!this.#hidden) this.#advertise(local);
  }

  /** A member is connected: it is sent all addresses. */
  onConnected(member: Member, connection: TcpConnection): void {
    for (const one of this.#modules.members) if (one.record !== undefined) member.owed.add(one);
    this.#showSelf(connection);
  }

  /** The next address that is to be sent to a member. */
  next({ owed }: Member): Uint8Array | undefined {
    for (const member of owed) {
      owed.delete(member);
      if (member.record !== undefined) return encodeAddress(member.record);
    }
    return undefined;
  }

  /** An address has come; false if no correct member sends it. */
  take(connection: TcpConnection, body: Uint8Array): boolean {
    const record = decodeAddress(body);
    if (record === undefined) return false;
    const { byKey, cluster, counters, dialler, self } = this.#modules;
    const member = byKey.get(record.key);
    if (member === undefined) {
      counters.unknown++;
      return true;
    }
    if (member.record !== undefined && record.sequence <= member.record.sequence) {
      counters.old++;
      return true;
    }
    if (member.changes <= 0) {
      counters['too-many']++;
      return true;
    }
    // Everybody verifies what it passes on.
    if (!isSignedAddress(cluster, record, member.verifier)) return false;
    member.changes--;
    counters.new++;
    if (member === self) {
      this.#onOwnAddress(record);
      return true;
    }
    this.#publish(member, record, connection);
    member.target.callOff();
    dialler.planAfresh(member.target);
    return true;
  }

  /**
   * We have signed this: in an earlier life, when our clock was ahead, or another process has our key. Only a higher
   * sequence counts now; whoever is at the other address shows which it is.
   */
  #onOwnAddress(reported: AddressRecord): void {
    const { record } = this.#modules.self;
    if (record !== undefined && reported.sequence < MAX_SEQUENCE)
      this.#advertise(record, reported.sequence + 1);
    if (record !== undefined && addressKey(record) === addressKey(reported)) return;
    this.#modules.dialler.askTwin(reported);
  }

  /** Advertises our address to everybody. */
  #advertise(address: Address, least = 0): void {
    const { cluster, key, now, self } = this.#modules;
    const sequence = Math.max(least, Math.floor(now()), (self.record?.sequence ?? -1) + 1);
    this.#publish(self, signAddress(cluster, key, address, sequence));
  }

  #publish(member: Member, record: AddressRecord, from?: TcpConnection): void {
    const { members, self } = this.#modules;
    member.record = record;
    for (const other of members) {
      if (other === self || other === member) continue;
      if (other.connection === undefined || other.connection === from) continue;
      other.owed.add(member);
      other.connection.wake();
    }
  }

  /** Whether we listen at all addresses of the machine, and none is advertised. */
  get #hidden(): boolean {
    const { advertise, local } = this.#modules;
    return local.host === '0.0.0.0' && advertise === undefined;
  }

  /** If we listen at all addresses and none is set, a connection shows one; that of the machine itself is the last. */
  #showSelf({ localHost }: TcpConnection): void {
    if (!this.#hidden || localHost === undefined) return;
    const { local, self } = this.#modules;
    const host = numericHost(localHost);
    const { record } = self;
    if (record === undefined || (isLoopback(record.host) && !isLoopback(host))) {
      this.#advertise({ host, port: local.port });
    }
  }
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.');
}
