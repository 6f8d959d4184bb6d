/** A web server over a replica that says whatever a test wants; no cluster, and no clock but ours. */
import { z } from 'zod';

import type {
  ExecutedRequest,
  PbftNotice,
  PbftResult,
  PbftStatus,
} from '../../../../peer/engines/pbft/protocol/interface.ts';
import { createPbftApp } from '../../../../peer/engines/pbft/face/server.ts';
import type { PbftCounters, PbftSubject } from '../../../../peer/engines/pbft/node/subject.ts';
import type { NodeObserver } from '../../../../peer/core/node.ts';
import { statusSchema as ownSchema } from '../../../../peer/engines/pbft/face/schemas.ts';
import { MAX_SHOWN_TEXT } from '../../../../peer/web/limits.ts';
import { programSchema } from '../../../../peer/web/schemas.ts';
import type { TcpPeer } from '../../../../peer/transports/tcp.ts';
import type { AppOptions, WebApp } from '../../../../peer/web/server.ts';
import { UserError } from '../../../../shared/errors.ts';

/** What would run, or draw, where somebody forgot that it is only text. */
export const HOSTILE = '<img src=x onerror=alert(1)>"\'&\u202e';

export const NORMAL: PbftStatus = {
  ...{ self: 0, replicas: 4, faulty: 1, quorum: 3, view: 0, primary: 0, phase: 'normal' },
  ...{ proposed: 0, executed: 0, digest: 'ef'.repeat(32), low: 0, high: 200, waiting: 0, outstanding: 0 },
  ...{ timeout: 10_000, viewChanges: 0, counters: {} },
  others: [1, 2, 3].map((replica) => ({
    ...{ replica, view: 0, changing: false, executed: 0, stable: 0, silence: 100, offences: 0 },
  })),
};

const KEY_VALUES: PbftSubject['application'] = {
  name: 'kv',
  hint: 'put key value',
  parse: (line) => {
    const [verb = '', ...rest] = line.split(' ');
    if (!['get', 'put'].includes(verb)) throw new UserError('what is to be done? As in: get <key>');
    return JSON.stringify([verb, ...rest]);
  },
  describe: (result) => `answer ${result}`,
};

/** What the API of a replica gives, as it was before it was made of a face. */
export const statusSchema = programSchema.extend({ engine: z.literal('pbft'), ...ownSchema.shape });
const textSchema = z.string().max(MAX_SHOWN_TEXT);
export const answerSchema = z.strictObject({
  ...{
    id: z.string(),
    operation: textSchema,
    result: z.string(),
    text: z.string(),
    waitedMs: z.number().min(0),
  },
});
export const pendingSchema = z.strictObject({ id: z.string(), operation: textSchema, waitedMs: z.number() });
export const submissionSchema = z.strictObject({
  ...{ id: z.string(), state: z.enum(['waiting', 'answered']) },
  ...{ result: z.string().nullable(), text: z.string().nullable() },
});

/** A replica that does nothing by itself. */
export class FakeReplica implements PbftSubject {
  readonly cluster = 'test';
  readonly clusterId = 'ab'.repeat(32);
  readonly self = 0;
  readonly members = [0, 1, 2, 3].map((member) => ({ publicKey: String(member).repeat(64) }));
  readonly address = { host: '127.0.0.1', port: 8000 };
  readonly application = KEY_VALUES;
  current: PbftStatus = NORMAL;
  connections: TcpPeer[] = [1, 2, 3].map((member) => ({
    member,
    state: 'up',
    address: { host: '127.0.0.1', port: 8000 + member },
    ...{ connectedSince: 1_800_000_000_000, queued: 0 },
    ...{ received: 10, receivedBytes: 2_000, sent: 12, sentBytes: 2_400 },
  }));
  /** What happens to what is submitted; by default it is answered at once. */
  onSubmit: (operation: string, id?: string) => Promise<string> = (operation) =>
    Promise.resolve(`{"of":${operation}}`);
  readonly recalled = new Map<string, readonly string[]>();
  private readonly observers = new Set<NodeObserver<PbftNotice>>();

  status(): PbftStatus {
    return this.current;
  }

  peers(): readonly TcpPeer[] {
    return this.connections;
  }

  counters(): PbftCounters {
    return {
      tcp: {
        ...{ received: 30, receivedBytes: 6_000, sent: 36, sentBytes: 7_200, established: 3 },
        ...{
          dropped: { 'queue-full': 5 },
          failed: { ECONNREFUSED: 2 },
          ended: { silence: 1 },
          addresses: { new: 3, old: 1, unknown: 0, 'too-many': 0 },
        },
      },
      host: { messages: 29, malformed: { 'not-json': 1 } },
    };
  }

  measure(report: (name: string, size: number, limit: number) => void): void {
    report('requests', 3, 1000);
  }

  observe(observer: NodeObserver<PbftNotice>): () => void {
    this.observers.add(observer);
    return () => this.observers.delete(observer);
  }

  submit(operation: string, id?: string): Promise<string> {
    return this.onSubmit(operation, id);
  }

  recall(id: string): readonly string[] {
    return this.recalled.get(id) ?? [];
  }

  become(change: Partial<PbftStatus>): void {
    this.current = { ...this.current, ...change };
  }

  report(...notices: readonly PbftNotice[]): void {
    for (const notice of notices) for (const observer of this.observers) observer.onNotice(notice);
  }

  answer(result: PbftResult): void {
    for (const observer of this.observers) observer.onReply?.({ kind: 'submit', operation: 'x' }, result);
  }

  notifyWrite(seconds: number): void {
    for (const observer of this.observers) observer.onWrite?.(seconds);
  }

  /** A batch is executed, and everybody is as far. */
  execute(requests: readonly Partial<ExecutedRequest>[], total = 6): void {
    const { current } = this;
    const sequence = current.executed + 1;
    const others = current.others.map((other) => ({ ...other, executed: sequence }));
    this.become({ executed: sequence, proposed: Math.max(current.proposed, sequence), others });
    this.report({
      ...{ kind: 'executed', sequence, view: current.view, digest: 'cd'.repeat(32) },
      requests: requests.map((request, index) => ({
        ...{ client: 1, timestamp: sequence * 1_000 + index },
        ...{ operation: `["put","key-${sequence}","value"]`, result: '{"stored":true}' },
        ...request,
      })),
      phases: { prepare: total / 3, commit: total / 2, total },
    });
  }
}

/** The application over such a replica, asked without a socket. */
export class ReplicaRig {
  readonly replica = new FakeReplica();
  readonly web: WebApp;
  /** The wall clock of the web server, and the monotonic one, in milliseconds. */
  now = 1_800_000_000_000;
  /** What the server did not foresee. */
  readonly faults: Error[] = [];

  constructor(options: Partial<AppOptions> = {}) {
    this.web = createPbftApp(this.replica, {
      bind: '127.0.0.1',
      now: () => this.now,
      clock: () => this.now,
      onFault: (error) => this.faults.push(error),
      ...options,
    });
  }

  async get(path: string, init?: RequestInit): Promise<Response> {
    return this.web.app.request(path, init, {});
  }

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.get(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  }
}

/** Some of everything happens. */
export function live({ replica }: ReplicaRig): void {
  replica.execute([{}, { operation: HOSTILE, result: HOSTILE }], 6);
  replica.report(
    { kind: 'view-change-started', view: 1, reason: 'timeout' },
    { kind: 'view-entered', view: 1, primary: 1, carried: 0 },
    { kind: 'checkpoint', sequence: 100, digest: HOSTILE },
    { kind: 'transfer-started', sequence: 100, executed: 1 },
    { kind: 'transfer-progress', pages: 3, total: 8 },
    { kind: 'transfer-finished', sequence: 100, pages: 8 },
    { kind: 'diverged', sequence: 100, digest: HOSTILE },
    { kind: 'offence', member: 2, rule: 'equivocation' },
  );
  replica.answer({ status: 'answered', timestamp: 1, result: HOSTILE, waited: 25 });
  replica.answer({ status: 'rejected', reason: HOSTILE });
  replica.notifyWrite(0.003);
}
