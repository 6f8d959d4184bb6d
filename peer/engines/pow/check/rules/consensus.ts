/** CONSENSUS, and loading a chain from us. */
import { readInteger, type Block } from '../../../../../shared/block.ts';
import type { Actor, Claim, Heard } from '../actor.ts';
import type { Lab } from '../lab.ts';
import { MAX_QUIET } from '../limits.ts';
import { level } from '../meeting.ts';
import { forged, missBlock } from '../mine.ts';
import { Unjudged, Wrong, type Rule } from '../rule.ts';
import { callConsensus, consensus, untilTip } from '../tips.ts';

const LONGEST = 'Move to the longest chain; ties break on the majority.';
const INVALID = '"The chain is not valid": move to the next-highest chain.';

function isStats({ message }: Heard): boolean {
  return message?.['type'] === 'STATS';
}

function isGetBlock({ message }: Heard): boolean {
  return message?.['type'] === 'GET_BLOCK';
}

function tipOf(chain: readonly Block[]): string | undefined {
  return chain.at(-1)?.hash;
}

/** Gives one of ours a chain of its own, in the name of which it speaks. */
function giveOther(actor: Actor, chain: readonly Block[]): void {
  actor.chain = chain;
}

/** Has the peer move to our chain, or says where it went instead. */
async function needMove(lab: Lab, others: Readonly<Record<string, readonly Block[]>> = {}): Promise<void> {
  const wrong = (claim: Claim): string | undefined =>
    Object.keys(others).find((name) => claim.hash !== null && claim.hash === tipOf(others[name] ?? []));
  let last: Claim | undefined;
  const moved = await consensus(lab, (claim) => {
    last = claim;
    return lab.isTip(claim) || wrong(claim) !== undefined;
  });
  if (last !== undefined && wrong(last) !== undefined) throw new Wrong(`it moved to ${wrong(last) ?? ''}`);
  if (!moved)
    throw new Wrong(
      `it did not move to our chain of ${lab.chain.length} blocks; its STATS say ${last?.height ?? 'nothing'}`,
    );
}

/** Calls for a consensus, and waits until it asks somebody. */
async function asked(lab: Lab): Promise<void> {
  const seen = await callConsensus(lab, () => lab.heard.some(isStats));
  if (!seen) throw new Unjudged('it began no consensus');
}

export const CONSENSUS_RULES: readonly Rule<Lab>[] = [
  {
    id: 'consensus',
    title: 'On CONSENSUS it asks every peer that it tracks for STATS',
    level: 'must',
    source: 'STATS to everyone. Consensus every few minutes and on CONSENSUS.',
    needs: ['gossip-reply'],
    run: async (lab: Lab): Promise<void> => {
      const silent = (): Actor[] =>
        lab.cast.filter((actor) => !lab.heard.some((heard) => heard.actor === actor && isStats(heard)));
      await callConsensus(lab, () => silent().length === 0);
      if (silent().length === lab.cast.length) throw new Wrong('it asked nobody');
      if (silent().length > 0)
        throw new Wrong(
          `it did not ask ${silent()
            .map(({ name }) => name)
            .join(', ')}, who gossip with it`,
        );
    },
  },
  {
    id: 'consensus-once',
    title: 'While a consensus runs a further CONSENSUS is ignored',
    level: 'must',
    source: 'CONSENSUS (ignored while one runs).',
    needs: ['consensus'],
    run: async (lab: Lab): Promise<void> => {
      const calls = 8;
      for (const actor of lab.cast) actor.delay = MAX_QUIET / 2;
      try {
        await asked(lab);
        const before = lab.heard.filter(isStats).length;
        for (let call = 0; call < calls; call++) lab.send(lab.cast[0], { type: 'CONSENSUS' });
        await lab.pause(MAX_QUIET / 2);
        const more = lab.heard.filter(isStats).length - before;
        // Who is slow to answer may be asked again, but not once for each call.
        if (more >= (calls - 1) * lab.cast.length)
          throw new Wrong(`${calls} CONSENSUS during one had it send ${more} more STATS`);
      } finally {
        for (const actor of lab.cast) actor.delay = 0;
      }
    },
  },
  {
    id: 'sync',
    title: 'It moves to our longer chain, which goes on from its own',
    level: 'must',
    source: LONGEST,
    needs: ['stats', 'consensus'],
    run: async (lab: Lab): Promise<void> => {
      await startSync(lab);
      lab.setChain(await lab.extended(5));
      await needMove(lab);
    },
  },
  {
    id: 'sync-fork',
    title: 'It moves to a longer chain that leaves its own three blocks below the tip',
    level: 'must',
    source: LONGEST,
    needs: ['sync', 'block'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const below = lab.chain.slice(0, -3);
      lab.setChain(await lab.extended(6, { minedBy: `${lab.mine.name} fork` }, below));
      await needMove(lab);
      const fork = lab.chain[below.length];
      if (fork !== undefined && (await lab.block(fork.height))?.hash !== fork.hash)
        throw new Wrong(`its STATS have the new tip, but its block ${fork.height} is still the old one`);
    },
  },
  {
    id: 'sync-genesis',
    title: 'It moves to a longer chain that has another genesis',
    level: 'must',
    source: 'Verify the full chain from genesis.',
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      lab.setChain(await lab.extended(lab.chain.length + 3, { minedBy: `${lab.mine.name} other` }, []));
      await needMove(lab);
    },
  },
  {
    id: 'sync-longest',
    title: 'Of two longer chains it moves to the longest, though only one peer has it',
    level: 'must',
    source: LONGEST,
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const shorter = await lab.extended(2, { minedBy: `${lab.mine.name} many` });
      lab.setChain(await lab.extended(5, { minedBy: `${lab.mine.name} one` }));
      for (const actor of lab.cast.slice(1)) giveOther(actor, shorter);
      await needMove(lab, { 'the shorter one, which four of five have': shorter });
      lab.setChain(lab.chain);
    },
  },
  {
    id: 'sync-tie',
    title: 'Of two chains that are equally long it moves to the one that most peers have',
    level: 'must',
    source: 'Ties break on the majority.',
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const forks = await Promise.all(
        ['left', 'right'].map((name) => lab.extended(3, { minedBy: `${lab.mine.name} ${name}` })),
      );
      // Neither the first answer nor the lower hash is to lead to it by chance.
      const [few = [], many = []] = forks.sort((a, b) => ((tipOf(a) ?? '') < (tipOf(b) ?? '') ? -1 : 1));
      lab.setChain(many);
      const [minority, , , , last] = lab.cast;
      for (const actor of [minority, last]) giveOther(actor, few);
      for (const actor of lab.cast) if (actor.chain === many) actor.delay = MAX_QUIET / 10;
      await needMove(lab, { 'the chain that two of five have': few });
      lab.setChain(lab.chain);
    },
  },
  {
    id: 'sync-shorter',
    title: 'It stays on its chain while all others have a shorter one',
    level: 'must',
    source: LONGEST,
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const shorter = await lab.extended(1, { minedBy: `${lab.mine.name} short` }, lab.chain.slice(0, -3));
      for (const actor of lab.cast) giveOther(actor, shorter);
      try {
        await asked(lab);
        if (await untilTip(lab, ({ hash }) => hash === tipOf(shorter), 2 * lab.patience))
          throw new Wrong('it moved to the shorter one');
      } finally {
        lab.setChain(lab.chain);
      }
    },
  },
  {
    id: 'sync-liar',
    title: 'A longer chain with a false block is not taken; the next-highest is',
    level: 'must',
    source: INVALID,
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const honest = await lab.extended(3);
      const lie = [...(await lab.extended(3, { minedBy: 'Eve' }, honest))];
      const at = lie.length - 2;
      const block = lie[at];
      if (block !== undefined) lie[at] = forged(block);
      lab.setChain(honest);
      giveOther(lab.cast[4], lie);
      await needMove(lab, { 'the chain with the false block': lie });
      lab.setChain(lab.chain);
    },
  },
  {
    id: 'sync-difficulty',
    title: 'A longer chain whose hashes have too few zeros is not taken; the next-highest is',
    level: 'must',
    source: 'A hash with DIFFICULTY ASCII zeros at its end (one well-known host lies about exactly this).',
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const honest = await lab.extended(3);
      const lie = [...honest];
      for (let more = 0; more < 3; more++) lie.push(await missBlock(lab.mine, lie.at(-1) ?? null));
      lab.setChain(honest);
      giveOther(lab.cast[4], lie);
      await needMove(lab, { 'the chain without the zeros': lie });
      lab.setChain(lab.chain);
    },
  },
  {
    id: 'sync-unserved',
    title: 'A longer chain that nobody serves does not keep it from the next-highest',
    level: 'should',
    source: `${INVALID} Some claim a chain and never answer GET_BLOCK.`,
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      lab.setChain(await lab.extended(3));
      const [, , , , eve] = lab.cast;
      const promised = await lab.extended(5, { minedBy: 'Eve' });
      eve.claim = { height: promised.length, hash: tipOf(promised) ?? null };
      eve.serve = () => undefined;
      await needMove(lab);
      lab.setChain(lab.chain);
    },
  },
  {
    id: 'sync-loss',
    title: 'It gets the whole chain although datagrams are lost each way',
    level: 'must',
    source: 'Resend what is lost.',
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      lab.setChain(await lab.extended(20));
      for (const actor of lab.cast) actor.loss = lab.options.loss;
      await needMove(lab);
      lab.setChain(lab.chain);
    },
  },
  {
    id: 'sync-spread',
    title: 'It asks several of those who agree for the blocks, not one',
    level: 'must',
    source: 'Load it with GET_BLOCKs distributed over all that agree.',
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      lab.setChain(await lab.extended(40));
      await needMove(lab);
      const servers = new Set(lab.heard.filter(isGetBlock).map(({ actor }) => actor));
      if (servers.size < 2)
        throw new Wrong(
          `all blocks were asked of ${[...servers].map(({ name }) => name).join(', ') || 'nobody'}`,
        );
    },
  },
  {
    id: 'sync-growing',
    title: 'A block that is announced while it syncs is not missed in the end',
    level: 'must',
    source: '"A new block was added while you were syncing": re-sync, or add it intelligently.',
    needs: ['sync'],
    run: async (lab: Lab): Promise<void> => {
      await level(lab);
      const shorter = await lab.extended(10);
      const longer = await lab.extended(1, {}, shorter);
      const newest = longer.at(-1);
      lab.setChain(shorter);
      let announced = false;
      const heardOf = (): void => {
        if (announced || newest === undefined || !lab.heard.some(isGetBlock)) return;
        announced = true;
        lab.announce(lab.cast[0], newest);
        for (const actor of lab.cast) actor.chain = longer;
      };
      for (const actor of lab.cast) {
        actor.delay = MAX_QUIET / 5;
        actor.asked = heardOf;
      }
      const loaded = [shorter, longer].map(tipOf);
      const moved = await consensus(lab, ({ hash }) => hash !== null && loaded.includes(hash));
      lab.setChain(longer);
      if (!moved || !lab.heard.some(isGetBlock)) throw new Unjudged('it did not sync');
      // Nobody calls for another consensus: it has to know by itself.
      if (!(await untilTip(lab, (claim) => lab.isTip(claim), 2 * lab.patience)))
        throw new Wrong('it has the chain, but not the block that was announced while it loaded it');
    },
  },
];

export const PERIODIC_RULES: readonly Rule<Lab>[] = [
  {
    id: 'consensus-periodic',
    title: 'It has a consensus every few minutes, without being called to one',
    level: 'must',
    source: 'Consensus every few minutes.',
    needs: ['consensus'],
    slow: true,
    run: async (lab: Lab): Promise<void> => {
      const limit = 1.2 * lab.options.consensusInterval + lab.patience;
      if ((await lab.hear(isStats, limit)) === undefined)
        throw new Wrong(`nobody was asked for STATS within ${Math.round(limit / 1000)} s`);
    },
  },
];

/** Where the peer has no chain that we know, it is to come to ours by this sync. */
async function startSync(lab: Lab): Promise<void> {
  lab.needMining();
  const claim = await lab.stats();
  const known = claim !== undefined && lab.chain.some(({ hash }) => hash === claim.hash);
  if (known) return;
  const missing = Math.max(0, (readInteger(claim?.height) ?? 0) - lab.chain.length);
  lab.setChain(await lab.extended(missing));
}
