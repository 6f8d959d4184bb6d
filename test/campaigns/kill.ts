/**
 * Kills a peer again and again, at random moments of its work, and checks after each kill that it has lost nothing.
 * Run from the compiled tree, or with `npm run kill-campaign -- --kills 100 --seed 1`:
 *
 *     node dist/test/campaigns/kill.js [--kills <number>] [--seed <number>]
 *
 * The exit code is 1 if anything was lost, or the chain was wrong; 130 or 143 if a signal has stopped it before.
 */
import { Command } from 'commander';

import { UserError, messageOf } from '../../shared/errors.ts';
import { integer, runProgram } from '../../shared/options.ts';
import { PHASES, runKillCampaign, type KillReport } from '../support/kill-campaign.ts';
import { StopSignals } from '../../shared/stop-signals.ts';

/** Most kills of one run: about a day. */
const MOST_KILLS = 50_000;
const MOST_SEED = 2 ** 32 - 1;
/** Seeds that are drawn are short, to be typed again. */
const DRAWN_SEEDS = 1_000_000;

interface Options {
  readonly kills: number;
  readonly seed?: number;
}

function summary(report: KillReport, planned: number, seconds: number): string {
  const { complete, kills, before, after, acknowledged, announced, reported, folders, longestChain } = report;
  const total = PHASES.reduce((sum, phase) => sum + kills[phase], 0);
  const done = complete ? `${total} kills` : `stopped after ${total} of ${planned} kills`;
  return [
    `${done} in ${Math.round(seconds)} s, nothing lost`,
    ...PHASES.map((phase) => `  during ${phase.padEnd(15)}${String(kills[phase]).padStart(6)}`),
    `  in a sync or reorganisation, ${before} left the old chain and ${after} the new one, whole`,
    `  ${acknowledged} blocks acknowledged to miners, ${announced} announced, ${reported} STATS told: all kept`,
    `  ${folders} data folders, the longest chain had ${longestChain} blocks`,
  ].join('\n');
}

async function campaign({ kills, seed = 1 + (Date.now() % DRAWN_SEEDS) }: Options): Promise<void> {
  const start = performance.now();
  const again = `npm run kill-campaign -- --kills ${kills} --seed ${seed}`;
  const progress = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  };
  const signals = new StopSignals();
  try {
    const report = await runKillCampaign({
      kills,
      seed,
      stop: signals.stop,
      onKill: (done, phase) => {
        progress(`${done} of ${kills} kills, the last during ${phase}`);
      },
    });
    progress('');
    console.log(`${summary(report, kills, (performance.now() - start) / 1000)}\n  again with: ${again}`);
    if (!report.complete) process.exitCode = signals.exitCode ?? 1;
  } catch (error) {
    progress('');
    throw new UserError(`${messageOf(error)}\nagain, with moments drawn the same: ${again}`, {
      cause: error,
    });
  }
}

const program = new Command('kill-campaign')
  .description('Kills a peer at random moments of its work, and checks after each kill that nothing is lost.')
  .option('--kills <number>', 'how often it is killed', integer(1, MOST_KILLS), 100)
  .option(
    '--seed <number>',
    'what the moments are drawn from (default: another one each time)',
    integer(1, MOST_SEED),
  )
  .option('--verbose', 'show where in the program an error came from')
  .addHelpText(
    'after',
    '\nCtrl-C and SIGTERM stop it in order, a second one at once.\n\nExample:\n  npm run kill-campaign -- --kills 100 --seed 1',
  )
  .action(campaign);

await runProgram(program, process.argv.slice(2));
