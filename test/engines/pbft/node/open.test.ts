import { afterEach, describe, expect, test } from 'vitest';

import { DEFAULT_PBFT_CONFIG, type PbftNotice } from '../../../../peer/engines/pbft/protocol/interface.ts';
import {
  CLUSTER_REMEDY,
  clusterIdOf,
  demonstrationCluster,
  demonstrationKey,
} from '../../../../peer/engines/pbft/node/members.ts';
import {
  openPbftNode,
  type PbftNode,
  type PbftNodeOptions,
} from '../../../../peer/engines/pbft/node/open.ts';
import type { StoreValue } from '../../../../peer/core/store.ts';
import { MemoryStore } from '../../../../peer/storage/memory.ts';
import { SubmitError } from '../../../../peer/engines/pbft/node/subject.ts';
import { UserError } from '../../../../shared/errors.ts';
import { silentLog, type LogData } from '../../../../shared/log.ts';

/** A store whose disk is full when the test says so. */
class FullStore extends MemoryStore {
  full = false;
  closes = 0;

  override write(...args: Parameters<MemoryStore['write']>): void {
    if (this.full) throw new UserError("can't write the state: no space left on the device");
    super.write(...args);
  }

  override close(): Promise<void> {
    this.closes++;
    return super.close();
  }
}

const open: PbftNode[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((node) => node.close()));
});

interface Opened {
  readonly node: PbftNode;
  readonly store: FullStore;
  readonly failures: Error[];
  readonly errors: string[];
}

async function openNode(
  index: number,
  options: Partial<PbftNodeOptions> = {},
  store = new FullStore(),
): Promise<Opened> {
  const failures: Error[] = [];
  const errors: string[] = [];
  const node = await openPbftNode(
    {
      ...{ port: 0, bind: '127.0.0.1', cluster: demonstrationCluster(4), key: demonstrationKey(index) },
      ...{ application: 'log', config: DEFAULT_PBFT_CONFIG, bootstrap: [], http: undefined },
      ...options,
    },
    {
      ...{ store, bar: false },
      log: {
        ...silentLog,
        error: (message: string, data?: LogData) => errors.push(`${message} ${String(data?.['error'])}`),
      },
      onFailure: (error) => failures.push(error),
    },
  );
  open.push(node);
  return { node, store, failures, errors };
}

async function openCluster(): Promise<Opened[]> {
  const first = await openNode(0);
  const bootstrap = [first.node.address];
  return [first, ...(await Promise.all([1, 2, 3].map((index) => openNode(index, { bootstrap }))))];
}

describe('a replica', () => {
  test('shows what it is, what it is connected with, and how full everything is', async () => {
    const nodes = await openCluster();
    expect(await nodes[2]?.node.submit('["append","hello"]')).toBe('{"index":1}');
    const node = nodes[2]?.node;
    expect(node).toMatchObject({ self: 2, cluster: 'demo-4', application: { name: 'log' } });
    expect(node?.members.length).toBe(4);
    expect(node?.peers().map(({ member }) => member)).toEqual([0, 1, 3]);
    expect(node?.counters().tcp.received).toBeGreaterThan(0);
    const sizes = new Map<string, [number, number]>();
    node?.measure((name, size, limit) => sizes.set(name, [size, limit]));
    expect(sizes.get('awaited answers')).toEqual([0, 250]);
    expect(sizes.get('outstanding requests')).toEqual([0, 250]);
    for (const [name, [size, limit]] of sizes)
      expect({ name, ok: size <= limit }).toEqual({ name, ok: true });
  });

  test('tells observers of everything, as long as they like, and outlives one that throws', async () => {
    const nodes = await openCluster();
    const node = nodes[0]?.node;
    const notices: PbftNotice[] = [];
    let writes = 0;
    const answers: unknown[] = [];
    const stop = node?.observe({
      onNotice: (notice) => notices.push(notice),
      onReply: (request, result) => answers.push([request, result]),
      onWrite: () => writes++,
    });
    node?.observe({
      onNotice: () => {
        throw new Error('a broken page');
      },
    });
    await node?.submit('["append","one"]');
    expect(notices.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['executed']));
    expect(answers).toMatchObject([
      [
        { kind: 'submit', operation: '["append","one"]' },
        { status: 'answered', result: '{"index":1}' },
      ],
    ]);
    expect(writes).toBeGreaterThan(0);
    expect(nodes[0]?.errors[0]).toBe('an observer of the node failed a broken page');
    stop?.();
    const before = notices.length;
    await node?.submit('["append","two"]');
    expect(notices.length).toBe(before);
  });

  test('whose store fails says so once, answers nobody any more, and is closed in order', async () => {
    const nodes = await openCluster();
    const [first] = nodes;
    await first?.node.submit('["append","one"]');
    if (first !== undefined) first.store.full = true;
    // By its own request, unless a message of another one was a moment earlier.
    await expect(first?.node.submit('["append","two"]')).rejects.toBeInstanceOf(SubmitError);
    expect(first?.failures.map(({ message }) => message)).toEqual([
      "can't write the state: no space left on the device",
    ]);
    await expect(first?.node.submit('["append","three"]')).rejects.toMatchObject({ fault: 'closed' });
    await first?.node.close();
    await first?.node.close();
    expect(first?.store.closes).toBe(1);
  });

  test('that can not be opened gives everything back', async () => {
    const { node } = await openNode(0);
    const store = new FullStore();
    const { port } = node.address;
    const opening = openPbftNode(
      {
        ...{ port, bind: '127.0.0.1', cluster: demonstrationCluster(4), key: demonstrationKey(1) },
        ...{ application: 'log', config: DEFAULT_PBFT_CONFIG, bootstrap: [], http: undefined },
      },
      { store, log: silentLog, bar: false, onFailure: () => undefined },
    );
    await expect(opening).rejects.toThrow(`TCP port ${port} is already in use`);
    expect(store.closes).toBe(1);
  });

  test('loses what comes from those that it is cut off from, until that is over', async () => {
    const nodes = await openCluster();
    await nodes[1]?.node.submit('["append","one"]');
    for (const { node } of nodes) node.block(node.self === 3 ? [0, 1, 2] : [3]);
    await nodes[1]?.node.submit('["append","two"]');
    expect(nodes[3]?.node.peers().map(({ state }) => state)).toEqual(['blocked', 'blocked', 'blocked']);
    for (const { node } of nodes) node.block([]);
    expect(await nodes[3]?.node.submit('["length"]')).toMatch(/^\{"length":2,/);
  });
});

describe('what a replica has stored', () => {
  const before = (entries: Iterable<[string, StoreValue]>): FullStore => new FullStore(entries);

  /** What the store of member 1 holds after its first start. */
  async function begun(): Promise<[string, StoreValue][]> {
    const { node, store } = await openNode(1);
    await node.close();
    return [...store.entries()];
  }

  const REMEDY =
    '. Start this replica with the old ones; for another member or cluster name another --data-dir';
  const config = (change: object): Partial<PbftNodeOptions> => ({
    config: { ...DEFAULT_PBFT_CONFIG, ...change },
  });

  test.each<[string, number, Partial<PbftNodeOptions>, string]>([
    ['interval', 1, config({ checkpointInterval: 50 }), '--checkpoint-interval was 100 and is 50 now'],
    ['buffer', 1, config({ messageBuffer: 2000 }), '--message-buffer was 1000 and is 2000 now'],
    ['application', 1, { application: 'kv' }, '--application was log and is kv now'],
    ['member', 2, {}, 'our number was 1 and is 2 now'],
    [
      'name',
      1,
      { cluster: { ...demonstrationCluster(4), name: 'ours' } },
      'cluster name was demo-4 and is ours now',
    ],
    [
      'members, and the interval',
      1,
      { cluster: { ...demonstrationCluster(5), name: 'demo-4' }, ...config({ checkpointInterval: 50 }) },
      'number of members was 4 and is 5 now; keys of the members, as a digest was f9199b4528dde15d and is 6a91cd095120375d now; --checkpoint-interval was 100 and is 50 now',
    ],
  ])('is not mixed with another %s, and the setting is named', async (_, index, options, changes) => {
    const opening = openNode(index, options, before(await begun()));
    await expect(opening).rejects.toThrow(
      new UserError(`the data folder was begun with other settings: ${changes}${REMEDY}`),
    );
  });

  test('by an earlier version, which named no settings, is taken, and has them named from then on', async () => {
    const earlier = (await begun()).filter(([key]) => key !== 'pbft/settings');
    const other = config({ checkpointInterval: 50 });
    await expect(openNode(1, other, before(earlier))).rejects.toThrow(
      new UserError(
        `the data folder is that of another member or cluster, or was begun with other settings: ${CLUSTER_REMEDY}, and stay so${REMEDY}`,
      ),
    );
    const { node, store } = await openNode(1, {}, before(earlier));
    await node.close();
    await expect(openNode(1, other, before(store.entries()))).rejects.toThrow(
      '--checkpoint-interval was 100 and is 50 now',
    );
  });

  test('goes on with settings that each member chooses for itself', async () => {
    const other = config({ batchSize: 1, pipeline: 1, viewChangeTimeout: 3000 });
    expect((await openNode(1, other, before(await begun()))).node.self).toBe(1);
  });
});

describe('the digest of a cluster', () => {
  const cluster = demonstrationCluster(4);
  const id = (change: object = {}, application = 'log', other = cluster): string =>
    clusterIdOf(other, { ...DEFAULT_PBFT_CONFIG, ...change }, application);

  test('is another one where replicas could not work together', () => {
    const ids = [
      id(),
      id({ checkpointInterval: 101 }),
      id({ messageBuffer: 2000 }),
      id({}, 'kv'),
      id({}, 'log', { ...cluster, name: 'other' }),
      id({}, 'log', { ...cluster, members: cluster.members.toReversed() }),
      id({}, 'log', demonstrationCluster(5)),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('is the same where each may do as it likes', () => {
    expect(id({ viewChangeTimeout: 1, batchSize: 1, pipeline: 1 })).toBe(id());
    const members = cluster.members.map((member) => ({ ...member, address: { host: 'there', port: 1 } }));
    expect(id({}, 'log', { ...cluster, members })).toBe(id());
  });

  test('the keys of a demonstration are those of the seed with the number first', () => {
    expect(demonstrationKey(3).seed).toBe(`03${'00'.repeat(31)}`);
    expect(demonstrationKey(63).seed).toBe(`3f${'00'.repeat(31)}`);
  });
});
