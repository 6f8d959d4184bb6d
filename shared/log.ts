import { escapeControls, toJson } from './escape.ts';

/**
 * What each level is for:
 * - `error`: the program cannot go on, or lost something
 * - `warn`: something a person should look at, but the program goes on
 * - `info`: what a person who runs the program wants to see: few lines an hour
 * - `debug`: what happened, message by message; the only level that may show text from the network
 */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `text` for people, with dates in UTC, `json` for programs: one object a line with `time`, `level`, `message` and the data. */
export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Data that goes with a log line; shown as `key=value` on a terminal. */
export type LogData = Record<string, string | number | bigint | boolean | null | undefined>;

/** What the rest of the program sees of the log. */
export interface Log {
  error(message: string, data?: LogData): void;
  warn(message: string, data?: LogData): void;
  info(message: string, data?: LogData): void;
  debug(message: string, data?: LogData): void;
}

const COLOURS: Record<LogLevel, string> = { error: '31', warn: '33', info: '32', debug: '90' };

function printable(value: unknown): string {
  const text = escapeControls(String(value));
  return /[\s"=]/.test(text) || text === '' ? JSON.stringify(text) : text;
}

/**
 * Opens the log, on standard error so that standard output stays for results.
 *
 * @param options.colour by default on a terminal, unless `NO_COLOR` is set
 */
export function createLog(options: { level: LogLevel; format: LogFormat; colour?: boolean }): Log {
  const colour = options.colour ?? (process.stderr.isTTY && !process.env['NO_COLOR']);
  const text = (level: LogLevel, message: string, data: LogData): string => {
    const name = level.padEnd(5);
    const shown = colour ? `\u001b[${COLOURS[level]}m${name}\u001b[0m` : name;
    const details = Object.entries(data)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` ${key}=${printable(value)}`);
    return `${new Date().toISOString()} ${shown} ${escapeControls(message)}${details.join('')}`;
  };
  const json = (level: LogLevel, message: string, data: LogData): string => {
    const head = { time: new Date().toISOString(), level, message };
    // The head stands first, and data of the same name does not replace it.
    return toJson({ ...head, ...data, ...head });
  };
  const format = options.format === 'json' ? json : text;
  const write = (level: LogLevel): Log[LogLevel] => {
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(options.level)) return ignore;
    return (message, data = {}) => {
      process.stderr.write(`${format(level, message, data)}\n`);
    };
  };
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}

function ignore(): void {
  // Nothing is kept.
}

/** A log that keeps nothing, for tests and benchmarks. */
export const silentLog: Log = { error: ignore, warn: ignore, info: ignore, debug: ignore };
