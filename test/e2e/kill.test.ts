/** A short kill campaign; the long one is `npm run kill-campaign`. */
import { expect, it } from 'vitest';

import { PHASES, runKillCampaign } from '../support/kill-campaign.ts';

const LIMIT = 180_000;

it(
  'kill -9 at random moments of sync, mining and reorganisation loses nothing that anybody was told',
  async () => {
    const report = await runKillCampaign({ kills: 12, seed: 5 });
    for (const phase of PHASES) expect(report.kills[phase]).toBe(4);
    expect(report.acknowledged).toBeGreaterThan(0);
    expect(report.reported).toBeGreaterThan(0);
    expect(report.before + report.after).toBe(8);
  },
  LIMIT,
);
