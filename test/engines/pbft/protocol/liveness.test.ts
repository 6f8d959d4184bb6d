/** What has brought clusters to a halt, elsewhere or here: each must go on after it. */
import { describe, expect, it } from 'vitest';

import {
  HELP_BURST,
  MAX_REQUESTS,
  ROUNDS_PER_TIMEOUT,
} from '../../../../peer/engines/pbft/protocol/limits.ts';
import { nameOf } from '../../../../peer/engines/pbft/protocol/new-view.ts';
import { LATENCY, PbftNetwork } from '../../../support/pbft-network.ts';

const SECOND = 1_000;

function submitAndRun(network: PbftNetwork, member: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const executed = network.member(member).status.executed;
    network.member(member).submit(`["append","${i}"]`);
    if (!network.run(60 * SECOND, () => network.member(member).status.executed > executed)) {
      throw new Error('nothing is executed');
    }
  }
}

describe('a checkpoint', () => {
  it('that a replica has got to by itself is shown to it where it has missed the votes', () => {
    const network = new PbftNetwork(4);
    network.passes = ({ to, message }) => to !== 3 || !['CHECKPOINT', 'STABLE'].includes(message.type);
    submitAndRun(network, 0, 9);
    network.run(SECOND);
    // It has no room for the ninth.
    expect(network.up.map(({ status }) => [status.low, status.executed])).toEqual([
      ...[8, 8, 8].map((low) => [low, 9]),
      [0, 8],
    ]);
    network.heal();
    expect(network.run(10 * SECOND, () => network.member(3).status.executed === 9)).toBe(true);
    expect(network.member(3).status.low).toBe(8);
    expect(network.member(3).reported('transfer-started')).toEqual([]);
  });
});

describe('state transfer', () => {
  it('ends although answers take longer than the patience with those who are asked', () => {
    const network = new PbftNetwork(4);
    network.cut([0, 1, 2]);
    submitAndRun(network, 0, 20);
    network.heal();
    // An answer takes 20 ms, and patience is two rounds of 5 ms.
    const impatient = network.member(3);
    impatient.crash();
    Object.assign(network.config, { viewChangeTimeout: 100 });
    impatient.start();
    expect(network.run(10 * SECOND, () => impatient.status.executed >= 20)).toBe(true);
    expect(impatient.reported('transfer-finished')).toHaveLength(1);
  });
});

describe('views that replicas want', () => {
  it('one that is a view ahead of the others does not keep them from going on', () => {
    const network = new PbftNetwork(4);
    // The primary of the next view is down, so that those who want it wait for a new view in vain.
    network.member(1).crash();
    network.passes = ({ message }) => message.type !== 'PRE_PREPARE';
    network.member(3).submit('["append","a"]');
    const wants = (view: number) => (): boolean => network.up.every(({ status }) => status.view === view);
    expect(network.run(10 * SECOND, wants(1))).toBe(true);
    // Two of them stop, and forget that they have waited; the third one goes on to the view after it.
    for (const index of [0, 2]) network.member(index).crash();
    expect(network.run(10 * SECOND, wants(2))).toBe(true);
    network.heal();
    for (const index of [0, 2]) network.member(index).start();
    expect(network.up.map(({ status }) => status.view)).toEqual([1, 1, 2]);
    expect(network.run(60 * SECOND, () => network.allExecuted(1))).toBe(true);
  });
});

describe('a new primary', () => {
  /** Member 1 lacks the checkpoint of 4, and has a request that nobody else knows of; 5 is prepared, and 0 is down. */
  function beforeViewOne(): PbftNetwork {
    const network = new PbftNetwork(4);
    network.passes = ({ to, message }) => to !== 1 || message.type !== 'CHECKPOINT';
    submitAndRun(network, 2, 4);
    network.passes = ({ message }) => message.type !== 'COMMIT';
    network.member(2).submit('["append","prepared"]');
    network.run(LATENCY * 5);
    expect(network.up.map(({ status }) => [status.low, status.proposed])).toEqual([
      [4, 5],
      [0, 5],
      [4, 5],
      [4, 5],
    ]);
    network.member(0).crash();
    network.passes = ({ message }) => message.type !== 'COMMIT' && message.type !== 'CHECKPOINT';
    network.member(1).submit('["append","waiting"]');
    return network;
  }

  it('proposes nothing before it has taken up what its view carries over', () => {
    const network = beforeViewOne();
    expect(network.run(10 * SECOND, () => network.member(2).status.view === 1)).toBe(true);
    network.heal();
    expect(network.run(10 * SECOND, () => network.allExecuted(6))).toBe(true);
    const proposed = new Map<number, string>();
    for (const { message, from } of network.sentOf('PRE_PREPARE')) {
      const { view, sequence, digest } = message.header;
      if (view !== 1 || from !== 1) continue;
      expect(proposed.get(sequence) ?? digest).toBe(digest);
      proposed.set(sequence, digest);
    }
  });

  it('proposes each request once', () => {
    const network = beforeViewOne();
    expect(network.run(10 * SECOND, () => network.member(2).status.view === 1)).toBe(true);
    network.heal();
    network.run(10 * SECOND);
    expect(network.member(1).status.executed).toBe(6);
    expect(network.member(1).count('execution.repeated')).toBe(0);
  });
});

describe('a primary that leaves one client out', () => {
  it('is replaced, although somebody is always a little ahead and a liar says that it is, too', () => {
    const network = new PbftNetwork(4, { scripted: [0] });
    // Who is the last to execute changes with each batch, and it hears before that that others have.
    network.latencyOf = ({ message, to }) => {
      if (message.type === 'STATUS') return 1;
      return message.type === 'COMMIT' && to === 1 + (message.vote.sequence % 3) ? 80 : 20;
    };
    const serve = (sequence: number): void => {
      if (network.up.some(({ status }) => status.view > 0)) return;
      const proposal = network.prePrepare(0, sequence, network.batch(0, network.now));
      network.broadcast(0, proposal);
      network.broadcast(0, { type: 'COMMIT', vote: network.vote('commit', 0, proposal.header) });
      const status = { view: 0, changing: false, stable: 0, executed: 1_000_000 };
      network.broadcast(0, { type: 'STATUS', status });
      network.after(35, () => {
        serve(sequence + 1);
      });
    };
    serve(1);
    network.run(200);
    network.member(2).submit('["append","left out"]');
    const answered = (): boolean => network.member(2).answers.length > 0;
    expect(network.run(20 * SECOND, answered)).toBe(true);
  });
});

describe('a batch that was prepared', () => {
  it('can still be had when its proof is shown late, by somebody who does not have it', () => {
    const network = new PbftNetwork(4, { scripted: [0] });
    // The primary learns that its batch is prepared, and nobody else does.
    network.passes = ({ to, message }) => message.type !== 'PREPARE' || to === 0;
    const { header, batch } = network.prePrepare(0, 1, network.batch(0, 1));
    for (const to of [1, 2]) network.send(0, to, { type: 'PRE_PREPARE', header, batch });
    network.member(3).submit('["append","a"]');
    network.run(3 * LATENCY);
    const prepares = network.sentOf('PREPARE').flatMap(({ to, message }) => (to === 0 ? [message.vote] : []));
    expect(prepares.map(({ replica }) => replica)).toEqual([1, 2]);
    // In the next view the same number is for something else.
    const proposed = (): boolean => network.sentOf('PREPARE').some(({ message }) => message.vote.view === 1);
    expect(network.run(10 * SECOND, proposed)).toBe(true);
    network.run(3 * LATENCY);
    // From then on every primary hears of the proof first.
    network.latencyOf = ({ from }) => (from === 0 ? 1 : LATENCY);
    const shown = new Set<number>();
    const show = (): void => {
      for (const { status } of network.up) {
        const { view, phase } = status;
        if (phase !== 'changing view' || shown.has(view)) continue;
        shown.add(view);
        const prepared = [{ header, prepares: prepares.map(nameOf) }];
        const change = network
          .signing(0)
          .viewChange({ view, stable: 0, certificate: [], prepared, replica: 0 });
        network.broadcast(0, { type: 'VIEW_CHANGE', change });
      }
      if (!network.allExecuted(1)) network.after(2, show);
    };
    show();
    network.run(10 * SECOND, () => network.up.every(({ status }) => status.view >= 2));
    network.heal();
    expect(network.run(200 * SECOND, () => network.member(3).answers.length > 0)).toBe(true);
    expect(network.member(3).reported('executed')[0]?.digest).toBe(header.digest);
  });
});

describe('a primary that has not heard of a later view', () => {
  const sequence = 1;

  /** Member 3 is still in view 0, and is shown what was decided in the view of `header`. */
  function shownDecision(view: number): PbftNetwork {
    const network = new PbftNetwork(4, { scripted: [0, 1, 2] });
    const { header, batch } = network.prePrepare(view, sequence, network.batch(1, 1));
    const commits = [0, 1, 2].map((replica) => network.vote('commit', replica, header));
    network.send(1, 3, { type: 'DECIDED', batch, commits });
    network.run(2 * LATENCY);
    expect(network.member(3).status).toMatchObject({ executed: sequence, proposed: sequence });
    network.send(0, 3, network.prePrepare(0, sequence, network.batch(1, 2)));
    network.run(2 * LATENCY);
    return network;
  }

  it('is not accused of what it proposes in place of what was decided there', () => {
    const network = shownDecision(1);
    expect(network.member(3).reported('offence')).toEqual([]);
    expect(network.member(3).count('pre-prepare.overtaken')).toBe(1);
    expect(network.sentOf('PREPARE')).toEqual([]);
  });

  it('unlike one that proposes something else than was decided in its own view', () => {
    const member = shownDecision(0).member(3);
    expect(member.reported('offence')).toMatchObject([{ member: 0, rule: 'pre-prepare-decided' }]);
    // Somebody else has shown what was decided.
    expect(member.disconnected).toEqual([]);
  });
});

describe('a member that misbehaves as a client only', () => {
  const WINDOW = 250;
  const range = (first: number, count: number): number[] =>
    Array.from({ length: count }, (_, index) => first + index);

  /** Has member 3 send a member requests, as many messages as it takes. */
  function request(network: PbftNetwork, to: number, timestamps: readonly number[]): void {
    for (let from = 0; from < timestamps.length; from += MAX_REQUESTS) {
      const requests = timestamps.slice(from, from + MAX_REQUESTS).map((time) => network.request(3, time));
      network.send(3, to, { type: 'REQUEST', requests });
    }
  }

  function networkOf(): PbftNetwork {
    return new PbftNetwork(4, { scripted: [3], checkpointInterval: 100, messageBuffer: 1000 });
  }

  it.each([
    // What is later gives way at the backups, as it does at the primary.
    ['later', 5000, WINDOW],
    // What is earlier is executed as soon as the primary has room for it.
    ['earlier', -10, WINDOW + 2],
  ])(
    'does not have a primary given up that has no room for something %s that only backups were told',
    (_, distance, taken) => {
      const network = networkOf();
      const rounds = 3;
      for (let round = 0; round < rounds; round++) {
        const first = 10_000 * (round + 1);
        request(network, 0, range(first, WINDOW));
        for (const backup of [1, 2]) request(network, backup, [first + distance + backup]);
        network.run(3 * SECOND);
      }
      expect(network.up.map(({ status }) => [status.view, status.waiting])).toEqual(
        [0, 1, 2].map(() => [0, 0]),
      );
      expect(network.up.map((member) => member.count('view-change.timeout'))).toEqual([0, 0, 0]);
      expect(network.member(0).count('limit.requests')).toBeGreaterThanOrEqual(2 * rounds);
      expect(network.member(0).count('request.taken')).toBe(rounds * taken);
    },
  );

  it('does not have a backup wait for what has become too old', () => {
    const network = networkOf();
    // The primary is to have no room for the old one before it is too old.
    network.passes = ({ from, message }) => from !== 2 || message.type !== 'REQUEST';
    request(network, 0, range(1000, WINDOW));
    request(network, 2, [1]);
    network.run(200);
    request(network, 0, [1000 + WINDOW]);
    network.run(10 * SECOND);
    expect(network.up.map(({ status }) => [status.view, status.phase, status.waiting])).toEqual(
      [0, 1, 2].map(() => [0, 'normal', 0]),
    );
  });

  it('costs no more signatures than it has room for', () => {
    const network = networkOf();
    network.passes = ({ message }) => message.type === 'REQUEST';
    const { verified } = network;
    request(network, 1, range(1000, 4 * WINDOW));
    network.run(10);
    expect(network.member(1).status.waiting).toBe(WINDOW);
    expect(network.member(1).count('limit.requests')).toBe(3 * WINDOW);
    expect(network.verified - verified).toBe(WINDOW);
  });
});

describe('a request', () => {
  it('that the primary has not heard is passed on again soon, long before the primary is given up', () => {
    const network = new PbftNetwork(4);
    // As while a replica that has just started is not connected yet.
    network.passes = ({ message }) => message.type !== 'REQUEST';
    network.member(2).submit('["append","early"]');
    network.run(LATENCY);
    network.heal();
    const rounds = (2 * network.config.viewChangeTimeout) / ROUNDS_PER_TIMEOUT;
    expect(network.run(rounds + 10 * LATENCY, () => network.member(2).answers.length > 0)).toBe(true);
  });

  it('without an answer for five rounds is sent to everybody, once in so many, and counted', () => {
    const network = new PbftNetwork(4);
    network.passes = () => false;
    const round = network.config.viewChangeTimeout / ROUNDS_PER_TIMEOUT;
    const member = network.member(2);
    const resent = (): number => member.count('request.resent');
    member.submit('["append","a"]');
    member.submit('["append","b"]');
    network.run(4.9 * round);
    expect(resent()).toBe(0);
    const reported = (to: number): number =>
      network.sentOf('REQUEST').filter((sent) => sent.from === 2 && sent.to === to).length;
    expect([reported(1), reported(3)]).toEqual([0, 0]);
    network.run(1.2 * round);
    expect([resent(), reported(1), reported(3)]).toEqual([2, 1, 1]);
    network.run(3.5 * round);
    expect(resent()).toBe(2);
    network.run(1.5 * round);
    expect([resent(), reported(1), reported(3)]).toEqual([4, 2, 2]);
    expect(network.sentOf('REQUEST').at(-1)?.message.requests).toHaveLength(2);
  });
});

describe('the help for those who are behind', () => {
  it('has a limit for each of them, and what goes over it is counted', () => {
    const network = new PbftNetwork(4, { scripted: [2, 3] });
    network.passes = ({ from }) => from >= 2;
    const status = { view: 0, changing: false, stable: 0, executed: 0 };
    for (let again = 0; again < HELP_BURST + 3; again++) network.send(3, 1, { type: 'STATUS', status });
    network.send(2, 1, { type: 'STATUS', status });
    network.run(LATENCY);
    expect(network.member(1).count('limit.help')).toBe(3);
    // What it says counts all the same.
    network.send(3, 1, { type: 'STATUS', status: { ...status, executed: 5 } });
    network.run(LATENCY);
    expect(network.member(1).count('limit.help')).toBe(4);
    expect(network.member(1).status.others.find(({ replica }) => replica === 3)?.executed).toBe(5);
    network.run(SECOND);
    network.send(3, 1, { type: 'STATUS', status });
    network.run(LATENCY);
    expect(network.member(1).count('limit.help')).toBe(4);
  });
});
