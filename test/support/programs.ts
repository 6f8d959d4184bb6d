/** Programs of the system that tests use where they are. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The path of a program.
 *
 * @param variable an environment variable that names it, before all others
 * @param names what it may be called
 * @param folders where it may be besides PATH
 */
export function findProgram(
  variable: string,
  names: readonly string[],
  folders: readonly string[] = [],
): string | undefined {
  const named = process.env[variable];
  const all = [...(process.env['PATH'] ?? '').split(delimiter), ...folders];
  const candidates =
    named !== undefined && named !== ''
      ? [named]
      : names.flatMap((name) => all.map((folder) => join(folder, name)));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
