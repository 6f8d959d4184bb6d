/** Messages, and parts of them, that no honest replica would send: what is in them is not so, or was never signed. */
import type {
  Batch,
  CheckpointVote,
  Header,
  NewView,
  PbftMessage,
  PreparedProof,
  ViewChange,
  Vote,
} from '../../protocol/messages.ts';
import { nameOf } from '../../protocol/new-view.ts';
import type { Chance } from '../../../../simulator/chance.ts';
import type { Means } from './actor.ts';

export function randomDigest(chance: Chance): string {
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

/** A batch of the same requests that is not the same. */
function otherBatch({ time, requests }: Batch): Batch {
  return requests.length > 1 ? { time, requests: requests.toReversed() } : { time: time + 1, requests };
}

/** A pre-prepare of another batch than the one that others have under that number. */
export function otherPrePrepare({ signing, plot }: Means, header: Header, batch: Batch): PbftMessage {
  const other = otherBatch(batch);
  const digest = signing.digestOf(other);
  const { view, sequence } = header;
  plot.set(`${view} ${sequence}`, digest);
  return { type: 'PRE_PREPARE', header: signing.header({ view, sequence, digest }), batch: other };
}

/** A vote of its own for something else. */
export function otherVote(
  { signing, plot }: Means,
  phase: 'prepare' | 'commit',
  vote: Vote,
  chance: Chance,
): Vote {
  const digest = plot.get(`${vote.view} ${vote.sequence}`) ?? randomDigest(chance);
  const { view, sequence, replica } = vote;
  return signing.vote(phase, { view, sequence, digest, replica });
}

/** Votes of others that nobody has signed, or only the liar itself, under their names. */
export function forgedVotes(
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
export function forgedCertificate(
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
export function forgedViewChange(means: Means, view: number, chance: Chance): ViewChange {
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
export function forgedNewView({ signing, self }: Means, newView: NewView, chance: Chance): NewView {
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
