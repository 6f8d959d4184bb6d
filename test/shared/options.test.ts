import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Command, InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { UserError } from '../../shared/errors.ts';
import {
  addCommonOptions,
  addOption,
  applyOptionFile,
  hostPort,
  integer,
  oneOf,
  seconds,
  text,
  withDashes,
  type OptionParser,
} from '../../shared/options.ts';

/** The value, or the one sentence of refusal. */
function read<T>(parse: OptionParser<T>, value: string): T | string {
  try {
    return parse(value);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgumentError);
    return (error as Error).message;
  }
}

describe('parsers', () => {
  const refusal = /^It must be .*\.$/;

  test('whole numbers within their bounds, in digits only', () => {
    const port = integer(1, 65535);
    expect(read(port, '1')).toBe(1);
    expect(read(port, '65535')).toBe(65535);
    for (const wrong of ['0', '65536', '', ' 1', '1.0', '1e3', '0x10', '-1', '+1', 'abc', '9'.repeat(400)]) {
      expect(read(port, wrong)).toMatch(refusal);
    }
  });

  test('seconds may have fractions, but not be zero', () => {
    const interval = seconds(60);
    expect(read(interval, '0.25')).toBe(0.25);
    expect(read(interval, '60')).toBe(60);
    for (const wrong of ['0', '0.0', '60.1', '-1', '', '1,5', '.5', '1.', 'Infinity', 'NaN', '1e1']) {
      expect(read(interval, wrong)).toMatch(refusal);
    }
  });

  test('host:port, with IPv6 in brackets', () => {
    expect(read(hostPort, 'silicon.example:8999')).toEqual({ host: 'silicon.example', port: 8999 });
    expect(read(hostPort, '[::1]:1')).toEqual({ host: '::1', port: 1 });
    for (const wrong of [
      '',
      ':1',
      'host',
      'host:',
      'host:0',
      'host:65536',
      '::1:1',
      'a b:1',
      'http://a:1',
      'a:1 ',
    ]) {
      expect(read(hostPort, wrong)).toMatch(refusal);
    }
  });

  test('text and words', () => {
    const name = text(3, (value) => value !== 'bad', 'It must be good.');
    expect(read(name, 'abc')).toBe('abc');
    for (const wrong of ['', 'abcd', 'bad']) expect(read(name, wrong)).toBe('It must be good.');
    expect(read(oneOf(['text', 'json']), 'json')).toBe('json');
    expect(read(oneOf(['text', 'json']), 'JSON')).toBe('It must be one of text, json.');
  });
});

describe('underscores', () => {
  test('become dashes in names, never in values', () => {
    expect(withDashes(['--peer_host', 'a_b', '--mined_by=x_y', '-v', 'file_name', '--a_b_c'])).toEqual([
      '--peer-host',
      'a_b',
      '--mined-by=x_y',
      '-v',
      'file_name',
      '--a-b-c',
    ]);
  });

  test('stay as they are after --', () => {
    expect(withDashes(['--a_b', '--', '--c_d'])).toEqual(['--a-b', '--', '--c_d']);
  });

  test('any arguments keep their number and their letters', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (args) => {
        const result = withDashes(args);
        expect(result.map((arg) => arg.replaceAll('_', '-'))).toEqual(
          args.map((arg) => arg.replaceAll('_', '-')),
        );
      }),
    );
  });
});

describe('where values come from', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gossip-options-'));
    file = join(folder, 'options.json');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  /** A small program's options, read from a command line and, if there is one, the option file. */
  function parse(args: string[], content?: unknown): Record<string, unknown> {
    const command = new Command('test').exitOverride().configureOutput({ writeErr: () => undefined });
    addOption(command, 'peer', {
      flags: '--port <number>',
      description: '',
      parse: integer(0, 65535),
      default: 1,
    });
    addOption(command, 'peer', { flags: '--mined-by <name>', description: '' });
    addOption(command, 'peer', {
      flags: '--join <host:port>',
      description: '',
      parse: hostPort,
      repeatable: true,
    });
    addOption(command, 'peer', { flags: '--genesis', description: '' });
    addCommonOptions(command, 'peer').parse(withDashes(args), { from: 'user' });
    if (content !== undefined) {
      writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
      applyOptionFile(command, file);
    }
    return command.opts();
  }

  const A = { host: 'a', port: 1 };
  const B = { host: 'b', port: 2 };

  test('the defaults', () => {
    expect(parse([])).toEqual({ port: 1, join: [], logLevel: 'info', logFormat: 'text' });
  });

  test('command line before environment before file before default', () => {
    const content = { port: 4 };
    expect(parse([], content)).toMatchObject({ port: 4 });
    vi.stubEnv('GOSSIP_PEER_PORT', '3');
    expect(parse([], content)).toMatchObject({ port: 3 });
    expect(parse(['--port', '2'], content)).toMatchObject({ port: 2 });
    // Also when it says what the default says.
    expect(parse(['--port', '1'], content)).toMatchObject({ port: 1 });
  });

  test('options without a default keep the same order', () => {
    const content = { mined_by: 'file' };
    expect(parse([], content)).toMatchObject({ minedBy: 'file' });
    vi.stubEnv('GOSSIP_PEER_MINED_BY', 'environment');
    expect(parse([], content)).toMatchObject({ minedBy: 'environment' });
    expect(parse(['--mined_by', 'line'], content)).toMatchObject({ minedBy: 'line' });
  });

  test('an option that may be given several times', () => {
    expect(parse(['--join', 'a:1', '--join', 'b:2'])).toMatchObject({ join: [A, B] });
    expect(parse([], { join: ['a:1', 'b:2'] })).toMatchObject({ join: [A, B] });
    expect(parse([], { join: 'a:1' })).toMatchObject({ join: [A] });
    vi.stubEnv('GOSSIP_PEER_JOIN', 'a:1, b:2');
    expect(parse([])).toMatchObject({ join: [A, B] });
    expect(parse([], { join: ['c:3'] })).toMatchObject({ join: [A, B] });
    expect(parse(['--join', 'b:2'])).toMatchObject({ join: [B] });
  });

  test('flags and names with dashes or underscores in a file', () => {
    expect(parse([], { genesis: true, 'mined-by': 'x', log_level: 'warn' })).toMatchObject({
      genesis: true,
      minedBy: 'x',
      logLevel: 'warn',
    });
    expect(parse(['--genesis'], { genesis: false })).toMatchObject({ genesis: true });
  });

  test.each([
    ['{', /JSON|property/i],
    ['[]', 'it must hold one JSON object'],
    [{ prot: 1 }, 'unknown option "prot"'],
    [{ config: 'other.json' }, 'unknown option "config"'],
    [{ 'two\nlines': 1 }, 'unknown option "two\\nlines"'],
    ['two\nlines', /^[^\n]*$/],
    [{ __proto__: null, port: 'x' }, '"port": It must be a whole number'],
    [{ port: 65536 }, '"port": It must be a whole number'],
    [{ port: 1.5 }, '"port": It must be a whole number'],
    [{ port: null }, '"port" must be a text or a number'],
    [{ port: { a: 1 } }, '"port" must be a text or a number'],
    [{ genesis: 'yes' }, '"genesis" must be true or false'],
    [{ 'mined-by': '' }, '"mined-by" is empty'],
    [{ join: ['a:1', 'nonsense'] }, '"join": It must be host:port'],
    [{ join: [['a:1']] }, '"join" must be a text or a number'],
  ])('a file that is wrong is refused in one line: %j', (content, reason) => {
    let error: unknown;
    try {
      parse([], content);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(UserError);
    const { message } = error as UserError;
    expect(message).toMatch(reason);
    expect(message).toContain(file);
    expect(message).not.toContain('\n');
  });

  test('a file that is not there', () => {
    expect(() => {
      applyOptionFile(new Command(), join(folder, 'none.json'));
    }).toThrow(/^option file .*none\.json: there is no such file or folder \(ENOENT\)$/);
  });
});
