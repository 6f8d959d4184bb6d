/** Looks at every datagram of the peer, whatever rule is being tried, for what it must never do. */
import type { Address } from '../../../../shared/address.ts';
import { addressKey } from '../../../../shared/address.ts';
import { readInteger } from '../../../../shared/block.ts';
import type { Fields, Heard } from './actor.ts';
import { MAX_OFFENCES, MAX_RECEIVED_BY_MOST } from './limits.ts';

/** A GOSSIP in which the peer speaks of itself. */
export interface OwnGossip {
  readonly at: number;
  readonly message: Fields;
}

/** A datagram, and who of ours heard it. */
export interface Noted extends Omit<Heard, 'actor'> {
  readonly actor: Pick<Heard['actor'], 'name' | 'address'>;
}

export class Watch {
  /** One sentence for each datagram that was none of what it must be. */
  readonly notJson: string[] = [];
  readonly tooLong: string[] = [];
  readonly otherPort: string[] = [];
  readonly copies: string[] = [];
  /** The peer's own GOSSIPs, the newest last. */
  readonly gossips: OwnGossip[] = [];
  /** Whom it announced which block. */
  readonly #announced = new Set<string>();
  /** Ports of other peers: the one that is tested passes our GOSSIPs on, and those answer us. */
  readonly #others = new Set<number>();
  readonly #target: () => Address;

  constructor(target: () => Address) {
    this.#target = target;
  }

  note(heard: Noted): void {
    const { message, from, actor, text, bytes, at } = heard;
    if (this.#isOfAnother(heard)) return;
    const start = text.slice(0, 80);
    if (message === undefined) add(this.notJson, bytes === 0 ? 'an empty datagram' : start);
    if (bytes > MAX_RECEIVED_BY_MOST) add(this.tooLong, `${bytes} bytes: ${start}`);
    if (from.port !== this.#target().port) add(this.otherPort, `from port ${from.port}: ${start}`);
    if (message?.['type'] === 'GOSSIP' && readInteger(message['port']) === this.#target().port)
      add(this.gossips, { at, message });
    if (message?.['type'] === 'ANNOUNCE') {
      const key = `${addressKey(actor.address)} ${String(message['hash'])}`;
      if (this.#announced.has(key))
        add(this.copies, `block ${String(message['height'])} twice to ${actor.name}`);
      if (this.#announced.size < MAX_OFFENCES ** 2) this.#announced.add(key);
    }
  }

  /** Another peer shows by a GOSSIP or GOSSIP_REPLY that names the port which it came from. */
  #isOfAnother({ message, from: { port } }: Noted): boolean {
    if (port === this.#target().port) return false;
    const introduces = message?.['type'] === 'GOSSIP' || message?.['type'] === 'GOSSIP_REPLY';
    if (introduces && readInteger(message['port']) === port && this.#others.size < MAX_OFFENCES ** 2)
      this.#others.add(port);
    return this.#others.has(port);
  }
}

/** Keeps the newest. */
function add<T>(list: T[], one: T): void {
  list.push(one);
  if (list.length > MAX_OFFENCES) list.shift();
}
