/** Byzantine replicas that withhold from others what is due to them, or have them wait for it. */
import type { NewView } from '../../protocol/messages.ts';
import { primaryOf } from '../../protocol/quorum.ts';
import { anybody, changing, FAR, OFTEN, type Actor } from './actor.ts';
import { randomDigest, respelled } from './forgeries.ts';

/** How much of the timeout a slow primary takes for itself. */
const SLOWNESS = 0.8;

export const silent: Actor = {
  description: 'takes everything and never says a word',
  corrupt: (body) => changing(body, () => undefined),
};

export const relay: Actor = {
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
};

export const withholder: Actor = {
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
};

export const hoarder: Actor = {
  description:
    'as primary lets a batch be prepared by as few as can be, and shows the proof when it is too late',
  corrupt: (body, { quorum, replicas, self }) =>
    changing(body, (message, to) => {
      if (message.type === 'PRE_PREPARE')
        return (to - self + replicas) % replicas < quorum ? message : undefined;
      return message.type === 'COMMIT' || message.type === 'BATCH' ? undefined : message;
    }),
};

export const slowPrimary: Actor = {
  description: 'as primary does everything just before it would be given up',
  corrupt: (body, means) => ({
    onSend(to, message) {
      const slow = message.type === 'PRE_PREPARE' || message.type === 'NEW_VIEW';
      const timeout = means.status()?.timeout ?? means.config.viewChangeTimeout;
      body.send(to, message, slow ? { after: SLOWNESS * timeout } : {});
    },
  }),
};

export const censor: Actor = {
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
};
