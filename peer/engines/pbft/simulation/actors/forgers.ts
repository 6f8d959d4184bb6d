/** Byzantine replicas that claim, and show proofs of, what is not so. */
import type { Batch, CheckpointVote, PbftMessage, Vote } from '../../protocol/messages.ts';
import { nameOf } from '../../protocol/new-view.ts';
import { primaryOf } from '../../protocol/quorum.ts';
import { anybody, changing, FAR, REMEMBERED, SELDOM, type Actor } from './actor.ts';
import {
  forgedCertificate,
  forgedNewView,
  forgedViewChange,
  forgedVotes,
  randomDigest,
} from './forgeries.ts';

export const forger: Actor = {
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
};

export const braggart: Actor = {
  description: 'says that it is far ahead, so that others think they are behind',
  corrupt: (body) =>
    changing(body, (message) =>
      message.type === 'STATUS'
        ? { type: 'STATUS', status: { ...message.status, executed: FAR, stable: FAR } }
        : message,
    ),
};

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

export const mixer: Actor = {
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
};
