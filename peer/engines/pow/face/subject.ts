import type { Address } from '../../../../shared/address.ts';
import type { Block } from '../../../../shared/block.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { PowNotice, PowRequest, PowResult, PowStatus } from '../protocol/interface.ts';
import type { NodeObserver } from '../../../core/node.ts';
import type { MinerView } from '../node/mining/server.ts';
import type { UdpCounters } from '../../../transports/udp.ts';

/** What a node has counted, by part. */
export interface WebCounters {
  readonly udp: UdpCounters;
  /** Messages that were taken, and datagrams that were none, by the rule that they broke. */
  readonly host: { readonly messages: number; readonly malformed: Readonly<Record<string, number>> };
  /** Of the mining server; empty where none runs. */
  readonly mining: Readonly<Record<string, number>>;
}

/** What the web server sees of a node: everything that it shows. */
export interface WebSubject {
  readonly name: string;
  /** Where others reach the node. */
  readonly address: Address;
  /** Zeros that a hash must end in. */
  readonly difficulty: number;
  status(): PowStatus;
  /** The block at a height, or undefined if the chain does not reach it. */
  block(height: number): Block | undefined;
  miners(): readonly MinerView[];
  counters(): WebCounters;
  /** Tells how full each bounded collection of the engine is. */
  measure(tell: Gauge): void;
  /** @throws Error if the node has failed or is closed */
  request(request: PowRequest): PowResult;
  /** Has everything told from now on; until the function that it returns is called. */
  observe(observer: NodeObserver<PowNotice>): () => void;
}
