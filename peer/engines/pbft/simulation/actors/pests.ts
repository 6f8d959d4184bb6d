/** Byzantine replicas that say more than is asked of them: again, too early, without end. */
import { clientWindowOf, MAX_REQUESTS } from '../../protocol/limits.ts';
import type { PbftMessage } from '../../protocol/messages.ts';
import { primaryOf } from '../../protocol/quorum.ts';
import { anybody, FAR, OFTEN, REMEMBERED, SELDOM, type Actor } from './actor.ts';
import { randomDigest } from './forgeries.ts';

/** Requests that a framer asks for at once: its share of the pool, where that is not too much to simulate. */
const FRAMED = 40;

export const replayer: Actor = {
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
};

export const flooder: Actor = {
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
};

export const framer: Actor = {
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
};

export const mutineer: Actor = {
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
};
