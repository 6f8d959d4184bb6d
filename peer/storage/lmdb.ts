/**
 * The store on disk: LMDB, a B-tree in one memory-mapped file that is never overwritten in place. A write is in the
 * file, flushed (`fdatasync`, then the new root through an `O_DSYNC` descriptor), before it returns; a crash at any
 * point leaves the state before or after it, with nothing to repair.
 *
 * LMDB has no checksums of its own, so each value is followed by one, eight hex digits: what a failing disk has
 * changed must not be taken for what was written.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { asBinary, openAsClass, type Binary, type GetOptions, type RootDatabase } from 'lmdb';

import { UserError, fileFaultOf, messageOf, systemCodeOf } from '../../shared/errors.ts';
import { checkAccess, DATA_FILE, LOCK_FILE } from './access.ts';
import { checksum, CHECKSUM_LENGTH } from './checksum.ts';
import { makeFolder, syncFolder } from './folder.ts';
import { lmdbFault, readLmdbMeta } from './lmdb-check.ts';
import { checkRoom } from './lmdb-files.ts';
import type { KeyRange, Store, StoreValue, StoreView, StoreWrite } from '../core/store.ts';

/**
 * Address space that is reserved at first, in bytes: room for some two million blocks. It costs no memory and no
 * disk, and LMDB reserves more when the file outgrows it.
 */
const MAP_SIZE = 2 ** 30;

/**
 * LMDB does not write pages at the end of its file that a transaction took and gave back; this many bytes are more
 * than the writes of a peer ever leave so.
 */
const MOST_FREE_AT_END = 2 ** 20;

/** The file grows by so many bytes at a time. */
const GROWTH = 2 ** 16;
/** Pages that a transaction takes whatever is in it: the way down the trees, and lists of free pages. */
const PAGES_OF_A_TRANSACTION = 16;
/** Share of a page that each write may take besides what is written: pages are split, and copied to be changed. */
const PAGE_SHARE_OF_A_WRITE = 1 / 4;

/** What people are shown about a store: what becomes of one that is lost depends on what is in it. */
export interface StoreWords {
  /** What to do about one that is damaged. */
  readonly damaged: string;
  /** What to do if it was found empty and should not have been. */
  readonly emptied: string;
}

const CHAIN_WORDS: StoreWords = {
  damaged: 'move it away and let the peer download the chain again',
  emptied: 'let the peer download the chain again, or stop it and put a copy of the file back',
};

/** How a store is opened. */
export interface StoreOptions {
  /** Those of a chain by default. */
  readonly words?: StoreWords;
  /** Notified of what a person should look at, though the store is open. */
  readonly warn?: (message: string) => void;
}

/** LMDB says whether it took a put, though its types do not. */
type Database = Omit<RootDatabase<string, string>, 'getBinary' | 'putSync'> & {
  getBinary(key: string, options?: GetOptions): Buffer | undefined;
  putSync(key: string, value: string | Binary): boolean;
};

interface DatabaseClass {
  new (name: null, options: object): Database;
  readonly prototype: { resetReadTxn(): void };
}

/** A store as it was at one moment, whatever a running peer writes to it meanwhile. */
export interface StoreSnapshot extends StoreView {
  /** Gives the snapshot back; further calls throw. May be called again. */
  close(): Promise<void>;
}

/**
 * Opens the store in `folder`, and creates both if they do not exist. The caller makes sure that no other process
 * has it open (see `lock.ts`).
 *
 * @throws UserError if the folder can't be made or read, or holds something else; `get` and `write` throw one as
 *   well when the disk is full or fails, or the file is damaged, and a write that failed has changed nothing
 */
export function openLmdbStore(folder: string, { words = CHAIN_WORDS, warn }: StoreOptions = {}): Store {
  try {
    makeFolder(folder);
    const found = checkFile(folder, true, words);
    const fresh = found !== 'store';
    checkAccess(folder, LOCK_FILE, constants.R_OK | constants.W_OK);
    checkRoom(folder, fresh);
    const database = openDatabase(folder, false);
    if (fresh) for (const changed of [folder, dirname(resolve(folder))]) syncFolder(changed);
    const store = new LmdbStore(folder, words, database, new Room(join(folder, DATA_FILE)));
    // No fault: LMDB creates the file before it writes to it, so a kill in between, at the very first start, leaves it
    // so. But a copy or a disk that went wrong leaves it so as well, and then something is lost.
    if (found === 'empty') {
      warn?.(
        `${join(folder, DATA_FILE)} was empty, as a kill at the first start leaves it: a new store begins; if something was in it, ${words.emptied}`,
      );
    }
    return store;
  } catch (error) {
    throw failure(`can't open the store in ${folder}`, error, fileFaultOf);
  }
}

/**
 * Opens the store in `folder` for reading, as it is now. A peer may have it open and go on writing.
 *
 * @throws UserError if there is no store in the folder, or it can't be read
 */
export function openLmdbSnapshot(folder: string): StoreSnapshot {
  const none = `there is no store in ${folder}`;
  try {
    const found = checkFile(folder, false, CHAIN_WORDS);
    if (found === 'nothing') throw new UserError(none);
    // LMDB would want to make a new one of it, may not, and crash.
    if (found === 'empty') throw new UserError(`${none}: its ${DATA_FILE} is empty`);
    // LMDB does without it where this user may not write it.
    checkAccess(folder, LOCK_FILE, constants.F_OK);
    checkRoomOfSnapshot(folder);
    const database = openDatabase(folder, true);
    return new LmdbStore(folder, CHAIN_WORDS, database, undefined, {
      transaction: database.useReadTransaction(),
    });
  } catch (error) {
    throw failure(`can't open the store in ${folder}`, error, fileFaultOf);
  }
}

class LmdbStore implements Store {
  private readonly folder: string;
  private readonly words: StoreWords;
  private readonly database: Database;
  /** The room for what is written; undefined for a snapshot. */
  private readonly room: Room | undefined;
  /** The moment that a snapshot shows; undefined for a store, which always shows the present. */
  private readonly moment: GetOptions | undefined;
  private closing: Promise<void> | undefined;

  constructor(
    folder: string,
    words: StoreWords,
    database: Database,
    room: Room | undefined,
    moment?: GetOptions,
  ) {
    this.folder = folder;
    this.words = words;
    this.database = database;
    this.room = room;
    this.moment = moment;
  }

  get(key: string): string | undefined {
    this.check();
    const text = this.read(() => this.database.get(key, this.moment));
    return text === undefined ? undefined : this.checked(key, text);
  }

  getBytes(key: string): Uint8Array | undefined {
    this.check();
    const bytes = this.read(() => this.database.getBinary(key, this.moment));
    if (bytes === undefined) return undefined;
    const { length } = this.checked(key, bytes.toString('latin1'));
    return bytes.subarray(0, length);
  }

  keys({ from, to, limit, reverse = false }: KeyRange): readonly string[] {
    this.check();
    // LMDB would go through all keys where the end comes before the beginning.
    if (from >= to) return [];
    const range = reverse
      ? { start: to, end: from, exclusiveStart: true, inclusiveEnd: true }
      : { start: from, end: to };
    return this.read(() => [...this.database.getKeys({ ...range, reverse, limit, ...this.moment })]);
  }

  /** What LMDB finds. @throws UserError if it cannot read its file */
  private read<T>(find: () => T): T {
    try {
      return find();
    } catch (error) {
      throw failure(`can't read the store in ${this.folder}, is it damaged?`, error);
    }
  }

  /** A value without its checksum. @throws UserError if that is another one */
  private checked(key: string, text: string): string {
    const length = text.length - CHECKSUM_LENGTH;
    if (length < 0 || !text.endsWith(checksum(key, text, length))) {
      // The first versions wrote none: their values are JSON to the end.
      const what = text.endsWith('}') ? 'of an earlier version of this program, or is damaged' : 'damaged';
      throw new UserError(`the store in ${this.folder} is ${what} (${key}); ${this.words.damaged}`);
    }
    return text.slice(0, length);
  }

  write(writes: readonly StoreWrite[]): void {
    this.check();
    try {
      this.room?.reserve(writes);
      this.database.transactionSync(() => {
        for (const write of writes) {
          if (write.type === 'delete') this.database.removeSync(write.key);
          // A refused put ends the transaction; none of its writes must be committed then.
          else if (!this.database.putSync(write.key, withChecksum(write.key, write.value)))
            throw new Error(`${write.key} was refused`);
        }
      });
    } catch (error) {
      throw failure(`can't write to the store in ${this.folder}, is the disk full?`, error);
    }
  }

  close(): Promise<void> {
    if (this.closing === undefined) {
      this.moment?.transaction?.done();
      this.closing = this.database.close();
      this.room?.close();
    }
    return this.closing;
  }

  private check(): void {
    if (this.closing !== undefined) throw new Error('the store is closed');
  }
}

/**
 * Keeps the file longer than LMDB needs it for the next write. Where LMDB itself finds the disk full in the middle of
 * a write, it leaves the memory of the process in disorder, and the process is aborted a little later.
 */
class Room {
  private readonly file: number;

  constructor(path: string) {
    this.file = openSync(path, 'r+');
  }

  /**
   * Makes room for some writes.
   *
   * @throws Error with the system's code if there is none; the file is then as long as it was
   */
  reserve(writes: readonly StoreWrite[]): void {
    const meta = readLmdbMeta(this.file);
    if (meta === undefined) throw new Error('the file is damaged');
    const { pageSize, lastPage } = meta;
    let pages = lastPage + 1 + PAGES_OF_A_TRANSACTION + writes.length * PAGE_SHARE_OF_A_WRITE;
    // A character takes up to three bytes, but it is ASCII nearly always, and pages are half full at least.
    for (const write of writes)
      if (write.type === 'put') pages += (2 * (write.key.length + write.value.length)) / pageSize;
    const { size } = fstatSync(this.file);
    if (size >= pages * pageSize) return;
    const wanted = Math.ceil((pages * pageSize) / GROWTH) * GROWTH;
    try {
      const zeros = Buffer.alloc(GROWTH);
      for (let at = size; at < wanted;)
        at += writeSync(this.file, zeros, 0, Math.min(GROWTH, wanted - at), at);
    } catch (error) {
      ftruncateSync(this.file, size);
      throw error;
    }
  }

  close(): void {
    closeSync(this.file);
  }
}

/** A value as it stands in the file: its checksum follows it. */
function withChecksum(key: string, value: StoreValue): string | Binary {
  if (typeof value === 'string') return value + checksum(key, value, value.length);
  const text = Buffer.from(value).toString('latin1');
  return asBinary(Buffer.from(text + checksum(key, text, text.length), 'latin1'));
}

function openDatabase(folder: string, readOnly: boolean): Database {
  const options = {
    path: folder,
    // Without it, a folder whose name has a dot in it is taken for a file.
    noSubdir: false,
    encoding: 'string',
    // By default a commit returns before it is on the disk, and the flush follows.
    overlappingSync: false,
    mapSize: MAP_SIZE,
    maxDbs: 1,
    readOnly,
  } as const;
  // Its types do not say what it gives.
  const LmdbDatabase = openAsClass(options) as unknown as DatabaseClass;
  try {
    return new LmdbDatabase(null, options);
  } catch (error) {
    endFailedRead(LmdbDatabase.prototype);
    throw error;
  }
}

/** Ends the read that a failed opening leaves with a timer, which would end the process; it fails as the timer would. */
function endFailedRead(database: DatabaseClass['prototype']): void {
  try {
    database.resetReadTxn();
  } catch {
    // What is the matter is known from the opening.
  }
}

/** As {@link checkRoom}: where the folder takes no files from this user, LMDB does without the lock file. */
function checkRoomOfSnapshot(folder: string): void {
  try {
    checkRoom(folder, false);
  } catch (error) {
    if (!['EACCES', 'EROFS'].includes(systemCodeOf(error) ?? '')) throw error;
  }
}

/**
 * Looks at the file before LMDB does, which crashes the whole process when the file is not one of its own, is damaged,
 * or ends before it should.
 *
 * @param alone whether nobody else has the file open: then all of it is looked at, and one that is a little too short
 *   is filled up with zeros. Where LMDB has its last pages as free they do no harm.
 * @returns what is there; LMDB makes a new store of an empty file
 * @throws UserError if it is not a store, or damaged
 */
function checkFile(folder: string, alone: boolean, words: StoreWords): 'nothing' | 'empty' | 'store' {
  const path = join(folder, DATA_FILE);
  const { R_OK, W_OK } = constants;
  if (!checkAccess(folder, DATA_FILE, alone ? R_OK | W_OK : R_OK)) return 'nothing';
  const file = openSync(path, alone ? 'r+' : 'r');
  try {
    const { size } = fstatSync(file);
    if (size === 0) return 'empty';
    const meta = readLmdbMeta(file);
    if (meta === undefined)
      throw new UserError(`${path} is not a store of this program, or is damaged; ${words.damaged}`);
    const expected = (meta.lastPage + 1) * meta.pageSize;
    if (size < expected - MOST_FREE_AT_END)
      throw new UserError(`the end of ${path} is missing; ${words.damaged}`);
    if (!alone) return 'store';
    if (size < expected) ftruncateSync(file, expected);
    const fault = lmdbFault(file, meta);
    if (fault !== undefined) throw new UserError(`${path} is damaged (${fault}); ${words.damaged}`);
    return 'store';
  } finally {
    closeSync(file);
  }
}

/** How LMDB reports that a process with our number reads the store: it tells readers apart by that. */
const SAME_NUMBER = 'No transaction to renew';

function failure(what: string, error: unknown, report = messageOf): UserError {
  if (error instanceof UserError) return error;
  const why = messageOf(error).includes(SAME_NUMBER)
    ? `a process of another container has it open under our number, ${process.pid}; run this one in that container, or in one with an init process`
    : report(error);
  return new UserError(`${what}: ${why}`);
}
