/**
 * Simulates an engine that only gets further: its nodes are asked for something now and then, each has got so
 * far, and all are to get equally far. What an engine has beyond that it checks in a subject of its own.
 */
import type { Address } from '../../shared/address.ts';
import type { Codec, Engine, EngineParts, EngineTypes } from '../core/engine.ts';
import type { StoreView } from '../core/store.ts';
import { offer, type SimulatedEngine } from './offer.ts';
import { AddressTable } from './peers.ts';
import type { SimulatedNode, Subject, SubjectRun, World } from './subject.ts';

/** What the simulator has to know of such an engine. */
export interface PlainSubject<T extends EngineTypes & { peer: Address }> {
  readonly name: string;
  readonly title: string;
  readonly codec: Codec<T['message']>;
  /** Longest message, in bytes. */
  readonly maxMessage: number;
  /** What a node's progress is called: "height". */
  readonly progressName: string;
  engine(parts: EngineParts): Engine<T>;
  /** How far a node has got: a number that never falls. */
  progress(store: StoreView): number;
  /** What users ask of nodes, each of them now and then. */
  request(): T['request'];
  /** How far a node has got that answers so. */
  answered(result: T['result']): number;
}

/** Mean time between two requests to a node, in simulated milliseconds. */
const REQUEST_INTERVAL = 10_000;
/** How long the nodes may take to get equally far once everything has healed, in simulated milliseconds. */
const PATIENCE = 60_000;
/** Nodes that never leave for good: if all did, nobody would know how far they had got. */
const LASTING = 2;
const CHECKERS = {
  rises: 'no node falls back',
  durable: 'what is answered is stored',
  agreed: 'all honest nodes have got equally far',
} as const;

export function simulatedPlainly<T extends EngineTypes & { peer: Address }>(
  plain: PlainSubject<T>,
): SimulatedEngine {
  return offer(subjectOf(plain));
}

function subjectOf<T extends EngineTypes & { peer: Address }>(plain: PlainSubject<T>): Subject<T> {
  const { name, title, codec, maxMessage, progressName } = plain;
  return {
    ...{ name, title, codec, maxMessage, progressName },
    settings: {},
    byzantine: {},
    mostByzantine: () => 0,
    lasting: () => LASTING,
    numbered: false,
    peers: (nodes) => new AddressTable(nodes),
    checkers: [CHECKERS.rises, CHECKERS.durable],
    tipWords: {
      name: 'states',
      title: 'States that nodes have',
      caption: 'The most different ones at the same time since the sample before, of nodes that are up.',
    },
    begin: (world) => runOf(plain, world),
  };
}

function runOf<T extends EngineTypes & { peer: Address }>(
  plain: PlainSubject<T>,
  world: World<T>,
): SubjectRun<T> {
  const furthest = new Map<number, number>();
  let answers = 0;
  let healed = false;
  let tips = 1;
  const progress = ({ store }: SimulatedNode): number => plain.progress(store);
  const honest = world.nodes.filter((node) => node.honest);
  const states = (nodes: readonly SimulatedNode[]): number => new Set(nodes.map(progress)).size;
  const chance = world.chance('requests');
  const ask = (node: SimulatedNode): void => {
    world.after(chance.exponential(REQUEST_INTERVAL), () => {
      if (healed) return;
      world.request(node, plain.request());
      ask(node);
    });
  };
  honest.forEach(ask);
  return {
    engine: (node, { view, entropy }) =>
      plain.engine({
        store: view,
        entropy,
        join: world.nodes.filter((other) => other !== node).map((other) => world.peerOf(other)),
      }),
    corrupt: () => ({}),
    onStart: () => undefined,
    onReplaced: ({ index }) => {
      furthest.delete(index);
    },
    onNotice: () => undefined,
    onMessage: () => undefined,
    onSend: () => undefined,
    onStore: (node) => {
      const [before, now] = [furthest.get(node.index) ?? 0, progress(node)];
      if (now < before) world.violate(CHECKERS.rises, node, `it was at ${before} and is at ${now}`);
      furthest.set(node.index, now);
      tips = Math.max(tips, states(honest.filter(({ up }) => up)));
    },
    onReply: (node, _, result) => {
      answers++;
      const [promised, stored] = [plain.answered(result), progress(node)];
      if (stored < promised) {
        world.violate(CHECKERS.durable, node, `it answered ${promised} and has ${stored}`);
      }
    },
    onHealed: () => {
      healed = true;
    },
    goals: [
      {
        checker: CHECKERS.agreed,
        limit: PATIENCE,
        missing: () => (states(honest) > 1 ? `they are at ${honest.map(progress).join(', ')}` : undefined),
      },
    ],
    progress,
    mostTips: () => {
      const most = tips;
      tips = 1;
      return most;
    },
    figures: () => ({
      figures: [{ title: 'Requests answered', value: answers, unit: '' }],
      distributions: [],
    }),
    describe: (node) => ({ [plain.progressName]: progress(node) }),
  };
}
