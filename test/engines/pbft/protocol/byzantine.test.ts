/** Members that do what no correct one does: it is not counted, it is bounded, and they are named. */
import { describe, expect, it } from 'vitest';

import type { PbftEffect } from '../../../../peer/engines/pbft/protocol/context.ts';
import { MAX_BATCH, MAX_EARLY_VOTES, TIME_TOLERANCE } from '../../../../peer/engines/pbft/protocol/limits.ts';
import type { Batch, Header, PbftMessage, Vote } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { LATENCY, type PbftMember, PbftNetwork } from '../../../support/pbft-network.ts';

const SECOND = 1_000;
const NO_SIGNATURE = 'A'.repeat(86) + '==';

/** Member 1 runs, a backup of view 0; the others are the test's. */
class Backup {
  readonly network = new PbftNetwork(4, { scripted: [0, 2, 3] });
  readonly batch: Batch = this.network.batch(3, 7);
  readonly header: Header = this.network.header(0, 1, this.batch);

  get member(): PbftMember {
    return this.network.member(1);
  }

  /** The views in which it has sent commits: there a batch was prepared. */
  get committedIn(): number[] {
    const sent = this.network.sentOf('COMMIT').filter(({ from, to }) => from === 1 && to === 0);
    return sent.map(({ message }) => message.vote.view);
  }

  get committed(): boolean {
    return this.committedIn.length > 0;
  }

  get executed(): number {
    return this.member.status.executed;
  }

  get prepares(): Vote[] {
    return this.network
      .sentOf('PREPARE')
      .filter(({ to }) => to === 0)
      .map(({ message }) => message.vote);
  }

  hear(from: number, message: PbftMessage): void {
    this.network.send(from, 1, message);
    this.network.run(LATENCY);
  }

  /** The pre-prepare of number 1 in view 0. */
  propose(): void {
    this.hear(0, { type: 'PRE_PREPARE', header: this.header, batch: this.batch });
  }

  vote(phase: 'prepare' | 'commit', replica: number, header: Header = this.header): void {
    this.say(phase, replica, this.network.vote(phase, replica, header));
  }

  say(phase: 'prepare' | 'commit', from: number, vote: Vote): void {
    this.hear(from, phase === 'prepare' ? { type: 'PREPARE', vote } : { type: 'COMMIT', vote });
  }
}

describe('votes', () => {
  it('of q - 1 backups prepare, and of a quorum decide', () => {
    const backup = new Backup();
    backup.propose();
    expect(backup.prepares).toMatchObject([{ sequence: 1, view: 0, replica: 1 }]);
    expect(backup.committed).toBe(false);
    backup.vote('prepare', 2);
    expect(backup.committed).toBe(true);
    backup.vote('commit', 2);
    expect(backup.executed).toBe(0);
    backup.vote('commit', 0);
    expect(backup.executed).toBe(1);
    expect(backup.member.offences).toEqual([]);
  });

  it('that come before the pre-prepare count once it is there', () => {
    const backup = new Backup();
    backup.vote('prepare', 2);
    backup.vote('commit', 2);
    backup.vote('commit', 0);
    backup.propose();
    expect(backup.executed).toBe(1);
  });

  // Source: seed pbft-p2p, which counts them whatever their digest.
  it('that arrive before the pre-prepare with another digest are not counted', () => {
    const backup = new Backup();
    const other = backup.network.header(0, 1, backup.network.batch(3, 8));
    backup.vote('prepare', 2, other);
    backup.vote('prepare', 3, other);
    for (const replica of [0, 2, 3]) backup.vote('commit', replica, other);
    backup.propose();
    expect([backup.committed, backup.executed]).toEqual([false, 0]);
  });

  it('with another digest are not counted after the pre-prepare either', () => {
    const backup = new Backup();
    const other = backup.network.header(0, 1, backup.network.batch(3, 8));
    backup.propose();
    for (const replica of [2, 3]) backup.vote('prepare', replica, other);
    expect(backup.committed).toBe(false);
  });

  // Source: seed pbft-p2p, where fresh keys make a quorum.
  it('of strangers are not counted: number n and above, or from another connection than that of their replica', () => {
    const backup = new Backup();
    backup.propose();
    const vote = backup.network.vote('prepare', 2, backup.header);
    for (const replica of [4, 5, 63]) backup.say('prepare', 2, { ...vote, replica });
    backup.say('prepare', 3, vote);
    backup.say('prepare', 0, vote);
    expect(backup.committed).toBe(false);
    backup.say('prepare', 2, vote);
    expect(backup.committed).toBe(true);
    for (const from of [0, 2, 3]) {
      for (const replica of [4, 5, 63]) {
        backup.say('commit', from, { ...backup.network.vote('commit', from, backup.header), replica });
      }
      backup.say('commit', from, backup.network.vote('commit', 2, backup.header));
    }
    expect(backup.executed).toBe(0);
  });

  it('of one replica count once, and the primary has no prepare', () => {
    const backup = new Backup();
    backup.propose();
    backup.vote('prepare', 0);
    expect(backup.committed).toBe(false);
    backup.vote('prepare', 2);
    for (let again = 0; again < 3; again++) backup.vote('commit', 2);
    expect(backup.executed).toBe(0);
  });

  it('that contradict each other are an offence', () => {
    const backup = new Backup();
    backup.vote('prepare', 2);
    backup.vote('prepare', 2, backup.network.header(0, 1, backup.network.batch(3, 8)));
    expect(backup.member.offences).toEqual(['2 equivocation']);
  });

  // Source: seed pbft-p2p, which signs prepares and pre-prepares alike, and no cluster.
  it.each<[string, (backup: Backup) => string]>([
    ['a prepare', ({ network, header }) => network.vote('prepare', 2, header).signature],
    ['a pre-prepare', ({ network, header }) => network.signing(2).header(header).signature],
    [
      'a checkpoint',
      ({ network, header }) => network.signing(2).checkpoint({ ...header, replica: 2 }).signature,
    ],
    [
      'a commit in another cluster',
      ({ network, header }) =>
        network.signing(2, 'other').vote('commit', { ...header, replica: 2 }).signature,
    ],
    [
      'a commit in another view',
      ({ network, header }) => network.vote('commit', 2, { ...header, view: 4 }).signature,
    ],
    [
      'a commit of another number',
      ({ network, header }) => network.vote('commit', 2, { ...header, sequence: 2 }).signature,
    ],
    ['a commit of somebody else', ({ network, header }) => network.vote('commit', 3, header).signature],
  ])('to commit with the signature of %s are worth nothing, and who sent them is named', (_, sign) => {
    const backup = new Backup();
    backup.propose();
    backup.vote('prepare', 2);
    backup.vote('commit', 0);
    backup.say('commit', 2, { ...backup.network.vote('commit', 2, backup.header), signature: sign(backup) });
    expect(backup.executed).toBe(0);
    expect(backup.member.offences).toEqual(['2 commit-signature']);
    backup.vote('commit', 2);
    expect(backup.executed).toBe(1);
  });

  it('to prepare with the signature of a commit are worth nothing, and who sent them is named', () => {
    const backup = new Backup();
    backup.propose();
    const { signature } = backup.network.vote('commit', 2, backup.header);
    backup.say('prepare', 2, { ...backup.network.vote('prepare', 2, backup.header), signature });
    expect(backup.committed).toBe(false);
    expect(backup.member.offences).toEqual(['2 prepare-signature']);
  });

  /** Brings member 1 to view 4, of which 0 is the primary again, with nothing carried over. */
  function toViewFour(backup: Backup): void {
    const { network } = backup;
    const viewChanges = [0, 2, 3].map((replica) => network.viewChange(4, replica).change);
    network.sendNewView(0, 1, network.newView({ view: 4, viewChanges, headers: [] }), viewChanges);
    network.run(LATENCY);
    expect(backup.member.status).toMatchObject({ view: 4, phase: 'normal' });
  }

  // Source: seed pbft-p2p, whose log is keyed by the sequence number alone.
  it('of an old view do not count in a new view, neither those from before it nor those that come late', () => {
    const backup = new Backup();
    backup.propose();
    backup.vote('commit', 0);
    backup.vote('prepare', 3);
    expect(backup.committedIn).toEqual([0]);
    toViewFour(backup);
    const header = backup.network.header(4, 1, backup.batch);
    backup.hear(0, { type: 'PRE_PREPARE', header, batch: backup.batch });
    for (const replica of [2, 3]) backup.vote('prepare', replica);
    for (const replica of [0, 2, 3]) backup.vote('commit', replica);
    expect([backup.committedIn, backup.executed]).toEqual([[0], 0]);
    backup.vote('prepare', 2, header);
    expect(backup.committedIn).toEqual([0, 4]);
    for (const replica of [0, 2]) backup.vote('commit', replica, header);
    expect(backup.executed).toBe(1);
  });

  it('for views to come are bounded for each replica: a flood costs others nothing', () => {
    const backup = new Backup();
    const later = backup.network.header(4, 1, backup.batch);
    backup.vote('prepare', 2, later);
    for (const replica of [0, 2]) backup.vote('commit', replica, later);
    for (let view = 5; view < 2_000; view++) {
      backup.network.send(3, 1, {
        type: 'PREPARE',
        vote: backup.network.vote('prepare', 3, { ...later, view }),
      });
    }
    backup.network.run(LATENCY);
    const sizes = new Map<string, number>();
    backup.member.engine?.measure((name, size, limit) => {
      expect(size, name).toBeLessThanOrEqual(limit);
      sizes.set(name, size);
    });
    expect(sizes.get('early votes')).toBe(MAX_EARLY_VOTES + 3);
    // In views of its own it has no prepare.
    const taken = 1_995 - backup.member.count('prepare.ignored');
    expect(backup.member.count('limit.early-votes')).toBe(taken - MAX_EARLY_VOTES);
    toViewFour(backup);
    backup.hear(0, { type: 'PRE_PREPARE', header: later, batch: backup.batch });
    expect(backup.executed).toBe(1);
  });

  it('outside of the watermarks take no room', () => {
    const backup = new Backup();
    for (let sequence = 9; sequence < 1_000; sequence++) {
      backup.network.send(3, 1, {
        type: 'COMMIT',
        vote: backup.network.vote('commit', 3, { ...backup.header, sequence }),
      });
    }
    backup.network.run(LATENCY);
    expect(backup.member.count('commit.outside')).toBe(991);
    backup.member.engine?.measure((name, size) => {
      if (name === 'log') expect(size).toBe(0);
    });
  });
});

describe('a pre-prepare', () => {
  const proposals: [string, string | undefined, (backup: Backup) => PbftMessage][] = [
    ['above the high watermark', undefined, ({ network, batch }) => network.prePrepare(0, 9, batch)],
    ['of another view', undefined, ({ network, batch }) => network.prePrepare(4, 1, batch)],
    [
      'with a time that is far ahead',
      undefined,
      ({ network, batch }) =>
        network.prePrepare(0, 1, { ...batch, time: network.now + TIME_TOLERANCE + SECOND }),
    ],
    [
      'with a time that is long gone',
      undefined,
      ({ network, batch }) =>
        network.prePrepare(0, 1, { ...batch, time: network.now - TIME_TOLERANCE - SECOND }),
    ],
    ['without requests', 'pre-prepare-size', ({ network }) => network.prePrepare(0, 1, network.batch(3))],
    [
      'with a request twice',
      'pre-prepare-doubled',
      ({ network }) => network.prePrepare(0, 1, network.batch(3, 7, 8, 7)),
    ],
    [
      'with two requests under one timestamp',
      'pre-prepare-doubled',
      ({ network }) =>
        network.prePrepare(0, 1, {
          time: network.now,
          requests: [network.request(3, 7), network.request(3, 7, 'other')],
        }),
    ],
    [
      'with too many requests',
      'malformed',
      ({ network }) =>
        network.prePrepare(
          0,
          1,
          network.batch(3, ...Array.from({ length: MAX_BATCH + 1 }, (_, index) => index + 1)),
        ),
    ],
    [
      'with requests that are too long together',
      'pre-prepare-size',
      ({ network }) =>
        network.prePrepare(0, 1, {
          time: network.now,
          requests: Array.from({ length: 20 }, (_, index) =>
            network.request(3, index + 1, 'x'.repeat(16_000)),
          ),
        }),
    ],
    [
      'with another batch than its digest says',
      'pre-prepare-digest',
      ({ network, header }) => ({ type: 'PRE_PREPARE', header, batch: network.batch(3, 8) }),
    ],
    [
      'that is not signed',
      'pre-prepare-signature',
      ({ header, batch }) => ({ type: 'PRE_PREPARE', header: { ...header, signature: NO_SIGNATURE }, batch }),
    ],
    [
      'with the signature of a commit',
      'pre-prepare-signature',
      ({ network, header, batch }) => ({
        type: 'PRE_PREPARE',
        header: { ...header, signature: network.vote('commit', 0, header).signature },
        batch,
      }),
    ],
    [
      'signed for another cluster',
      'pre-prepare-signature',
      ({ network, header, batch }) => ({
        type: 'PRE_PREPARE',
        header: network.signing(0, 'other').header(header),
        batch,
      }),
    ],
  ];

  it('with a time that can not be is told of to people: one of two clocks is wrong', () => {
    const { network, batch, member } = new Backup();
    const difference = TIME_TOLERANCE + SECOND;
    network.send(0, member.index, network.prePrepare(0, 1, { ...batch, time: network.now + difference }));
    network.run(2 * LATENCY);
    expect(member.reported('time-refused')).toEqual([
      { kind: 'time-refused', primary: 0, difference: difference - LATENCY },
    ]);
    expect(member.offences).toEqual([]);
  });

  it.each(proposals)('%s is not accepted (rule broken: %s), and a right one is later', (_, rule, make) => {
    const backup = new Backup();
    backup.hear(0, make(backup));
    expect(backup.prepares).toEqual([]);
    expect(backup.member.offences).toEqual(rule === undefined ? [] : [`0 ${rule}`]);
    expect(backup.member.disconnected).toEqual(rule === undefined ? [] : [0]);
    backup.propose();
    expect(backup.prepares).toMatchObject([{ digest: backup.header.digest }]);
  });

  it.each<[string, (backup: Backup) => PbftMessage]>([
    ['outside', ({ network, batch }) => network.prePrepare(0, 9, batch)],
    ['ignored', ({ network, batch }) => network.prePrepare(4, 1, batch)],
    [
      'time',
      ({ network, batch }) => network.prePrepare(0, 1, { ...batch, time: network.now + 2 * TIME_TOLERANCE }),
    ],
  ])('that is no offence is counted: pre-prepare.%s', (outcome, make) => {
    const backup = new Backup();
    backup.hear(0, make(backup));
    expect(backup.member.count(`pre-prepare.${outcome}`)).toBe(1);
  });

  it('from somebody who is not the primary is not accepted, though the primary signed it', () => {
    const backup = new Backup();
    backup.hear(2, { type: 'PRE_PREPARE', header: backup.header, batch: backup.batch });
    expect(backup.prepares).toEqual([]);
    expect(backup.member.offences).toEqual([]);
  });

  it('for a number that has another one in this view is an offence, and gets no vote', () => {
    const backup = new Backup();
    backup.propose();
    backup.hear(0, backup.network.prePrepare(0, 1, backup.network.batch(3, 8)));
    expect(backup.member.offences).toEqual(['0 equivocation']);
    expect(backup.prepares).toHaveLength(1);
    backup.propose();
    expect(backup.member.offences).toHaveLength(1);
  });
});

describe('an equivocating primary', () => {
  it.each([
    ['one and two', [1], [2, 3]],
    ['two and one', [1, 2], [3]],
    ['both to all', [1, 2, 3], [1, 2, 3]],
  ])(
    'never gets two batches executed at one number, is replaced, and the work is done: %s',
    (_, left, right) => {
      const network = new PbftNetwork(4, { scripted: [0] });
      const requests = [1, 2, 3].map((member) => network.member(member).submit('["append","a"]'));
      expect(requests).toHaveLength(3);
      for (let sequence = 1; sequence <= 3; sequence++) {
        for (const [group, timestamp] of [
          [left, sequence],
          [right, 100 + sequence],
        ] as const) {
          const batch = network.batch(0, timestamp);
          const header = network.header(0, sequence, batch);
          for (const to of group) {
            network.send(0, to, { type: 'PRE_PREPARE', header, batch });
            // It also votes for both, as far as it can.
            network.send(0, to, { type: 'COMMIT', vote: network.vote('commit', 0, header) });
          }
        }
      }
      const answered = (): boolean => network.up.every((member) => member.answers.length === 1);
      expect(network.run(100 * SECOND, answered)).toBe(true);
      network.run(SECOND);
      expect(network.up.every(({ status }) => status.view > 0)).toBe(true);
      const decided = new Map<number, string>();
      for (const { history } of network.up) {
        for (const [sequence, digest] of history) {
          expect(decided.get(sequence) ?? digest).toBe(digest);
          decided.set(sequence, digest);
        }
      }
      if (left.length === 3) {
        for (const member of network.up) expect(member.offences).toContain('0 equivocation');
      }
    },
  );
});

describe('what makes no sense', () => {
  /** What an engine does when it is told something just now. */
  function effectsOf(network: PbftNetwork, message: PbftMessage, from: number): readonly PbftEffect[] {
    const { engine } = network.member(3);
    if (engine === undefined) throw new Error('it is down');
    return engine.step({ type: 'message', now: network.now, from, message });
  }

  it('is an offence if it is malformed: a notice, never an error; its host rejects it', () => {
    const network = new PbftNetwork(4, { scripted: [0, 1, 2] });
    const effects = network
      .member(3)
      .engine?.step({ type: 'malformed', now: network.now, from: 2, fault: 'no-json' });
    expect(effects).toEqual([{ type: 'notify', notice: { kind: 'offence', member: 2, rule: 'no-json' } }]);
    expect(network.member(3).status.others.find(({ replica }) => replica === 2)?.offences).toBe(1);
  });

  const DIGEST = 'ab'.repeat(32);
  const vote = { view: 0, sequence: 1, digest: DIGEST, replica: 2, signature: NO_SIGNATURE };
  const far = Number.MAX_SAFE_INTEGER;
  const messages: PbftMessage[] = [
    { type: 'REQUEST', requests: [] },
    { type: 'REQUEST', requests: [{ client: 63, timestamp: far, operation: '', signature: NO_SIGNATURE }] },
    {
      type: 'PRE_PREPARE',
      header: { ...vote, view: far, sequence: far },
      batch: { time: far, requests: [] },
    },
    { type: 'PREPARE', vote: { ...vote, view: far, sequence: far } },
    { type: 'COMMIT', vote: { ...vote, sequence: far, replica: 63 } },
    {
      type: 'CHECKPOINT',
      vote: { sequence: 4 * 10 ** 12, digest: DIGEST, replica: 2, signature: NO_SIGNATURE },
    },
    {
      type: 'VIEW_CHANGE',
      change: { view: far, stable: far, certificate: [], prepared: [], replica: 2, signature: NO_SIGNATURE },
    },
    { type: 'FETCH_VIEW_CHANGE', view: far, replica: 63, signature: NO_SIGNATURE },
    { type: 'NEW_VIEW', newView: { view: far, viewChanges: [], headers: [], signature: NO_SIGNATURE } },
    { type: 'REPLY', reply: { view: far, replica: 2, client: 63, results: [], signature: NO_SIGNATURE } },
    { type: 'STATUS', status: { view: far, changing: true, stable: far, executed: far } },
    { type: 'STATUS', status: { view: 0, changing: false, stable: 0, executed: 0 } },
    { type: 'DECIDED', batch: { time: 0, requests: [] }, commits: [] },
    { type: 'DECIDED', batch: { time: 0, requests: [] }, commits: [vote, vote, vote] },
    { type: 'FETCH_BATCH', sequence: far, digest: DIGEST },
    { type: 'BATCH', sequence: far, batch: { time: 0, requests: [] } },
    { type: 'STABLE', certificate: [] },
    { type: 'STABLE', certificate: [{ sequence: far, digest: DIGEST, replica: 2, signature: NO_SIGNATURE }] },
    { type: 'FETCH_INDEX', sequence: far },
    { type: 'INDEX', sequence: far, digests: [] },
    { type: 'FETCH_PAGES', sequence: far, pages: [65_536] },
    { type: 'PAGES', sequence: far, pages: [[65_536, '']] },
  ];

  it.each(messages.map((message) => [message.type, message] as const))(
    'does no harm as %s, to a replica that then works as before',
    (_, message) => {
      const network = new PbftNetwork(4);
      for (let again = 0; again < 50; again++) effectsOf(network, message, 2);
      network.work(3, 5);
      expect(network.run(10 * SECOND, () => network.allExecuted(5))).toBe(true);
      expect(network.members.map(({ status }) => status.view)).toEqual([0, 0, 0, 0]);
      network.member(3).engine?.measure((name, size, limit) => {
        expect(size, name).toBeLessThanOrEqual(limit);
      });
    },
  );
});

describe('a decision that is shown to a replica', () => {
  const forged: [string, (backup: Backup) => Vote[]][] = [
    [
      'commits of fewer than a quorum',
      ({ network, header }) => [0, 2].map((from) => network.vote('commit', from, header)),
    ],
    [
      'one commit twice',
      ({ network, header }) => [0, 2, 2].map((from) => network.vote('commit', from, header)),
    ],
    ['prepares', ({ network, header }) => [0, 2, 3].map((from) => network.vote('prepare', from, header))],
    [
      'commits of different views',
      ({ network, header }) =>
        [0, 2, 3].map((from) => network.vote('commit', from, { ...header, view: from })),
    ],
    [
      'a forged commit',
      ({ network, header }) =>
        [0, 2, 3].map((replica) => ({ ...network.vote('commit', 2, header), replica })),
    ],
    [
      'a stranger',
      ({ network, header }) =>
        [0, 2, 9].map((replica) => ({ ...network.vote('commit', 2, header), replica })),
    ],
  ];

  it.each(forged)('with %s is refused, and who sent it is named', (_, make) => {
    const backup = new Backup();
    backup.hear(2, { type: 'DECIDED', batch: backup.batch, commits: make(backup) });
    expect(backup.executed).toBe(0);
    expect(backup.member.offences).toEqual(['2 decision']);
  });

  it('with commits for another batch is refused, and who sent it is named', () => {
    const backup = new Backup();
    const commits = [0, 2, 3].map((from) => backup.network.vote('commit', from, backup.header));
    backup.hear(2, { type: 'DECIDED', batch: backup.network.batch(3, 8), commits });
    expect(backup.member.offences).toEqual(['2 decision']);
    backup.hear(3, { type: 'DECIDED', batch: backup.batch, commits });
    expect(backup.executed).toBe(1);
  });
});
