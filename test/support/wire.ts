/**
 * The class network's protocol a second time, written from its description and with nothing of the programs under
 * test in it: a mistake that both sides share would otherwise hide.
 */
import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';

/** The address everything in these tests runs on. */
export const LOOPBACK = '127.0.0.1';
/** Most class peers call `recvfrom(1024)`: a longer datagram reaches them cut. */
export const LARGEST_DATAGRAM = 1024;

/** A block as it stands in a reply. */
export interface WireBlock {
  readonly height: number;
  readonly minedBy: string;
  readonly messages: readonly string[];
  readonly nonce: string;
  readonly timestamp: number | bigint;
  readonly hash: string;
}

/** What a STATS_REPLY says. */
export interface Claim {
  readonly height: number;
  readonly hash: string | null;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads a datagram as a JSON object; undefined if it is anything else. */
export function readDatagram(bytes: Uint8Array): JsonObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

/** Reads the block of a GET_BLOCK_REPLY or ANNOUNCE that a strict receiver would take; undefined if it would not. */
export function readWireBlock(message: JsonObject): WireBlock | undefined {
  const { height, minedBy, messages, nonce, timestamp, hash } = message;
  if (typeof height !== 'number' || !Number.isInteger(height) || height < 0) return undefined;
  if (typeof minedBy !== 'string' || typeof nonce !== 'string' || typeof hash !== 'string') return undefined;
  if (typeof timestamp !== 'number' || !Number.isInteger(timestamp)) return undefined;
  if (!Array.isArray(messages) || !messages.every((one) => typeof one === 'string')) return undefined;
  return { height, minedBy, messages, nonce, timestamp, hash };
}

/**
 * Reads a block as liberally as the class's Python programs do, from the text of each of its fields; where a field
 * comes twice, the map holds the last. Numbers are looked at as they are written, because reading them as floats first
 * would hide what a big integer was.
 *
 * @returns undefined if it is no block
 */
export function readLooseBlock(fields: ReadonlyMap<string, string>): WireBlock | undefined {
  const text = (key: string): string | undefined => {
    const value: unknown = JSON.parse(fields.get(key) ?? 'null');
    return typeof value === 'string' ? value : undefined;
  };
  const integer = (key: string, digits: number): bigint | undefined => {
    const token = fields.get(key) ?? '';
    const written = text(key)?.trim() ?? token;
    if (/^-?\d+$/.test(written))
      return written === token || written.length <= digits ? BigInt(written) : undefined;
    const float = Number(written);
    return written === token && /^-?\d[\d.eE+-]*$/.test(token) && Number.isFinite(float)
      ? BigInt(Math.trunc(float))
      : undefined;
  };
  const whole = Number(fields.get('height'));
  const height =
    fields.get('height')?.startsWith('"') || Number.isInteger(whole) ? integer('height', 16) : undefined;
  const timestamp = integer('timestamp', 20);
  const miner = ['minedBy', 'mined_by', 'minedBy:', 'miner_name'].find((key) => fields.has(key));
  const minedBy = miner === undefined ? undefined : text(miner);
  const nonce =
    text('nonce') ?? (/^-?\d+$/.test(fields.get('nonce') ?? '') ? String(integer('nonce', 0)) : undefined);
  const hash = text('hash');
  const messages: unknown = JSON.parse(fields.get('messages') ?? 'null');
  if (height === undefined || height < 0n || height > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  if (timestamp === undefined || timestamp < 0n || timestamp >= 2n ** 64n) return undefined;
  if (minedBy === undefined || nonce === undefined || hash === undefined) return undefined;
  if (!Array.isArray(messages) || !messages.every((one) => typeof one === 'string')) return undefined;
  return { height: Number(height), minedBy, messages, nonce, timestamp, hash };
}

/** The hash of a block on top of the one with `previousHash` (`''` for a genesis); undefined if it has no bytes. */
export function wireHash(block: WireBlock, previousHash: string): string | undefined {
  const texts = [block.minedBy, ...block.messages, block.nonce];
  // What has no UTF-8 (half a surrogate pair) comes back as something else.
  if (texts.some((text) => Buffer.from(text, 'utf8').toString('utf8') !== text)) return undefined;
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(block.timestamp));
  const hash = createHash('sha256').update(previousHash, 'utf8').update(block.minedBy, 'utf8');
  for (const message of block.messages) hash.update(message, 'utf8');
  return hash.update(time).update(block.nonce, 'utf8').digest('hex');
}

/**
 * Checks a block by the network's rule.
 *
 * @param previousHash `''` if the block must be a genesis
 * @returns what is wrong with it, or undefined if it is valid
 */
export function wireFault(
  block: WireBlock,
  height: number,
  previousHash: string,
  difficulty: number,
): string | undefined {
  if (block.height !== height) return `says height ${block.height}`;
  if (block.messages.length < 1 || block.messages.length > 10) return 'has too few or many messages';
  if (block.messages.some((message) => Array.from(message).length > 20)) return 'has a long message';
  if (Array.from(block.nonce).length >= 40) return 'has a long nonce';
  const expected = wireHash(block, previousHash);
  if (expected === undefined || block.hash !== expected) return 'has the wrong hash';
  if (!expected.endsWith('0'.repeat(difficulty))) return 'misses the difficulty';
  return undefined;
}

/**
 * Checks a whole chain by the network's rule.
 *
 * @returns what is wrong with the first bad block, or undefined if the chain is valid
 */
export function firstFault(blocks: readonly WireBlock[], difficulty: number): string | undefined {
  let previous = '';
  for (const [index, block] of blocks.entries()) {
    const fault = wireFault(block, index, previous, difficulty);
    if (fault !== undefined) return `block ${index} ${fault}`;
    previous = block.hash;
  }
  return undefined;
}

/**
 * Ports of sockets that the tests themselves opened. A datagram from any other port came from a program under test,
 * and those must send from their listening port only.
 */
const ownPorts = new Set<number>();

/**
 * Ports that programs under test listen on: below those that systems give to sockets without a port of their own, so
 * a datagram that left from the wrong port can be told from one that another test's program sent to a port that was
 * somebody else's before.
 */
export const FIRST_PORT = 12_000;
export const PORT_SPAN = 20_000;

/** Whether a socket of these tests (not of a program under test) has, or had, this port. */
export function isOwnPort(port: number): boolean {
  return ownPorts.has(port);
}

/** Opens a UDP socket on a loopback address with any free port. */
export async function openSocket(host = LOOPBACK): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, host, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  // A send to a peer that has been killed comes back as ECONNREFUSED on some systems: that is the test's own doing.
  socket.on('error', () => undefined);
  ownPorts.add(socket.address().port);
  return socket;
}

/**
 * Another loopback address, as if it were another machine: 127.0.0.2 and so on. Where the system has only one, as
 * macOS has, everybody lives on that.
 */
export async function otherHost(number: number): Promise<string> {
  const host = `127.0.0.${2 + (number % 250)}`;
  return openSocket(host).then(
    (socket) => {
      socket.close();
      return host;
    },
    () => LOOPBACK,
  );
}

/** Whether a datagram that came to a test's socket breaks what a program under test promises to everybody. */
export class DatagramRules {
  /** One sentence for each datagram that broke a rule. */
  readonly violations: string[] = [];
  readonly #subjects: () => readonly number[];

  /** @param subjects the listening ports of the programs under test */
  constructor(subjects: () => readonly number[]) {
    this.#subjects = subjects;
  }

  /**
   * Checks one datagram.
   *
   * @returns whether it is meant for this test at all
   */
  check(bytes: Uint8Array, port: number): boolean {
    if (isOwnPort(port)) return true;
    const faults: string[] = [];
    if (!this.#subjects().includes(port)) {
      if (port >= FIRST_PORT && port < FIRST_PORT + PORT_SPAN) return false;
      faults.push(`left from port ${port}`);
    }
    if (bytes.length > LARGEST_DATAGRAM) faults.push(`has ${bytes.length} bytes`);
    const message = readDatagram(bytes);
    if (message === undefined) faults.push('is no JSON object in UTF-8');
    else faults.push(...contentFaults(message));
    const start = Buffer.from(bytes.subarray(0, 200)).toString('utf8');
    for (const fault of faults) this.violations.push(`a datagram ${fault}: ${start}`);
    return true;
  }
}

/** What about a message is known to crash, or not to be understood by, some implementation. */
function contentFaults(message: JsonObject): string[] {
  const faults: string[] = [];
  const { type, height } = message;
  switch (type) {
    case 'GOSSIP':
      if (message['id'] === undefined) faults.push('is a GOSSIP without id');
      break;
    case 'GOSSIP_REPLY':
      if (typeof message['host'] !== 'string' || typeof message['port'] !== 'number')
        faults.push('is a GOSSIP_REPLY without address');
      break;
    case 'STATS_REPLY':
      if (typeof height !== 'number') faults.push('is a STATS_REPLY whose height is no number');
      break;
    case 'GET_BLOCK':
      if (typeof height !== 'number' || !Number.isInteger(height) || height < 0)
        faults.push('is a GET_BLOCK for no real height');
      break;
    case 'ANNOUNCE':
      if (readWireBlock(message) === undefined) faults.push('is an ANNOUNCE with wrong types');
      break;
    case 'GET_BLOCK_REPLY':
      if (height !== null && readWireBlock(message) === undefined)
        faults.push('is a GET_BLOCK_REPLY with wrong types');
      break;
    case 'STATS':
      break;
    default:
      faults.push(`has the type ${JSON.stringify(type)}`);
  }
  return faults;
}
