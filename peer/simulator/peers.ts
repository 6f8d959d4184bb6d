/**
 * How nodes call each other, and who is found under a name: what a transport would know. Engines take peers as they are;
 * see `Engine`.
 */
import { addressKey, type Address } from '../../shared/address.ts';

/** The peers of a simulated network. Nodes are named by their indexes. */
export interface PeerTable<Peer> {
  /** What others call a node at the moment. */
  peerOf(node: number): Peer;
  /** The node behind a peer, undefined if nobody is there. */
  find(peer: Peer): number | undefined;
  /** Whom others take a node for that sends in the name of `claimed`. */
  sender(node: number, claimed: Peer): Peer;
  /** A node takes hold of a peer, and others like it, that are nobody else's: what is sent there comes to it. */
  claim(node: number, peer: Peer): void;
  /** A node has left for good, and another one takes its place. */
  replace(node: number): void;
  /** A peer as shown to people. */
  label(peer: Peer): string;
}

/** Who is found at a host: the node whose address it is, else, at any port, one that has taken hold of it. */
interface Host {
  readonly owner: number | undefined;
  any: number | undefined;
}

const PORT = 8784;

/** Addresses, as of datagrams: anybody may write anybody's as that of the sender, and a new node has a new one. */
export class AddressTable implements PeerTable<Address> {
  private readonly addresses: Address[];
  /** Counts the nodes that had each index before. */
  private readonly generations: number[];
  private readonly hosts = new Map<string, Host>();

  constructor(nodes: number) {
    this.generations = new Array<number>(nodes).fill(0);
    this.addresses = this.generations.map((_, node) => nodeAddress(node, 0));
    for (const [node, { host }] of this.addresses.entries())
      this.hosts.set(host, { owner: node, any: undefined });
  }

  peerOf(node: number): Address {
    const address = this.addresses[node];
    if (address === undefined) throw new RangeError(`there is no node ${node}`);
    return address;
  }

  find({ host, port }: Address): number | undefined {
    const entry = this.hosts.get(host);
    return entry?.owner !== undefined && port === PORT ? entry.owner : entry?.any;
  }

  sender(_node: number, claimed: Address): Address {
    return claimed;
  }

  /** A whole host, with all of its ports. */
  claim(node: number, { host }: Address): void {
    const entry = this.hosts.get(host);
    if (entry === undefined) this.hosts.set(host, { owner: undefined, any: node });
    else entry.any ??= node;
  }

  replace(node: number): void {
    this.hosts.delete(this.peerOf(node).host);
    const generation = (this.generations[node] ?? 0) + 1;
    this.generations[node] = generation;
    const address = nodeAddress(node, generation);
    this.addresses[node] = address;
    this.hosts.set(address.host, { owner: node, any: undefined });
  }

  label(peer: Address): string {
    return addressKey(peer);
  }
}

/** Members of a fixed set, as on connections on which each proves who it is: nobody can speak for another one. */
export class MemberTable implements PeerTable<number> {
  private readonly members: number;

  constructor(members: number) {
    this.members = members;
  }

  peerOf(node: number): number {
    return node;
  }

  find(peer: number): number | undefined {
    return peer < this.members ? peer : undefined;
  }

  sender(node: number): number {
    return node;
  }

  claim(): void {
    // Every number is somebody's.
  }

  replace(): void {
    // Whoever takes the place is the same member.
  }

  label(peer: number): string {
    return `member ${peer}`;
  }
}

/** The address of a node; a new one takes the place of one that left, so it has another. */
function nodeAddress(index: number, generation: number): Address {
  return { host: `10.${generation % 200}.${Math.floor(index / 200)}.${(index % 200) + 1}`, port: PORT };
}
