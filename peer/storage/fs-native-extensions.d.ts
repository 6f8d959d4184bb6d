/** What we use of it; it has no types of its own. */
declare module 'fs-native-extensions' {
  /**
   * Locks an open file, for all processes but for this descriptor alone, until it is closed: by `fcntl` with
   * `F_OFD_SETLK` on Linux, `flock` on macOS, `LockFileEx` on Windows.
   *
   * @returns false if somebody else has it locked
   * @throws Error with the system's code if it can't be locked at all; some systems also if somebody has it
   */
  export function tryLock(descriptor: number): boolean;
}
