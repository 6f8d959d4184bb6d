/** The control panel over a real network, in a real browser. */
import type { Page } from 'playwright-core';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';

import { TestBrowser, VIEWS, barriers, browserNote, browserPath, screenshot } from '../support/browser.ts';
import { CommandNetwork } from '../support/command-network.ts';
import { Lab } from '../support/processes.ts';
import { reads } from './pages.ts';

const LIMIT = 400_000;
/** How long something may take to be seen on the page: the panel asks every two seconds, and nodes must start. */
const PATIENCE = 100_000;

const browser = new TestBrowser();
afterAll(() => browser.close());

/** The text of an element, once it passes. */
function shows(page: Page, selector: string, wanted: RegExp): Promise<string> {
  return reads(page, selector, wanted, PATIENCE);
}

describe.skipIf(browserPath === undefined)(`the panel over a network${browserNote}`, () => {
  it(
    'kills, starts, pauses and resumes real nodes, parts them, shows their chains apart, and heals them',
    async () => {
      const lab = new Lab();
      onTestFinished(() => lab.close());
      const network = await CommandNetwork.start(lab, { nodes: 3, miners: 3 });
      const { page, problems } = await browser.open(`${network.url}/`, VIEWS.light);
      page.setDefaultTimeout(PATIENCE);
      onTestFinished(() => page.context().close());
      const panel = page.locator('#network');
      const press = (name: string): Promise<void> => panel.getByRole('button', { name, exact: true }).click();

      // The page of the first node, live through the network's server.
      await shows(page, '#network-state', /^3 of 3 nodes run$/);
      await shows(page, '#connection', /^live$/);
      await shows(page, '#name', /^node-1$/);
      await page.locator('#strip a.cube').first().waitFor();
      await shows(page, '#nodes', /node-1.*height \d.*1 miner.*node-2.*node-3/);
      await page.getByLabel('A word for the next block').fill('through the panel');
      await page.keyboard.press('Enter');
      await shows(page, '#word-result', /“through the panel” waits/);

      await press('Kill node-2');
      await shows(page, '#network-state', /^2 of 3 nodes run$/);
      await shows(page, '#nodes', /node-2.*down/);
      await press('Start node-2');
      await shows(page, '#network-state', /^3 of 3 nodes run$/);
      await press('Pause node-3');
      await shows(page, '#nodes', /node-3.*paused/);
      await press('Resume node-3');
      await shows(page, '#network-state', /^3 of 3 nodes run$/);

      await network.agree([1, 2, 3], 1);
      for (const node of [1, 2, 3]) await panel.getByLabel(`Group of node-${node}`).selectOption('1');
      await press('Partition by group');
      await shows(page, '#control-problem', /a partition has two groups at the least/);
      await panel.getByLabel('Group of node-3').selectOption('2');
      await press('Partition by group');
      await shows(page, '#network-state', /partitioned/);
      expect(await page.locator('#control-problem').textContent()).toBe('');
      await shows(page, '#nodes', /node-1.*in group 1.*node-2.*in group 1.*node-3.*in group 2/);
      const parting = await network.highest([1, 2, 3]);
      const [one, , three] = await network.hashesAt([1, 2, 3], parting + 2);
      expect(one).not.toBe(three);
      await screenshot(page, 'network-partitioned');
      expect(await barriers(page)).toEqual([]);
      await press('Heal');
      await shows(page, '#network-state', /^3 of 3 nodes run$/);
      await network.agree([1, 2, 3], parting + 2);

      // Another node's page.
      await panel.getByRole('link', { name: 'node-3' }).click();
      await shows(page, '#name', /^node-3$/);
      await shows(page, '#connection', /^live$/);
      await page.locator('#strip a.cube').first().waitFor();
      // Nodes that are down answer so, groups that are none too, and streams of the page that was left are broken off.
      const unexpected = problems.filter((problem) => !/status of (400|503)|ERR_ABORTED/.test(problem));
      expect(unexpected).toEqual([]);
      await network.program.kill('SIGINT');
    },
    LIMIT,
  );

  it(
    'notices that the node it shows was killed, and goes on when it is started again',
    async () => {
      const lab = new Lab();
      onTestFinished(() => lab.close());
      const network = await CommandNetwork.start(lab, { nodes: 2, miners: 1 });
      const { page } = await browser.open(`${network.url}/?node=node-1`, VIEWS.dark);
      onTestFinished(() => page.context().close());
      page.setDefaultTimeout(PATIENCE);
      await shows(page, '#connection', /^live$/);
      await network.order('/nodes/node-1/kill');
      await shows(page, '#connection', /^reconnecting…$/);
      await network.order('/nodes/node-1/start');
      await shows(page, '#connection', /^live$/);
      await shows(page, '#name', /^node-1$/);
      await network.program.kill('SIGINT');
    },
    LIMIT,
  );
});
