import { afterEach, beforeEach, describe, expect, test, vi, type MockInstance } from 'vitest';

import { createLog, LOG_LEVELS, silentLog, type Log, type LogData } from '../../shared/log.ts';

let output: string;
let stderr: MockInstance;
let stdout: MockInstance;

beforeEach(() => {
  output = '';
  const sink = (chunk: unknown): boolean => {
    output += String(chunk);
    return true;
  };
  // Winston writes to the console's own streams, which a test runner may have replaced.
  const streams = console as unknown as { _stderr: NodeJS.WriteStream; _stdout: NodeJS.WriteStream };
  stderr = vi.spyOn(streams._stderr, 'write').mockImplementation(sink);
  stdout = vi.spyOn(streams._stdout, 'write').mockImplementation(sink);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const lines = (): string[] => output.split('\n').filter((line) => line !== '');

function all(log: Log): void {
  for (const level of LOG_LEVELS) log[level](`an ${level} line`);
}

describe('levels', () => {
  test.each(LOG_LEVELS.map((level, rank) => [level, rank + 1] as const))(
    '%s shows %i of four',
    (level, shown) => {
      all(createLog({ level, format: 'json' }));
      expect(lines().map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(
        LOG_LEVELS.slice(0, shown),
      );
    },
  );

  test('nothing goes to standard output', () => {
    all(createLog({ level: 'debug', format: 'text' }));
    expect(stdout).not.toHaveBeenCalled();
    expect(stderr).toHaveBeenCalledTimes(4);
  });

  test('the silent log is silent', () => {
    all(silentLog);
    expect(output).toBe('');
  });
});

describe('json', () => {
  test('one object a line with the data beside the message, exact even for large integers', () => {
    const before = Date.now();
    createLog({ level: 'info', format: 'json' }).info('hello\n"you"', {
      a: 1,
      b: 2n ** 64n,
      c: null,
      d: 'x\ny',
    });
    const [line = '', ...more] = lines();
    expect(more).toEqual([]);
    const { time, ...rest } = JSON.parse(line) as { time: string };
    expect(rest).toEqual({
      level: 'info',
      message: 'hello\n"you"',
      a: 1,
      b: '18446744073709551616',
      c: null,
      d: 'x\ny',
    });
    expect(Date.parse(time)).toBeGreaterThanOrEqual(before);
  });

  test('data can not pass itself off as the level or the time of the line', () => {
    createLog({ level: 'info', format: 'json' }).info('real', {
      level: 'error',
      message: 'forged',
      time: 'never',
    });
    expect(JSON.parse(lines()[0] ?? '')).toMatchObject({ level: 'info', message: 'real' });
    expect((JSON.parse(lines()[0] ?? '') as { time: string }).time).not.toBe('never');
  });
});

describe('text', () => {
  const shown = (data: LogData): string => {
    createLog({ level: 'info', format: 'text', colour: false }).info('message', data);
    return output.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /, '');
  };

  test('date and time, level, message, data', () => {
    expect(shown({ height: 7, hash: 'ab', none: undefined, nothing: null, yes: true, big: 2n ** 64n })).toBe(
      'info  message height=7 hash=ab nothing=null yes=true big=18446744073709551616\n',
    );
  });

  test('what would draw on the terminal, break the line or look like other data is escaped', () => {
    expect(shown({ name: '\u001b[2Jx' })).toBe('info  message name=\\u001b[2Jx\n');
    output = '';
    expect(shown({ name: 'a\nb\u202ec' })).toBe('info  message name=a\\u000ab\\u202ec\n');
    output = '';
    expect(shown({ name: 'x level=error', empty: '' })).toBe('info  message name="x level=error" empty=""\n');
  });

  test('colour only where it is wanted', () => {
    createLog({ level: 'info', format: 'text', colour: true }).warn('careful');
    expect(output).toContain('\u001b[33mwarn \u001b[0m');
    output = '';
    createLog({ level: 'info', format: 'text', colour: false }).warn('careful');
    expect(output).not.toContain('\u001b');
  });
});
