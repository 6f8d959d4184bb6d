/**
 * What an engine offers to the rest of the program. A module is light: everything that weighs something is loaded when it
 * is asked for, so that a command loads the engine that it needs and no other.
 */
import type { Command } from 'commander';

import type { OptionSpec } from '../../shared/options.ts';
import type { NetworkOffer, OptionValues } from '../cli/network-offer.ts';
import type { StatusFace } from '../cli/status-face.ts';
import type { EngineParts } from '../core/engine.ts';
import type { DatagramTypes, NodeSetup, RunningNode } from '../node/open-node.ts';
import type { SimulatedEngine } from '../simulator/offer.ts';
import type { Face } from '../web/face.ts';

/**
 * An engine that says only what it is: how its nodes are started and shown is everybody's.
 *
 * @template T its types; those who run it know none of them, as what they hand on comes from itself
 */
export interface NodeOffer<T extends DatagramTypes = DatagramTypes, Status = unknown> {
  /** What a node is called, as in "peer". */
  readonly member: string;
  /** Options that mean something to it alone. Texts, numbers and flags are handed on to all nodes of a network. */
  readonly options: readonly OptionSpec<unknown>[];
  /** Makes an engine. @throws UserError if the options do not go together */
  setup(values: OptionValues, parts: EngineParts): NodeSetup<T, Status>;
  readonly face: Face<Status, T['notice'], RunningNode<T, Status>>;
}

interface EngineBase {
  /** As on the command line, and in paths: lower-case letters. */
  readonly name: string;
  /** What it is, in a few words, as in "proof of work". */
  readonly title: string;
  /** What its own command does, in a line. */
  readonly description: string;
  /** Its other commands, by name. */
  readonly commands: Readonly<Record<string, () => Promise<Command>>>;
  readonly simulated: () => Promise<SimulatedEngine>;
}

/** How an engine is started and shown. */
export interface EngineCommands {
  /**
   * The command that runs a node of it.
   *
   * @param call what is typed for it, as in "node peer NAME start": for examples
   */
  readonly start: (call: string) => Promise<Command>;
  /** How a network of it is started on this machine. */
  readonly network: () => Promise<NetworkOffer>;
  /** How terminals show its nodes. */
  readonly status: () => Promise<StatusFace>;
}

/** It has commands of its own, or has them made of what it is. */
export type EngineModule = EngineBase &
  ((EngineCommands & { readonly node?: undefined }) | { readonly node: () => Promise<NodeOffer> });
