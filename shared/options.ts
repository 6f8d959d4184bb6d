/**
 * What the command lines of `peer` and `miner` share: how an option is declared, read and explained.
 *
 * Precedence, highest first: command line, environment, option file (`--config`), default. Every option may be
 * written with dashes or underscores (`--peer-host`, `--peer_host`). An empty environment variable counts as not set;
 * that of a flag must be `true` or `false` (or `1` or `0`).
 */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

import type { Address } from './address.ts';
import { fileFaultOf, UserError, messageOf, systemCodeOf } from './errors.ts';
import { escapeControls } from './escape.ts';
import { isJsonObject, parseJson } from './json.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogLevel } from './log.ts';
import { didYouMean } from './suggest.ts';

/** Reads text into an option's value; throws {@link InvalidArgumentError} with one sentence if it does not fit. */
export interface OptionParser<T> {
  (text: string): T;
  /** All that it takes, where that is a list of words: the shell completes them. */
  readonly words?: readonly string[];
}

/** A whole number from `least` to `most`, both allowed. */
export function integer(least: number, most: number): OptionParser<number> {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** A positive number of seconds, at most `most`; fractions are allowed. */
export function seconds(most: number): OptionParser<number> {
  return (text) => {
    const value = Number(text);
    if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > most) {
      throw new InvalidArgumentError(`It must be a number of seconds above 0 and at most ${most}.`);
    }
    return value;
  };
}

/** `host:port`; IPv6 addresses in brackets. */
export const hostPort: OptionParser<Address> = (text) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65535) {
    throw new InvalidArgumentError('It must be host:port, for example 127.0.0.1:8999.');
  }
  return { host, port };
};

/** Text of 1 to `most` characters that passes `test`, explained by `rule`. */
export function text(most: number, test: (value: string) => boolean, rule: string): OptionParser<string> {
  return (value) => {
    if (value.length === 0 || value.length > most || !test(value)) throw new InvalidArgumentError(rule);
    return value;
  };
}

/** One of several words. */
export function oneOf<T extends string>(words: readonly T[]): OptionParser<T> {
  const parse = (value: string): T => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new InvalidArgumentError(`It must be one of ${words.join(', ')}.`);
    return word;
  };
  return Object.assign(parse, { words });
}

/** How an option is declared. */
export interface OptionSpec<T> {
  /**
   * For example `--port <number>`; a flag has no `<…>`. Written with dashes. Where the value may be missing, and then means
   * the default, it stands in brackets: `--peer-host [host]`.
   */
  flags: string;
  description: string;
  parse?: OptionParser<T>;
  default?: T;
  /** Shown instead of the default's own text. */
  defaultText?: string;
  /** May be given several times; the value is then an array. */
  repeatable?: boolean;
}

/** The environment variable of an option: `GOSSIP_PEER_` or `GOSSIP_MINER_` and its name. */
function environmentName(program: string, option: Option): string {
  return `GOSSIP_${program}_${option.name()}`.toUpperCase().replaceAll('-', '_');
}

/**
 * Adds an option, with its environment variable, to a command of `program`. A flag is false unless it is given.
 */
export function addOption<T>(command: Command, program: 'peer' | 'miner', spec: OptionSpec<T>): Command {
  const option = new Option(spec.flags, spec.description);
  option.env(environmentName(program, option));
  const { parse } = spec;
  if (spec.repeatable) {
    // From the environment or a file the values come in one text, separated by commas.
    option.argParser<T[]>((value, earlier) => [
      ...earlier,
      ...value.split(',').map((one) => (parse ? parse(one.trim()) : (one.trim() as T))),
    ]);
  } else if (parse) {
    option.argParser<T>(parse);
  }
  const initial = spec.repeatable ? [] : spec.default;
  if (initial !== undefined)
    option.default(initial, spec.defaultText ?? (spec.repeatable ? 'none' : undefined));
  command.addOption(option);
  if (option.optional) {
    command.on(eventOf(option), (value: string | null) => {
      if (!value) command.setOptionValueWithSource(option.attributeName(), initial, 'cli');
    });
  }
  return command;
}

/** What a command emits when an option was given, with its value: null if there is none. */
function eventOf(option: Option): string {
  return `option:${option.name()}`;
}

/**
 * Has a command refuse options without their value. Commander would take whatever follows for it, another option too; of a
 * value that may be missing it expects no dash in front.
 */
function refuseMissingValues(command: Command): void {
  if (!(command instanceof EventEmitter)) return;
  for (const option of command.options.filter(({ required }) => required)) {
    option.required = false;
    option.optional = true;
    // Before Commander's own listener, which would read it.
    command.prependListener(eventOf(option), (value: string | null) => {
      if (value) return;
      const name = `--${option.name()}`;
      const flags = option.flags.slice(option.flags.indexOf(name));
      throw new UserError(
        `${name} is given without its value: write ${flags} (or ${name}=… if the value begins with a dash)`,
      );
    });
  }
}

/** Adds the options that every command of both programs has. */
export function addCommonOptions(
  command: Command,
  program: 'peer' | 'miner',
  logLevel: LogLevel = 'info',
): Command {
  addOption(command, program, {
    flags: '--config <file>',
    description:
      'a JSON file of options, as {"port": 8784}; the command line and the environment go before it',
  });
  addOption(command, program, {
    flags: '--log-level <level>',
    description: `how much to log: ${LOG_LEVELS.join(', ')}`,
    parse: oneOf(LOG_LEVELS),
    default: logLevel,
  });
  addOption(command, program, {
    flags: '--log-format <format>',
    description: `${LOG_FORMATS.join(' for people, ')} for programs`,
    parse: oneOf(LOG_FORMATS),
    default: 'text',
  });
  return addVerboseOption(command);
}

/** Adds `--supervised`, for programs that are children of another one; people need not see it. */
export function addSupervisedOption(command: Command): Command {
  return command.addOption(
    new Option('--supervised', 'obey the process that started this one, and end with it').hideHelp(),
  );
}

/** Adds `--verbose`, which shows the stack of an error. */
export function addVerboseOption(command: Command): Command {
  return command.addOption(new Option('--verbose', 'show where in the program an error came from'));
}

/** Writes the names of long options with dashes: `--peer_host=x` becomes `--peer-host=x`. Values stay as they are. */
export function withDashes(args: readonly string[]): string[] {
  let literal = false;
  return args.map((arg) => {
    literal ||= arg === '--';
    return literal ? arg : arg.replace(/^--[A-Za-z0-9_-]+/, (name) => name.replaceAll('_', '-'));
  });
}

/**
 * Takes the values of an option file for every option that neither the command line nor the environment set.
 *
 * @throws UserError if the file can't be read, is not a JSON object, or names an option that does not exist
 */
export function applyOptionFile(command: Command, path: string): void {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`option file ${path}: ${fileFaultOf(error)}`);
  }
  applyOptions(command, source, path);
}

/**
 * Takes option values from the text of an option file.
 *
 * @param path named in errors
 * @throws UserError as {@link applyOptionFile}
 */
export function applyOptions(command: Command, source: string, path: string): void {
  let content: unknown;
  try {
    content = parseJson(source);
  } catch (error) {
    // The parser quotes the text, which may have line ends.
    throw new UserError(`option file ${path}: ${messageOf(error).replace(/\s+/g, ' ')}`);
  }
  if (!isJsonObject(content)) throw new UserError(`option file ${path}: it must hold one JSON object`);
  for (const [key, value] of Object.entries(content)) {
    const name = key.replaceAll('_', '-');
    const option = command.options.find((candidate) => candidate.name() === name);
    if (option === undefined || name === 'config')
      throw new UserError(`option file ${path}: unknown option ${JSON.stringify(key)}`);
    const attribute = option.attributeName();
    if (
      command.getOptionValueSource(attribute) !== 'default' &&
      command.getOptionValue(attribute) !== undefined
    )
      continue;
    command.setOptionValueWithSource(attribute, readFileValue(option, value, path), 'config');
  }
}

/** Whether an option takes no value. */
function isFlag(option: Option): boolean {
  return !option.required && !option.optional;
}

/** Commander takes a flag for set when its environment variable merely exists; `false` is to mean false. */
function readFlagsOfEnvironment(command: Command): void {
  for (const option of command.options) {
    const attribute = option.attributeName();
    if (!isFlag(option) || command.getOptionValueSource(attribute) !== 'env') continue;
    const name = option.envVar ?? '';
    const value = process.env[name]?.toLowerCase() ?? '';
    if (!['true', 'false', '1', '0'].includes(value)) {
      throw new UserError(`environment variable ${name}: it must be true or false`);
    }
    command.setOptionValueWithSource(attribute, value === 'true' || value === '1', 'env');
  }
}

/** Options before the name of a subcommand would be those of another command, and do nothing; better to say so. */
function refuseMisplacedOptions(command: Command): void {
  let inner = command;
  for (let outer = inner.parent; outer !== null; outer = inner.parent) {
    for (const option of outer.options) {
      if (outer.getOptionValueSource(option.attributeName()) === 'cli' && option.name() !== 'verbose') {
        throw new UserError(
          `--${option.name()} stands before "${inner.name()}"; options go after the command`,
        );
      }
    }
    inner = outer;
  }
}

/** All commands of a program, at every level. */
export function commandsOf(program: Command): Command[] {
  return program.commands.flatMap((command) => [command, ...commandsOf(command)]);
}

/** One value of an option file, through the option's own parser. */
function readFileValue(option: Option, value: unknown, path: string): unknown {
  const texts = (Array.isArray(value) ? value : [value]) as unknown[];
  if (isFlag(option)) {
    if (typeof value === 'boolean') return value;
    throw new UserError(`option file ${path}: "${option.name()}" must be true or false`);
  }
  if (texts.includes('')) throw new UserError(`option file ${path}: "${option.name()}" is empty`);
  if (!texts.every((one) => typeof one === 'string' || typeof one === 'number')) {
    throw new UserError(`option file ${path}: "${option.name()}" must be a text or a number`);
  }
  const { parseArg } = option;
  if (parseArg === undefined) return String(value);
  try {
    return parseArg(texts.join(','), (option.defaultValue ?? []) as never);
  } catch (error) {
    throw new UserError(`option file ${path}: "${option.name()}": ${messageOf(error)}`);
  }
}

/** A command line of a program that has commands names one of them, if it names anything. */
function refuseUnknownCommand(args: readonly string[], names: readonly string[]): void {
  const name = args[0] === 'help' ? args[1] : args[0];
  if (name === undefined || name.startsWith('-') || names.length === 0 || names.includes(name)) return;
  throw new UserError(`unknown command '${name}'${didYouMean(name, names)}; --help lists them`);
}

/**
 * Parses the command line and runs the chosen command. Errors end up as one line on standard error and a
 * non-zero exit code; with `--verbose` as a stack.
 *
 * @param names of all commands of a program that is one by itself too; they need not be loaded
 */
export async function runProgram(
  program: Command,
  args: readonly string[],
  names: readonly string[] = [],
): Promise<void> {
  guardProcess(program.name(), args.includes('--verbose'));
  await runCommandLine(program, args, names);
}

/** Runs a command line that does not have the process to itself. */
export async function runCommandLine(
  program: Command,
  args: readonly string[],
  names: readonly string[],
): Promise<void> {
  const verbose = args.includes('--verbose');
  const commands = commandsOf(program);
  forgetEmptyVariables([program, ...commands]);
  for (const command of [program, ...commands]) refuseMissingValues(command);
  program
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (message, write) => {
        write(message.replace(/^error: /, `${program.name()}: `));
      },
    });
  for (const command of commands) {
    // The program itself takes any, to name a command that it does not know.
    command
      .exitOverride()
      .copyInheritedSettings(program)
      .allowExcessArguments(false)
      .enablePositionalOptions();
  }
  program.hook('preAction', (_, command) => {
    if (command === program) refuseUnknownCommand(program.args, names);
    refuseMisplacedOptions(command);
    readFlagsOfEnvironment(command);
    const { config } = command.opts<{ config?: string }>();
    if (config !== undefined) applyOptionFile(command, config);
  });
  try {
    // Options after it would be complained of first, as those of a command that was not found.
    refuseUnknownCommand(args, names);
    await program.parseAsync(withDashes(args), { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has already printed what was wrong, or shown the help.
      process.exitCode = error.exitCode;
      return;
    }
    explain(program.name(), error, verbose);
    process.exitCode = 1;
  }
}

/** One line for an error that the user can do something about, a hint more for one that nobody foresaw. */
function explain(name: string, error: unknown, verbose: boolean): void {
  const text = verbose && error instanceof Error ? (error.stack ?? '') : messageOf(error);
  console.error(`${name}: ${text.split('\n').map(escapeControls).join('\n')}`);
  if (!(error instanceof UserError) && !verbose) {
    console.error('This is a fault of the program; --verbose shows where it happened.');
  }
}

/** A variable that is set to nothing is one that somebody meant to leave out. */
function forgetEmptyVariables(commands: readonly Command[]): void {
  for (const { envVar } of commands.flatMap(({ options }) => options)) {
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- an entry of process.env is removed in no other way
    if (envVar !== undefined && process.env[envVar] === '') delete process.env[envVar];
  }
}

/**
 * Sees to what reaches no command: a reader of our output that has gone (`| head`) is no reason to stop what we do,
 * anything else that nobody caught ends the process, as one line.
 */
function guardProcess(name: string, verbose: boolean): void {
  process.stdout.on('error', (error) => {
    // A reader that has read enough is none; a full disk is the user's to mend.
    if (systemCodeOf(error) !== 'EPIPE')
      throw new UserError(`cannot write to standard output: ${messageOf(error)}`);
  });
  process.stderr.on('error', () => {
    // There is nobody left to notify.
  });
  process.on('uncaughtException', (error) => {
    explain(name, error, verbose);
    process.exit(1);
  });
}
