/** `peer pbft`: what it says of itself, the keys that it makes, and what it refuses. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, test } from 'vitest';

import { APPLICATIONS } from '../../../../peer/applications/registry.ts';
import { demonstrationKey } from '../../../../peer/engines/pbft/node/members.ts';
import { generateKeyPair, keyPairOf } from '../../../../shared/ed25519.ts';
import { eventually } from '../../../support/asker.ts';
import { writeMembersFile } from '../../../support/cluster.ts';
import { Lab, type Program } from '../../../support/processes.ts';
import { LOOPBACK } from '../../../support/wire.ts';
import { runHere, runPeer, type Run } from '../../../commands/run.ts';

const SEED = 'ab'.repeat(32);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gossip-pbft-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const labs: Lab[] = [];
afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.close();
});

/** Text of a file in our folder. */
function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** What a command says that is refused: one line. */
async function refusal(...args: string[]): Promise<string> {
  return refusalOf(await runHere(['pbft', ...args]));
}

function refusalOf({ stdout, stderr, code }: Run): string {
  expect({ stdout, code, lines: stderr.trim().split('\n').length }).toEqual({
    stdout: '',
    code: 1,
    lines: 1,
  });
  return stderr.trim();
}

const start = (...args: string[]): Promise<string> =>
  refusal('start', '-p', '0', '--data-dir', join(folder, 'data'), ...args);

describe('help', () => {
  it('names every option with its default and its variable, what can be typed, and examples', async () => {
    const { stdout, code } = await runHere(['pbft', 'start', '--help']);
    expect(code).toBe(0);
    const text = stdout.replaceAll(/\s+/g, ' ');
    for (const [option, value] of Object.entries({
      ...{ port: '8000', bootstrap: 'none', application: '"log"', 'view-change-timeout': '10' },
      ...{ 'checkpoint-interval': '100', 'message-buffer': '1000', 'batch-size': '64', pipeline: '8' },
      ...{ 'answer-timeout': '60', 'log-level': '"info"' },
    })) {
      const variable = `GOSSIP_PEER_${option.toUpperCase().replaceAll('-', '_')}`;
      expect(text).toMatch(
        new RegExp(`--${option} <[^>]+> [^(]*.*?\\(default: ${value}, env: ${variable}\\)`),
      );
    }
    for (const word of ['-i, --index', '-n, --nodes', '-s, --seed', '--members', '--key-file', '--data-dir'])
      expect(text).toContain(word);
    expect(text).toMatch(/submit <operation>, s have something executed/);
    expect(text).toContain('entry <number> an entry of the ordered log, from 1 on');
    expect(text).toContain('node peer pbft start -p 8001 -i 1 -n 4 -b 127.0.0.1:8000');
    expect(text).toContain('the keys of all members are known to everybody');
    expect(text).not.toContain('--supervised');
    expect(stdout.split('\n').filter((line) => line.length > 110)).toEqual([]);
  });

  it('of the group lists its commands; without one of them, or with a wrong one, there is an error', async () => {
    const { stdout, code } = await runHere(['pbft', '--help']);
    expect(stdout).toMatch(/start \[options\][^]*keygen \[options\]/);
    expect(code).toBe(0);
    expect((await runHere(['pbft'])).code).toBe(1);
    expect(await refusal('explode')).toBe("peer: unknown command 'explode'");
  });
});

describe('keygen', () => {
  it('makes a new pair each time, and the pair of a seed', async () => {
    const [one, other] = await Promise.all([runPeer(['pbft', 'keygen']), runHere(['pbft', 'keygen'])]);
    expect(one.stdout).toMatch(/^public key {2}[0-9a-f]{64}\nseed {8}[0-9a-f]{64}\n$/);
    expect(one.stdout).not.toBe(other.stdout);
    const { stdout } = await runHere(['pbft', 'keygen', '--seed', SEED, '--json']);
    expect(JSON.parse(stdout)).toEqual({ publicKey: keyPairOf(SEED).publicKey, seed: SEED });
  });

  it('writes a file for its owner alone, never over another one, and keeps the secret to it', async () => {
    const path = join(folder, 'new.key');
    const { stdout, code } = await runHere(['pbft', 'keygen', '--out', path]);
    const { publicKey, seed } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
    expect(code).toBe(0);
    expect(stdout).toBe(`public key  ${publicKey}\n`);
    expect(keyPairOf(seed ?? '').publicKey).toBe(publicKey);
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await refusal('keygen', '--out', path)).toMatch(
      /^peer: can't write .*new\.key: it is there already; a key is never written over$/,
    );
    const again = await runHere(['pbft', 'keygen', '--json', '--out', join(folder, 'other.key')]);
    expect(Object.keys(JSON.parse(again.stdout) as object)).toEqual(['publicKey']);
  });
});

describe('what is refused, in one line each', () => {
  it.each([
    [['-i', '4'], '--index: the members of a cluster of 4 are numbered 0 to 3'],
    [['-i', '0', '-n', '3'], 'It must be a whole number from 4 to 64.'],
    [['-i', '64'], 'It must be a whole number from 0 to 63.'],
    [[], 'which member is this? Give its --index, or --members with its --key-file'],
    [['-s', 'abc'], 'It must be 64 hexadecimal digits, as "pbft keygen" prints them.'],
    [['-s', SEED], 'no member of the cluster demo-4 has our public key'],
    [['-i', '0', '-s', SEED], '--index: it stands for a key of its own; leave out the other'],
    [['-s', SEED, '--key-file', 'x'], '--seed and --key-file: one key is enough'],
    [['--members', 'x', '-n', '4'], '--index and --nodes are for demonstrations'],
    [['--members', 'x'], '--members: which of them is this? Name its --key-file'],
    [['-i', '0', '--application', 'chess'], `It must be one of ${[...APPLICATIONS.keys()].join(', ')}.`],
    [['-i', '0', '--bind', '::1'], '--bind: "::1" is not an IPv4 address'],
    [['-i', '0', '--bind', '192.0.2.1'], '--bind: this machine does not have the address 192.0.2.1'],
    [['-i', '0', '-b', 'nowhere'], 'It must be host:port, for example'],
    [['-i', '0', '--batch-size', '0'], 'It must be a whole number from 1 to 1024.'],
    [['-i', '0', '--view-change-timeout', '0'], 'It must be a number of seconds above 0'],
    [
      ['-i', '0', '-n', '64', '--checkpoint-interval', '1000'],
      '--checkpoint-interval: 1000 is too large for 64 members: it may be 9',
    ],
    [['-i', '0', 'more'], 'too many arguments'],
    [['-i', '0', '--xylophone', '1'], "unknown option '--xylophone'"],
  ])('%j', async (args, message) => {
    expect(await start(...args)).toContain(message);
  });

  it('--supervised, where no process has started it that could be obeyed', async () => {
    const args = ['-i', '0', '-p', '0', '--data-dir', join(folder, 'data')];
    expect(refusalOf(await runPeer(['pbft', 'start', ...args, '--supervised']))).toContain(
      '--supervised is for programs that start this one',
    );
  });

  it('options that stand before the commands, whatever the level', async () => {
    const before = await runHere(['--port', '1', 'pbft', 'keygen']);
    expect(before.stderr).toBe('peer: --port stands before "pbft"; options go after the command\n');
    expect(before.code).toBe(1);
  });

  it('a port that is in use', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    onTestFinished(() => {
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    expect(await start('-i', '0', '-p', String(port))).toBe(
      `peer: TCP port ${port} is already in use on ${LOOPBACK}; choose another one with --port`,
    );
  });

  it.each([
    ['that is not there', undefined, /^peer: members file .*: there is no such file or folder \(ENOENT\)$/],
    ['that is no JSON', '{"cluster": \n', /^peer: members file .*: .*JSON/],
    ['without members', '{"cluster": "x"}', /: members: /],
    ['with a wrong name', '{"cluster": "a b", "members": []}', /: cluster: the name of a cluster is 1 to 64/],
    ['with too few members', '{"cluster": "x", "members": []}', /: members: a cluster has 4 members at the/],
    ['with a wrong key', { publicKey: 'AB' }, /: members\[1\].publicKey: a public key is 64 lower-case/],
    ['with a wrong address', { address: 'x' }, /: members\[1\].address: an address is host:port/],
    ['with something else in it', { seed: SEED }, /: members\[1\]: .*"seed"/],
    [
      'with the same member twice',
      { publicKey: demonstrationKey(0).publicKey },
      /: members 0 and 1 have the same public key$/,
    ],
  ])('a members file %s', async (name, content, message) => {
    const path = join(folder, `${name}.json`);
    if (typeof content === 'string') writeFileSync(path, content);
    if (typeof content === 'object') {
      const members = [0, 1, 2, 3].map((index) => ({ publicKey: demonstrationKey(index).publicKey }));
      Object.assign(members[1] ?? {}, content);
      writeFileSync(path, JSON.stringify({ cluster: 'x', members }));
    }
    expect(await start('--members', path, '-s', demonstrationKey(0).seed)).toMatch(message);
  });

  it('a key that is no member, and a key file that is none or that others may read', async () => {
    const members = join(folder, 'members.json');
    writeMembersFile(members, 'ours', [1, 2, 3, 4]);
    const { seed, publicKey } = generateKeyPair();
    const key = (name: string, content: object, mode?: number): string =>
      file(name, JSON.stringify(content), mode);
    const cases: [string, RegExp][] = [
      [key('stranger.key', { publicKey, seed }), /: no member of the cluster ours has our public key/],
      [key('half.key', { seed }), /key file .*half.key: it holds no key as keygen writes it$/],
      [file('text.key', 'secret'), /text.key: it holds no key/],
      [key('mixed.key', { publicKey: SEED, seed }), /mixed.key: its public key is not that of its seed$/],
      [join(folder, 'no.key'), /key file .*no.key: there is no such file or folder \(ENOENT\)/],
      ...(process.platform === 'win32'
        ? []
        : ([[key('open.key', { publicKey, seed }, 0o640), /open.key: others may read it/]] as [
            string,
            RegExp,
          ][])),
    ];
    for (const [path, message] of cases) {
      expect(await start('--members', members, '--key-file', path)).toMatch(message);
    }
  });
});

describe('a replica', () => {
  function run(...args: string[]): Program {
    const lab = labs[0] ?? new Lab();
    if (labs.length === 0) labs.push(lab);
    return lab.run('peer', 'pbft', 'start', '-p', '0', '--log-format', 'json', ...args);
  }

  async function up(program: Program): Promise<Program['records'][number]> {
    return eventually('a replica is up', () => {
      const found = program.records.find(({ message }) => message === 'replica is up');
      if (found === undefined && !program.alive) throw new Error(program.explain());
      return found;
    });
  }

  it('has a data folder of its own, and refuses other settings than it was begun with', async () => {
    const data = join(folder, 'owned');
    const own = ['-i', '1', '--data-dir', data];
    const first = run(...own);
    expect(await up(first)).toMatchObject({
      replica: 'replica-1',
      replicas: 4,
      cluster: 'demo-4',
      executed: 0,
      data,
    });
    expect(refusalOf(await runPeer(['pbft', 'start', '-p', '0', ...own]))).toMatch(
      /^peer: the data folder .* is in use/,
    );
    expect((await first.kill('SIGTERM')).code).toBe(0);
    expect(await refusal('start', '-p', '0', ...own, '--checkpoint-interval', '50')).toBe(
      'peer: the data folder was begun with other settings: --checkpoint-interval was 100 and is 50 now. Start this replica with the old ones; for another member or cluster name another --data-dir',
    );
    const again = run(...own, '--batch-size', '1', '--view-change-timeout', '3');
    await up(again);
    await again.kill('SIGTERM');
  });

  it('says that keys which everybody knows are for demonstrations, and listens to this machine alone then', async () => {
    const program = run('-i', '0', '--data-dir', join(folder, 'demo'));
    expect(await up(program)).toMatchObject({ address: expect.stringMatching(/^127\.0\.0\.1:/) as string });
    expect(program.records.map(({ level, message }) => `${String(level)} ${message}`)).toContain(
      'warn the keys of this cluster are known to everybody: it is for demonstrations only',
    );
  });

  test('with a members file and a secret on the command line there is a warning, with a key file none', async () => {
    const members = join(folder, 'three.json');
    writeMembersFile(members, 'ours', [1, 2, 3, 4]);
    const { publicKey, seed } = demonstrationKey(2);
    const key = file('two.key', JSON.stringify({ publicKey, seed }));
    const seen = run('--members', members, '-s', seed, '--data-dir', join(folder, 'seen'));
    const hidden = run('--members', members, '--key-file', key, '--data-dir', join(folder, 'hidden'));
    expect(await up(seen)).toMatchObject({ replica: 'replica-2', cluster: 'ours' });
    expect(await up(hidden)).toMatchObject({ replica: 'replica-2', cluster: 'ours' });
    const warnings = (program: Program): string[] =>
      program.records.filter(({ level }) => level === 'warn').map(({ message }) => message);
    expect(warnings(seen)).toEqual([
      '--seed: other users of this machine can see it; --key-file keeps it secret',
    ]);
    expect(warnings(hidden)).toEqual([]);
  });

  test('a token on the command line is warned of, one in a file is not', async () => {
    const warning = /--http-token: other users of this machine can see it/;
    const quit = (...args: string[]): ReturnType<typeof runPeer> =>
      runPeer(
        [
          'pbft',
          'start',
          '-i',
          '0',
          '-p',
          '0',
          '--http-port',
          '0',
          '--data-dir',
          join(folder, 'token'),
          ...args,
        ],
        'quit\n',
      );
    expect((await quit('--http-token', 'secret')).stderr).toMatch(warning);
    const config = file('token.json', JSON.stringify({ http_token: 'secret' }));
    expect((await quit('--config', config)).stderr).not.toMatch(warning);
  });

  test('what comes through a pipe and is not UTF-8 is an error, and nothing is done of it', async () => {
    const lines = Buffer.concat([
      Buffer.from('submit caf'),
      Buffer.from([0xe9]),
      Buffer.from('\nhélp\nquit\n'),
    ]);
    const { stderr, code } = await runPeer(
      ['pbft', 'start', '-i', '0', '-p', '0', '--http-port', '0', '--data-dir', join(folder, 'latin')],
      lines,
    );
    expect(stderr).toContain('peer: a line of the input is not UTF-8, so nothing is done of it\n');
    expect(stderr).toContain('peer: there is no command "hélp"');
    expect(code).toBe(1);
  });

  test('options come from a file and from the environment too', async () => {
    const config = file('options.json', JSON.stringify({ index: 3, data_dir: join(folder, 'configured') }));
    const lab = new Lab();
    labs.push(lab);
    mkdirSync(join(folder, 'elsewhere'));
    const program = lab.runIn(
      { env: { GOSSIP_PEER_NODES: '7', GOSSIP_PEER_APPLICATION: 'kv', GOSSIP_PEER_INDEX: '' } },
      ...['peer', 'pbft', 'start', '--config', config, '--port', '0', '--log-format', 'json'],
    );
    expect(await up(program)).toMatchObject({
      replica: 'replica-3',
      replicas: 7,
      cluster: 'demo-7',
      application: 'kv',
    });
  });
});
