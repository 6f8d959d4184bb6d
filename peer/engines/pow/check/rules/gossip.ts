/** GOSSIP and GOSSIP_REPLY, who is tracked, and for how long. */
import { addressKey } from '../../../../../shared/address.ts';
import { readInteger } from '../../../../../shared/block.ts';
import { turn, type Actor, type Heard, type Introduction } from '../actor.ts';
import type { Lab } from '../lab.ts';
import { ATTEMPTS, EXPIRY_ATTEMPTS, FAN_OUT, GOSSIP_TIME } from '../limits.ts';
import type { OwnGossip } from '../watch.ts';
import { Unjudged, Wrong, type Rule } from '../rule.ts';

/** How many rounds of gossip it is waited for one, since clocks and loads differ. */
const ROUNDS = 1.3;

function isReply({ message }: Heard): boolean {
  return message?.['type'] === 'GOSSIP_REPLY' || message?.['type'] === 'GOSSIP-REPLY';
}

/** The reply to a GOSSIP of `actor`, where it belongs. */
function replyTo(lab: Lab, actor: Actor, from = actor): Promise<Heard | undefined> {
  return hushed(lab, async (end) => {
    do {
      lab.gossip(actor, from);
      const reply = await lab.hear(
        (heard) => isReply(heard) && heard.actor === actor,
        (2 * lab.patience) / ATTEMPTS,
      );
      if (reply !== undefined) return reply;
    } while (lab.ground.now() < end);
    return undefined;
  });
}

/** Tries something while ours gossip only for that, since some peers take only so much. */
async function hushed<T>(lab: Lab, attempt: (end: number) => Promise<T>): Promise<T> {
  lab.hushed = true;
  try {
    return await attempt(lab.ground.now() + GOSSIP_TIME);
  } finally {
    lab.hushed = false;
  }
}

/** A GOSSIP of one of ours that the peer has repeated. */
interface Repeated {
  readonly reported: Introduction;
  readonly copies: readonly Heard[];
}

/** Has ours gossip, one after the other, until `enough` of what the peer repeated of one; else the best of all. */
function repeated(lab: Lab, enough: number): Promise<Repeated> {
  return hushed(lab, async (end) => {
    let best: Repeated | undefined;
    let attempts = 0;
    do {
      const reported = lab.gossip(turn(lab.cast, attempts++));
      await lab.settle();
      const copies = copiesOf(lab, reported);
      if (copies.length > (best?.copies.length ?? 0)) best = { reported, copies };
      if (best !== undefined && new Set(best.copies.map(({ actor }) => actor)).size >= enough) return best;
      await lab.pause(lab.patience / ATTEMPTS);
    } while (lab.ground.now() < end);
    if (best === undefined)
      throw new Wrong(`it repeated none of ${attempts} GOSSIPs, although it tracks five peers`);
    return best;
  });
}

function copiesOf(lab: Lab, { id, name }: Introduction): Heard[] {
  return lab.heard.filter(
    ({ message }) => message?.['type'] === 'GOSSIP' && (message['id'] === id || message['name'] === name),
  );
}

/** A GOSSIP of the peer's own that suits, waiting for its next rounds. */
async function ownGossip(lab: Lab, rounds: number, suits: (own: OwnGossip) => boolean): Promise<OwnGossip> {
  const { gossipInterval } = lab.options;
  const limit = rounds * ROUNDS * gossipInterval + lab.patience;
  const own = await lab.until(() => lab.watch.gossips.find(suits), limit);
  if (own === undefined) throw new Wrong(`no GOSSIP of its own came within ${Math.round(limit / 1000)} s`);
  return own;
}

export const GOSSIP_RULES: readonly Rule<Lab>[] = [
  {
    id: 'join-gossip',
    title: 'At its start it gossips to the peer that it is to join through',
    level: 'must',
    source: 'GOSSIP to one well-known host.',
    run: (lab: Lab): Promise<void> => {
      if (lab.joined === undefined) throw new Unjudged('only with --listen, and the peer started after this');
      return lab.joined.gossiped ? Promise.resolve() : Promise.reject(new Wrong('something else came first'));
    },
  },
  {
    id: 'join-sync',
    title: 'Having joined it asks for STATS and loads the chain, without being told to',
    level: 'must',
    source:
      'Joining: consensus. STATS to everyone, choose the most agreed (height, hash), load it with GET_BLOCKs.',
    needs: ['join-gossip'],
    run: (lab: Lab): Promise<void> => {
      if (lab.joined?.synced !== true)
        return Promise.reject(
          new Wrong(
            `it did not have our chain of ${lab.chain.length} blocks after joining (is its difficulty ours?)`,
          ),
        );
      return Promise.resolve();
    },
  },
  {
    id: 'gossip-reply',
    title: 'A GOSSIP is answered with a GOSSIP_REPLY',
    level: 'must',
    source: 'Reply with GOSSIP_REPLY to the host and port in the message.',
    run: async (lab: Lab): Promise<void> => {
      const [ann] = lab.cast;
      if ((await replyTo(lab, ann)) === undefined) throw new Wrong('no GOSSIP_REPLY came');
    },
  },
  {
    id: 'gossip-reply-fields',
    title: 'The GOSSIP_REPLY has its type, and the host, port and name of whoever replies',
    level: 'must',
    source: 'GOSSIP_REPLY {host, port, name}; the replier becomes a tracked peer.',
    needs: ['gossip-reply'],
    run: async (lab: Lab): Promise<void> => {
      const reply = await replyTo(lab, lab.cast[1]);
      const { type, host, port, name } = reply?.message ?? {};
      if (type !== 'GOSSIP_REPLY') throw new Wrong(`its type is ${JSON.stringify(type)}`);
      if (typeof host !== 'string' || host === '') throw new Wrong('its host is no text');
      if (port !== lab.target.port)
        throw new Wrong(
          `its port is ${JSON.stringify(port)}, not ${lab.target.port}, where the peer listens`,
        );
      if (typeof name !== 'string') throw new Wrong('its name is no text');
    },
  },
  {
    id: 'gossip-originator',
    title: 'The reply goes to the host and port in the GOSSIP, not to whoever passed it on',
    level: 'must',
    source: 'Reply with GOSSIP_REPLY to the host and port in the message.',
    needs: ['gossip-reply'],
    run: async (lab: Lab): Promise<void> => {
      const dan = lab.cast[3];
      // Something else than the answer to what dan sent for himself a moment ago.
      await lab.settle();
      const stranger = lab.stranger();
      lab.begin();
      const reply = await replyTo(lab, dan, stranger);
      if (lab.heard.some((heard) => isReply(heard) && heard.actor === stranger))
        throw new Wrong(
          'the reply went to the socket that the GOSSIP came from, instead of the address in it',
        );
      if (reply === undefined) throw new Wrong('no reply came to the address in the message');
    },
  },
  {
    id: 'gossip-repeat',
    title: 'A new GOSSIP is repeated to peers that are tracked',
    level: 'must',
    source: 'Repeat to 3 tracked peers what has not been repeated before (by id).',
    needs: ['gossip-reply'],
    run: async (lab: Lab): Promise<void> => {
      await repeated(lab, 1);
    },
  },
  {
    id: 'gossip-three',
    title: 'It is repeated to three of them',
    level: 'must',
    source: 'Repeat to 3 tracked peers.',
    needs: ['gossip-repeat'],
    run: async (lab: Lab): Promise<void> => {
      const { copies } = await repeated(lab, FAN_OUT);
      const to = new Set(copies.map(({ actor }) => actor)).size;
      if (to !== FAN_OUT) throw new Wrong(`it was repeated to ${to} of the five peers that it tracks here`);
    },
  },
  {
    id: 'gossip-unchanged',
    title: 'It is repeated as it was: same id, host, port and name',
    level: 'must',
    source: 'Repeat what has not been repeated before (by id): with another id it goes round for ever.',
    needs: ['gossip-repeat'],
    run: async (lab: Lab): Promise<void> => {
      const { reported, copies } = await repeated(lab, 1);
      for (const field of ['id', 'host', 'port', 'name'] as const) {
        const other = copies.find(({ message }) => message?.[field] !== reported[field]);
        if (other !== undefined)
          throw new Wrong(
            `its ${field} ${JSON.stringify(reported[field])} became ${JSON.stringify(other.message?.[field])}`,
          );
      }
    },
  },
  {
    id: 'gossip-once',
    title: 'A GOSSIP with an id that was repeated already is not repeated again',
    level: 'must',
    source: 'Repeat what has not been repeated before (by id).',
    needs: ['gossip-repeat', 'gossip-unchanged'],
    run: async (lab: Lab): Promise<void> => {
      const { reported, copies } = await repeated(lab, 1);
      const [copy] = copies;
      if (copy === undefined) return;
      await lab.settle();
      const before = copiesOf(lab, reported);
      const twice = before.find(
        ({ actor }, index) => before.findIndex((one) => one.actor === actor) !== index,
      );
      if (twice !== undefined) throw new Wrong(`it was repeated twice to ${twice.actor.name} at once`);
      // As it comes back from others it was repeated to.
      for (const actor of [copy.actor, lab.stranger()]) {
        lab.send(actor, copy.text);
        await lab.settle();
      }
      const more = copiesOf(lab, reported).length - before.length;
      if (more > 0) throw new Wrong(`it was repeated ${more} more times when it came back`);
    },
  },
  {
    id: 'gossip-fields',
    title: 'Its own GOSSIP has host, port, id and name, and the port is the one where it listens',
    level: 'must',
    source: 'GOSSIP {host, port, id, name}.',
    run: async (lab: Lab): Promise<void> => {
      const isOwn = ({ message, from }: Heard): boolean =>
        message?.['type'] === 'GOSSIP' &&
        from.port === lab.target.port &&
        !lab.cast.some(({ address }) => address.port === readInteger(message['port'])) &&
        readInteger(message['port']) !== lab.silent.address.port;
      const limit = ROUNDS * lab.options.gossipInterval + lab.patience;
      const own = lab.watch.gossips.at(-1)?.message ?? (await lab.hear(isOwn, limit))?.message;
      if (own === undefined) throw new Wrong('no GOSSIP of its own came');
      const { host, port, id, name } = own;
      if (typeof host !== 'string' || host === '') throw new Wrong('its host is no text');
      if (port !== lab.target.port)
        throw new Wrong(`its port is ${JSON.stringify(port)}, but the peer listens on ${lab.target.port}`);
      if (typeof id !== 'string' || id === '') throw new Wrong('its id is no text');
      if (typeof name !== 'string') throw new Wrong('its name is no text');
    },
  },
];

export const KEEP_ALIVE_RULES: readonly Rule<Lab>[] = [
  {
    id: 'keep-alive',
    title: 'It gossips again and again, so that it stays listed (every 30 s)',
    level: 'must',
    source: 'Re-GOSSIP every 30 s.',
    needs: ['gossip-fields'],
    run: async (lab: Lab): Promise<void> => {
      const since = lab.ground.now();
      await ownGossip(lab, 1, ({ at }) => at >= since);
    },
  },
  {
    id: 'gossip-new-id',
    title: 'Each round of its own gossip has an id of its own',
    level: 'should',
    source:
      'What has been repeated before (by id) is not repeated: with one id for life it is soon heard of no more.',
    needs: ['keep-alive'],
    run: async (lab: Lab): Promise<void> => {
      const { gossips } = lab.watch;
      const first = gossips.at(-1);
      const next = await ownGossip(
        lab,
        1,
        ({ at }) => at >= (first?.at ?? 0) + lab.options.gossipInterval / 2,
      );
      if (next.message['id'] === first?.message['id'])
        throw new Wrong(`two rounds had the same id, ${JSON.stringify(next.message['id'])}`);
    },
  },
  {
    id: 'expiry',
    title: 'A peer that was silent for a minute is dropped: nothing goes to it any more',
    level: 'must',
    source: 'Who is silent for a minute is dropped.',
    needs: ['gossip-reply'],
    run: async (lab: Lab): Promise<void> => {
      const { silent, silentSince, options } = lab;
      // Some look who is silent only when they gossip themselves.
      const due = silentSince + options.peerTimeout + ROUNDS * options.gossipInterval + lab.patience;
      await lab.pause(due - lab.ground.now());
      lab.begin();
      for (let attempt = 0; attempt < EXPIRY_ATTEMPTS; attempt++) {
        lab.send(lab.cast[0], { type: 'CONSENSUS' });
        lab.gossip(turn(lab.cast, attempt));
        await lab.settle();
        await lab.pause(lab.patience / ATTEMPTS);
      }
      const late = lab.heard.find(({ actor }) => actor === silent);
      if (late !== undefined) {
        const after = Math.round((late.at - silentSince) / 1000);
        throw new Wrong(
          `${silent.name} (${addressKey(silent.address)}) was silent for ${after} s and still got ${String(late.message?.['type'])}`,
        );
      }
      const reported = lab.heard.some(
        ({ actor, message }) =>
          lab.cast.includes(actor) && (message?.['type'] === 'STATS' || message?.['type'] === 'GOSSIP'),
      );
      if (!reported) throw new Unjudged('it sent nothing to any peer, so nobody can tell whom it tracks');
    },
  },
];
