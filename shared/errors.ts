/**
 * An error that the user can do something about: printed as one line, without a stack (unless `--verbose`).
 * The message says what was wrong and what to do.
 */
export class UserError extends Error {
  override name = 'UserError';
  /** Whether the same may well be possible in a moment. */
  readonly passing: boolean = false;
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The system's error code (`EADDRINUSE`, `EACCES`, …) of anything that was thrown, if it has one. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return undefined;
}

/** What people are shown when the system refuses a file or a folder, by its code. */
const FILE_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'this user may not do that',
  EPERM: 'this user may not do that',
  EISDIR: 'it is a folder',
  ENOTDIR: 'what should be a folder on the way there is a file',
  EEXIST: 'it is there already',
  EROFS: 'the disk can only be read',
  ENOSPC: 'the disk is full',
  ELOOP: 'links lead round in a circle',
  ENAMETOOLONG: 'the name is too long',
};

/** Why something could not be done with a file or folder, without its name; the code stands behind it, for a search. */
export function fileFaultOf(error: unknown): string {
  const code = systemCodeOf(error);
  const fault = code === undefined ? undefined : FILE_FAULTS[code];
  return fault === undefined ? messageOf(error) : `${fault} (${code})`;
}
