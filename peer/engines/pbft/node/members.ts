/** Who takes part in a cluster of replicas: the members file, and the keys for demonstrations. */
import { readFileSync } from 'node:fs';

import { z } from 'zod';

import type { Address } from '../../../../shared/address.ts';
import { KEY_PATTERN, isPublicKey, keyPairOf, sha256Hex, type KeyPair } from '../../../../shared/ed25519.ts';
import { fileFaultOf, UserError, messageOf } from '../../../../shared/errors.ts';
import { parseJson } from '../../../../shared/json.ts';
import { escapeControls } from '../../../../shared/escape.ts';
import { hostPort } from '../../../../shared/options.ts';
import type { PbftConfig, Settings } from '../protocol/interface.ts';
import { MAX_REPLICAS, MIN_REPLICAS, clientWindowOf } from '../protocol/limits.ts';
import type { TcpMember } from '../../../transports/tcp.ts';

export const MIN_MEMBERS = MIN_REPLICAS;
export const MAX_MEMBERS = MAX_REPLICAS;
/** Longest members file that is read, in characters: 64 members with the longest names of hosts need a third of it. */
const MAX_FILE_LENGTH = 65_536;
/** A name that can stand in the name of a folder. */
const CLUSTER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A fixed set of replicas under a name. */
export interface Cluster {
  readonly name: string;
  /** In the order of their numbers. */
  readonly members: readonly TcpMember[];
}

/** Such digits are no mistake in typing, which most probably gives another key: somebody chose them. */
const NO_KEY =
  'these digits are no public key: they are no point of Ed25519, or one for which anybody can sign; "pbft keygen" makes a key';

const memberSchema = z.strictObject({
  publicKey: z
    .string()
    .regex(KEY_PATTERN, 'a public key is 64 lower-case hexadecimal digits, as "pbft keygen" prints it')
    .refine(isPublicKey, NO_KEY),
  address: z
    .string()
    .transform((text, context): Address => {
      try {
        return hostPort(text);
      } catch {
        context.addIssue('an address is host:port, for example 127.0.0.1:8000');
        return z.NEVER;
      }
    })
    .optional(),
});
const fileSchema = z.strictObject({
  cluster: z
    .string()
    .regex(CLUSTER_NAME, 'the name of a cluster is 1 to 64 letters, digits, dots, hyphens and underscores'),
  members: z
    .array(memberSchema)
    .min(MIN_MEMBERS, `a cluster has ${MIN_MEMBERS} members at the least, so that one may fail`)
    .max(MAX_MEMBERS, `a cluster has ${MAX_MEMBERS} members at the most`),
});

/** Where in the file something is wrong. */
function pathOf(path: readonly PropertyKey[]): string {
  return path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
}

/**
 * Reads a members file: `{"cluster": name, "members": [{"publicKey": hex, "address": "host:port"}, …]}`.
 *
 * @throws UserError if it can't be read or is none
 */
export function readMembersFile(path: string): Cluster {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`members file ${path}: ${fileFaultOf(error)}`);
  }
  try {
    return parseMembers(text);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`members file ${path}: ${error.message}`) : error;
  }
}

/**
 * Parses the text of a members file.
 *
 * @throws UserError
 */
export function parseMembers(text: string): Cluster {
  if (text.length > MAX_FILE_LENGTH) throw new UserError('it is too long to be one');
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    // The parser quotes the text, which may have line ends.
    throw new UserError(messageOf(error).replace(/\s+/g, ' '));
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = pathOf(issue?.path ?? []);
    throw new UserError(escapeControls(`${where === '' ? '' : `${where.slice(1)}: `}${issue?.message}`));
  }
  const { cluster: name, members } = parsed.data;
  return checkCluster({
    name,
    members: members.map(({ publicKey, address }) => ({ publicKey, ...(address && { address }) })),
  });
}

/**
 * A cluster as it was given.
 *
 * @throws UserError if it can't be one
 */
export function checkCluster(cluster: Cluster): Cluster {
  const { name, members } = cluster;
  if (!CLUSTER_NAME.test(name)) {
    throw new UserError(
      'the name of a cluster is 1 to 64 letters, digits, dots, hyphens and underscores, as "my-cluster"',
    );
  }
  if (members.length < MIN_MEMBERS || members.length > MAX_MEMBERS) {
    throw new UserError(`a cluster has ${MIN_MEMBERS} to ${MAX_MEMBERS} members, not ${members.length}`);
  }
  const numbers = new Map<string, number>();
  for (const [number, { publicKey }] of members.entries()) {
    const other = numbers.get(publicKey);
    if (other !== undefined) {
      throw new UserError(`members ${other} and ${number} have the same public key`);
    }
    numbers.set(publicKey, number);
    if (!isPublicKey(publicKey)) throw new UserError(`the public key of member ${number}: ${NO_KEY}`);
  }
  return cluster;
}

/**
 * The number of the member with this key.
 *
 * @throws UserError if there is none
 */
export function memberOf(cluster: Cluster, { publicKey }: Pick<KeyPair, 'publicKey'>): number {
  const self = cluster.members.findIndex((member) => member.publicKey === publicKey);
  if (self === -1) {
    throw new UserError(`no member of the cluster ${cluster.name} has our public key ${publicKey}`);
  }
  return self;
}

/** The key of a replica in a demonstration: anybody can work it out, so it proves nothing. */
export function demonstrationKey(index: number): KeyPair {
  return keyPairOf(index.toString(16).padStart(2, '0').padEnd(64, '0'));
}

/** A cluster with keys that everybody knows, for demonstrations on one machine. */
export function demonstrationCluster(nodes: number): Cluster {
  return {
    name: `demo-${nodes}`,
    members: Array.from({ length: nodes }, (_, index) => {
      return { publicKey: demonstrationKey(index).publicKey };
    }),
  };
}

/** Grows with each change of messages or of the store that replicas of before it would not understand. */
const PROTOCOL = 3;

/** What {@link clusterIdOf} is a digest of, for people. */
export const CLUSTER_REMEDY =
  'the name of the cluster, its members, the application, the checkpoint interval and the message buffer must be the same at all members';

/** What {@link clusterIdOf} is a digest of, by name; the keys of the members as a digest, cut short. */
export function settingsOf(
  { name, members }: Cluster,
  config: PbftConfig,
  application: string,
  self: number,
): Settings {
  return {
    'version of the protocol': PROTOCOL,
    'cluster name': name,
    'number of members': members.length,
    'keys of the members, as a digest': sha256Hex(
      JSON.stringify(members.map(({ publicKey }) => publicKey)),
    ).slice(0, 16),
    'our number': self,
    '--application': application,
    '--checkpoint-interval': config.checkpointInterval,
    '--message-buffer': config.messageBuffer,
  };
}

/**
 * A digest of all that the replicas of a cluster must have in common: messages and data of one with another configuration
 * are not mixed with ours.
 */
export function clusterIdOf({ name, members }: Cluster, config: PbftConfig, application: string): string {
  const { checkpointInterval, messageBuffer } = config;
  return sha256Hex(
    JSON.stringify([
      ...['gossip-peer pbft cluster', PROTOCOL, name, members.map(({ publicKey }) => publicKey)],
      ...[checkpointInterval, clientWindowOf(messageBuffer, members.length), application],
    ]),
  );
}
