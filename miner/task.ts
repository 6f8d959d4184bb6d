/** The messages between the pool and its workers. */
import { NONCE_ALPHABET } from '../shared/mining-wire.ts';
import type { KernelChoice } from './kernel/registry.ts';

/** What every worker is given when it starts. */
export interface WorkerSetup {
  /** Two Int32 numbers, see {@link EPOCH} and {@link WORKERS}. */
  readonly shared: SharedArrayBuffer;
  readonly kernel: KernelChoice;
  /** How far the worker stands back behind other programs: 0 (not at all) to 19. */
  readonly niceness: number;
}

/** Where in the shared memory stands which work is current; a worker with an older one stops. */
export const EPOCH = 0;
/** Where in the shared memory the workers that were ever started are counted: it numbers them. */
export const WORKERS = 1;

/** A short stretch of searching. */
export interface SearchTask {
  readonly epoch: number;
  /** Everything that is hashed before the nonce. */
  readonly head: Uint8Array;
  /** What it may be replaced by; see kernel/kernel.ts. */
  readonly otherHeads: readonly Uint8Array[];
  /** What every nonce of this miner begins with. */
  readonly noncePrefix: string;
  /** Zeros that a block's hash ends in. */
  readonly difficulty: number;
  /** Zeros from which on a hash is worth reporting. */
  readonly shareDifficulty: number;
  /** How long to search. */
  readonly milliseconds: number;
}

/** What came of a task. */
export interface SearchReport {
  /** Nonces tried. */
  readonly tried: number;
}

/** What a worker sends besides its reports. */
export type WorkerMessage =
  /** The worker has loaded all its code, so that it may be ended from now on. */
  | { readonly type: 'loaded'; readonly thread: number }
  /** A hash with enough zeros, checked with node:crypto. */
  | {
      readonly type: 'hit';
      readonly epoch: number;
      /** Which of the task's heads it was found with: 0 is `head`, i the i-th of `otherHeads`, counted from 1. */
      readonly head: number;
      readonly nonce: string;
      readonly hash: string;
    }
  /** A kernel did something wrong, worded as what follows its name; it is not used by this worker any more. */
  | { readonly type: 'fault'; readonly kernel: string; readonly problem: string };

/**
 * A number as nonce characters such that no number's text is the beginning of another's: groups of five bits, each
 * but the last marked as having a successor. Below 32 it is one character.
 */
export function nonceTag(number: number): string {
  let tag = '';
  let rest = number;
  for (; rest >= 32; rest = Math.floor(rest / 32)) tag += NONCE_ALPHABET.charAt(32 + (rest % 32));
  return tag + NONCE_ALPHABET.charAt(rest);
}
