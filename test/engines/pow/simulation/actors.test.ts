/** Every kind of Byzantine node does what it is said to do: a kind that does nothing would let every engine pass. */
import { describe, expect, it } from 'vitest';

import { MAX_PEERS } from '../../../../peer/engines/pow/protocol/limits.ts';
import type { PowMessage } from '../../../../peer/engines/pow/protocol/messages.ts';
import { ACTORS, type ActorKind } from '../../../../peer/engines/pow/simulation/actors.ts';
import { powSubject } from '../../../../peer/engines/pow/simulation/subject.ts';
import type { TraceLine } from '../../../../peer/simulator/trace.ts';
import { meetsDifficulty, type Block } from '../../../../shared/block.ts';
import { simulation } from '../../../simulator/plant.ts';

/** Four nodes, for long enough that all kinds get to do what they do. */
const SETTINGS = { nodes: 4, hours: 0.12, 'block-interval': 10, 'consensus-interval': 30 };
/** Others that have to catch up again and again, for kinds that do what they do when they are asked for blocks. */
const CATCHING_UP = { ...SETTINGS, 'start-blocks': 10, 'block-interval': 20, crashes: 100, down: 30 };
const ASKED_FOR_BLOCKS: readonly ActorKind[] = ['forger', 'bit-flipper', 'other-chain'];
const DIFFICULTY = 1;
/** The node that is Byzantine where one is, and how others call it. */
const ACTOR = 3;
const HOST = '10.0.0.4';
const ADDRESS = `${HOST}:8784`;
/** What the clocks show at the start, in seconds since 1970. */
const EPOCH = 1_700_000_000;

/** Something that reached a node: a message, or the rule that it broke. */
interface Heard {
  /** In seconds since the start. */
  readonly at: number;
  readonly node: number;
  readonly from: string;
  readonly message: PowMessage | undefined;
  readonly fault: string | undefined;
}

/** What was heard in a run, by the honest nodes and by the one that may not be. */
class Recording {
  readonly byHonest: Heard[] = [];
  readonly byActor: Heard[] = [];

  add({ t: at, node, what, from, message, fault }: TraceLine): void {
    if (typeof from !== 'string' || node === null || what === 'dropped') return;
    const heard = { at, node, from, message: message as PowMessage, fault: fault as string };
    (node === ACTOR ? this.byActor : this.byHonest).push(heard);
  }

  /** What came from the Byzantine node, in its own name. */
  get own(): readonly Heard[] {
    return this.byHonest.filter(({ from }) => from === ADDRESS);
  }

  /** What came from the others, or in their names. */
  get others(): readonly Heard[] {
    return this.byHonest.filter(({ from }) => from.startsWith('10.0.0.') && !from.startsWith(`${HOST}:`));
  }
}

/** Those that are messages of a type. */
function messages<K extends PowMessage['type']>(
  heard: readonly Heard[],
  type: K,
): (Heard & { readonly message: Extract<PowMessage, { type: K }> })[] {
  return heard.filter((one): one is Heard & { message: Extract<PowMessage, { type: K }> } => {
    return one.message?.type === type;
  });
}

/** The chains that somebody says he has. */
function claims(heard: readonly Heard[]): { height: number; hash: string }[] {
  return messages(heard, 'STATS_REPLY').flatMap(({ message: { height, hash } }) =>
    hash === null ? [] : [{ height, hash }],
  );
}

function announced(heard: readonly Heard[]): Block[] {
  return messages(heard, 'ANNOUNCE').map(({ message }) => message.block);
}

function served(heard: readonly Heard[]): Block[] {
  return messages(heard, 'GET_BLOCK_REPLY').flatMap(({ message: { block } }) => block ?? []);
}

/** The hashes of all blocks that honest nodes tell each other of. */
function trueHashes({ others }: Recording): Set<string> {
  return new Set([...served(others), ...announced(others)].map(({ hash }) => hash));
}

/** How many times the most frequent item occurs. */
function mostFrequent(items: readonly string[]): number {
  return Math.max(0, ...items.map((item) => items.filter((other) => other === item).length));
}

/** What a kind of Byzantine node promises, each in its record: false in that of a node that is honest. */
const PROMISES: Readonly<Record<ActorKind, (record: Recording) => boolean>> = {
  silent: ({ own, byActor }) =>
    messages(byActor, 'STATS').length > 5 && own.every(({ message }) => message?.type === 'GOSSIP'),

  goose: ({ own }) =>
    claims(own).length > 5 && claims(own).every(({ hash }) => !meetsDifficulty(hash, DIFFICULTY)),

  promiser: (record) => {
    const real = trueHashes(record);
    const longest = Math.max(...claims(record.others).map(({ height }) => height));
    const lies = claims(record.own).filter(
      ({ hash }) => meetsDifficulty(hash, DIFFICULTY) && !real.has(hash),
    );
    return lies.some(({ height }) => height > 2 * longest);
  },

  forger: ({ own }) =>
    served(own).some(({ minedBy }) => minedBy === 'forger') &&
    mostFrequent(claims(own).map(({ height, hash }) => `${height} ${hash}`)) > 2,

  'bit-flipper': ({ own, others }) => {
    const known = new Map([...served(others), ...announced(others)].map((block) => [block.hash, block]));
    const altered = ({ hash, messages: words }: Block): boolean => {
      const before = known.get(hash)?.messages;
      return before !== undefined && before.join() !== words.join();
    };
    return served(own).some(altered) && announced(own).some(altered);
  },

  'other-chain': (record) => {
    const real = trueHashes(record);
    return (
      served(record.own).some(({ minedBy }) => minedBy === 'other') &&
      claims(record.own).some(({ hash }) => real.has(hash))
    );
  },

  tardy: ({ byHonest, byActor }) => {
    const own = byHonest.filter(({ from }) => from.startsWith(`${HOST}:`));
    const gossips = messages(own, 'GOSSIP').map(({ node, message }) => `${node} ${message.id}`);
    const asked = messages(byActor, 'STATS');
    const isLate = ({ at, node }: Heard): boolean =>
      !asked.some(
        ({ at: before, from }) => from === `10.0.0.${node + 1}:8784` && at - 2 < before && before < at,
      );
    return (
      own.some(({ from }) => from !== ADDRESS) &&
      mostFrequent(gossips) > 1 &&
      messages(own, 'STATS_REPLY').some(isLate)
    );
  },

  storm: ({ own }) => new Set(messages(own, 'GOSSIP').map(({ message }) => message.id)).size > 1_000,

  eclipse: ({ byHonest }) => {
    const invented = byHonest.filter(({ from }) => from.startsWith('172.16.'));
    const lies = claims(invented).filter(({ height }) => height === 1_000);
    return new Set(invented.map(({ from }) => from)).size > MAX_PEERS / 2 && lies.length > 10;
  },

  crier: ({ own }) => {
    const news = announced(own);
    return (
      news.some(({ hash }) => !meetsDifficulty(hash, DIFFICULTY)) &&
      news.some(({ height }) => height > 1e9) &&
      mostFrequent(news.map(({ hash, messages: [word] }) => `${hash} ${word}`)) > 3
    );
  },

  selfish: ({ own }) =>
    messages(own, 'ANNOUNCE').filter(
      ({ at, message: { block } }) => block.minedBy === 'selfish' && at + EPOCH - Number(block.timestamp) > 5,
    ).length > 1,

  garbage: ({ own }) => {
    const faults = new Set(own.map(({ fault }) => fault));
    return ['empty', 'oversize', 'not-an-object', 'bad-port'].every((fault) => faults.has(fault));
  },

  // No node here ever calls for a consensus, and none is called nobody.
  impostor: (record) => {
    const real = trueHashes(record);
    return (
      messages(record.others, 'CONSENSUS').length > 0 &&
      messages(record.others, 'GOSSIP_REPLY').some(({ message: { name } }) => name === 'nobody') &&
      claims(record.others).some(({ hash }) => !real.has(hash))
    );
  },
};

function recordOf(kinds: readonly ActorKind[], settings: Readonly<Record<string, number>>): Recording {
  const record = new Recording();
  const trace = (line: TraceLine): void => {
    record.add(line);
  };
  const { violations } = simulation(powSubject, settings, kinds, { trace }).finish();
  expect(violations).toEqual([]);
  return record;
}

describe('a Byzantine node', () => {
  it.each(Object.keys(ACTORS) as ActorKind[])('does what it promises, as no honest one does: %s', (kind) => {
    const settings = ASKED_FOR_BLOCKS.includes(kind) ? CATCHING_UP : SETTINGS;
    expect(PROMISES[kind](recordOf([kind], settings))).toBe(true);
    expect(PROMISES[kind](recordOf([], settings))).toBe(false);
  });
});
