/** Byzantine replicas that send one half of the others one thing, and the rest another. */
import { Twin } from '../twin.ts';
import { changing, type Actor } from './actor.ts';
import { otherPrePrepare, otherVote } from './forgeries.ts';

/** Every other member is sent one thing, the rest another. */
function isOtherHalf(member: number): boolean {
  return member % 2 === 1;
}

export const twoFacedPrimary: Actor = {
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
};

export const twoFacedVoter: Actor = {
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
};

export const twins: Actor = {
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
};
