/** A replica that is stopped at any point and started again from what it has stored never contradicts itself. */
import { describe, expect, it } from 'vitest';

import type { PbftEffect } from '../../../peer/engines/pbft/context.ts';
import { LATENCY, PbftNetwork, type Sent } from '../../support/pbft-network.ts';

const SECOND = 1_000;

/** What a message commits its sender to, and to what: two with the same key must say the same. */
function promiseOf({ message }: Sent): readonly [key: string, said: string] | undefined {
  switch (message.type) {
    case 'PRE_PREPARE': {
      const { view, sequence, digest } = message.header;
      return [`PRE_PREPARE ${view} ${sequence}`, digest];
    }
    case 'PREPARE':
    case 'COMMIT': {
      const { view, sequence, digest } = message.vote;
      return [`${message.type} ${view} ${sequence}`, digest];
    }
    case 'CHECKPOINT':
      return [`CHECKPOINT ${message.vote.sequence}`, message.vote.digest];
    case 'VIEW_CHANGE':
      return [`VIEW_CHANGE ${message.change.view}`, message.change.signature];
    case 'NEW_VIEW':
      return [`NEW_VIEW ${message.newView.view}`, message.newView.signature];
    default:
      return undefined;
  }
}

/** What a member has said twice, and not the same. */
function contradictions(network: PbftNetwork, member: number): string[] {
  const promises = new Map<string, string>();
  const found: string[] = [];
  for (const sent of network.sent) {
    // Others pass on the new view of its primary.
    if (sent.from !== member) continue;
    const [key, said] = promiseOf(sent) ?? [];
    if (key === undefined || said === undefined) continue;
    if ((promises.get(key) ?? said) !== said) found.push(key);
    promises.set(key, said);
  }
  return found;
}

/** Within a view, no vote comes after the view was given up. */
function lateVotes(network: PbftNetwork, member: number): string[] {
  let given = 0;
  const found: string[] = [];
  for (const { from, message } of network.sent) {
    if (from !== member) continue;
    if (message.type === 'VIEW_CHANGE') given = Math.max(given, message.change.view);
    if ((message.type === 'PREPARE' || message.type === 'COMMIT') && message.vote.view < given) {
      found.push(`${message.type} ${message.vote.view} ${message.vote.sequence}`);
    }
  }
  return found;
}

/** Three batches, a checkpoint among them; a view change with something prepared; one more batch, with all up. */
function script(network: PbftNetwork): void {
  const client = network.member(3);
  const execute = (count: number): void => {
    const before = client.told('answered').length;
    for (let request = 0; request < count; request++) client.submit(`["append","${request}"]`);
    const answered = (): boolean => client.told('answered').length === before + count;
    if (!network.run(100 * SECOND, answered)) throw new Error('no answer');
  };
  execute(1);
  execute(2);
  network.passes = ({ message }) => message.type !== 'COMMIT' || message.vote.view > 0;
  client.submit('["append","prepared"]');
  network.run(LATENCY * 5);
  network.member(0).crash();
  execute(1);
  network.member(0).start();
  network.heal();
  execute(1);
  const last = (): number => Math.max(...network.up.map(({ status }) => status.executed));
  const same = (): boolean => network.members.every(({ engine }) => engine?.status().executed === last());
  if (!network.run(100 * SECOND, same)) throw new Error('they do not all get as far');
}

/** Runs the script, and has a member crash before that effect; it is up again a little later. */
function crashingAt(
  member: number,
  effect: number,
): { readonly network: PbftNetwork; readonly crashed: boolean } {
  const network = new PbftNetwork(4, { checkpointInterval: 2 });
  const { member: of } = { member: network.member(member) };
  let left = effect;
  let crashed = false;
  of.crashBefore = () => {
    if (left-- > 0) return false;
    crashed = true;
    network.after(250, () => {
      of.start();
    });
    return true;
  };
  script(network);
  return { network, crashed };
}

describe('a replica that is stopped before any one of its effects and started again', () => {
  it.each([
    ['the primary of the new view', 1],
    ['a backup', 2],
    ['the client', 3],
  ])('contradicts nothing that it has said, and the run ends as it should: %s', (_, member) => {
    let effect = 0;
    for (;;) {
      const { network, crashed } = crashingAt(member, effect);
      if (!crashed) break;
      const where = `effect ${effect}`;
      expect(contradictions(network, member), where).toEqual([]);
      expect(lateVotes(network, member), where).toEqual([]);
      expect(
        network.members.flatMap(({ offences }) => offences),
        where,
      ).toEqual([]);
      const decided = new Map<number, string>();
      for (const { history } of network.members) {
        for (const [sequence, digest] of history) {
          if ((decided.get(sequence) ?? digest) !== digest) throw new Error(`${where}: ${sequence} differs`);
          decided.set(sequence, digest);
        }
      }
      effect++;
    }
    expect(effect).toBeGreaterThan(50);
  });
});
