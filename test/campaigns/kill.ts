/**
 * Kills a peer again and again, at random moments of its work, and checks after each kill that it has lost nothing.
 * Run from the compiled tree, or with `npm run kill-campaign -- --kills 100 --seed 1`:
 *
 *     node dist/test/campaigns/kill.js [--kills <number>] [--seed <number>]
 *
 * The exit code is 1 if anything was lost, or the chain was wrong.
 */
import { parseArgs } from 'node:util';

import { messageOf } from '../../shared/errors.ts';
import { PHASES, runKillCampaign, type KillReport } from '../support/kill-campaign.ts';

/** Most kills of one run: about a day. */
const MOST_KILLS = 50_000;

function readNumber(name: string, value: string, most: number): number {
  if (/^\d{1,10}$/.test(value) && Number(value) >= 1 && Number(value) <= most) return Number(value);
  throw new Error(`--${name} must be a whole number from 1 to ${most}, not "${value}"`);
}

function summary(report: KillReport, seconds: number): string {
  const { kills, before, after, acknowledged, announced, told, folders, longestChain } = report;
  const total = PHASES.reduce((sum, phase) => sum + kills[phase], 0);
  return [
    `${total} kills in ${Math.round(seconds)} s, nothing lost`,
    ...PHASES.map((phase) => `  during ${phase.padEnd(15)}${String(kills[phase]).padStart(6)}`),
    `  in a sync or reorganisation, ${before} left the old chain and ${after} the new one, whole`,
    `  ${acknowledged} blocks acknowledged to miners, ${announced} announced, ${told} STATS told: all kept`,
    `  ${folders} data folders, the longest chain had ${longestChain} blocks`,
  ].join('\n');
}

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string' } },
});
const start = performance.now();
let again = '';
const terminal = process.stderr.isTTY;
try {
  const kills = readNumber('kills', values.kills, MOST_KILLS);
  const seed = readNumber('seed', values.seed ?? String(1 + (Date.now() % 1_000_000)), 2 ** 32 - 1);
  again = `npm run kill-campaign -- --kills ${kills} --seed ${seed}`;
  const report = await runKillCampaign({
    kills,
    seed,
    onKill: (done, phase) => {
      if (terminal) process.stderr.write(`\r\x1b[K${done} of ${kills} kills, the last during ${phase}`);
    },
  });
  if (terminal) process.stderr.write('\r\x1b[K');
  console.log(`${summary(report, (performance.now() - start) / 1000)}\n  again with: ${again}`);
} catch (error) {
  if (terminal) process.stderr.write('\n');
  console.error(`kill campaign: ${messageOf(error)}`);
  if (again !== '') console.error(`again, with moments drawn the same: ${again}`);
  process.exitCode = 1;
}
