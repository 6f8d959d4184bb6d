/** What an engine offers to `peer network`: how a network of its nodes is started on this machine. */
import type { OptionSpec } from '../../shared/options.ts';
import type { NetworkPlace } from '../network/network.ts';
import type { NodeKind } from '../network/node.ts';
import type { NetworkCommands } from './network-prompt.ts';

/** Options by name in camel case, as Commander has read them: with their defaults. */
export type OptionValues = Readonly<Record<string, unknown>>;

export interface NetworkOffer {
  /** What a node is called, as in "peer". */
  readonly node: string;
  /** How many nodes there are by default, and at the least. */
  readonly nodes: number;
  readonly fewestNodes: number;
  /** Why there may not be fewer, as in "a cluster has 4 replicas at the least". */
  readonly fewestReason?: string;
  /** Options that mean something to it alone. */
  readonly options: readonly OptionSpec<unknown>[];
  /** What can be typed besides what every network has. */
  readonly commands: NetworkCommands;
  /**
   * Examples for the help, a line each.
   *
   * @param call what is typed to start a network of it
   */
  examples(call: string): readonly string[];
  /** Longest body that the API of a node takes, in bytes, where it is not the usual one. */
  readonly maxBody?: number;
  /** @throws UserError if the options do not go together */
  plan(options: OptionValues, nodes: number): NetworkPlan;
}

export interface NetworkPlan {
  /** What is started, as in "5 peers and 2 miners". */
  readonly starting: string;
  /** What it is called when it runs: a sentence. */
  readonly title: string;
  create(place: NetworkPlace): NodeKind;
}
