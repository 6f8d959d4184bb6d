import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';

import { Keys, inForeground } from '../../miner/keys.ts';

/** A terminal's input that keeps what was done to it. */
class FakeInput {
  readonly events = new EventEmitter();
  raw = false;
  flowing: boolean | undefined;

  setRawMode(raw: boolean): void {
    this.raw = raw;
  }

  resume(): void {
    this.flowing = true;
  }

  pause(): void {
    this.flowing = false;
  }

  on(event: string, listen: (data: Buffer) => void): void {
    // As a stream: a listener for data makes it flow, unless it was paused before.
    if (event === 'data') this.flowing ??= true;
    this.events.on(event, listen);
  }
}

let input: FakeInput;
let done: string[];
let ours: boolean;
let keys: Keys;

beforeEach(() => {
  input = new FakeInput();
  done = [];
  ours = true;
  const note = (action: string) => () => {
    done.push(action);
  };
  keys = new Keys(
    input,
    {
      togglePause: note('pause'),
      addWorker: note('more'),
      removeWorker: note('fewer'),
      quit: note('quit'),
      suspend: () => {
        done.push(`suspend, ${input.raw ? 'raw' : 'as it was'}`);
      },
    },
    () => ours,
  );
});

function press(text: string): void {
  input.events.emit('data', Buffer.from(text));
}

describe('keys', () => {
  it('do what the hint says; others do nothing', () => {
    keys.take();
    expect(keys.active).toBe(true);
    expect(input).toMatchObject({ raw: true, flowing: true });
    press('p');
    press('+=');
    press('-_');
    press('xP\r\u00e9\u0004');
    press('q');
    press('\u0003');
    expect(done).toEqual(['pause', 'more', 'more', 'fewer', 'fewer', 'quit', 'quit']);
  });

  it('that send several characters are not taken for ordinary ones', () => {
    keys.take();
    press('\u001bOp');
    press('\u001b[1;5q');
    expect(done).toEqual([]);
  });

  it('are read neither before nor after their time, and the terminal is given back', () => {
    expect(input).toMatchObject({ raw: false, flowing: false });
    press('p');
    keys.take();
    keys.release();
    expect(keys.active).toBe(false);
    expect(input).toMatchObject({ raw: false, flowing: false });
    press('p');
    expect(done).toEqual([]);
  });

  it('are not read in the background, where that would stop the process; later they are', () => {
    ours = false;
    keys.take();
    expect(keys.active).toBe(false);
    expect(input).toMatchObject({ raw: false, flowing: false });
    ours = true;
    keys.take();
    expect(keys.active).toBe(true);
  });

  it('suspend with the terminal as it was, and come back after it', () => {
    keys.take();
    press('\u001a');
    expect(done).toEqual(['suspend, as it was']);
    expect(input).toMatchObject({ raw: true, flowing: true });
    // Continued in the background.
    ours = false;
    press('\u001a');
    expect(input).toMatchObject({ raw: false, flowing: false });
  });

  it('survive the end of the terminal', () => {
    keys.take();
    input.events.emit('error', new Error('EIO'));
    expect(done).toEqual([]);
  });

  it('know whether they are in the foreground', () => {
    expect(typeof inForeground()).toBe('boolean');
  });
});
