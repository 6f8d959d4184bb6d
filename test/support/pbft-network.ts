/**
 * A cluster of PBFT engines in one process, on a virtual clock. Every message takes the same time, unless a test holds
 * it back; members without an engine are the test's to speak for. Messages go through the codec, as over a connection.
 */
import type { StateMachine } from '../../peer/core/application.ts';
import { OrderedLog } from '../../peer/applications/ordered-log.ts';
import { pbftCodec } from '../../peer/engines/pbft/protocol/codec.ts';
import {
  DEFAULT_PBFT_CONFIG,
  type PbftConfig,
  type PbftResult,
  type PbftStatus,
  type Signatures,
} from '../../peer/engines/pbft/protocol/interface.ts';
import { MAX_RECEIVED } from '../../peer/engines/pbft/protocol/limits.ts';
import type {
  Batch,
  Certificate,
  ClientRequest,
  Header,
  MessageOf,
  NewView,
  PbftMessage,
  PreparedProof,
  ViewChange,
  Vote,
} from '../../peer/engines/pbft/protocol/messages.ts';
import type { PbftTypes } from '../../peer/engines/pbft/protocol/types.ts';
import { nameOf } from '../../peer/engines/pbft/protocol/new-view.ts';
import { PbftEngine } from '../../peer/engines/pbft/protocol/pbft.ts';
import { primaryOf, quorumOf } from '../../peer/engines/pbft/protocol/quorum.ts';
import { Signing } from '../../peer/engines/pbft/protocol/signing.ts';
import { stubKeys } from '../../peer/engines/pbft/simulation/keys.ts';
import { EngineRig } from './engine-rig.ts';
import { MemoryStore } from '../../peer/storage/memory.ts';

/** How long a message takes, in milliseconds, where a test says nothing else. */
export const LATENCY = 10;
const CLUSTER = 'test';

/** A message on its way. */
export interface Sent {
  readonly from: number;
  readonly to: number;
  readonly message: PbftMessage;
}

/** What a new view is made of. */
export interface NewViewContents extends Pick<NewView, 'view' | 'headers'> {
  readonly viewChanges: readonly ViewChange[];
}

interface Happening {
  readonly at: number;
  readonly run: () => void;
}

export type PbftAnswer = Extract<PbftResult, { status: 'answered' }>;

export class PbftMember extends EngineRig<PbftTypes> {
  engine: PbftEngine | undefined;
  readonly index: number;
  private readonly network: PbftNetwork;

  constructor(network: PbftNetwork, index: number) {
    super(network);
    this.network = network;
    this.index = index;
  }

  get status(): PbftStatus {
    if (this.engine === undefined) throw new Error(`member ${this.index} is down`);
    return this.engine.status();
  }

  /** Starts, or starts again from what is stored. */
  start(): void {
    this.engine = this.network.engineOf(this.index, this.store);
    this.run(this.engine);
  }

  override crash(): void {
    super.crash();
    this.engine = undefined;
  }

  /** Loses everything that is stored. */
  wipe(): void {
    this.store = new MemoryStore();
  }

  /** @returns what it is answered at once, undefined if it is to wait for an answer */
  submit(operation: string): PbftResult | undefined {
    return this.ask({ kind: 'submit', operation });
  }

  /** The answers to what was submitted, in the order in which they came. */
  get answers(): PbftAnswer[] {
    return this.results.filter((result) => result.status === 'answered');
  }

  /** Under what it has asked last: others have heard of it by now. */
  get timestamp(): number {
    const own = this.network.sent.flatMap(({ message }) =>
      message.type === 'REQUEST' ? message.requests.filter(({ client }) => client === this.index) : [],
    );
    return own.at(-1)?.timestamp ?? 0;
  }

  /** What it says that members have done wrong, as `member rule`. */
  get offences(): string[] {
    return this.reported('offence').map(({ member, rule }) => `${member} ${rule}`);
  }

  /** The digests of what it has executed, by sequence number. */
  get history(): Map<number, string> {
    return new Map(this.reported('executed').map(({ sequence, digest }) => [sequence, digest]));
  }

  /** How often each limit or outcome was met. */
  count(counter: string): number {
    return this.status.counters[counter] ?? 0;
  }

  protected send(to: readonly number[], message: PbftMessage): void {
    for (const member of to) this.network.send(this.index, member, message);
  }
}

export class PbftNetwork {
  now = 1_700_000_000_000;
  readonly config: PbftConfig;
  readonly replicas: number;
  readonly quorum: number;
  /** By number; those that the test speaks for are never up. */
  readonly members: readonly PbftMember[];
  /** Every message that somebody sent. */
  readonly sent: Sent[] = [];
  /** How long a message takes, in milliseconds. */
  latencyOf: (sent: Sent) => number = () => LATENCY;
  /** Whether a message arrives. */
  passes: (sent: Sent) => boolean = () => true;
  /** Signatures that engines have verified. */
  verified = 0;
  private readonly keys;
  private readonly machine: () => StateMachine;
  private readonly happenings: Happening[] = [];

  /**
   * @param options.scripted members for which no engine runs
   * @param options.machine what they execute, in its first state: an ordered log, unless said otherwise
   */
  constructor(
    replicas: number,
    options: Partial<PbftConfig> & {
      readonly scripted?: readonly number[];
      readonly machine?: () => StateMachine;
    } = {},
  ) {
    const { scripted = [], machine = () => new OrderedLog(), ...config } = options;
    this.machine = machine;
    this.replicas = replicas;
    this.quorum = quorumOf(replicas);
    this.config = { ...DEFAULT_PBFT_CONFIG, viewChangeTimeout: 1_000, checkpointInterval: 4, ...config };
    this.keys = stubKeys(1, replicas);
    this.members = Array.from({ length: replicas }, (_, index) => new PbftMember(this, index));
    for (const member of this.members) if (!scripted.includes(member.index)) member.start();
  }

  member(index: number): PbftMember {
    const member = this.members[index];
    if (member === undefined) throw new RangeError(`no member ${index}`);
    return member;
  }

  /** Members that run. */
  get up(): PbftMember[] {
    return this.members.filter(({ engine }) => engine !== undefined);
  }

  /** Signs as a member, of this cluster or of another one with the same keys. */
  signing(member: number, cluster = CLUSTER): Signing {
    const signatures = this.keys[member];
    if (signatures === undefined) throw new RangeError(`no member ${member}`);
    return new Signing({ cluster, replicas: this.replicas, self: member }, signatures);
  }

  engineOf(self: number, view: MemoryStore): PbftEngine {
    const signatures = this.keys[self];
    if (signatures === undefined) throw new RangeError(`no member ${self}`);
    const membership = { cluster: CLUSTER, replicas: this.replicas, self };
    const counted: Signatures = {
      sign: (text) => signatures.sign(text),
      verify: (member, text, signature) => {
        this.verified++;
        return signatures.verify(member, text, signature);
      },
    };
    const machine = this.machine();
    return new PbftEngine(this.config, membership, { view, signatures: counted, machine });
  }

  send(from: number, to: number, message: PbftMessage): void {
    const sent = { from, to, message };
    this.sent.push(sent);
    if (!this.passes(sent)) return;
    const bytes = pbftCodec.encode(message);
    // As a transport does.
    if (bytes.length > MAX_RECEIVED) return;
    this.after(this.latencyOf(sent), () => {
      const { message: decoded, fault } = pbftCodec.decode(bytes);
      if (fault !== undefined) this.member(to).refuse(from, fault);
      else this.member(to).deliver(from, decoded);
    });
  }

  /** To all others. */
  broadcast(from: number, message: PbftMessage): void {
    for (const { index } of this.members) if (index !== from) this.send(from, index, message);
  }

  /** Cuts the cluster: messages arrive within a group only. */
  cut(...groups: readonly (readonly number[])[]): void {
    this.passes = ({ from, to }) => groups.some((group) => group.includes(from) && group.includes(to));
  }

  heal(): void {
    this.passes = () => true;
  }

  after(delay: number, run: () => void): void {
    const at = this.now + delay;
    const place = this.happenings.findIndex((other) => other.at > at);
    this.happenings.splice(place < 0 ? this.happenings.length : place, 0, { at, run });
  }

  /**
   * Lets time pass until `done` holds.
   *
   * @param limit the most time that may pass, in milliseconds
   * @returns whether it came to hold
   */
  run(limit: number, done: () => boolean = () => false): boolean {
    const end = this.now + limit;
    while (!done()) {
      const next = this.happenings[0];
      if (next === undefined || next.at > end) {
        this.now = end;
        return done();
      }
      this.happenings.shift();
      this.now = next.at;
      next.run();
    }
    return true;
  }

  /** Whether all who are up have executed that many sequence numbers. */
  allExecuted(count: number): boolean {
    return this.up.every(({ status }) => status.executed >= count);
  }

  /** The messages of a type that were sent. */
  sentOf<Type extends PbftMessage['type']>(type: Type): (Sent & { readonly message: MessageOf<Type> })[] {
    return this.sent.filter(
      (sent): sent is Sent & { readonly message: MessageOf<Type> } => sent.message.type === type,
    );
  }

  /** A request signed by a member. */
  request(client: number, timestamp: number, text = `text ${timestamp}`): ClientRequest {
    return this.signing(client).request({ client, timestamp, operation: JSON.stringify(['append', text]) });
  }

  /** A pre-prepare signed by the primary of a view. */
  prePrepare(view: number, sequence: number, batch: Batch): MessageOf<'PRE_PREPARE'> {
    return { type: 'PRE_PREPARE', header: this.header(view, sequence, batch), batch };
  }

  header(view: number, sequence: number, batch: Batch): Header {
    const signing = this.signing(primaryOf(view, this.replicas));
    return signing.header({ view, sequence, digest: signing.digestOf(batch) });
  }

  /** A vote for what a header says. */
  vote(phase: 'prepare' | 'commit', replica: number, { view, sequence, digest }: Header): Vote {
    return this.signing(replica).vote(phase, { view, sequence, digest, replica });
  }

  /** A batch of requests that are signed by a member. */
  batch(client: number, ...timestamps: readonly number[]): Batch {
    return { time: this.now, requests: timestamps.map((timestamp) => this.request(client, timestamp)) };
  }

  /** Submits so many requests at a member, each when the one before has been executed there. */
  work(member: number, count: number): void {
    const { status } = this.member(member);
    for (let done = 1; done <= count; done++) {
      this.member(member).submit(`["append","${done}"]`);
      const target = status.executed + done;
      if (!this.run(100_000, () => this.member(member).status.executed >= target)) {
        throw new Error(`request ${done} is not executed`);
      }
    }
  }

  /** What proves that backups have prepared what a header says. */
  proof(header: Header, ...backups: readonly number[]): PreparedProof {
    return { header, prepares: backups.map((backup) => nameOf(this.vote('prepare', backup, header))) };
  }

  /** Votes of members for the same checkpoint. */
  certificate(sequence: number, ...replicas: readonly number[]): Certificate {
    const digest = '00'.repeat(32);
    return replicas.map((replica) => this.signing(replica).checkpoint({ sequence, digest, replica }));
  }

  /** A view change signed by a member that has not got beyond the beginning, unless it is said to be otherwise. */
  viewChange(
    view: number,
    replica: number,
    claims: Partial<Omit<ViewChange, 'signature'>> = {},
  ): MessageOf<'VIEW_CHANGE'> {
    const empty = { view, stable: 0, certificate: [], prepared: [], replica };
    return { type: 'VIEW_CHANGE', change: this.signing(replica).viewChange({ ...empty, ...claims }) };
  }

  /** A new view signed by its primary, or by whoever is said to. */
  newView(
    { view, viewChanges, headers }: NewViewContents,
    signer = primaryOf(view, this.replicas),
  ): MessageOf<'NEW_VIEW'> {
    const contents = { view, viewChanges: viewChanges.map(nameOf), headers };
    return { type: 'NEW_VIEW', newView: this.signing(signer).newView(contents) };
  }

  /** Sends a new view, and what it names as if that had been asked for. */
  sendNewView(
    from: number,
    to: number,
    message: MessageOf<'NEW_VIEW'>,
    viewChanges: readonly ViewChange[],
  ): void {
    this.send(from, to, message);
    for (const change of viewChanges) this.send(from, to, { type: 'VIEW_CHANGE', change });
  }
}
