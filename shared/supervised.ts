/** For a program that another one started and watches over, through the channel between them (`child_process`). */
import { UserError } from './errors.ts';

/** The process that started this one. */
export interface Supervisor {
  /** Sends it a report; nothing happens if it is gone. */
  report(report: object): void;
  /** Passes on everything that it sends, also what it has sent so far. May be called once. */
  listen(onMessage: (message: unknown) => void): void;
}

/**
 * Watches the process that started this one.
 *
 * @param gone called once when it has ended, in whatever way: nobody would stop us any more
 * @throws UserError if there is no channel to it
 */
export function superviseThis(gone: () => void): Supervisor {
  const { channel } = process;
  if (channel === undefined || process.send === undefined) {
    throw new UserError('--supervised is for programs that start this one with a channel to it');
  }
  process.once('disconnect', gone);
  // The channel must not keep alive what is to end.
  channel.unref();
  return {
    report: (report) => {
      if (!process.connected) return;
      process.send?.(report, undefined, undefined, () => {
        // That process has just gone, and `disconnect` reports it.
      });
    },
    listen: (onMessage) => {
      process.on('message', onMessage);
    },
  };
}
