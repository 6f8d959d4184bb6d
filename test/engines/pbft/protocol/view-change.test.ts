/** How the primary is replaced, and that nothing decided is lost by it: rules, and bugs that others had. */
import { describe, expect, it } from 'vitest';

import type { Header, MessageOf, ViewChange, Vote } from '../../../../peer/engines/pbft/protocol/messages.ts';
import { nameOf } from '../../../../peer/engines/pbft/protocol/new-view.ts';
import {
  LATENCY,
  type NewViewContents,
  type PbftMember,
  PbftNetwork,
  type Sent,
} from '../../../support/pbft-network.ts';

const SECOND = 1_000;
/** Looks like a signature. */
const NO_SIGNATURE = 'A'.repeat(86) + '==';

function views(network: PbftNetwork): number[] {
  return network.up.map(({ status }) => status.view);
}

/** The digest that the first pre-prepare for a sequence number has. */
function proposedDigest(network: PbftNetwork, view: number, sequence: number): string | undefined {
  return network
    .sentOf('PRE_PREPARE')
    .find(({ message: { header } }) => header.view === view && header.sequence === sequence)?.message.header
    .digest;
}

function sentBy(network: PbftNetwork, type: 'PREPARE' | 'COMMIT', member: number, view: number): boolean {
  return network.sentOf(type).some(({ from, message: { vote } }) => from === member && vote.view === view);
}

/** No two members have executed different batches at one number. */
function expectAgreement(network: PbftNetwork): void {
  const decided = new Map<number, string>();
  for (const { history } of network.members) {
    for (const [sequence, digest] of history) {
      expect(decided.get(sequence) ?? digest).toBe(digest);
      decided.set(sequence, digest);
    }
  }
}

describe('a dead primary', () => {
  // Source: seed pbft-p2p, where nothing calls the view change.
  it('is replaced: the view change really happens, and the work is done', () => {
    const network = new PbftNetwork(4);
    network.member(0).crash();
    network.work(3, 3);
    expect(views(network)).toEqual([1, 1, 1]);
    expect(network.run(10 * SECOND, () => network.allExecuted(3))).toBe(true);
  });

  // Source: seed pbft-p2p.
  it('is replaced by view changes that are signed and carry C and P', () => {
    const network = new PbftNetwork(4);
    network.work(2, 5);
    network.passes = ({ message }) => message.type !== 'COMMIT';
    network.member(2).submit('["append","prepared"]');
    network.run(LATENCY * 5);
    network.member(0).crash();
    expect(network.run(10 * SECOND, () => views(network).every((view) => view === 1))).toBe(true);
    const sent = network.sentOf('VIEW_CHANGE').filter(({ message }) => message.change.view === 1);
    expect(new Set(sent.map(({ from }) => from))).toEqual(new Set([1, 2, 3]));
    for (const { from, message } of sent) {
      const { change } = message;
      expect(network.signing(0).isViewChange(change)).toBe(true);
      expect(change).toMatchObject({ replica: from, stable: 4 });
      expect(change.certificate).toHaveLength(3);
      expect(change.prepared.map(({ header }) => header.sequence)).toEqual([5, 6]);
      for (const { header, prepares } of change.prepared) {
        expect(network.signing(0).isHeader(header)).toBe(true);
        const votes = prepares.map(([replica, signature]) => ({ ...header, replica, signature }));
        expect(votes.map((vote) => network.signing(0).isVote('prepare', vote))).toEqual([true, true]);
      }
    }
  });

  // Source: seed pbft-p2p, whose new primary stays in the old view and begins with number 0 again.
  it('is replaced by one that processes its own new view, is in it, and reuses no committed number', () => {
    const network = new PbftNetwork(4);
    network.work(2, 6);
    network.member(0).crash();
    network.work(2, 3);
    expect(network.member(1).status).toMatchObject({ view: 1, primary: 1, phase: 'normal' });
    expect(network.member(1).reported('view-entered')).toMatchObject([{ view: 1, primary: 1 }]);
    const fresh = network.sentOf('PRE_PREPARE').filter(({ message }) => message.header.view === 1);
    expect(Math.min(...fresh.map(({ message }) => message.header.sequence))).toBe(7);
    expect([...network.member(2).history.keys()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expectAgreement(network);
  });
});

describe('what was prepared', () => {
  // Source: johnhenry/raijin issue 8.
  it('by a quorum whose commits were lost is executed at the same number in the next view: prepared state is not dropped', () => {
    const network = new PbftNetwork(4);
    network.work(2, 2);
    network.passes = ({ message }) => message.type !== 'COMMIT' && message.type !== 'DECIDED';
    network.member(2).submit('["append","prepared"]');
    expect(network.run(SECOND, () => [1, 2, 3].every((index) => sentBy(network, 'COMMIT', index, 0)))).toBe(
      true,
    );
    network.run(LATENCY * 5);
    const digest = proposedDigest(network, 0, 3);
    expect(digest).toBeDefined();
    network.member(0).crash();
    // Those of view 0 stay lost.
    network.passes = ({ message }) => message.type !== 'COMMIT' || message.vote.view > 0;
    expect(network.run(10 * SECOND, () => network.allExecuted(3))).toBe(true);
    for (const member of network.up) {
      expect(member.reported('executed').at(-1)).toMatchObject({ sequence: 3, digest, view: 1 });
      expect(member.reported('view-entered')).toMatchObject([{ view: 1 }]);
    }
  });

  it('by one replica alone, which has decided it, is what all decide', () => {
    const network = new PbftNetwork(4);
    network.passes = ({ to, message }) =>
      to === 3 || (message.type !== 'COMMIT' && message.type !== 'DECIDED' && message.type !== 'REPLY');
    network.member(2).submit('["append","a"]');
    expect(network.run(SECOND, () => network.member(3).status.executed === 1)).toBe(true);
    network.member(0).crash();
    network.member(3).crash();
    network.heal();
    network.run(3 * SECOND);
    network.member(3).start();
    expect(network.run(60 * SECOND, () => network.allExecuted(1))).toBe(true);
    expectAgreement(network);
  });

  // Source: dBFT 2.0, neo-modules issue 792: with one locked in view 0 and another in view 1 it halts.
  it('by one replica in view 0, and something else by another in view 1, does not halt the cluster', () => {
    const network = new PbftNetwork(4);
    const prepares =
      (view: number, group: readonly number[], chosen: number) =>
      ({ from, to, message }: Sent): boolean =>
        group.includes(from) &&
        group.includes(to) &&
        message.type !== 'COMMIT' &&
        (message.type !== 'PREPARE' || (to === chosen && message.vote.view === view));
    network.passes = prepares(0, [0, 1, 2, 3], 3);
    network.member(2).submit('["append","a"]');
    expect(network.run(SECOND, () => sentBy(network, 'COMMIT', 3, 0))).toBe(true);
    network.passes = prepares(1, [0, 1, 2], 2);
    expect(network.run(10 * SECOND, () => sentBy(network, 'COMMIT', 2, 1))).toBe(true);
    const digests = [proposedDigest(network, 0, 1), proposedDigest(network, 1, 1)];
    expect(new Set(digests).size).toBe(2);
    network.heal();
    expect(network.run(60 * SECOND, () => network.allExecuted(1))).toBe(true);
    for (const { history } of network.members) expect(history.get(1)).toBe(digests[1]);
    network.work(3, 3);
    expectAgreement(network);
  });
});

describe('view changes', () => {
  // Source: hyperledger-archives/fabric issue 1917: after a transient partition nobody sends them again.
  it('that were all lost once are sent again, so that a transient partition does not halt the cluster', () => {
    const network = new PbftNetwork(4);
    network.member(0).crash();
    network.member(2).submit('["append","a"]');
    // Each is heard by all but for the view change itself, which is lost the first time, and the second.
    const lost = new Map<string, number>();
    network.passes = ({ from, to, message }) => {
      if (message.type !== 'VIEW_CHANGE') return true;
      const times = (lost.get(`${from} ${to}`) ?? 0) + 1;
      lost.set(`${from} ${to}`, times);
      return times > 2;
    };
    expect(network.run(10 * SECOND, () => network.allExecuted(1))).toBe(true);
    expect(views(network)).toEqual([1, 1, 1]);
  });

  it('of a partition without any quorum end with it', () => {
    const network = new PbftNetwork(4);
    network.cut([0, 1], [2, 3]);
    for (const member of network.members) member.submit('["append","a"]');
    network.run(60 * SECOND);
    network.heal();
    const answered = (): boolean => network.up.every((member) => member.answers.length === 1);
    expect(network.run(60 * SECOND, answered)).toBe(true);
    expectAgreement(network);
  });

  it('in a row double the timeout up to a cap, and progress makes it what it was', () => {
    const network = new PbftNetwork(4);
    network.member(0).crash();
    network.passes = ({ message }) => message.type !== 'NEW_VIEW' && message.type !== 'PRE_PREPARE';
    const member = network.member(3);
    member.submit('["append","a"]');
    const timeouts = [member.status.timeout];
    while (timeouts.length < 8) {
      const { viewChanges } = member.status;
      // The one who leads the new view enters it alone; what counts is that member 3 has to wait.
      expect(network.run(100 * SECOND, () => member.status.viewChanges > viewChanges)).toBe(true);
      timeouts.push(member.status.timeout);
    }
    expect(timeouts).toEqual([1, 2, 4, 8, 16, 16, 16, 16].map((seconds) => seconds * SECOND));
    network.heal();
    expect(network.run(100 * SECOND, () => network.allExecuted(1))).toBe(true);
    expect(member.status.timeout).toBe(SECOND);
  });

  it('of f + 1 others are joined though nothing waits here, and the smallest of their views is', () => {
    const network = new PbftNetwork(7, { scripted: [0, 1, 2, 3, 4, 5] });
    const { status } = network.member(6);
    expect(status.faulty).toBe(2);
    for (const [replica, view] of [5, 3, 4].entries()) {
      expect(network.member(6).reported('view-change-started')).toEqual([]);
      network.send(replica, 6, network.viewChange(view, replica));
      network.run(LATENCY);
    }
    expect(network.member(6).reported('view-change-started')).toMatchObject([{ view: 3, reason: 'joined' }]);
  });

  it('of f others, however often they come and whoever brings them, are not joined', () => {
    const network = new PbftNetwork(4, { scripted: [0, 1, 2] });
    for (let view = 1; view < 20; view++) {
      const message = network.viewChange(view, 2);
      for (const from of [2, 2, 1]) network.send(from, 3, message);
      network.run(LATENCY);
    }
    expect(network.member(3).status.view).toBe(0);
    expect(network.member(3).count('view-change.ignored')).toBe(19);
  });

  // Source: the performance attack on PBFT, "a primary just under the timeout".
  it('come too of a primary that stays under the timeout by serving others, but starves one client', () => {
    const network = new PbftNetwork(4, { scripted: [0] });
    network.member(2).submit('["append","starved"]');
    const starved = (): boolean => network.member(2).answers.length === 0;
    let sequence = 0;
    while (starved() && sequence < 20) {
      sequence++;
      network.broadcast(0, network.prePrepare(0, sequence, network.batch(0, sequence)));
      network.run(0.8 * network.config.viewChangeTimeout);
    }
    expect(sequence).toBeGreaterThan(1);
    expect(sequence).toBeLessThan(5);
    expect(views(network)).toEqual([1, 1, 1]);
  });
});

/** Of a view change for view 1 that member 3 signs: what is wrong with it. */
interface Lie {
  readonly name: string;
  readonly rule: string;
  readonly make: (network: PbftNetwork) => ReturnType<PbftNetwork['viewChange']>;
}

/** Claims that were prepared in view 0: number 1, with just these prepares. */
function claiming(prepares: (network: PbftNetwork, header: Header) => readonly Vote[]): Lie['make'] {
  return (network) => {
    const header = network.header(0, 1, network.batch(3, 7));
    const proof = { header, prepares: prepares(network, header).map(nameOf) };
    return network.viewChange(1, 3, { prepared: [proof] });
  };
}

const LIES: readonly Lie[] = [
  {
    name: 'is not signed',
    rule: 'view-change-signature',
    make: (network) => {
      const { change } = network.viewChange(1, 3);
      return { type: 'VIEW_CHANGE', change: { ...change, signature: NO_SIGNATURE } };
    },
  },
  {
    name: 'was changed after it was signed',
    rule: 'view-change-signature',
    make: (network) => {
      const header = network.header(0, 1, network.batch(3, 7));
      const { change } = network.viewChange(1, 3);
      return { type: 'VIEW_CHANGE', change: { ...change, prepared: [network.proof(header, 1, 2)] } };
    },
  },
  {
    name: 'has too few prepares',
    rule: 'view-change-proof',
    make: claiming((network, header) => [network.vote('prepare', 3, header)]),
  },
  { name: 'has no certificate at all', rule: 'view-change-proof', make: claiming(() => []) },
  {
    name: 'has the same prepare twice',
    rule: 'view-change-proof',
    make: claiming((network, header) => [3, 3].map((backup) => network.vote('prepare', backup, header))),
  },
  {
    name: 'has a prepare of the primary',
    rule: 'view-change-proof',
    make: claiming((network, header) => [0, 3].map((backup) => network.vote('prepare', backup, header))),
  },
  {
    name: 'has a prepare that somebody else signed',
    rule: 'view-change-proof',
    make: claiming((network, header) => {
      const vote = network.vote('prepare', 3, header);
      return [vote, { ...vote, replica: 2 }];
    }),
  },
  {
    name: 'has a prepare of a stranger',
    rule: 'view-change-proof',
    make: claiming((network, header) => {
      const vote = network.vote('prepare', 3, header);
      return [vote, { ...vote, replica: 9 }];
    }),
  },
  {
    name: 'has prepares of another view',
    rule: 'view-change-proof',
    make: claiming((network, header) =>
      [2, 3].map((backup) => network.vote('prepare', backup, { ...header, view: 4 })),
    ),
  },
  {
    name: 'has prepares for another digest',
    rule: 'view-change-proof',
    make: claiming((network, header) => {
      const other = network.header(0, 1, network.batch(3, 8));
      return [network.vote('prepare', 2, header), network.vote('prepare', 3, other)];
    }),
  },
  {
    name: 'has commits for prepares',
    rule: 'view-change-proof',
    make: claiming((network, header) => [2, 3].map((backup) => network.vote('commit', backup, header))),
  },
  {
    name: 'has a pre-prepare that its primary did not sign',
    rule: 'view-change-proof',
    make: (network) => {
      const { view, sequence, digest } = network.header(0, 1, network.batch(3, 7));
      const header = network.signing(3).header({ view, sequence, digest });
      return network.viewChange(1, 3, { prepared: [network.proof(header, 2, 3)] });
    },
  },
  {
    name: 'has something prepared in a view that is yet to come',
    rule: 'view-change-later-view',
    make: (network) => {
      const header = network.header(1, 1, network.batch(3, 7));
      return network.viewChange(1, 3, { prepared: [network.proof(header, 2, 3)] });
    },
  },
  {
    name: 'has something prepared above the high watermark',
    rule: 'view-change-window',
    make: (network) => {
      const header = network.header(0, 9, network.batch(3, 7));
      return network.viewChange(1, 3, { prepared: [network.proof(header, 2, 3)] });
    },
  },
  {
    name: 'has one number twice',
    rule: 'view-change-window',
    make: (network) => {
      const proofs = [7, 8].map((timestamp) =>
        network.proof(network.header(0, 1, network.batch(3, timestamp)), 2, 3),
      );
      return network.viewChange(1, 3, { prepared: proofs });
    },
  },
  {
    name: 'has no certificate for its checkpoint',
    rule: 'view-change-checkpoint',
    make: (network) => network.viewChange(1, 3, { stable: 4 }),
  },
  {
    name: 'has a certificate without a quorum',
    rule: 'view-change-checkpoint',
    make: (network) => network.viewChange(1, 3, { stable: 4, certificate: network.certificate(4, 2, 3) }),
  },
  {
    name: 'has a certificate with one vote twice',
    rule: 'view-change-checkpoint',
    make: (network) => network.viewChange(1, 3, { stable: 4, certificate: network.certificate(4, 2, 3, 3) }),
  },
  {
    name: 'has a certificate for another checkpoint',
    rule: 'view-change-checkpoint',
    make: (network) => network.viewChange(1, 3, { stable: 8, certificate: network.certificate(4, 0, 2, 3) }),
  },
  {
    name: 'has a certificate of votes for different states, each of them rightly signed',
    rule: 'view-change-checkpoint',
    make: (network) => {
      const digest = 'ab'.repeat(32);
      const other = network.signing(3).checkpoint({ sequence: 4, digest, replica: 3 });
      return network.viewChange(1, 3, { stable: 4, certificate: [other, ...network.certificate(4, 0, 2)] });
    },
  },
  {
    name: 'has a certificate of forged votes',
    rule: 'view-change-checkpoint',
    make: (network) => {
      const [vote] = network.certificate(4, 3);
      const certificate = vote === undefined ? [] : [0, 2, 3].map((replica) => ({ ...vote, replica }));
      return network.viewChange(1, 3, { stable: 4, certificate });
    },
  },
];

describe('a view change', () => {
  // Sources: vmware/concord-bft PR 50, whose leader ignores valid certificates after invalid ones of one malicious replica;
  // celo-blockchain PR 200, where a lock needs no certificate.
  it.each(LIES.map((lie) => [lie.name, lie] as const))(
    'that %s is refused, its sender named, nothing of it carried over, and valid ones count all the same',
    (_, { rule, make }) => {
      const network = new PbftNetwork(4, { scripted: [0, 2, 3] });
      const leader = network.member(1);
      const prepared = network.header(0, 2, network.batch(2, 7));
      network.send(3, 1, make(network));
      network.run(LATENCY);
      expect(leader.offences).toEqual([`3 ${rule}`]);
      expect(leader.disconnected).toEqual([3]);
      network.send(2, 1, network.viewChange(1, 2, { prepared: [network.proof(prepared, 1, 3)] }));
      network.run(LATENCY);
      // One valid view change is not f + 1: the lie was not counted.
      expect(leader.status.view).toBe(0);
      network.send(0, 1, network.viewChange(1, 0));
      network.run(LATENCY);
      expect(leader.status).toMatchObject({ view: 1, phase: 'normal' });
      const [sent] = network.sentOf('NEW_VIEW');
      expect(sent?.message.newView.viewChanges.map(([replica]) => replica).sort()).toEqual([0, 1, 2]);
      expect(sent?.message.newView.headers.map(({ digest }) => digest)).toEqual([
        network.signing(1).nothing,
        prepared.digest,
      ]);
    },
  );

  it('that is valid counts after an invalid one of the same replica', () => {
    const network = new PbftNetwork(4, { scripted: [0, 2, 3] });
    for (const { make } of LIES) network.send(3, 1, make(network));
    network.send(3, 1, network.viewChange(1, 3));
    network.send(2, 1, network.viewChange(1, 2));
    network.run(LATENCY);
    expect(network.member(1).status).toMatchObject({ view: 1, phase: 'normal' });
  });

  it('with what was prepared in the highest view prevails over others', () => {
    const network = new PbftNetwork(7, { scripted: [0, 1, 2, 3, 4, 5] });
    const old = network.header(2, 1, network.batch(2, 7));
    const later = network.header(4, 1, network.batch(2, 8));
    // 6 leads view 6.
    network.send(0, 6, network.viewChange(6, 0, { prepared: [network.proof(old, 0, 1, 3, 4)] }));
    network.send(1, 6, network.viewChange(6, 1, { prepared: [network.proof(later, 0, 1, 3, 5)] }));
    for (const replica of [2, 3]) {
      network.send(
        replica,
        6,
        network.viewChange(6, replica, { prepared: [network.proof(old, 0, 1, 3, 4)] }),
      );
    }
    network.run(LATENCY);
    const [sent] = network.sentOf('NEW_VIEW');
    expect(sent?.message.newView.headers).toMatchObject([{ view: 6, sequence: 1, digest: later.digest }]);
  });
});

describe('view changes with different stable checkpoints', () => {
  /** Prepared in view 1 by some replica: what each of them is. */
  function headersOf(network: PbftNetwork): ReadonlyMap<number, Header> {
    const prepared = [5, 8, 9, 10].map((sequence) => network.header(1, sequence, network.batch(3, sequence)));
    return new Map(prepared.map((header) => [header.sequence, header]));
  }

  /** A view change for view 2 that claims a checkpoint, and numbers that were prepared. */
  function changeOf(
    network: PbftNetwork,
    replica: number,
    stable: number,
    prepared: readonly (Header | undefined)[],
  ): MessageOf<'VIEW_CHANGE'> {
    const certificate = network.certificate(stable, 0, 1, 3);
    const proofs = prepared.flatMap((header) => (header === undefined ? [] : [network.proof(header, 0, 3)]));
    return network.viewChange(2, replica, { stable, certificate, prepared: proofs });
  }

  function changesOf(network: PbftNetwork, headers: ReadonlyMap<number, Header>): MessageOf<'VIEW_CHANGE'>[] {
    return [
      changeOf(network, 0, 4, [headers.get(5), headers.get(8), headers.get(10)]),
      changeOf(network, 3, 8, [headers.get(9)]),
    ];
  }

  it.each([
    ['lower', (changes: MessageOf<'VIEW_CHANGE'>[]) => changes],
    ['higher', (changes: MessageOf<'VIEW_CHANGE'>[]) => changes.reverse()],
  ])('have the view begin above the highest of them, also if the %s one comes first', (_, inOrder) => {
    const network = new PbftNetwork(4, { scripted: [0, 1, 3] });
    const headers = headersOf(network);
    for (const message of inOrder(changesOf(network, headers))) {
      network.send(message.change.replica, 2, message);
    }
    network.run(LATENCY);
    const [sent] = network.sentOf('NEW_VIEW');
    expect(sent?.message.newView.headers).toMatchObject(
      [9, 10].map((sequence) => ({ view: 2, sequence, digest: headers.get(sequence)?.digest })),
    );
    // Its own is at the beginning: it learns of the checkpoint by the view, and may take what is above it.
    expect(network.member(2).status).toMatchObject({ view: 2, phase: 'normal', high: 16 });
  });

  it.each([
    ['is refused where it begins at the beginning', 0, ['2 new-view-forged']],
    ['is refused where it begins at a lower one of them', 4, ['2 new-view-forged']],
    ['is entered where it begins at the highest of them', 8, []],
  ] as const)('found a new view that %s', (_, stable, offences) => {
    const network = new PbftNetwork(4, { scripted: [0, 2, 3] });
    const known = headersOf(network);
    const own = network.viewChange(2, 2);
    const viewChanges = [...changesOf(network, known), own].map(({ change }) => change);
    const headers = Array.from({ length: 10 - stable }, (__, index) => {
      const sequence = stable + 1 + index;
      const digest = known.get(sequence)?.digest ?? network.signing(2).nothing;
      return network.signing(2).header({ view: 2, sequence, digest });
    });
    network.sendNewView(2, 1, network.newView({ view: 2, viewChanges, headers }), viewChanges);
    network.run(LATENCY);
    expect(network.member(1).offences).toEqual(offences);
    expect(network.member(1).status.view).toBe(offences.length === 0 ? 2 : 0);
  });
});

/** What a valid new view of view 1 is made of: number 2 is prepared, number 1 is not. */
function contentsOf(network: PbftNetwork): NewViewContents {
  const prepared = network.header(0, 2, network.batch(0, 7));
  const viewChanges = [
    network.viewChange(1, 0, { prepared: [network.proof(prepared, 1, 2)] }).change,
    network.viewChange(1, 1).change,
    network.viewChange(1, 2).change,
  ];
  const signing = network.signing(1);
  const digests = [signing.nothing, prepared.digest];
  const headers = digests.map((digest, index) => signing.header({ view: 1, sequence: index + 1, digest }));
  return { view: 1, viewChanges, headers };
}

/** A new view, and the view changes that are served under the names in it. */
interface Shown {
  readonly message: MessageOf<'NEW_VIEW'>;
  readonly served: readonly ViewChange[];
}

function shown(network: PbftNetwork, contents: NewViewContents, signer?: number): Shown {
  return { message: network.newView(contents, signer), served: contents.viewChanges };
}

type Forgery = (network: PbftNetwork, valid: NewViewContents) => Shown;

const FORGERIES: readonly (readonly [name: string, rule: string, forge: Forgery])[] = [
  [
    'somebody signed who is not its primary',
    'new-view-signature',
    (network, valid) => shown(network, valid, 2),
  ],
  [
    'is not signed',
    'new-view-signature',
    (network, valid) => {
      const { message, served } = shown(network, valid);
      return { message: { ...message, newView: { ...message.newView, signature: NO_SIGNATURE } }, served };
    },
  ],
  [
    'was changed after it was signed',
    'new-view-signature',
    (network, valid) => {
      const { message, served } = shown(network, valid);
      const { newView } = message;
      return { message: { ...message, newView: { ...newView, headers: newView.headers.slice(1) } }, served };
    },
  ],
  [
    'has no quorum',
    'new-view-quorum',
    (network, valid) => shown(network, { ...valid, viewChanges: valid.viewChanges.slice(0, 2) }),
  ],
  [
    'has no view changes at all',
    'new-view-quorum',
    (network) => shown(network, { view: 1, viewChanges: [], headers: [] }),
  ],
  [
    'has one view change twice',
    'new-view-quorum',
    (network, valid) =>
      shown(network, {
        ...valid,
        viewChanges: [...valid.viewChanges.slice(0, 2), ...valid.viewChanges.slice(1, 2)],
      }),
  ],
  [
    'names somebody who is no member',
    'new-view-quorum',
    (network, valid) => {
      const [first] = valid.viewChanges;
      if (first === undefined) throw new Error('no quorum');
      const viewChanges = [...valid.viewChanges.slice(0, 2), { ...first, replica: 4 }];
      return shown(network, { ...valid, viewChanges });
    },
  ],
  [
    'has more entries in O than there can be',
    'new-view-forged',
    (network, valid) => {
      const batch = network.batch(0, 8);
      const headers = Array.from({ length: 9 }, (_, index) => network.header(1, index + 1, batch));
      return { ...shown(network, { ...valid, headers }), served: [] };
    },
  ],
  [
    'has view changes for another view',
    'new-view-quorum',
    (network, valid) => {
      const other = network.viewChange(2, 2).change;
      return shown(network, { ...valid, viewChanges: [...valid.viewChanges.slice(0, 2), other] });
    },
  ],
  [
    'has a view change that is not signed',
    'view-change-signature',
    (network, valid) => {
      const [first, second, third] = valid.viewChanges;
      if (first === undefined || second === undefined || third === undefined) throw new Error('no quorum');
      return shown(network, {
        ...valid,
        viewChanges: [first, second, { ...third, signature: NO_SIGNATURE }],
      });
    },
  ],
  [
    'has a view change with something that was not prepared',
    'new-view-view-change',
    (network, valid) => {
      const header = network.header(0, 1, network.batch(0, 9));
      const lie = network.viewChange(1, 2, { prepared: [network.proof(header, 2)] }).change;
      const changed = network.signing(1).header({ ...header, view: 1 });
      const viewChanges = [...valid.viewChanges.slice(0, 2), lie];
      return shown(network, { ...valid, viewChanges, headers: [changed, ...valid.headers.slice(1)] });
    },
  ],
  [
    'changes a digest in O',
    'new-view-forged',
    (network, valid) => {
      const header = network.header(1, 2, network.batch(0, 8));
      return shown(network, { ...valid, headers: [...valid.headers.slice(0, 1), header] });
    },
  ],
  [
    'puts a batch where O has nothing',
    'new-view-forged',
    (network, valid) => {
      const header = network.header(1, 1, network.batch(0, 8));
      return shown(network, { ...valid, headers: [header, ...valid.headers.slice(1)] });
    },
  ],
  [
    'drops an entry of O',
    'new-view-forged',
    (network, valid) => shown(network, { ...valid, headers: valid.headers.slice(0, 1) }),
  ],
  [
    'drops all entries of O',
    'new-view-forged',
    (network, valid) => shown(network, { ...valid, headers: [] }),
  ],
  [
    'has an extra entry in O',
    'new-view-forged',
    (network, valid) =>
      shown(network, { ...valid, headers: [...valid.headers, network.header(1, 3, network.batch(0, 8))] }),
  ],
  [
    'has an entry of another view in O',
    'new-view-forged',
    (network, valid) => {
      const headers = valid.headers.map((header) => network.signing(1).header({ ...header, view: 5 }));
      return shown(network, { ...valid, headers });
    },
  ],
  [
    'has entries that are not signed in O',
    'new-view-header-signature',
    (network, valid) => {
      const headers = valid.headers.map((header) => ({ ...header, signature: NO_SIGNATURE }));
      return shown(network, { ...valid, headers });
    },
  ],
];

/** Those that only the view changes show, which others may have delivered. */
const SHOWN_BY_OTHERS: readonly string[] = [
  'has view changes for another view',
  'has a view change with something that was not prepared',
  'changes a digest in O',
  'puts a batch where O has nothing',
  'drops an entry of O',
  'drops all entries of O',
  'has an extra entry in O',
];

describe('a new view', () => {
  function backup(): { readonly network: PbftNetwork; readonly member: PbftMember } {
    const network = new PbftNetwork(4, { scripted: [0, 1, 2] });
    return { network, member: network.member(3) };
  }

  it('that is valid is entered, and what it carries over is prepared', () => {
    const { network, member } = backup();
    const { message, served } = shown(network, contentsOf(network));
    const [carried, other] = [7, 8].map((timestamp) => network.batch(0, timestamp));
    if (carried === undefined || other === undefined) throw new Error('no batches');
    network.sendNewView(1, 3, message, served);
    network.run(LATENCY);
    expect(member.offences).toEqual([]);
    expect(member.status).toMatchObject({ view: 1, phase: 'normal', primary: 1, proposed: 2 });
    const prepared = network.sentOf('PREPARE').filter(({ to }) => to === 1);
    expect(prepared).toMatchObject([
      { message: { vote: { view: 1, sequence: 1, digest: network.signing(3).nothing } } },
    ]);
    // The batch that it lacks is asked for before it votes for it.
    expect(network.sentOf('FETCH_BATCH').length).toBeGreaterThan(0);
    network.send(2, 3, { type: 'BATCH', sequence: 2, batch: other });
    network.run(LATENCY);
    expect(member.count('batch.another')).toBe(1);
    const votes = (): number[] =>
      network.sentOf('PREPARE').flatMap(({ to, message }) => (to === 1 ? [message.vote.sequence] : []));
    expect(votes()).toEqual([1]);
    network.send(2, 3, { type: 'BATCH', sequence: 2, batch: carried });
    network.run(LATENCY);
    expect(votes()).toEqual([1, 2]);
    // Once it is there, more of them are nothing.
    for (const from of [1, 2]) network.send(from, 3, { type: 'BATCH', sequence: 2, batch: other });
    network.run(LATENCY);
    expect(
      ['batch.another', 'batch.from-backup', 'batch.from-primary'].map((name) => member.count(name)),
    ).toEqual([1, 1, 0]);
  });

  // Source: seed pbft-p2p, which takes a new view from anybody, without signature, quorum or O.
  it.each(FORGERIES)('that %s is refused', (name, rule, forge) => {
    const { network, member } = backup();
    const { message, served } = forge(network, contentsOf(network));
    network.sendNewView(1, 3, message, served);
    network.run(LATENCY);
    expect(member.offences).toEqual([`1 ${rule}`]);
    expect(member.disconnected).toEqual(SHOWN_BY_OTHERS.includes(name) ? [] : [1]);
    expect(member.status).toMatchObject({ view: 0, phase: 'normal', proposed: 0 });
    expect(network.sentOf('PREPARE')).toEqual([]);
  });

  it.each(FORGERIES)(
    'that %s never has its primary disconnected where another member brings it',
    (_, __, forge) => {
      const { network, member } = backup();
      const { message, served } = forge(network, contentsOf(network));
      network.sendNewView(2, 3, message, served);
      network.run(LATENCY);
      expect(member.reported('offence')).toHaveLength(1);
      expect(member.disconnected).not.toContain(1);
    },
  );

  it('of an earlier view, sent again by anybody, changes nothing', () => {
    const network = new PbftNetwork(4);
    const replay = (): void => {
      for (const { to, message } of [...network.sent]) {
        if (message.type !== 'NEW_VIEW' && message.type !== 'VIEW_CHANGE') continue;
        const from = message.type === 'VIEW_CHANGE' ? message.change.replica : 3;
        network.send(from, to, message);
      }
      network.run(LATENCY);
    };
    network.member(0).crash();
    network.work(3, 2);
    network.member(0).start();
    expect(network.run(10 * SECOND, () => network.allExecuted(2))).toBe(true);
    network.member(1).crash();
    network.work(3, 2);
    network.member(1).start();
    expect(network.run(10 * SECOND, () => network.allExecuted(4))).toBe(true);
    expect(views(network)).toEqual([2, 2, 2, 2]);
    const entered = network.members.map((member) => member.reported('view-entered').length);
    replay();
    expect(views(network)).toEqual([2, 2, 2, 2]);
    expect(network.members.map((member) => member.reported('view-entered').length)).toEqual(entered);
    expect(network.members.flatMap(({ offences }) => offences)).toEqual([]);
    network.work(3, 2);
    expect(views(network)).toEqual([2, 2, 2, 2]);
    expectAgreement(network);
  });
});
