import type { Block } from '../../../../shared/block.ts';
import type { LiveNode, NodeCounters } from '../../../core/node.ts';
import type { UdpCounters } from '../../../transports/udp.ts';
import type { MinerView } from '../node/mining/server.ts';
import type { PowNotice, PowRequest, PowResult, PowStatus } from '../protocol/interface.ts';

type Shown = Pick<LiveNode<PowStatus, PowNotice>, 'name' | 'address' | 'status' | 'measure' | 'observe'>;

/** What of a peer that runs is shown. */
export interface PowSubject extends Shown {
  /** Zeros that a hash must end in. */
  readonly difficulty: number;
  /** The block at a height, or undefined if the chain does not reach it. */
  block(height: number): Block | undefined;
  miners(): readonly MinerView[];
  counters(): NodeCounters & {
    readonly transport: UdpCounters;
    /** Of the mining server; empty where none runs. */
    readonly mining: Readonly<Record<string, number>>;
  };
  /** @throws Error if the node has failed or is closed */
  request(request: PowRequest): PowResult;
}
