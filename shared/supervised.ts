/** For a program that another one started and watches over, through the channel between them (`child_process`). */
import { UserError } from './errors.ts';

/** The process that started this one. */
export interface Supervisor {
  /** Tells it something; nothing happens if it is gone. */
  report(report: object): void;
  /** Has everything passed on that it says, also what it has said so far. May be called once. */
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
  // It must not keep alive what has been told to end.
  channel.unref();
  return {
    report: (report) => {
      if (!process.connected) return;
      process.send?.(report, undefined, undefined, () => {
        // It has just gone, and that is heard in another way.
      });
    },
    listen: (onMessage) => {
      process.on('message', onMessage);
    },
  };
}
