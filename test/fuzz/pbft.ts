/**
 * PBFT under any messages in any order: four replicas, one of which is not what it seems. Its messages are those of a
 * correct one, with fields changed and signed anew with its own key, and the network loses, repeats and mixes up what it
 * likes; timers run out at any time, and replicas crash between any two effects.
 */
import assert from 'node:assert/strict';

import fc from 'fast-check';

import type { StateMachine } from '../../peer/core/application.ts';
import type { EngineEvent } from '../../peer/core/engine.ts';
import { pbftCodec } from '../../peer/engines/pbft/protocol/codec.ts';
import type { PbftEffect } from '../../peer/engines/pbft/protocol/context.ts';
import type {
  PbftConfig,
  PbftMembership,
  PbftRequest,
  Signatures,
} from '../../peer/engines/pbft/protocol/interface.ts';
import type { Batch, PbftMessage } from '../../peer/engines/pbft/protocol/messages.ts';
import type { PbftTypes } from '../../peer/engines/pbft/protocol/types.ts';
import { PbftEngine } from '../../peer/engines/pbft/protocol/pbft.ts';
import { Signing } from '../../peer/engines/pbft/protocol/signing.ts';
import { MemoryStore } from '../../peer/storage/memory.ts';
import { sha256Hex } from '../../shared/ed25519.ts';
import { hostileBytes, hostileText } from './inputs.ts';
import { defineTarget, processorTime, type FuzzTarget } from './target.ts';

const REPLICAS = 4;
/** The one that may do anything. */
const LIAR = 3;
const CLUSTER = 'fuzz';
/** Small, so that every bound is reached: two batches between checkpoints, eight requests of each client. */
const CONFIG: PbftConfig = {
  viewChangeTimeout: 1_000,
  checkpointInterval: 2,
  messageBuffer: 32,
  batchSize: 2,
  pipeline: 3,
};
/** Messages that wait for delivery; more are lost. */
const MAX_PENDING = 400;
/** Most effects of one step: a new view answers for each slot of the window, and whatever waited early follows. */
const MAX_EFFECTS = 2_000;

/** A stand-in for signatures that costs little, and that nobody here forges. */
function signaturesOf(self: number): Signatures {
  const sign = (member: number, text: string): string =>
    Buffer.from(sha256Hex(`${member} ${text}`)).toString('base64');
  return {
    sign: (text) => sign(self, text),
    verify: (member, text, signature) => sign(member, text) === signature,
  };
}

function membership(self: number): PbftMembership {
  return { cluster: CLUSTER, replicas: REPLICAS, self };
}

/** Counts what it executes. */
class Tally implements StateMachine {
  readonly pageCount = 3;
  private readonly counts = [0, 0, 0];

  check(): undefined {
    return undefined;
  }

  execute(operation: string): string {
    const place = operation.length % this.pageCount;
    this.counts[place] = (this.counts[place] ?? 0) + 1;
    return JSON.stringify([operation, this.counts[place]]);
  }

  page(index: number): string {
    return this.counts[index] === 0 ? '' : String(this.counts[index]);
  }

  restore(index: number, text: string): void {
    this.counts[index] = Number(text);
  }

  takeChanged(): readonly number[] {
    return [0, 1, 2];
  }
}

/** What happens; numbers choose among what there is at that moment. */
export type Happening =
  | { readonly kind: 'submit'; readonly to: number; readonly operation: string }
  | { readonly kind: 'deliver'; readonly count: number; readonly place: number }
  | { readonly kind: 'lose'; readonly count: number }
  | { readonly kind: 'repeat'; readonly place: number }
  | { readonly kind: 'lie'; readonly to: number; readonly place: number; readonly change: Change }
  | { readonly kind: 'timer'; readonly at: number; readonly which: number }
  /** Of the effects of the next step of a replica so many are carried out, then it starts again. */
  | { readonly kind: 'crash'; readonly at: number; readonly kept: number }
  | { readonly kind: 'settle'; readonly rounds: number };

/** What the liar changes in a message. */
interface Change {
  readonly number: 'view' | 'sequence' | 'stable' | 'timestamp' | 'executed' | 'none';
  readonly by: number;
  readonly digest: boolean;
  readonly fewer: boolean;
  readonly badSignature: boolean;
}

function happenings(): fc.Arbitrary<Happening> {
  const kind = <K extends Happening['kind']>(name: K): fc.Arbitrary<K> => fc.constant(name);
  const replica = fc.nat(REPLICAS - 1);
  const change = fc.record<Change>({
    number: fc.constantFrom('view', 'sequence', 'stable', 'timestamp', 'executed', 'none', 'none'),
    by: fc.oneof(fc.integer({ min: -3, max: 5 }), fc.constantFrom(1_000, 2 ** 40)),
    digest: fc.boolean(),
    fewer: fc.boolean(),
    badSignature: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
  });
  return fc.oneof<fc.MaybeWeightedArbitrary<Happening>[]>(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: kind('submit'),
        to: replica,
        operation: fc.string({ unit: 'binary', maxLength: 5 }),
      }),
    },
    { weight: 8, arbitrary: fc.record({ kind: kind('deliver'), count: fc.nat(40), place: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('lose'), count: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('repeat'), place: fc.nat() }) },
    {
      weight: 6,
      arbitrary: fc.record({ kind: kind('lie'), to: fc.nat(LIAR - 1), place: fc.nat(), change }),
    },
    { weight: 3, arbitrary: fc.record({ kind: kind('timer'), at: replica, which: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('crash'), at: replica, kept: fc.nat(8) }) },
    { weight: 2, arbitrary: fc.record({ kind: kind('settle'), rounds: fc.integer({ min: 1, max: 3 }) }) },
  );
}

interface Pending {
  readonly to: number;
  readonly from: number;
  readonly message: PbftMessage;
}

class FuzzedReplica {
  readonly self: number;
  readonly timers = new Map<string, number>();
  engine: PbftEngine;
  continues = false;
  /** How many effects of the next step are carried out before it crashes. */
  kept: number | undefined;
  private readonly store = new MemoryStore();

  constructor(self: number) {
    this.self = self;
    this.engine = this.make();
  }

  restart(): void {
    this.timers.clear();
    this.continues = false;
    this.kept = undefined;
    this.engine = this.make();
  }

  write(effect: PbftEffect & { type: 'store' }): void {
    this.store.write(effect.writes);
  }

  private make(): PbftEngine {
    return new PbftEngine(CONFIG, membership(this.self), {
      view: this.store,
      signatures: signaturesOf(this.self),
      machine: new Tally(),
    });
  }
}

/** Four replicas, and everything that is under way between them. */
class Cluster {
  slowest = 0;
  private now = 1_700_000_000_000;
  private readonly replicas = Array.from({ length: REPLICAS }, (_, self) => new FuzzedReplica(self));
  private readonly pending: Pending[] = [];
  /** Every message that the liar's engine has sent, for it to change. */
  private readonly own: PbftMessage[] = [];
  private readonly signing = new Signing(membership(LIAR), signaturesOf(LIAR));
  /** What was executed under each sequence number, by whom first. */
  private readonly agreed = new Map<number, string>();
  private requests = 0;

  constructor() {
    for (const replica of this.replicas) this.step(replica, { type: 'started', now: this.now });
  }

  happen(happening: Happening): void {
    switch (happening.kind) {
      case 'submit':
        this.submit(happening.to, happening.operation);
        break;
      case 'deliver':
        for (let left = happening.count; left > 0; left--) this.deliver(happening.place);
        break;
      case 'lose':
        this.pending.splice(0, happening.count);
        break;
      case 'repeat': {
        const one = this.pending[happening.place % Math.max(1, this.pending.length)];
        if (one !== undefined) this.post(one);
        break;
      }
      case 'lie': {
        const message = this.own[happening.place % Math.max(1, this.own.length)];
        if (message !== undefined) {
          this.post({ to: happening.to, from: LIAR, message: this.changed(message, happening.change) });
        }
        break;
      }
      case 'timer':
        this.runTimer(this.at(happening.at), happening.which);
        break;
      case 'crash':
        this.at(happening.at).kept = happening.kept;
        break;
      case 'settle':
        this.settle(happening.rounds);
    }
  }

  /** What is under way, and what the liar has sent. */
  messages(): PbftMessage[] {
    return [...this.pending.map(({ message }) => message), ...this.own];
  }

  /** The network heals, and the liar only keeps silent: the others must get everything done that waits. */
  conclude(): void {
    this.settle(5);
    const correct = this.replicas.slice(0, LIAR);
    this.pending.length = 0;
    for (let round = 0; round < 400 && !this.atRest(correct); round++) {
      for (const replica of correct) this.runDue(replica);
      while (this.pending.length > 0) this.deliver(0);
      this.now += 50;
    }
    assert(this.atRest(correct), `it does not come to rest: ${correct.map(summary).join('; ')}`);
  }

  private atRest(replicas: readonly FuzzedReplica[]): boolean {
    const statuses = replicas.map(({ engine }) => engine.status());
    const [first] = statuses;
    return statuses.every(
      ({ outstanding, executed, phase }) =>
        outstanding === 0 && executed === first?.executed && phase !== 'fetching state',
    );
  }

  private settle(rounds: number): void {
    for (let left = rounds * 3; left > 0; left--) {
      for (let most = 3 * MAX_PENDING; most > 0 && this.pending.length > 0; most--) this.deliver(0);
      for (const replica of this.replicas) this.runDue(replica);
      this.now += 50;
    }
  }

  private submit(to: number, operation: string): void {
    const request: PbftRequest = { kind: 'submit', operation };
    this.step(this.at(to), { type: 'request', now: this.now, id: ++this.requests, request });
  }

  private deliver(place: number): void {
    const { pending } = this;
    const [next] = pending.splice(place % Math.max(1, pending.length), 1);
    if (next === undefined) return;
    const { to, from, message } = next;
    this.step(this.at(to), { type: 'message', now: this.now, from, message });
  }

  private runTimer(replica: FuzzedReplica, which: number): void {
    const names = [...replica.timers.keys()];
    const name = names[which % Math.max(1, names.length)];
    if (name === undefined) return;
    this.now = Math.max(this.now, replica.timers.get(name) ?? 0);
    replica.timers.delete(name);
    this.step(replica, { type: 'timer', now: this.now, timer: name });
  }

  private runDue(replica: FuzzedReplica): void {
    for (const [name, due] of [...replica.timers]) {
      if (due > this.now || replica.timers.get(name) !== due) continue;
      replica.timers.delete(name);
      this.step(replica, { type: 'timer', now: this.now, timer: name });
    }
  }

  private step(replica: FuzzedReplica, event: EngineEvent<PbftTypes>): void {
    const { kept } = replica;
    const began = processorTime();
    const effects = replica.engine.step(event);
    this.slowest = Math.max(this.slowest, processorTime() - began);
    assert(effects.length <= MAX_EFFECTS, `${effects.length} effects in one step`);
    replica.engine.measure((name, size, limit) => {
      assert(size <= limit, `${name}: ${size}, more than ${limit}`);
    });
    for (const effect of effects.slice(0, kept)) this.carryOut(replica, effect);
    if (kept !== undefined) {
      replica.restart();
      this.step(replica, { type: 'started', now: this.now });
    } else if (replica.continues) {
      replica.continues = false;
      this.step(replica, { type: 'continue', now: this.now });
    }
  }

  private carryOut(replica: FuzzedReplica, effect: PbftEffect): void {
    switch (effect.type) {
      case 'send':
        this.post({ to: effect.to, from: replica.self, message: effect.message });
        break;
      case 'broadcast':
        for (const to of effect.to) this.post({ to, from: replica.self, message: effect.message });
        break;
      case 'timer':
        assert(effect.after >= 0 && Number.isFinite(effect.after));
        replica.timers.set(effect.timer, this.now + effect.after);
        break;
      case 'cancel':
        replica.timers.delete(effect.timer);
        break;
      case 'store':
        replica.write(effect);
        break;
      case 'notify':
        if (effect.notice.kind === 'offence') {
          assert.equal(effect.notice.member, LIAR, `${replica.self} blames ${effect.notice.member}`);
        }
        if (effect.notice.kind === 'diverged') assert.fail(`${replica.self} has another state`);
        if (effect.notice.kind === 'executed' && replica.self !== LIAR) {
          const { sequence, digest } = effect.notice;
          assert.equal(this.agreed.get(sequence) ?? digest, digest, `two batches at ${sequence}`);
          this.agreed.set(sequence, digest);
        }
        break;
      case 'continue':
        replica.continues = true;
        break;
      case 'reply':
      case 'disconnect':
        break;
    }
  }

  private post(letter: Pending): void {
    if (letter.from === LIAR && this.own.length < MAX_PENDING) this.own.push(letter.message);
    if (this.pending.length < MAX_PENDING) this.pending.push(letter);
  }

  private at(index: number): FuzzedReplica {
    const replica = this.replicas[index];
    assert(replica !== undefined);
    return replica;
  }

  /** A message of the liar as it would rather have said it, signed by itself. */
  private changed(message: PbftMessage, change: Change): PbftMessage {
    const { signing } = this;
    const move = <T extends object>(part: T): T => changeFields(part, change);
    const seal = <T extends { readonly signature: string }>(part: T): T =>
      change.badSignature ? { ...part, signature: `${'A'.repeat(86)}==` } : part;
    switch (message.type) {
      case 'REQUEST':
        return {
          ...message,
          requests: message.requests.map((request) =>
            request.client === LIAR ? seal(signing.request(move(request))) : request,
          ),
        };
      case 'PRE_PREPARE': {
        const batch: Batch = change.fewer
          ? { ...message.batch, time: message.batch.time + 1 }
          : message.batch;
        const digest = change.digest ? signing.digestOf(batch) : message.header.digest;
        return { ...message, batch, header: seal(signing.header({ ...move(message.header), digest })) };
      }
      case 'PREPARE':
      case 'COMMIT': {
        const phase = message.type === 'PREPARE' ? 'prepare' : 'commit';
        return { ...message, vote: seal(signing.vote(phase, move(message.vote))) };
      }
      case 'CHECKPOINT':
        return { ...message, vote: seal(signing.checkpoint(move(message.vote))) };
      case 'REPLY':
        return { ...message, reply: seal(signing.reply(move(message.reply))) };
      case 'VIEW_CHANGE': {
        const prepared = change.fewer ? message.change.prepared.slice(1) : message.change.prepared;
        const view = Math.max(1, move({ view: message.change.view }).view);
        return { ...message, change: seal(signing.viewChange({ ...message.change, prepared, view })) };
      }
      case 'NEW_VIEW': {
        const { newView } = message;
        const headers = newView.headers.map((header) => signing.header(move(header)));
        const viewChanges = change.fewer ? newView.viewChanges.slice(1) : newView.viewChanges;
        const view = Math.max(1, move({ view: newView.view }).view);
        return { ...message, newView: seal(signing.newView({ view, viewChanges, headers })) };
      }
      case 'STATUS':
        return { ...message, status: move(message.status) };
      case 'DECIDED':
        return {
          ...message,
          commits: change.fewer ? message.commits.slice(1) : message.commits.map((vote) => move(vote)),
        };
      case 'STABLE':
        return { ...message, certificate: message.certificate.map((vote) => move(vote)) };
      case 'PAGES':
        return {
          ...message,
          pages: message.pages.map(([page, text]) => [page, change.digest ? `${text}1` : text] as const),
        };
      default:
        return move(message);
    }
  }
}

function changeFields<T extends object>(part: T, { number, by, digest }: Change): T {
  const fields = { ...part } as Record<string, unknown>;
  const value = fields[number];
  if (typeof value === 'number') fields[number] = Math.max(0, value + by);
  if (digest && 'digest' in fields) fields['digest'] = sha256Hex('something else');
  // Only values have been replaced, by others of their types.
  return fields as T;
}

function summary({ self, engine }: FuzzedReplica): string {
  const { view, phase, executed, low, high, waiting, outstanding } = engine.status();
  return `${self}: view ${view} (${phase}), executed ${executed} of ${low} to ${high}, ${waiting} wait, ${outstanding} without answer`;
}

/** One of each kind of message, as a run of the cluster makes them. */
function samples(): object[] {
  const kinds = new Map<string, PbftMessage>();
  const cluster = new Cluster();
  const plan: Happening[] = [
    ...Array.from({ length: 24 }, (_, index): Happening[] => [
      { kind: 'submit', to: index % REPLICAS, operation: `o${index}` },
      { kind: 'settle', rounds: 1 },
    ]).flat(),
    // Two lose their patience, and begin another view.
    ...[1, 2].flatMap((at): Happening[] => [
      { kind: 'submit', to: at, operation: 'late' },
      { kind: 'timer', at, which: 1 },
    ]),
    // One message at a time, out of order: somebody hears of the new view before all that it names.
    ...Array.from({ length: 80 }, (): Happening => ({ kind: 'deliver', count: 1, place: 3 })),
  ];
  for (const happening of plan) {
    cluster.happen(happening);
    for (const message of cluster.messages()) kinds.set(message.type, message);
  }
  return [...kinds.values()].map(
    (message) => JSON.parse(Buffer.from(pbftCodec.encode(message)).toString()) as object,
  );
}

export function pbftTargets(): FuzzTarget[] {
  return [
    defineTarget({
      name: 'pbft-codec',
      claim: 'any bytes are a message of PBFT, which stays the same, or have a fault',
      share: 60,
      inputs: hostileBytes(hostileText(samples())),
      check: (bytes) => {
        const { message, fault } = pbftCodec.decode(bytes);
        if (message === undefined) {
          assert.match(fault, /^[a-z-]+$/);
          return undefined;
        }
        assert.deepEqual(pbftCodec.decode(pbftCodec.encode(message)), { message });
        return undefined;
      },
    }),
    defineTarget({
      name: 'pbft-engine',
      claim: 'three correct replicas agree and get things done, whatever the fourth says',
      share: 10,
      inputs: fc.array(happenings(), { maxLength: 120, size: 'max' }),
      check: (plan) => {
        const cluster = new Cluster();
        for (const happening of plan) cluster.happen(happening);
        cluster.conclude();
        return cluster.slowest;
      },
    }),
  ];
}
