/**
 * Byzantine replicas. Each is a true one whose messages pass through the hands of somebody who has its key and means ill.
 * They may work together: what one of them has invented the others can look up.
 */
import type { PbftConfig, PbftMembership, PbftStatus } from '../protocol/interface.ts';
import type { PbftEngine } from '../protocol/pbft.ts';
import type {
  Batch,
  CheckpointVote,
  Header,
  NewView,
  PbftMessage,
  PreparedProof,
  ViewChange,
  Vote,
} from '../protocol/messages.ts';
import { nameOf } from '../protocol/new-view.ts';
import { clientWindowOf, MAX_REQUESTS } from '../protocol/limits.ts';
import { primaryOf } from '../protocol/quorum.ts';
import type { Signing } from '../protocol/signing.ts';
import type { MemoryStore } from '../../../storage/memory.ts';
import type { Chance } from '../../../simulator/chance.ts';
import type { Body as AnyBody, Corruption as AnyCorruption } from '../../../simulator/subject.ts';
import { Twin } from './twin.ts';
import type { PbftTypes } from './types.ts';

type Body = AnyBody<PbftTypes>;
type Corruption = AnyCorruption<PbftTypes>;

/** What Byzantine replicas need besides their bodies. */
export interface Means extends PbftMembership {
  readonly config: PbftConfig;
  readonly quorum: number;
  /** Signs as this member, whatever it is. */
  readonly signing: Signing;
  /** The other digest under a view and sequence number, as `view sequence`: shared by all that work together. */
  readonly plot: Map<string, string>;
  status: () => PbftStatus | undefined;
  /** What its clock shows. */
  localNow: () => number;
  /** An engine with the same key and a store of its own, which outlives crashes. */
  secondLife: () => { readonly store: MemoryStore; readonly engine: PbftEngine };
}

/** A kind of Byzantine replica. */
interface Actor {
  readonly description: string;
  corrupt(body: Body, means: Means): Corruption;
}

/** Mean times between two lies, in milliseconds. */
const OFTEN = 300;
const SELDOM = 2_000;
/** Messages that a replayer remembers. */
const REMEMBERED = 500;
/** How much of the timeout a slow primary takes for itself. */
const SLOWNESS = 0.8;
/** Requests that a framer asks for at once: its share of the pool, where that is not too much to simulate. */
const FRAMED = 40;
/** How far ahead a liar claims to be. */
const FAR = 1_000_000;

function randomDigest(chance: Chance): string {
  return Buffer.from(chance.bytes(32)).toString('hex');
}

/** What looks like a signature. */
function randomSignature(chance: Chance): string {
  return Buffer.from(chance.bytes(64)).toString('base64');
}

/** What base64 is written in, in the order of the values. */
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The same 64 bytes in another text: the last character has bits that decoders pass over. */
export function respelled(signature: string): string {
  const at = signature.length - '=='.length - 1;
  const other = BASE64[BASE64.indexOf(signature.charAt(at)) ^ 1] ?? '';
  return `${signature.slice(0, at)}${other}==`;
}

/** Every other member is told one thing, the rest another. */
function isOtherHalf(member: number): boolean {
  return member % 2 === 1;
}

/** Changes what its engine sends; undefined stands for nothing. */
function changing(
  body: Body,
  change: (message: PbftMessage, to: number) => PbftMessage | undefined,
): Corruption {
  return {
    onSend(to, message) {
      const changed = change(message, to);
      if (changed !== undefined) body.send(to, changed);
    },
  };
}

/** Somebody to pester. */
function anybody(body: Body): number {
  return body.chance.pick(body.others());
}

/** A batch of the same requests that is not the same. */
function otherBatch({ time, requests }: Batch): Batch {
  return requests.length > 1 ? { time, requests: requests.toReversed() } : { time: time + 1, requests };
}

/** A pre-prepare of another batch than the one that others have under that number. */
function otherPrePrepare({ signing, plot }: Means, header: Header, batch: Batch): PbftMessage {
  const other = otherBatch(batch);
  const digest = signing.digestOf(other);
  const { view, sequence } = header;
  plot.set(`${view} ${sequence}`, digest);
  return { type: 'PRE_PREPARE', header: signing.header({ view, sequence, digest }), batch: other };
}

/** A vote of its own for something else. */
function otherVote({ signing, plot }: Means, phase: 'prepare' | 'commit', vote: Vote, chance: Chance): Vote {
  const digest = plot.get(`${vote.view} ${vote.sequence}`) ?? randomDigest(chance);
  const { view, sequence, replica } = vote;
  return signing.vote(phase, { view, sequence, digest, replica });
}

/** Votes of others that nobody has signed, or only the liar itself, under their names. */
function forgedVotes(
  { signing, quorum, self }: Means,
  choice: Omit<Vote, 'replica' | 'signature'>,
  chance: Chance,
): Vote[] {
  const own = signing.vote('prepare', { ...choice, replica: self });
  return Array.from({ length: quorum }, (_, replica) => ({
    ...own,
    replica: chance.happens(0.2) ? self : replica,
    signature: chance.happens(0.5) ? own.signature : randomSignature(chance),
  }));
}

/** A certificate of a state that never was. */
function forgedCertificate(
  { signing, quorum, self, config }: Means,
  ahead: number,
  chance: Chance,
): CheckpointVote[] {
  const sequence = config.checkpointInterval * ahead;
  const own = signing.checkpoint({ sequence, digest: randomDigest(chance), replica: self });
  return Array.from({ length: quorum }, (_, replica) => ({
    ...own,
    replica: chance.happens(0.2) ? self : replica,
    signature: chance.happens(0.5) ? own.signature : randomSignature(chance),
  }));
}

/** That something was prepared which nobody has heard of. */
function forgedProof(means: Means, sequence: number, view: number, chance: Chance): PreparedProof {
  const header = means.signing.header({ view, sequence, digest: randomDigest(chance) });
  return { header, prepares: forgedVotes(means, header, chance).map(nameOf) };
}

/** A view change that claims what is not so. */
function forgedViewChange(means: Means, view: number, chance: Chance): ViewChange {
  const { low = 0 } = means.status() ?? {};
  const ahead = Math.floor(low / means.config.checkpointInterval) + chance.integer(1, 3);
  const claim = chance.pick([
    {
      stable: 0,
      certificate: [],
      prepared: [forgedProof(means, chance.integer(1, 20), chance.below(view), chance)],
    },
    {
      stable: ahead * means.config.checkpointInterval,
      certificate: forgedCertificate(means, ahead, chance),
      prepared: [],
    },
    // What is true of it is left out.
    { stable: 0, certificate: [], prepared: [] },
  ]);
  return means.signing.viewChange({ view, ...claim, replica: means.self });
}

/** A new view that does not follow from its view changes. */
function forgedNewView({ signing, self }: Means, newView: NewView, chance: Chance): NewView {
  const { view, viewChanges, headers } = newView;
  const at = headers.length === 0 ? 0 : chance.below(headers.length);
  const change = (digest: string): Header[] =>
    headers.map((header, place) =>
      place === at ? signing.header({ view, sequence: header.sequence, digest }) : header,
    );
  const [first] = viewChanges;
  const own = viewChanges.find(([replica]) => replica === self) ?? first;
  const forged = chance.pick([
    { view, viewChanges, headers: headers.slice(0, -1) },
    { view, viewChanges, headers: change(signing.nothing) },
    { view, viewChanges, headers: change(randomDigest(chance)) },
    { view, viewChanges: viewChanges.slice(0, -1), headers },
    { view, viewChanges: viewChanges.map(() => own).filter((one) => one !== undefined), headers: [] },
    { view: view + chance.below(3), viewChanges, headers },
    // Nobody has these.
    {
      view,
      viewChanges: viewChanges.map(([replica]) => [replica, randomSignature(chance)] as const),
      headers,
    },
  ]);
  return signing.newView(forged);
}

/** Votes of others, those for the same together. */
class Heard<V extends { readonly replica: number }> {
  private readonly votes = new Map<string, Map<number, V>>();

  /** @returns all that were heard for the same, once they are so many, and this one is the last of them */
  add(choice: string, vote: V, count: number): readonly V[] | undefined {
    const same = this.votes.get(choice) ?? new Map<number, V>();
    this.votes.set(choice, same);
    if (same.has(vote.replica)) return undefined;
    same.set(vote.replica, vote);
    for (const oldest of this.votes.keys()) {
      if (this.votes.size <= REMEMBERED) break;
      this.votes.delete(oldest);
    }
    return same.size === count ? [...same.values()] : undefined;
  }
}

export const ACTORS = {
  silent: {
    description: 'takes everything and never says a word',
    corrupt: (body) => changing(body, () => undefined),
  },

  'two-faced-primary': {
    description: 'as primary gives two batches the same number, and votes for both, each to one half',
    corrupt: (body, means) =>
      changing(body, (message, to) => {
        if (!isOtherHalf(to)) return message;
        if (message.type === 'PRE_PREPARE') return otherPrePrepare(means, message.header, message.batch);
        if (message.type === 'COMMIT' && means.plot.has(`${message.vote.view} ${message.vote.sequence}`)) {
          return { type: 'COMMIT', vote: otherVote(means, 'commit', message.vote, body.chance) };
        }
        return message;
      }),
  },

  'two-faced-voter': {
    description: 'votes for one thing to some and for another to others',
    corrupt: (body, means) =>
      changing(body, (message, to) => {
        if (!isOtherHalf(to)) return message;
        if (message.type === 'PREPARE') {
          return { type: 'PREPARE', vote: otherVote(means, 'prepare', message.vote, body.chance) };
        }
        if (message.type === 'COMMIT') {
          return { type: 'COMMIT', vote: otherVote(means, 'commit', message.vote, body.chance) };
        }
        if (message.type === 'VIEW_CHANGE' && message.change.replica === means.self) {
          const change = { ...message.change, prepared: message.change.prepared.slice(1) };
          return { type: 'VIEW_CHANGE', change: means.signing.viewChange(change) };
        }
        return message;
      }),
  },

  forger: {
    description: 'shows forged certificates, view changes and new views, and decisions that never were',
    corrupt(body, means) {
      const { chance } = body;
      body.every(SELDOM, () => {
        const { view = 0, executed = 0, low = 0 } = means.status() ?? {};
        const ahead = Math.floor(low / means.config.checkpointInterval) + chance.integer(1, 5);
        const batch: Batch = { time: Math.floor(means.localNow()), requests: [] };
        const digest = means.signing.digestOf(batch);
        const decision = { view, sequence: executed + chance.integer(1, 3), digest };
        const next = view + chance.integer(1, means.replicas);
        const lies: PbftMessage[] = [
          { type: 'DECIDED', batch, commits: forgedVotes(means, decision, chance) },
          { type: 'STABLE', certificate: forgedCertificate(means, ahead, chance) },
          { type: 'VIEW_CHANGE', change: forgedViewChange(means, next, chance) },
          {
            type: 'NEW_VIEW',
            newView: means.signing.newView({
              view: next,
              viewChanges: [nameOf(forgedViewChange(means, next, chance))],
              headers: [],
            }),
          },
        ];
        body.send(anybody(body), chance.pick(lies));
      });
      return changing(body, (message) => {
        if (message.type === 'VIEW_CHANGE') {
          return { type: 'VIEW_CHANGE', change: forgedViewChange(means, message.change.view, chance) };
        }
        if (message.type === 'NEW_VIEW' && primaryOf(message.newView.view, means.replicas) === means.self) {
          return { type: 'NEW_VIEW', newView: forgedNewView(means, message.newView, chance) };
        }
        return message;
      });
    },
  },

  replayer: {
    description: 'says again, late, what it or somebody else has said once',
    corrupt(body) {
      const heard: PbftMessage[] = [];
      const remember = (message: PbftMessage): void => {
        if (heard.length < REMEMBERED) heard.push(message);
        else heard[body.chance.below(REMEMBERED)] = message;
      };
      body.every(OFTEN, () => {
        if (heard.length > 0) body.send(anybody(body), body.chance.pick(heard));
      });
      return {
        onReceive(message) {
          remember(message);
          return true;
        },
        onSend(to, message) {
          remember(message);
          body.send(to, message);
        },
      };
    },
  },

  relay: {
    description:
      'as primary is silent, tells each next primary alone that it wants its view, and passes on the new view with its signature spelled otherwise',
    corrupt(body, means) {
      const { self, replicas, signing } = means;
      let last: NewView | undefined;
      const passOn = (): void => {
        if (last === undefined) return;
        const newView = { ...last, signature: respelled(last.signature) };
        const primary = primaryOf(last.view, replicas);
        for (const to of body.others()) if (to !== primary) body.send(to, { type: 'NEW_VIEW', newView });
      };
      body.every(OFTEN, () => {
        passOn();
        const { view: current = 0 } = means.status() ?? {};
        for (const view of [current, current + 1]) {
          const to = primaryOf(view, replicas);
          if (view === 0 || to === self) continue;
          const empty = { stable: 0, certificate: [], prepared: [], replica: self };
          body.send(to, { type: 'VIEW_CHANGE', change: signing.viewChange({ view, ...empty }) });
        }
      });
      return {
        onReceive(message, from) {
          if (message.type !== 'NEW_VIEW' || from !== primaryOf(message.newView.view, replicas)) return true;
          last = message.newView;
          passOn();
          return true;
        },
        onSend(to, message) {
          const { type } = message;
          const silent = type === 'PRE_PREPARE' || type === 'NEW_VIEW' || type === 'VIEW_CHANGE';
          if (!silent) body.send(to, message);
        },
      };
    },
  },

  withholder: {
    description: 'keeps to itself what others need to catch up, or gives them something else',
    corrupt: (body, { self }) =>
      changing(body, (message) => {
        switch (message.type) {
          case 'VIEW_CHANGE':
            if (message.change.replica === self) return message;
            return body.chance.happens(0.5)
              ? undefined
              : { type: 'VIEW_CHANGE', change: { ...message.change, stable: 0 } };
          case 'CHECKPOINT':
          case 'DECIDED':
          case 'BATCH':
          case 'STABLE':
            return undefined;
          case 'INDEX':
            return { ...message, digests: message.digests.map(() => randomDigest(body.chance)) };
          case 'PAGES':
            return {
              ...message,
              pages: message.pages.map(
                ([page, text]) => [page, body.chance.happens(0.5) ? text : 'wrong'] as const,
              ),
            };
          default:
            return message;
        }
      }),
  },

  hoarder: {
    description:
      'as primary lets a batch be prepared by as few as can be, and shows the proof when it is too late',
    corrupt: (body, { quorum, replicas, self }) =>
      changing(body, (message, to) => {
        if (message.type === 'PRE_PREPARE')
          return (to - self + replicas) % replicas < quorum ? message : undefined;
        return message.type === 'COMMIT' || message.type === 'BATCH' ? undefined : message;
      }),
  },

  'slow-primary': {
    description: 'as primary does everything just before it would be given up',
    corrupt: (body, means) => ({
      onSend(to, message) {
        const slow = message.type === 'PRE_PREPARE' || message.type === 'NEW_VIEW';
        const timeout = means.status()?.timeout ?? means.config.viewChangeTimeout;
        body.send(to, message, slow ? { after: SLOWNESS * timeout } : {});
      },
    }),
  },

  censor: {
    description: 'as primary never hears one member, and calls everybody else to be behind',
    corrupt(body) {
      const victim = anybody(body);
      return {
        onReceive: (message) =>
          message.type !== 'REQUEST' || !message.requests.some(({ client }) => client === victim),
        onSend(to, message) {
          const lie = message.type === 'STATUS' && { ...message.status, executed: FAR };
          body.send(to, lie === false ? message : { type: 'STATUS', status: lie });
        },
      };
    },
  },

  twins: {
    description: 'runs twice with one key, each of the two with its own store, and each talks with one half',
    corrupt(body, means) {
      const { engine, store } = means.secondLife();
      const hears = isOtherHalf;
      const twin = new Twin(body, { engine, store, localNow: means.localNow, hears });
      body.after(0, () => {
        twin.start();
      });
      return {
        onReceive(message, from) {
          if (!hears(from)) return true;
          twin.onMessage(from, message);
          return false;
        },
        onSend(to, message) {
          if (!hears(to)) body.send(to, message);
        },
      };
    },
  },

  flooder: {
    description: 'sends votes for the future, requests without end, questions, and noise',
    corrupt(body, means) {
      const { chance } = body;
      const { signing, self } = means;
      let timestamp = Math.floor(means.localNow());
      const someRequests = (): PbftMessage => ({
        type: 'REQUEST',
        requests: Array.from({ length: chance.integer(1, 5) }, () => {
          timestamp += chance.pick([1, 1, 1, FAR]);
          const operation = chance.pick(['["put","flood","x"]', '["append","flood"]', '{', '']);
          return signing.request({ client: self, timestamp, operation });
        }),
      });
      body.every(SELDOM, () => {
        const { view = 0, executed = 0, low = 0 } = means.status() ?? {};
        const far = chance.pick([1, 2, 100, FAR]);
        const choice = { view: view + chance.below(far), sequence: executed + chance.integer(1, far) };
        const vote = { ...choice, digest: randomDigest(chance), replica: self };
        const sequence = low + means.config.checkpointInterval * far;
        const digest = randomDigest(chance);
        const empty = { stable: 0, certificate: [], prepared: [], replica: self };
        const floods: (PbftMessage | Uint8Array)[] = [
          someRequests(),
          { type: 'PREPARE', vote: signing.vote('prepare', vote) },
          { type: 'COMMIT', vote: signing.vote('commit', vote) },
          { type: 'CHECKPOINT', vote: signing.checkpoint({ sequence, digest, replica: self }) },
          { type: 'VIEW_CHANGE', change: signing.viewChange({ view: choice.view + 1, ...empty }) },
          { type: 'STATUS', status: { view: far, changing: true, stable: 0, executed: 0 } },
          { type: 'STATUS', status: { view: FAR, changing: false, stable: FAR, executed: FAR } },
          { type: 'FETCH_BATCH', sequence: choice.sequence, digest },
          { type: 'FETCH_INDEX', sequence },
          { type: 'FETCH_PAGES', sequence: low, pages: [0, 1, 2, 60_000] },
          { type: 'BATCH', sequence: executed + 1, batch: { time: 0, requests: [] } },
          new Uint8Array(chance.below(1_000)).fill(chance.below(256)),
        ];
        const to = anybody(body);
        for (let copies = chance.integer(1, 20); copies > 0; copies--) body.send(to, chance.pick(floods));
      });
      return {};
    },
  },

  framer: {
    description:
      'as a client asks the primary for all it may, and each backup for something else, so that the primary seems to leave it out',
    corrupt(body, means) {
      const { signing, self, config, replicas } = means;
      const share = Math.min(clientWindowOf(config.messageBuffer, replicas), FRAMED);
      let last = Math.floor(means.localNow());
      const ask = (to: number, timestamps: readonly number[], value: string): void => {
        for (let from = 0; from < timestamps.length; from += MAX_REQUESTS) {
          const requests = timestamps.slice(from, from + MAX_REQUESTS).map((timestamp) => {
            const operation = JSON.stringify(['put', 'framed', value]);
            return signing.request({ client: self, timestamp, operation });
          });
          body.send(to, { type: 'REQUEST', requests });
        }
      };
      body.every(SELDOM, () => {
        const first = last + 1;
        last += share;
        const primary = primaryOf(means.status()?.view ?? 0, replicas);
        for (const to of body.others()) {
          if (to === primary)
            ask(
              to,
              Array.from({ length: share }, (_, at) => first + at),
              'a',
            );
          // Under the same timestamps, before all of them, perhaps too late, and after all of them.
          else ask(to, [first + to, first - share + to, Math.max(1, first - FAR) + to, last + FAR + to], 'b');
        }
      });
      return {};
    },
  },

  braggart: {
    description: 'says that it is far ahead, so that others think they are behind',
    corrupt: (body) =>
      changing(body, (message) =>
        message.type === 'STATUS'
          ? { type: 'STATUS', status: { ...message.status, executed: FAR, stable: FAR } }
          : message,
      ),
  },

  mutineer: {
    description: 'always wants the next view, alone',
    corrupt(body, means) {
      body.every(SELDOM, () => {
        const { view = 0 } = means.status() ?? {};
        const empty = { stable: 0, certificate: [], prepared: [], replica: means.self };
        const change = means.signing.viewChange({ view: view + body.chance.integer(1, 2), ...empty });
        for (const to of body.others()) body.send(to, { type: 'VIEW_CHANGE', change });
      });
      return {};
    },
  },

  mixer: {
    description:
      'puts true votes of others together with one of its own for something else, and shows that as agreed upon',
    corrupt(body, means) {
      const { signing, quorum, self: replica } = means;
      const { chance } = body;
      const checkpoints = new Heard<CheckpointVote>();
      const commits = new Heard<Vote>();
      /** To whom it is news yet, that is, before the true one is there. */
      const show = (...lies: PbftMessage[]): void => {
        for (const to of body.others()) body.send(to, chance.pick(lies));
      };
      return {
        onReceive(message, from) {
          const { view = 0 } = means.status() ?? {};
          if (message.type === 'CHECKPOINT' && message.vote.replica === from) {
            const { sequence, digest } = message.vote;
            const votes = checkpoints.add(`${sequence} ${digest}`, message.vote, quorum - 1);
            if (votes === undefined) return true;
            const own = signing.checkpoint({ sequence, digest: randomDigest(chance), replica });
            const certificate = [own, ...votes];
            const claim = { view: view + 1, stable: sequence, certificate, prepared: [], replica };
            show({ type: 'STABLE', certificate }, { type: 'VIEW_CHANGE', change: signing.viewChange(claim) });
          } else if (message.type === 'COMMIT' && message.vote.replica === from) {
            const { vote } = message;
            const votes = commits.add(`${vote.view} ${vote.sequence} ${vote.digest}`, vote, quorum - 1);
            if (votes === undefined) return true;
            const batch: Batch = { time: Math.floor(means.localNow()), requests: [] };
            const own = {
              view: vote.view,
              sequence: vote.sequence,
              digest: signing.digestOf(batch),
              replica,
            };
            show({ type: 'DECIDED', batch, commits: [signing.vote('commit', own), ...votes] });
          }
          return true;
        },
      };
    },
  },
} as const satisfies Record<string, Actor>;

export type ActorKind = keyof typeof ACTORS;
