/**
 * What the simulator has to know of an engine to run a network of it: how to make one, what to ask of it, what must
 * hold, and how it can be corrupted. Everything else here works with any engine.
 */
import type { Codec, Engine, EngineTypes } from '../core/engine.ts';
import type { StoreView, StoreWrite } from '../core/store.ts';
import type { Chance } from './chance.ts';
import type { PeerTable } from './peers.ts';
import type { Distribution, Figure, NodeRow, TipWords } from './report.ts';
import type { SettingSpec } from './settings.ts';

/** A node as subjects see it. */
export interface SimulatedNode {
  readonly index: number;
  /** Whether it is as ours are: neither Byzantine nor foreign. */
  readonly honest: boolean;
  /** The kind of one that is not. */
  readonly kind: string | undefined;
  /** Whether it runs at the moment. */
  readonly up: boolean;
  /** What it has stored: also while it is down. */
  readonly store: StoreView & { readonly size: number };
}

/** What a Byzantine or foreign node can do. It runs a true engine as well, whose messages pass through its hands. */
export interface Body<T extends EngineTypes> {
  readonly node: SimulatedNode;
  /** What others call it. */
  readonly self: T['peer'];
  readonly chance: Chance;
  /** Everybody else at the moment, honest or not. */
  others(): readonly T['peer'][];
  /** Simulated time in milliseconds since the start. */
  now(): number;
  /**
   * Sends a message, or bytes as they are. `from` may be anybody, where the transport lets a node speak for others;
   * `after` is in milliseconds.
   */
  send(
    to: T['peer'],
    payload: T['message'] | Uint8Array,
    how?: { readonly from?: T['peer']; readonly after?: number },
  ): void;
  /** Takes hold of a peer that is nobody else's: what is sent there comes to this node. */
  claim(peer: T['peer']): void;
  /** Runs something after so many milliseconds, unless the node is down then. */
  after(delay: number, run: () => void): void;
  /** Runs something again and again, at exponentially distributed intervals with that mean. */
  every(mean: number, run: () => void): void;
  /** Asks its own engine for something. */
  request(request: T['request']): T['result'] | undefined;
}

/** How a Byzantine or foreign node behaves. What is left out is as one of ours does it. */
export interface Corruption<T extends EngineTypes> {
  /** What becomes of a message that its engine wants to send. */
  onSend?(to: T['peer'], message: T['message']): void;
  /** @returns whether its engine gets to see the message */
  onReceive?(message: T['message'], from: T['peer']): boolean;
}

/** What a subject can see and do in the simulated world. */
export interface World<T extends EngineTypes> {
  readonly seed: number;
  readonly nodes: readonly SimulatedNode[];
  /** Honest nodes that never leave for good, as many as the subject wants. */
  readonly lasting: readonly SimulatedNode[];
  /** What this seed has drawn, by the name of the setting. */
  setting(name: string): number;
  /** What others call a node at the moment. */
  peerOf(node: SimulatedNode): T['peer'];
  /** Simulated time in milliseconds since the start. */
  now(): number;
  /** What the clock of a node shows, in milliseconds since 1970. */
  localNow(node: SimulatedNode): number;
  /** A stream of random numbers of its own. */
  chance(label: string): Chance;
  /** Runs something after so many milliseconds. */
  after(delay: number, run: () => void): void;
  /** Fills the store of a node before it starts for the first time. */
  preload(node: SimulatedNode, writes: readonly StoreWrite[]): void;
  /**
   * Asks an engine for something that it answers at once; undefined if its node is down, or crashes over it. Never from
   * within a notice.
   */
  request(node: SimulatedNode, request: T['request']): T['result'] | undefined;
  /** Asks an engine for something; the answer comes now or later, unless the node crashes before. */
  ask(node: SimulatedNode, request: T['request'], onResult: (result: T['result']) => void): void;
  /** Sends a message over the network, with its faults, from somebody who is no node and hears no answer. */
  send(to: SimulatedNode, message: T['message'], from: T['peer']): void;
  /** A checker reports that something does not hold that must. The run ends with it. */
  violate(checker: string, node: SimulatedNode | undefined, detail: string): void;
}

/** Something that must come true after everything has healed. */
export interface LivenessGoal {
  /** The name of the checker, as in "all honest nodes have the same tip". */
  readonly checker: string;
  /** How long it may take, in simulated milliseconds. */
  readonly limit: number;
  /** Called when it is this goal's turn. */
  begin?(): void;
  /** What is still missing, in a few words; undefined once the goal is reached. */
  missing(): string | undefined;
}

/** One run of a subject in a world. */
export interface SubjectRun<T extends EngineTypes> {
  /** A fresh engine for a node, which has whatever its store holds. */
  engine(node: SimulatedNode, modules: { readonly view: StoreView; readonly entropy: Uint8Array }): Engine<T>;
  /** Makes a node Byzantine, or foreign. Called when it starts, each time. */
  corrupt(kind: string, body: Body<T>): Corruption<T>;
  /** A node has started, for the first time or again. */
  onStart(node: SimulatedNode): void;
  /** A node has left for good; one with the same index and an empty store will take its place. */
  onReplaced(node: SimulatedNode): void;
  onNotice(node: SimulatedNode, notice: T['notice']): void;
  /** A message is about to reach the engine of an honest node. */
  onMessage(node: SimulatedNode, message: T['message'], from: T['peer']): void;
  /** An honest node is about to send a message, to one or to several. */
  onSend(node: SimulatedNode, message: T['message'], to: readonly T['peer'][]): void;
  /** An honest node has carried out a store effect. */
  onStore(node: SimulatedNode, writes: readonly StoreWrite[]): void;
  /** An honest node answers a request: what it promises must be in its store by now, as a crash may come next. */
  onReply(node: SimulatedNode, request: T['request'], result: T['result']): void;
  /** Faults have stopped: what comes now are the goals. */
  onHealed(): void;
  /** What must come true after that, in order. */
  readonly goals: readonly LivenessGoal[];
  /** How far a node has got: what is drawn over time. */
  progress(node: SimulatedNode): number;
  /**
   * How many different tips, or whatever else nodes that agree have in common, honest nodes that were up had at the same
   * time: the most since this was asked last, as forks come and go between two samples.
   */
  mostTips(): number;
  /** What the engine reports of the run as a whole. */
  figures(): { readonly figures: readonly Figure[]; readonly distributions: readonly Distribution[] };
  /** What the engine reports of one node. */
  describe(node: SimulatedNode): NodeRow;
}

/** An engine that can be simulated. */
export interface Subject<T extends EngineTypes> {
  /** As on the command line. */
  readonly name: string;
  readonly title: string;
  /** What may be typed after its name to simulate it: a line each, for the help. */
  readonly examples?: readonly string[];
  readonly codec: Codec<T['message']>;
  /** Settings of its own, by option name. */
  readonly settings: Readonly<Record<string, SettingSpec>>;
  /** Kinds of Byzantine nodes, each with what it does. */
  readonly byzantine: Readonly<Record<string, string>>;
  /** Kinds of foreign nodes: honest ones with quirks. */
  readonly foreign?: Readonly<Record<string, string>>;
  /** How many of so many nodes may be Byzantine at the most. */
  mostByzantine(nodes: number): number;
  /** How many of so many nodes are honest and never leave for good, if there are as many honest ones. */
  lasting(nodes: number): number;
  /** Whether the number of a node means something: then Byzantine nodes have any, and otherwise the last ones. */
  readonly numbered: boolean;
  /** How so many nodes call each other. */
  peers(nodes: number): PeerTable<T['peer']>;
  /** Longest message that its transport carries, in bytes. */
  readonly maxMessage: number;
  /** The names of the safety checkers that a run is under, besides those of the simulator itself. */
  readonly checkers: readonly string[];
  /** What a node's progress is called: "height". */
  readonly progressName: string;
  /** What {@link SubjectRun.mostTips} counts. */
  readonly tipWords: TipWords;
  begin(world: World<T>): SubjectRun<T>;
}
