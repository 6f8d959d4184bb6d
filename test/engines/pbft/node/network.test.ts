import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, expect, it } from 'vitest';

import { pbftKind } from '../../../../peer/engines/pbft/node/network.ts';
import { memberOf, readMembersFile } from '../../../../peer/engines/pbft/node/members.ts';
import { readKeyFile } from '../../../../peer/storage/key-file.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gossip-kind-'));
  folders.push(folder);
  return folder;
}

const portsFrom = (first: number): { port: number; httpPort: number }[] =>
  [0, 1, 2, 3].map((index) => ({ port: first + 2 * index, httpPort: first + 2 * index + 1 }));

it('each replica of a network has a key of its own, which it keeps when the ports are others', () => {
  const folder = newFolder();
  const file = join(folder, 'members.json');
  const keys = (): string[] =>
    [0, 1, 2, 3].map((node) => readKeyFile(join(folder, `replica-${node}.key`)).seed);
  const kind = pbftKind({ application: 'kv' }, { ports: portsFrom(100), folder });
  const before = keys();
  expect(new Set(before).size).toBe(4);
  expect(kind.peer(2).join(' ')).toContain(`--members ${file} --key-file ${join(folder, 'replica-2.key')}`);
  expect(kind.miner(2)).toBeUndefined();
  expect(kind.block([0, 3])).toEqual({ type: 'block-members', members: [0, 3] });
  pbftKind({ application: 'kv' }, { ports: portsFrom(200), folder });
  expect(keys()).toEqual(before);
  const cluster = readMembersFile(file);
  expect(cluster.members.map(({ address }) => address?.port)).toEqual([200, 202, 204, 206]);
  expect(memberOf(cluster, readKeyFile(join(folder, 'replica-1.key')))).toBe(1);
});

it('a key file that is damaged is not replaced', () => {
  const folder = newFolder();
  const path = join(folder, 'replica-0.key');
  writeFileSync(path, 'damaged', { mode: 0o600 });
  expect(() => pbftKind({ application: 'log' }, { ports: portsFrom(100), folder })).toThrow(
    'it holds no key',
  );
  expect(readFileSync(path, 'utf8')).toBe('damaged');
});
