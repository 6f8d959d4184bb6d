import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openOutput, outputStream, writeOutput } from '../../peer/storage/output-file.ts';
import { UserError } from '../../shared/errors.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'output-'));
  path = join(folder, 'report');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const read = (): string => readFileSync(path, 'utf8');

describe('a file for people', () => {
  it('is the old one until all of the new one is there, and nothing else is left', () => {
    writeFileSync(path, 'old');
    const file = openOutput(path);
    writeSync(file.descriptor, 'new');
    expect(read()).toBe('old');
    file.commit(' and whole');
    expect(read()).toBe('new and whole');
    expect(readdirSync(folder)).toStrictEqual(['report']);
  });

  it('that is given up leaves the old one as it was, or none', () => {
    for (const old of [undefined, 'old']) {
      if (old !== undefined) writeFileSync(path, old);
      const file = openOutput(path);
      writeSync(file.descriptor, 'new');
      file.discard();
      file.discard();
      expect(readdirSync(folder)).toStrictEqual(old === undefined ? [] : ['report']);
      if (old !== undefined) expect(read()).toBe(old);
    }
  });

  it('that can not be written to its end leaves the old one as it was, and says so', () => {
    writeFileSync(path, 'old');
    const file = openOutput(path);
    // What a disk does that fails.
    closeSync(file.descriptor);
    const other = openSync(path, 'r');
    expect(() => {
      file.commit('new');
    }).toThrow(new RegExp(`^can't write ${path}: .*EBADF`));
    expect(read()).toBe('old');
    expect(readdirSync(folder)).toStrictEqual(['report']);
    if (other !== file.descriptor) closeSync(other);
  });

  it('can be written as a stream', async () => {
    const file = openOutput(path);
    const stream = outputStream(file);
    await new Promise<void>((resolve) => stream.end('one line\n', resolve));
    expect(existsSync(path)).toBe(false);
    file.commit();
    expect(read()).toBe('one line\n');
  });

  it.skipIf(process.platform === 'win32')('has the rights of the old one, or those asked for', () => {
    writeFileSync(path, 'old');
    chmodSync(path, 0o640);
    writeOutput(path, 'new', { mode: 0o600 });
    expect(statSync(path).mode & 0o777).toBe(0o640);
    rmSync(path);
    writeOutput(path, 'new', { mode: 0o600 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('that must be new is not written over another, also one that comes meanwhile', () => {
    writeFileSync(path, 'old');
    const options = { fresh: true, remedy: 'give it another name' };
    const refusal = new UserError(`can't write ${path}: it is there already; give it another name`);
    expect(() => openOutput(path, options)).toThrow(refusal);
    rmSync(path);
    const file = openOutput(path, options);
    writeFileSync(path, 'of another');
    expect(() => {
      file.commit('new');
    }).toThrow(refusal);
    expect(read()).toBe('of another');
    rmSync(path);
    writeOutput(path, 'new', options);
    expect(read()).toBe('new');
    expect(readdirSync(folder)).toStrictEqual(['report']);
  });

  it.skipIf(process.platform === 'win32')(
    'is no link, wherever it leads, for somebody else may decide that',
    () => {
      const target = join(folder, 'target');
      symlinkSync(target, path);
      const refusal = `can't write ${path}: it is a link, which may lead anywhere; name the file itself`;
      for (const content of [undefined, 'precious']) {
        if (content !== undefined) writeFileSync(target, content);
        for (const fresh of [false, true]) expect(() => openOutput(path, { fresh })).toThrow(refusal);
        expect(existsSync(target) ? readFileSync(target, 'utf8') : undefined).toBe(content);
      }
      rmSync(path);
      symlinkSync(path, path);
      expect(() => openOutput(path)).toThrow(/links lead round in a circle \(ELOOP\)/);
    },
  );

  it('says in one sentence what is in the way', () => {
    mkdirSync(path);
    expect(() => openOutput(path)).toThrow(new UserError(`can't write ${path}: it is a folder`));
    const nowhere = join(folder, 'no', 'where');
    expect(() => openOutput(nowhere)).toThrow(/there is no such file or folder \(ENOENT\)$/);
  });

  it.runIf(existsSync('/dev/full'))('may be a device, which nothing takes the place of', () => {
    writeOutput('/dev/null', 'gone', { fresh: true });
    expect(() => {
      writeOutput('/dev/full', 'too much');
    }).toThrow("can't write /dev/full: the disk is full (ENOSPC)");
    expect(statSync('/dev/full').isCharacterDevice()).toBe(true);
    expect(readdirSync('/dev').filter((name) => name.startsWith('.gossip-peer'))).toStrictEqual([]);
  });

  it.skipIf(process.platform === 'win32')('may be a pipe, by a link too, as shells name them', () => {
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const link = join(folder, 'link');
    symlinkSync(path, link);
    for (const name of [path, link]) {
      // Opened for both, so that neither end waits for the other.
      const reader = openSync(path, 'r+');
      writeOutput(name, 'through it', { fresh: true });
      const bytes = Buffer.alloc(100);
      expect(bytes.toString('utf8', 0, readSync(reader, bytes))).toBe('through it');
      closeSync(reader);
    }
    expect(statSync(path).isFIFO()).toBe(true);
  });
});
