import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';

import { Command, Option } from 'commander';

import { UserError } from '../../shared/errors.ts';
import { addVerboseOption, integer } from '../../shared/options.ts';
import { defaultEngine, simulatedEngines, type Registry } from '../engines/registry.ts';
import { PARTITION_KINDS, PARTITION_TEXTS } from '../simulator/faults.ts';
import { LATENCY_SHAPES } from '../simulator/network.ts';
import { findEngine, MAX_SEED, PLAN_OPTIONS, readPlan, type Wording } from '../simulator/plan.ts';
import type { SimulatedEngine } from '../simulator/offer.ts';
import { SETTINGS, type SettingSpec } from '../simulator/settings.ts';
import { runCampaign, runSeed, type CampaignOptions, type RunOptions } from './simulate-run.ts';

/** Threads for each core: more only get in each other's way, and in that of whoever wants to stop them. */
const MAX_WORKERS_PER_CORE = 8;
/** Columns of the help where there is no terminal, as of what Commander writes itself. */
const DEFAULT_HELP_WIDTH = 80;

/** What the command line says, besides the settings. */
interface Options extends RunOptions, CampaignOptions {
  readonly seeds?: string;
}

/**
 * `peer simulate`: runs a network of engines in one process; exit code 2 if something does not hold.
 *
 * @param worker what the workers of a campaign run: they must know the same engines
 */
export async function simulateCommand(registry: Registry, worker?: URL): Promise<Command> {
  const engines = await simulatedEngines(registry);
  const command = new Command('simulate')
    .description('run a whole network of one engine in one process, with every fault there is, and check it')
    .argument('[engine]', enginesText(engines), defaultEngine(registry))
    .usage('[engine] [options]')
    .addHelpText('after', ({ command: shown }) => helpText(shown, engines));
  command
    .optionsGroup('What to run:')
    .addOption(
      new Option('--seed <number>', 'the run: the same seed and options give the same run (default: random)')
        .argParser(integer(0, MAX_SEED))
        .conflicts('seeds'),
    )
    .option('--seeds <a..b>', 'a campaign: all these seeds, on all cores')
    .option('--keep-going', 'a campaign goes on after a failure')
    .addOption(
      new Option('--workers <number>', 'threads of a campaign (default: one for each core)').argParser(
        integer(1, MAX_WORKERS_PER_CORE * availableParallelism()),
      ),
    )
    .addOption(
      new Option(
        '--faults <menu>',
        '"none" has no faults but those asked for, "mixed" has every seed draw its own mixture of what is not asked for (default none)',
      ),
    );
  command
    .optionsGroup('Output:')
    .option('--trace <file>', 'write every event as a line of JSON; - for standard output', outputFile)
    .option('--json', 'write the report as JSON')
    .option('--html <file>', 'write the report as a page with plots; - for standard output', outputFile);
  addVerboseOption(command);
  const common = Object.entries<SettingSpec>(SETTINGS);
  command.optionsGroup('The network:');
  addSettings(
    command,
    common.filter(([, { topic }]) => topic !== 'faults'),
  );
  command.addOption(
    new Option('--latency-shape <shape>', `${LATENCY_SHAPES.join(', ')} (default exponential, mixed any)`),
  );
  command.optionsGroup('Faults:');
  addSettings(
    command,
    common.filter(([, { topic }]) => topic === 'faults'),
  );
  command.addOption(
    new Option(
      '--partition-kinds <kinds>',
      `${PARTITION_KINDS.join(', ')}, with commas between (default all)`,
    ),
  );
  command.addOption(
    new Option(
      '--byzantine <nodes>',
      'nodes that mean ill: how many, or of which kinds, for example goose,eclipse,goose (default 0, mixed up to a third)',
    ),
  );
  if (engines.some(({ foreign }) => foreign !== undefined)) {
    command.addOption(
      new Option(
        '--foreign <nodes>',
        'honest nodes with the quirks of programs of others, where an engine has such: how many, or of which kinds, for example doubling,deaf (default 0)',
      ),
    );
  }
  for (const { name, settings } of engines) {
    command.optionsGroup(`Engine ${name}:`);
    const taken = new Set(command.options.map((option) => option.name()));
    // What two engines have in common is explained once.
    addSettings(
      command,
      Object.entries(settings).filter(([setting]) => !taken.has(setting)),
    );
  }
  return command.action(async (name: string, options: Options) => {
    const engine = findEngine(name, engines);
    refuseSenseless(options);
    const wording = wordingOf(command, engines);
    const order = { engine, wording, plan: readPlan(engine, wording), worker };
    if (options.seeds === undefined) await runSeed(order, options);
    else await runCampaign(order, options.seeds, options);
  });
}

/** A file that an option names: standard output is `-`, by whatever name, as the report has to make room for it. */
function outputFile(file: string): string {
  return ['/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'].includes(file) ? '-' : file;
}

function enginesText(engines: readonly SimulatedEngine[]): string {
  return `what decides in every node: ${engines.map(({ name, title }) => `${name} (${title})`).join(', ')}`;
}

function addSettings(command: Command, settings: readonly (readonly [string, SettingSpec])[]): void {
  for (const [name, { description, unit, initial, mixed }] of settings) {
    const notes = [
      ...(unit === '' ? [] : [unit]),
      `default ${initial}`,
      ...(mixed === undefined ? [] : [`mixed ${mixed.least}..${mixed.most}`]),
    ];
    // Texts: what they mean is read when the engine is known.
    command.addOption(new Option(`--${name} <n>`, `${description} (${notes.join(', ')})`));
  }
}

function helpText(command: Command, engines: readonly SimulatedEngine[]): string {
  const help = command.createHelp();
  help.prepareContext({ helpWidth: command.configureOutput().getOutHelpWidth?.() ?? DEFAULT_HELP_WIDTH });
  const list = (title: string, texts: Readonly<Record<string, string>>): string[] => {
    const width = Math.max(...Object.keys(texts).map((kind) => kind.length));
    return [
      '',
      title,
      ...Object.entries(texts).map(([kind, text]) => help.formatItem(kind, width, text, help)),
    ];
  };
  const kinds = [
    ...list('Partitions:', PARTITION_TEXTS),
    ...engines.flatMap(({ name, byzantine, foreign }) => [
      ...list(`Byzantine nodes of ${name}:`, byzantine),
      ...(foreign === undefined ? [] : list(`Foreign nodes of ${name}:`, foreign)),
    ]),
  ];
  return [
    '',
    'Every <n> is a number, or a range from which each seed draws its own: --loss 5,',
    '--loss 0..30. The exit code is 0 if everything held, 2 if a checker was',
    'violated, and 1 if the simulation could not be run.',
    ...kinds,
    '',
    'Examples:',
    '  node peer simulate',
    ...engines.flatMap(({ name, examples }) => examples.map((one) => `  node peer simulate ${name} ${one}`)),
  ].join('\n');
}

/** The words given for the plan, in the order of the options. */
function wordingOf(command: Command, engines: readonly SimulatedEngine[]): Wording {
  const names = new Set<string>([
    ...PLAN_OPTIONS,
    ...Object.keys(SETTINGS),
    ...engines.flatMap(({ settings }) => Object.keys(settings)),
  ]);
  const values = command.opts<Record<string, string | undefined>>();
  const wording: Record<string, string> = {};
  for (const option of command.options) {
    const text = values[option.attributeName()];
    if (text !== undefined && names.has(option.name())) wording[option.name()] = text;
  }
  return wording;
}

/** @throws UserError if options were given that mean nothing, alone or together */
function refuseSenseless({ seeds, keepGoing, workers, trace, html, json }: Options): void {
  if (seeds !== undefined && (trace !== undefined || html !== undefined)) {
    throw new UserError('--trace and --html are for a single run: --seed instead of --seeds');
  }
  if (seeds === undefined && (keepGoing === true || workers !== undefined)) {
    throw new UserError(
      '--keep-going and --workers are for a campaign: add --seeds, for example --seeds 1..100',
    );
  }
  if (trace !== undefined && html !== undefined && trace !== '-' && resolve(trace) === resolve(html)) {
    throw new UserError(`--trace and --html can not both be written to ${html}`);
  }
  const toOutput = [
    ...(trace === '-' ? ['--trace -'] : []),
    ...(html === '-' ? ['--html -'] : []),
    ...(json === true ? ['--json'] : []),
  ];
  if (toOutput.length > 1) {
    throw new UserError(`${toOutput.join(' and ')} can not both go to standard output; give one a file`);
  }
}
