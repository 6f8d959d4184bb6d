import { createRequire } from 'node:module';

import type winston from 'winston';

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

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** By default on a terminal, unless `NO_COLOR` is set. */
  readonly colour?: boolean;
}

/**
 * Opens the log, on standard error so that standard output stays for results.
 */
export function createLog(options: LogOptions): Log {
  let logger: winston.Logger | undefined;
  const write = (level: LogLevel): Log[LogLevel] => {
    // Winston would format a line first and then find that nobody wants it.
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(options.level)) return ignore;
    return (message, data) => {
      logger ??= openLogger(options);
      logger.log({ level, message, data });
    };
  };
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}

/** Winston is loaded with the first line: it takes a tenth of a second, and most command lines write none. */
function openLogger(options: LogOptions): winston.Logger {
  const winston = createRequire(import.meta.url)('winston') as typeof import('winston');
  const colour = options.colour ?? (process.stderr.isTTY && !process.env['NO_COLOR']);
  const text = winston.format.printf(({ level, message, data }) => {
    const name = level.padEnd(5);
    const shown = colour ? `\u001b[${COLOURS[level as LogLevel]}m${name}\u001b[0m` : name;
    const details = Object.entries((data ?? {}) as LogData)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` ${key}=${printable(value)}`);
    return `${new Date().toISOString()} ${shown} ${escapeControls(String(message))}${details.join('')}`;
  });
  const json = winston.format.printf(({ level, message, data }) => {
    const head = { time: new Date().toISOString(), level, message };
    // The head stands first, and data of the same name does not replace it.
    return toJson({ ...head, ...(data as LogData), ...head });
  });
  return winston.createLogger({
    level: options.level,
    levels: Object.fromEntries(LOG_LEVELS.map((level, rank) => [level, rank])),
    format: options.format === 'json' ? json : text,
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's own types
    transports: [new winston.transports.Console({ stderrLevels: [...LOG_LEVELS] })],
  });
}

function ignore(): void {
  // Nothing is kept.
}

/** A log that keeps nothing, for tests and benchmarks. */
export const silentLog: Log = { error: ignore, warn: ignore, info: ignore, debug: ignore };
