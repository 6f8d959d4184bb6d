/** Who lags is helped and catches up, a bounded piece at a time; and who has nothing to do is quiet. */
import { describe, expect, it } from 'vitest';

import {
  EXECUTED_PER_STEP,
  FORWARDED_PER_ROUND,
  HELP_BURST,
  HELPED_PER_ROUND,
  IDLE_ROUNDS,
  MAX_PAGES_LENGTH,
  PAGES_PER_REQUEST,
  PATIENCE_ROUNDS,
  RESENT_PER_ROUND,
  ROUNDS_PER_TIMEOUT,
} from '../../../../peer/engines/pbft/protocol/limits.ts';
import type { MessageOf, PbftMessage, Status } from '../../../../peer/engines/pbft/protocol/messages.ts';
import type { StateMachine } from '../../../../peer/core/application.ts';
import { OrderedLog } from '../../../../peer/applications/ordered-log.ts';
import { DIGESTS } from '../../../../peer/engines/pbft/protocol/state.ts';
import { LATENCY, type PbftMember, PbftNetwork } from '../../../support/pbft-network.ts';

const SECOND = 1_000;
/** Of the network's configuration, in milliseconds. */
const ROUND = SECOND / ROUNDS_PER_TIMEOUT;
const STATUS: Status = { view: 0, changing: false, stable: 0, executed: 0 };

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

/** Three long pages, of which two fit into a message. */
class Bulky implements StateMachine {
  readonly pageCount = 3;
  private text = '';

  check(): undefined {
    return undefined;
  }

  execute(): string {
    this.text = 'x'.repeat(Math.floor(MAX_PAGES_LENGTH / 2));
    return '{}';
  }

  page(): string {
    return this.text;
  }

  restore(_index: number, text: string): void {
    this.text = text;
  }

  takeChanged(): readonly number[] {
    return [0, 1, 2];
  }
}

/** Member 1 runs, a backup of view 0; the others are the test's. */
class Backup {
  readonly network: PbftNetwork;

  constructor(checkpointInterval = 100) {
    this.network = new PbftNetwork(4, { scripted: [0, 2, 3], checkpointInterval });
  }

  get member(): PbftMember {
    return this.network.member(1);
  }

  hear(from: number, ...messages: readonly PbftMessage[]): void {
    for (const message of messages) this.network.send(from, 1, message);
    this.network.run(LATENCY);
  }

  /** What shows that a batch was decided under a sequence number. */
  decided(sequence: number, view = 0): MessageOf<'DECIDED'> {
    const { header, batch } = this.network.prePrepare(view, sequence, this.network.batch(3, sequence));
    const commits = [0, 2, 3].map((replica) => this.network.vote('commit', replica, header));
    return { type: 'DECIDED', batch, commits };
  }

  /** Everything of a type that it has sent to one. */
  sent<Type extends PbftMessage['type']>(type: Type, to: number): MessageOf<Type>[] {
    return this.network.sentOf(type).flatMap((sent) => (sent.to === to ? [sent.message] : []));
  }
}

describe('a replica that has nothing to do', () => {
  /** How often it says where it stands, to one of the others, in so many rounds. */
  function reported(prepare: (backup: Backup) => void, rounds: number): number {
    const backup = new Backup();
    prepare(backup);
    const before = backup.sent('STATUS', 0).length;
    backup.network.run(rounds * ROUND);
    return backup.sent('STATUS', 0).length - before;
  }

  const changing = (backup: Backup): void => {
    for (const from of [0, 2]) backup.hear(from, backup.network.viewChange(2, from));
  };
  const ahead = (backup: Backup, ...replicas: readonly number[]): void => {
    for (const from of replicas) backup.hear(from, { type: 'STATUS', status: { ...STATUS, executed: 1 } });
  };

  it('says where it stands at once, and then now and then', () => {
    const backup = new Backup();
    expect(backup.sent('STATUS', 0)).toHaveLength(1);
    backup.network.run(IDLE_ROUNDS * ROUND - 1);
    expect(backup.sent('STATUS', 0)).toHaveLength(1);
    backup.network.run(IDLE_ROUNDS * ROUND + 1);
    expect(backup.sent('STATUS', 0)).toHaveLength(3);
    expect(backup.sent('STATUS', 2).map(({ status }) => status)).toEqual([STATUS, STATUS, STATUS]);
  });

  it.each<[string, (backup: Backup) => void]>([
    [
      'has a request that waits',
      (backup) => {
        backup.hear(3, { type: 'REQUEST', requests: [backup.network.request(3, 7)] });
      },
    ],
    ['waits for a new view', changing],
    [
      'fetches the state',
      (backup) => {
        backup.hear(0, { type: 'STABLE', certificate: backup.network.certificate(400, 0, 2, 3) });
      },
    ],
    [
      'knows of a batch that it can not execute',
      (backup) => {
        backup.hear(0, backup.decided(2));
      },
    ],
    [
      'hears from so many that they are ahead that one of them is correct',
      (backup) => {
        ahead(backup, 0, 2);
      },
    ],
  ])('is not one that %s: it says so in every round', (_, prepare) => {
    expect(reported(prepare, 6)).toBe(6);
  });

  it('may be one of which a single other says that it lags', () => {
    const prepare = (backup: Backup): void => {
      ahead(backup, 0);
    };
    expect(reported(prepare, IDLE_ROUNDS)).toBe(1);
  });
});

describe('a batch that others have decided', () => {
  it('is taken once, within the watermarks, and counted', () => {
    const backup = new Backup(4);
    const first = backup.decided(1);
    backup.hear(2, first);
    expect(backup.member.status).toMatchObject({ executed: 1, proposed: 1 });
    backup.hear(3, first);
    const third = backup.decided(3);
    backup.hear(2, third);
    backup.hear(3, third);
    backup.hear(2, backup.decided(9));
    expect(backup.member.count('decided.taken')).toBe(2);
    expect(backup.member.status).toMatchObject({ executed: 1, proposed: 3 });
    backup.hear(2, backup.decided(2));
    expect(backup.member.status).toMatchObject({ executed: 3, proposed: 3 });
    expect(backup.member.offences).toEqual([]);
    // Where it was not proposed here, there are no times to tell of.
    expect(backup.member.reported('executed').map(({ phases }) => phases)).toEqual([
      ...[undefined, undefined, undefined],
    ]);
  });

  it('is no offence of whoever shows it once more, whatever else it says', () => {
    const backup = new Backup(4);
    backup.hear(2, backup.decided(1));
    backup.hear(3, { ...backup.decided(1), commits: [] });
    const { commits } = backup.decided(1);
    backup.hear(3, { ...backup.decided(1), commits: commits.slice(1) });
    expect(backup.member.offences).toEqual([]);
    backup.hear(3, { ...backup.decided(2), commits: backup.decided(2).commits.slice(1) });
    expect(backup.member.offences).toEqual(['3 decision']);
  });

  it('and many more are executed so many in one step, the rest in those that follow', () => {
    const backup = new Backup();
    const many = 2 * EXECUTED_PER_STEP + 3;
    for (const sequence of range(2, many - 1)) backup.hear(2, backup.decided(sequence));
    expect(backup.member.status.executed).toBe(0);
    const steps: number[] = [];
    backup.member.crashBefore = (effect) => {
      if (effect.type === 'continue') steps.push(backup.member.reported('executed').length);
      return false;
    };
    backup.hear(2, backup.decided(1));
    backup.network.run(LATENCY);
    expect(steps).toEqual([EXECUTED_PER_STEP, 2 * EXECUTED_PER_STEP]);
    expect(backup.member.status.executed).toBe(many);
  });
});

describe('the times of a batch', () => {
  it('are from the proposal to the proof that it is prepared, and from there to its execution', () => {
    const backup = new Backup();
    const proposal = backup.network.prePrepare(0, 1, backup.network.batch(3, 7));
    const { header } = proposal;
    backup.hear(0, proposal);
    backup.network.run(7);
    backup.hear(2, { type: 'PREPARE', vote: backup.network.vote('prepare', 2, header) });
    backup.network.run(30);
    for (const from of [0, 2])
      backup.network.send(from, 1, { type: 'COMMIT', vote: backup.network.vote('commit', from, header) });
    backup.network.run(LATENCY);
    expect(backup.member.reported('executed').map(({ phases }) => phases)).toEqual([
      { prepare: 7 + LATENCY, commit: 30 + LATENCY, total: 37 + 2 * LATENCY },
    ]);
  });
});

describe('who lags', () => {
  it('is sent what was decided, so many sequence numbers at a time, from where it stands', () => {
    const backup = new Backup();
    const many = HELPED_PER_ROUND + 4;
    for (const sequence of range(1, many)) backup.hear(2, backup.decided(sequence));
    expect(backup.member.status.executed).toBe(many);
    const sequences = (executed: number): (number | undefined)[] => {
      const before = backup.sent('DECIDED', 3).length;
      backup.hear(3, { type: 'STATUS', status: { ...STATUS, executed } });
      return backup
        .sent('DECIDED', 3)
        .slice(before)
        .map(({ commits }) => commits[0]?.sequence);
    };
    expect(sequences(0)).toEqual(range(1, HELPED_PER_ROUND));
    expect(sequences(2)).toEqual(range(3, HELPED_PER_ROUND));
    expect(sequences(many - 1)).toEqual([many]);
    expect(sequences(many)).toEqual([]);
  });

  it('is shown the stable checkpoint in place of what is no longer there', () => {
    const network = new PbftNetwork(4);
    network.work(1, 5);
    network.run(SECOND);
    expect(network.member(1).status).toMatchObject({ low: 4, executed: 5 });
    const helped = (status: Partial<Status>): string[] => {
      network.passes = ({ from }) => from === 3;
      const before = network.sent.length;
      network.send(3, 1, { type: 'STATUS', status: { ...STATUS, ...status } });
      network.run(LATENCY);
      return network.sent
        .slice(before)
        .flatMap(({ from, to, message }) =>
          from === 1 && to === 3 && message.type !== 'STATUS' ? [message.type] : [],
        );
    };
    expect(helped({})).toEqual(['STABLE']);
    expect(helped({ executed: 3 })).toEqual(['STABLE']);
    expect(helped({ executed: 4 })).toEqual(['STABLE', 'DECIDED']);
    expect(helped({ executed: 4, stable: 4 })).toEqual(['DECIDED']);
    expect(helped({ executed: 5, stable: 4 })).toEqual([]);
  });

  it('is sent a batch that it asks for, and of these, too, no more than a limit lets it', () => {
    const backup = new Backup();
    const message = backup.decided(1);
    backup.hear(2, message);
    const digest = message.commits[0]?.digest ?? '';
    for (let again = 0; again < HELP_BURST + 3; again++)
      backup.network.send(3, 1, { type: 'FETCH_BATCH', sequence: 1, digest });
    backup.hear(3, { type: 'FETCH_BATCH', sequence: 1, digest: '00'.repeat(32) });
    expect(backup.sent('BATCH', 3)).toHaveLength(HELP_BURST);
    expect(backup.sent('BATCH', 3)[0]).toEqual({ type: 'BATCH', sequence: 1, batch: message.batch });
    // Others, and other questions, have limits of their own.
    backup.hear(2, { type: 'FETCH_BATCH', sequence: 1, digest });
    expect(backup.sent('BATCH', 2)).toHaveLength(1);
    backup.hear(3, { type: 'STATUS', status: STATUS });
    expect(backup.member.count('limit.help')).toBe(0);
  });

  it('asks for the batches that it lacks, so many in a round', () => {
    const backup = new Backup();
    const { network } = backup;
    const many = HELPED_PER_ROUND + 4;
    // A new view carries over what was prepared without us.
    const headers = range(1, many).map((sequence) => network.header(0, sequence, network.batch(3, sequence)));
    const prepared = headers.map((header) => network.proof(header, 2, 3));
    const viewChanges = [0, 2, 3].map((replica) => network.viewChange(2, replica, { prepared }).change);
    const carried = headers.map(({ sequence, digest }) =>
      network.signing(2).header({ view: 2, sequence, digest }),
    );
    network.sendNewView(2, 1, network.newView({ view: 2, viewChanges, headers: carried }), viewChanges);
    network.run(LATENCY);
    expect(backup.member.status).toMatchObject({ view: 2, phase: 'normal', proposed: many });
    expect(backup.sent('FETCH_BATCH', 3).map(({ sequence }) => sequence)).toEqual(range(1, HELPED_PER_ROUND));
  });
});

describe('requests that wait at a backup', () => {
  it('are passed on again, the oldest first and so many in a round, and counted', () => {
    const network = new PbftNetwork(4, { scripted: [0, 2, 3] });
    const many = FORWARDED_PER_ROUND + 5;
    const timestamps = range(1, many);
    for (const timestamp of timestamps)
      network.send(3, 1, { type: 'REQUEST', requests: [network.request(3, timestamp)] });
    network.run(LATENCY);
    const before = network.sentOf('REQUEST').filter(({ from }) => from === 1).length;
    network.run(2 * ROUND);
    const passed = network
      .sentOf('REQUEST')
      .filter(({ from }) => from === 1)
      .slice(before);
    expect(new Set(passed.map(({ to }) => to))).toEqual(new Set([0]));
    expect(passed[0]?.message.requests.map(({ timestamp }) => timestamp)).toEqual(
      range(1, FORWARDED_PER_ROUND),
    );
    expect(network.member(1).count('request.passed-again')).toBe(passed.length * FORWARDED_PER_ROUND);
  });

  it('of its own user are sent to everybody again so many in a round', () => {
    const network = new PbftNetwork(4);
    network.passes = () => false;
    const member = network.member(2);
    for (const request of range(1, RESENT_PER_ROUND + 5)) member.submit(`["append","${request}"]`);
    network.run(5.5 * ROUND);
    expect(member.count('request.resent')).toBe(RESENT_PER_ROUND);
    network.run(ROUND);
    expect(member.count('request.resent')).toBe(RESENT_PER_ROUND + 5);
  });

  it('and have no answer are as many as the window has, and no more', () => {
    const network = new PbftNetwork(4, { messageBuffer: 40 });
    network.passes = () => false;
    const member = network.member(2);
    const answers = range(1, 11).map((request) => member.submit(`["append","${request}"]`)?.status);
    expect(answers).toEqual([...range(1, 10).map(() => undefined), 'rejected']);
    expect([member.count('submit.accepted'), member.count('submit.rejected')]).toEqual([10, 1]);
    expect(member.status).toMatchObject({ outstanding: 10, waiting: 10 });
  });

  it('may be as long as an operation, and not longer', () => {
    const member = new PbftNetwork(4, { machine: () => new Bulky() }).member(2);
    const lengths = [16_384, 16_385].map((length) => member.submit('x'.repeat(length))?.status);
    expect(lengths).toEqual([undefined, 'rejected']);
    expect(member.submit('\ud800')?.status).toBe('rejected');
  });
});

it('an operation that the application knows by its text to be none is not ordered', () => {
  const member = new PbftNetwork(4).member(2);
  expect(member.submit('["append"]')).toEqual({
    status: 'rejected',
    reason: 'An operation is append with a text, entry with a number, or length.',
  });
  expect(member.submit('["append","a"]')).toBeUndefined();
  expect(member.count('submit.rejected')).toBe(1);
});

describe('a state that is not that of the others', () => {
  it('is told of and given up, and nothing more is built upon it', () => {
    const backup = new Backup(4);
    for (const sequence of [2, 3, 4, 5, 6]) backup.hear(2, backup.decided(sequence));
    const certificate = backup.network.certificate(4, 0, 2, 3);
    backup.hear(2, { type: 'STABLE', certificate });
    expect(backup.member.reported('diverged')).toEqual([]);
    backup.hear(2, backup.decided(1));
    // The others' state after four batches is another one, as they have signed.
    const { kind, ...rest } = backup.member.reported('diverged')[0] ?? {};
    expect([kind, rest]).toEqual(['diverged', { sequence: 4, digest: '00'.repeat(32) }]);
    expect(backup.member.reported('executed').map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
    expect(backup.member.status).toMatchObject({ phase: 'fetching state', executed: 4, low: 4 });
    expect(backup.member.reported('transfer-started')).toEqual([
      { kind: 'transfer-started', sequence: 4, executed: 4 },
    ]);
  });
});

describe('the pages that change', () => {
  it('are hashed from the second half of a checkpoint interval on, not with every batch', () => {
    let looked = 0;
    class Watched extends OrderedLog {
      override takeChanged(): readonly number[] {
        looked++;
        return super.takeChanged();
      }
    }
    const network = new PbftNetwork(4, { scripted: [0, 2, 3], machine: () => new Watched() });
    const looks = [1, 2, 3, 4, 5].map((sequence) => {
      const { header, batch } = network.prePrepare(0, sequence, network.batch(3, sequence));
      const commits = [0, 2, 3].map((replica) => network.vote('commit', replica, header));
      looked = 0;
      network.send(2, 1, { type: 'DECIDED', batch, commits });
      network.run(LATENCY);
      return looked > 0;
    });
    // With the fourth the checkpoint itself is taken.
    expect(looks).toEqual([false, false, true, true, false]);
  });
});

describe('a state that is fetched', () => {
  it('is asked for from each by turns, so many pages at a time, and again from another one', () => {
    const network = new PbftNetwork(4, { scripted: [0, 1, 2] });
    network.send(0, 3, { type: 'STABLE', certificate: network.certificate(400, 0, 1, 2) });
    network.run(LATENCY);
    const asked = (): number[] => network.sentOf('FETCH_INDEX').map(({ to }) => to);
    expect(asked()).toEqual([0]);
    network.run(2 * PATIENCE_ROUNDS * ROUND);
    expect(asked()).toEqual([0, 1, 2]);
    network.run(2 * PATIENCE_ROUNDS * ROUND);
    expect(asked()).toEqual([0, 1, 2, 0, 1]);
    expect(network.member(3).count('transfer.begun')).toBe(1);
  });

  it('is asked for from all at once, each page of one, so many pages of each', () => {
    const network = new PbftNetwork(4, { scripted: [0, 1, 2] });
    const digests = range(0, new OrderedLog().pageCount + 5).map((page) => DIGESTS.page(page, 'other'));
    const certificate = [0, 1, 2].map((replica) =>
      network.signing(replica).checkpoint({ sequence: 400, digest: DIGESTS.root(digests), replica }),
    );
    network.send(0, 3, { type: 'STABLE', certificate });
    network.run(LATENCY);
    network.send(0, 3, { type: 'INDEX', sequence: 400, digests });
    network.run(LATENCY);
    const asked = network.sentOf('FETCH_PAGES').map(({ to, message }) => [to, message.pages]);
    expect(asked).toEqual(
      [0, 1, 2].map((replica) => [replica, range(replica * PAGES_PER_REQUEST, PAGES_PER_REQUEST)]),
    );
    // Who answers is asked for more; what was left out comes after what nobody was asked for.
    const page = PAGES_PER_REQUEST;
    network.send(1, 3, { type: 'PAGES', sequence: 400, pages: [[page, 'other']] });
    network.run(LATENCY);
    const more = network.sentOf('FETCH_PAGES').slice(3);
    expect(more.map(({ to, message }) => [to, message.pages])).toEqual([
      [1, range(3 * PAGES_PER_REQUEST, PAGES_PER_REQUEST)],
    ]);
    expect(network.member(3).reported('transfer-progress')).toEqual([
      { kind: 'transfer-progress', pages: 1, total: digests.length },
    ]);
    expect(network.member(3).offences).toEqual([]);
  });

  it('is served page by page, as much as fits into a message, and the first whatever its length', () => {
    const network = new PbftNetwork(4, { machine: () => new Bulky() });
    network.work(1, 4);
    network.run(SECOND);
    const served = (...pages: readonly number[]): number[] => {
      network.send(3, 1, { type: 'FETCH_PAGES', sequence: 4, pages });
      network.run(LATENCY);
      return (
        network
          .sentOf('PAGES')
          .at(-1)
          ?.message.pages.map(([page]) => page) ?? []
      );
    };
    // Behind the tables of the clients and the time.
    const [one, two, three] = [5, 6, 7];
    expect(served(one, two, three)).toEqual([one, two]);
    expect(served(three)).toEqual([three]);
    expect(served(three, 60_000, one)).toEqual([three, one]);
  });

  it('that has given way to a later one is answered with what shows that', () => {
    const network = new PbftNetwork(4, { machine: () => new Bulky() });
    network.work(1, 8);
    network.run(SECOND);
    const answer = (message: PbftMessage): PbftMessage | undefined => {
      const before = network.sent.length;
      network.send(3, 1, message);
      network.run(LATENCY);
      return network.sent.slice(before).find(({ from, to }) => from === 1 && to === 3)?.message;
    };
    expect(answer({ type: 'FETCH_INDEX', sequence: 8 })).toMatchObject({ type: 'INDEX', sequence: 8 });
    expect(answer({ type: 'FETCH_INDEX', sequence: 4 })).toMatchObject({
      ...{ type: 'STABLE', certificate: [{ sequence: 8 }, { sequence: 8 }, { sequence: 8 }] },
    });
    expect(answer({ type: 'FETCH_PAGES', sequence: 4, pages: [0] })).toMatchObject({ type: 'STABLE' });
    // What nobody has yet is not answered.
    expect(answer({ type: 'FETCH_INDEX', sequence: 12 })).toBeUndefined();
    expect(answer({ type: 'FETCH_PAGES', sequence: 12, pages: [0] })).toBeUndefined();
  });
});
