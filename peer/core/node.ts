/** A node that runs, as those see it who watch it: the log, the page, the metrics. */
import type { Address } from '../../shared/address.ts';
import type { Gauge } from './engine.ts';

/** Notified of what happens in a node while an engine's effects are carried out, so each call is short. */
export interface NodeObserver<Notice> {
  onNotice(notice: Notice): void;
  /** A request was answered. */
  onReply?(request: unknown, result: unknown): void;
  /** Something was stored. */
  onWrite?(seconds: number): void;
}

/** What a node has counted. */
export interface NodeCounters {
  readonly transport: {
    readonly received: number;
    readonly receivedBytes: number;
    readonly sent: number;
    readonly sentBytes: number;
    /** What was not sent, by reason. */
    readonly dropped: Readonly<Record<string, number>>;
    /** Where there are connections: how many came about, and why others did not, or ended. */
    readonly connections?: {
      readonly established: number;
      readonly failed: Readonly<Record<string, number>>;
      readonly ended: Readonly<Record<string, number>>;
    };
  };
  readonly host: {
    /** Messages that the codec took. */
    readonly messages: number;
    /** What is no message, by the broken rule. */
    readonly malformed: Readonly<Record<string, number>>;
  };
  /** How often the engine met each outcome, as `message.verdict` or `limit.name`, if it counts that. */
  readonly engine?: Readonly<Record<string, number>>;
}

/**
 * @template Status what the node reports of itself: JSON
 * @template Notice what its engine notifies
 */
export interface LiveNode<Status, Notice> {
  readonly engine: string;
  /** What people call it. */
  readonly name: string;
  /** Over what its messages go. */
  readonly transport: 'udp' | 'tcp';
  /** Where it listens. */
  readonly address: Address;
  status(): Status;
  counters(): NodeCounters;
  /** Reports how full each bounded collection is. */
  measure(report: Gauge): void;
  /** Notifies an observer of everything from now on; until the function that it returns is called. */
  observe(observer: NodeObserver<Notice>): () => void;
}
