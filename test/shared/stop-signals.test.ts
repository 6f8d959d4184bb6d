import { EventEmitter } from 'node:events';

import { expect, it } from 'vitest';

import { StopSignals } from '../../shared/stop-signals.ts';

/** A process that remembers how it was ended, and its clock. */
class Signalled extends EventEmitter {
  readonly exits: number[] = [];
  now = 0;

  exit(code: number): void {
    this.exits.push(code);
  }

  send(signal: 'SIGINT' | 'SIGTERM', at: number): void {
    this.now = at;
    this.emit(signal, signal);
  }
}

function listening(): { signalled: Signalled; signals: StopSignals } {
  const signalled = new Signalled();
  return { signalled, signals: new StopSignals(signalled, () => signalled.now) };
}

it('the first signal asks for an orderly end and chooses the exit code', () => {
  for (const [signal, exitCode] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
    const { signalled, signals } = listening();
    expect(signals).toMatchObject({ exitCode: undefined, stop: { aborted: false } });
    signalled.send(signal, 1000);
    expect(signals).toMatchObject({ exitCode, stop: { aborted: true } });
    expect(signalled.exits).toEqual([]);
  }
});

it('the second ends the process at once', () => {
  const { signalled } = listening();
  signalled.send('SIGINT', 1000);
  signalled.send('SIGINT', 1200);
  expect(signalled.exits).toEqual([130]);
});

it('one that npm passes on does not count as the second', () => {
  const { signalled } = listening();
  signalled.send('SIGINT', 1000);
  signalled.send('SIGINT', 1050);
  expect(signalled.exits).toEqual([]);
  signalled.send('SIGTERM', 5000);
  expect(signalled.exits).toEqual([143]);
});
