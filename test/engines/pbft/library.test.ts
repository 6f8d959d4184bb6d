import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { APPLICATIONS } from '../../../peer/applications/registry.ts';
import {
  NodeBuilder,
  Request,
  generateKeyPair,
  keyPairOf,
  type Node,
} from '../../../peer/engines/pbft/library.ts';
import { Lab } from '../../support/processes.ts';

const nodes: Node[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A builder for a member of a cluster of four that is told of the first one only. */
function builder(index: number, first?: Node): NodeBuilder {
  const made = new NodeBuilder(0).withIndex(index, 4).withConfig({ viewChangeTimeout: 2000 });
  return first === undefined ? made : made.withBootstrapPeer(`127.0.0.1:${first.address.port}`);
}

async function started(made: NodeBuilder): Promise<Node> {
  const node = made.build();
  nodes.push(node);
  await node.start();
  return node;
}

describe('the library', () => {
  it('runs the example', async () => {
    const lab = new Lab();
    try {
      const program = lab.run('dist/test/examples/pbft-library.js');
      expect((await program.ended).code).toBe(0);
      expect(program.lines).toEqual([
        ...['stored', '{ swapped: true }', '"good morning"'],
        expect.stringMatching(/^member 1 has executed 3 requests in view \d+$/),
      ]);
    } finally {
      await lab.close();
    }
  });

  it('is shown in the README of PBFT as the example uses it, line by line', () => {
    const [, shown = ''] =
      /```ts\n([^]*?)```/.exec(readFileSync('peer/engines/pbft/README.md', 'utf8')) ?? [];
    const lines = shown.split('\n').filter((line) => line !== '');
    const example = readFileSync('test/examples/pbft-library.ts', 'utf8').split('\n');
    expect(lines.length).toBeGreaterThan(10);
    expect(example.filter((line) => lines.includes(line))).toEqual(lines);
  });

  it('has what is submitted executed by all in one order, also from within an event', async () => {
    const first = await started(builder(0));
    const others = await Promise.all([1, 2, 3].map((index) => started(builder(index, first))));
    const all = [first, ...others];
    const orders = all.map((node) => {
      const order: string[] = [];
      node.on('executed', ({ requests }) => order.push(...requests.map(({ operation }) => operation)));
      return order;
    });
    const seen = new Promise<string>((resolve, reject) => {
      first.once('executed', () => {
        first.submit('within').then(({ text }) => {
          resolve(text);
        }, reject);
      });
    });
    const answers = await Promise.all(
      all.flatMap((node) => ['a', 'b', 'c'].map((text) => node.submit(`${node.self}${text}`))),
    );
    expect(answers.map(({ text }) => text).toSorted()).toEqual(
      answers.map(({ value }) => `entry ${(value as { index: number }).index}`).toSorted(),
    );
    expect(await seen).toMatch(/^entry \d+$/);
    while (!orders.every((order) => order.length === 13))
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(new Set(orders.map((order) => order.join())).size).toBe(1);
    expect(first.peers().map(({ member, state }) => `${member} ${state}`)).toEqual(['1 up', '2 up', '3 up']);
    expect(await first.submit(new Request('["length"]'))).toMatchObject({ value: { length: 13 } });
  });

  it('keeps its state in a folder, if it is given one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gossip-library-'));
    folders.push(folder);
    const start = async (): Promise<Node> => {
      const first = await started(builder(0).withDataDir(join(folder, '0')));
      for (const index of [1, 2, 3]) {
        await started(builder(index, first).withDataDir(join(folder, String(index))));
      }
      return first;
    };
    expect((await (await start()).submit('kept')).text).toBe('entry 1');
    await Promise.all(nodes.map((node) => node.stop()));
    expect((await (await start()).submit('more')).text).toBe('entry 2');
  });

  it('tells a request that has no answer when the node is stopped, and takes none after that', async () => {
    const alone = await started(builder(0));
    const unanswered = expect(alone.submit('hello')).rejects.toMatchObject({
      name: 'SubmitError',
      fault: 'unanswered',
      message: 'this node ended before there was an answer; what was asked for may be done all the same',
    });
    await new Promise((resolve) => setImmediate(resolve));
    await alone.stop();
    await unanswered;
    await expect(alone.submit('hello')).rejects.toThrow('the node does not run');
    expect(() => alone.status()).toThrow('the node does not run');
    expect(() => alone.start()).toThrow('the node was stopped; build another one');
    await alone.stop();
  });

  it('executes once what comes again under its id, by way of another member or after a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'library-once-'));
    folders.push(folder);
    const first = await started(builder(0).withDataDir(folder));
    const second = await started(builder(1, first));
    for (const index of [2, 3]) await started(builder(index, first));
    const order = { id: 'order-7' };
    expect((await first.submit('hello', order)).text).toBe('entry 1');
    expect((await second.submit('hello', order)).text).toBe('entry 1');
    expect((await second.submit('something else', { id: 'order-8' })).text).toBe('entry 2');
    await first.stop();
    const again = await started(builder(0, second).withDataDir(folder));
    expect((await again.submit('hello', order)).text).toBe('entry 1');
    expect((await again.submit('/length')).text).toMatch(/^2 entries/);
    await expect(again.submit('hello', { id: 'a b' })).rejects.toThrow('an id is 1 to 128 letters');
  });

  it('has one digest for all that have executed as much, and after a restart is as far as it was', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'library-restart-'));
    folders.push(folder);
    const first = await started(builder(0).withDataDir(folder));
    const others = [];
    for (const index of [1, 2, 3]) others.push(await started(builder(index, first)));
    // More than are executed in one step.
    for (let entry = 1; entry <= 40; entry++) await first.submit(`entry ${entry}`);
    const before = first.status();
    expect(before.executed).toBe(40);
    expect(before.digest).toMatch(/^[0-9a-f]{64}$/);
    for (const other of others) {
      while (other.status().executed < 40) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(other.status().digest).toBe(before.digest);
    }
    await first.stop();
    const again = await started(new NodeBuilder(0).withIndex(0, 4).withDataDir(folder));
    // That the last one was decided may have been no more than on its way to the store.
    expect(again.status().executed).toBeGreaterThanOrEqual(39);
  });

  it('refuses more requests than may wait, and lines that say nothing', async () => {
    const alone = await started(builder(0).withConfig({ messageBuffer: 100 }));
    const waiting = Array.from({ length: 25 }, () => alone.submit('one of many'));
    await expect(alone.submit('one too many')).rejects.toMatchObject({ fault: 'rejected' });
    await expect(alone.submit('/explode')).rejects.toThrow('after / stands');
    await alone.stop();
    const ends = await Promise.allSettled(waiting);
    expect(ends.filter(({ status }) => status === 'fulfilled')).toEqual([]);
  });

  it('says what is missing or wrong before anything is opened', () => {
    expect(() => new NodeBuilder(0).build()).toThrow('which member is it?');
    expect(() => new NodeBuilder(0).withIndex(4, 4)).toThrow('numbered 0 to 3');
    expect(() => new NodeBuilder(0).withIndex(0.5, 4)).toThrow('numbered 0 to 3');
    expect(() => builder(0).withBootstrapPeer('nowhere')).toThrow('"nowhere" is not host:port');
    expect(() => builder(0).withConfig({ batchSize: 0 }).build()).toThrow(
      'batchSize must be a number from 1 to 1024',
    );
    expect(() => builder(0).withConfig({ checkpointInterval: 1.5 }).build()).toThrow('checkpointInterval');
    expect(() => builder(0).withConfig({ viewChangeTimeout: NaN }).build()).toThrow('viewChangeTimeout');
    // In a smaller cluster that would be fine.
    const last = new NodeBuilder(0).withIndex(63, 64);
    expect(() => last.withConfig({ checkpointInterval: 1024 }).build()).toThrow(
      /^--checkpoint-interval: 1024 is too large for 64 members: it may be 9\d\d at most/,
    );
    expect(() => last.withConfig({ checkpointInterval: 900 }).build()).not.toThrow();
    const members = [1, 2, 3, 4].map(() => ({ publicKey: generateKeyPair().publicKey }));
    expect(() =>
      new NodeBuilder(0).withMembers({ name: 'ours', members }, generateKeyPair()).build(),
    ).toThrow('no member of the cluster ours has our public key');
    const key = generateKeyPair();
    const few = { name: 'ours', members: [{ publicKey: key.publicKey }] };
    expect(() => new NodeBuilder(0).withMembers(few, key).build()).toThrow(
      'a cluster has 4 to 64 members, not 1',
    );
    for (const nodes of [3, 65, 1e9, 4.5]) {
      expect(() => new NodeBuilder(0).withIndex(0, nodes)).toThrow(
        `a cluster has 4 to 64 members, not ${nodes}`,
      );
    }
    const weak = [{ publicKey: '01'.padEnd(64, '0') }, ...members.slice(1)];
    expect(() => new NodeBuilder(0).withMembers({ name: 'ours', members: weak }, key).build()).toThrow(
      'the public key of member 0: these digits are no public key',
    );
    expect(() => builder(0).withApplication('chess').build()).toThrow(
      `--application: there is none named "chess", only ${[...APPLICATIONS.keys()].join(', ')}`,
    );
    for (const address of ['', 'localhost', '::1', '127.0.0.256']) {
      expect(() => builder(0).withBind(address).build()).toThrow(
        `--bind: "${address}" is not an IPv4 address`,
      );
    }
    for (const port of [-1, 65_536, 0.5, NaN]) {
      expect(() => new NodeBuilder(port).withIndex(0, 4).build()).toThrow(`--port: ${port} is no TCP port`);
    }
    expect(() => builder(0).withDataDir('')).toThrow('the name of the data folder is empty');
    expect(() => keyPairOf('AB'.repeat(32))).toThrow('a seed is 64 lower-case hexadecimal digits');
  });
});
