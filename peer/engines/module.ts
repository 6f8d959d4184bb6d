/**
 * What an engine offers to the rest of the program. A module is light: everything that weighs something is loaded when it
 * is asked for, so that a command loads the engine that it needs and no other.
 */
import type { Command } from 'commander';

import type { NetworkOffer } from '../cli/network-offer.ts';
import type { StatusFace } from '../cli/status-face.ts';
import type { SimulatedEngine } from '../simulator/offer.ts';

export interface EngineModule {
  /** As on the command line, and in paths: lower-case letters. */
  readonly name: string;
  /** What it is, in a few words, as in "proof of work". */
  readonly title: string;
  /** What its own command does, in a line. */
  readonly description: string;
  /** The command that runs a node of it. */
  readonly start: () => Promise<Command>;
  /** Its other commands, by name. */
  readonly commands: Readonly<Record<string, () => Promise<Command>>>;
  /** How a network of it is started on this machine. */
  readonly network: () => Promise<NetworkOffer>;
  /** How terminals show its nodes. */
  readonly status: () => Promise<StatusFace>;
  readonly simulated: () => Promise<SimulatedEngine>;
}
