/** The status page of replicas, in a real browser. */
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';

import { openPbftWeb } from '../../../../peer/engines/pbft/face/server.ts';
import { UserError } from '../../../../shared/errors.ts';
import { silentLog } from '../../../../shared/log.ts';
import { eventually } from '../../../support/asker.ts';
import {
  TestBrowser,
  VIEWS,
  barriers,
  browserNote,
  browserPath,
  canvasColours,
  screenshot,
  type OpenPage,
} from '../../../support/browser.ts';
import { CommandNetwork } from '../../../support/command-network.ts';
import { Lab } from '../../../support/processes.ts';
import { LOOPBACK } from '../../../support/wire.ts';
import { expectToFit, reads, unexpected } from '../../../web/pages.ts';
import { FakeReplica, HOSTILE } from './replica-rig.ts';

const LIMIT = 240_000;
/** How long something may take to be seen on the page. */
const PATIENCE = 40_000;
/** Where real processes must start, and a primary must be given up. */
const NETWORK_PATIENCE = 100_000;
/** Most that the whole page may take to transfer, in bytes. */
const MAX_TRANSFER = 150_000;

const browser = new TestBrowser();
afterAll(() => browser.close());

/** A replica that says what the test wants, and its page. */
async function served(): Promise<{ readonly replica: FakeReplica; readonly url: string }> {
  const replica = new FakeReplica();
  const web = await openPbftWeb(replica, { bind: LOOPBACK, port: 0, log: silentLog });
  onTestFinished(() => web.close());
  return { replica, url: `http://${LOOPBACK}:${web.address.port}/` };
}

async function open(url: string, view: keyof typeof VIEWS = 'light'): Promise<OpenPage> {
  const opened = await browser.open(url, VIEWS[view]);
  opened.page.setDefaultTimeout(PATIENCE);
  onTestFinished(() => opened.page.context().close());
  return opened;
}

/** Something of everything has happened. */
function live(replica: FakeReplica): void {
  for (let batch = 0; batch < 120; batch++) replica.execute([{}, { client: batch % 4 }], 3 + (batch % 7));
  replica.become({
    ...{ view: 1, primary: 1, low: 100, high: 300, proposed: 130, viewChanges: 1 },
    others: replica.current.others.map((other) => ({
      ...{ ...other, view: 1, stable: 100, executed: other.replica === 3 ? 104 : 120 },
      ...{ offences: other.replica === 3 ? 1 : 0 },
    })),
  });
  replica.report(
    { kind: 'view-change-started', view: 1, reason: 'timeout' },
    { kind: 'view-entered', view: 1, primary: 1, carried: 3 },
    { kind: 'checkpoint', sequence: 100, digest: 'ef09'.repeat(16) },
    { kind: 'transfer-started', sequence: 100, executed: 40 },
    { kind: 'transfer-finished', sequence: 100, pages: 12 },
    { kind: 'offence', member: 3, rule: 'equivocation' },
  );
}

describe.skipIf(browserPath === undefined)(`the page of a replica${browserNote}`, () => {
  it(
    'shows what is executed as it happens, and has an operation executed that was typed into it',
    async () => {
      const { replica, url } = await served();
      replica.onSubmit = async (operation) => {
        await Promise.resolve();
        replica.execute([{ client: 0, operation, result: '{"stored":true}' }]);
        return '{"stored":true}';
      };
      const opened = await open(url);
      const { page } = opened;
      await reads(page, '#connection', /^live$/);
      await reads(page, '#name', /^test, replica-0$/);
      await reads(page, '#figure-view-note', /this replica is the primary/);
      await reads(page, '#table-requests', /Nothing was executed yet/);
      replica.execute([{ client: 2 }, { client: 3 }], 7);
      await reads(page, '#figure-executed', /^1$/);
      await reads(page, '#figure-agreement', /^7.0 ms$/);
      await reads(page, '#table-requests', /\["put","key-1","value"\]answer \{"stored":true\}/);

      await page.getByLabel('An operation').fill('put fruit apple');
      await page.keyboard.press('Enter');
      await reads(page, '#submit-result', /^answer \{"stored":true\} \(\d.*ms\)$/);
      await reads(page, '#answers', /put fruit apple answer/);
      await reads(page, '#table-requests', /\["put","fruit","apple"\]/);
      await page.getByLabel('Look up a key').fill('fruit');
      await page.getByRole('button', { name: 'Look up' }).click();
      await reads(page, '#table-requests', /\["get","\\"fruit\\""\]/);
      expect(unexpected(opened)).toEqual([]);

      await page.getByLabel('An operation').fill('eat fruit');
      await page.getByRole('button', { name: 'Submit' }).click();
      await reads(page, '#submit-result', /What is to be done\? As in: get <key>/);
      expect(await page.locator('#submit-result.problem').count()).toBe(1);
      // It is still there to be put right.
      expect(await page.getByLabel('An operation').inputValue()).toBe('eat fruit');
    },
    LIMIT,
  );

  it(
    'shows an answer that came late when it comes, and takes other operations meanwhile',
    async () => {
      const { replica, url } = await served();
      let answer: (result: string) => void = () => undefined;
      replica.onSubmit = (operation) =>
        operation.includes('slow')
          ? new Promise((resolve) => (answer = resolve))
          : Promise.resolve('{"stored":true}');
      const { page } = await open(url);
      await reads(page, '#connection', /^live$/);
      await page.getByLabel('An operation').fill('put slow 1');
      await page.keyboard.press('Enter');
      await page.getByLabel('An operation').fill('put quick 2');
      await page.keyboard.press('Enter');
      await reads(page, '#answers', /put quick 2/);
      await reads(page, '#answers', /put slow 1 has no answer yet/, PATIENCE);
      answer('{"stored":true}');
      await reads(page, '#answers', /put slow 1 answer \{"stored":true\}/);
    },
    LIMIT,
  );

  it(
    'tells of a view change while it lasts and afterwards, of who is behind, and of a state that is fetched',
    async () => {
      const { replica, url } = await served();
      const opened = await open(url);
      const { page } = opened;
      await reads(page, '#view-changes-list', /No primary was given up yet/);
      expect(await page.locator('#alert').isVisible()).toBe(false);
      replica.become({ view: 1, primary: 1, phase: 'changing view', waiting: 2 });
      replica.report({ kind: 'view-change-started', view: 1, reason: 'timeout' });
      await reads(page, '#alert', /Changing view\s+View 0 was given up .* because a request waited too long/);
      await reads(page, '#phase', /^changing view$/);
      await reads(page, '#replica-cards', /replica-1next primary/);
      await reads(page, '#view-changes-list', /0 → 1.*the new view is sought/);
      replica.become({ phase: 'normal', waiting: 0, viewChanges: 1 });
      replica.report({ kind: 'view-entered', view: 1, primary: 1, carried: 3 });
      await page.locator('#alert').waitFor({ state: 'hidden' });
      await reads(page, '#figure-view', /^1$/);
      await reads(page, '#view-changes-list', /replica-1 is the primary after .*; 3 numbers carried over/);
      await reads(page, '#news', /0 → 1: .*replica-1 is the primary/);

      replica.become({
        ...{ executed: 200, proposed: 200, low: 100, high: 300 },
        others: replica.current.others.map((other) => ({
          ...{ ...other, stable: 100, executed: other.replica === 3 ? 150 : 200 },
        })),
      });
      replica.connections = replica.connections.map((one) =>
        one.member === 2 ? { ...one, state: 'down' } : one,
      );
      replica.report({ kind: 'checkpoint', sequence: 100, digest: 'ab'.repeat(32) });
      await reads(page, '#replica-cards', /replica-2.*not connected.*replica-3.*behind.*50 behind/);
      await reads(page, '#checkpoints-list', /stable at 100: (ab){8}…/);
      const shares = await page.evaluate<string[]>(
        "[...document.querySelectorAll('#replica-cards .bar')].map((bar) => bar.style.getPropertyValue('--share'))",
      );
      expect(shares).toEqual(['1', '1', '1', '0.5']);
      await reads(page, '#window-figures', /executed200/);

      replica.report(
        { kind: 'transfer-started', sequence: 400, executed: 200 },
        { kind: 'transfer-progress', pages: 30, total: 120 },
        { kind: 'offence', member: 3, rule: 'equivocation' },
      );
      await reads(page, '#sync-text', /From 200 to the checkpoint at 400: 30 of 120 pages/);
      expect(await page.evaluate("document.querySelector('#sync-bar').position")).toBe(0.25);
      await reads(page, '#offences-list', /replica-3 equivocation/);
      expect(await barriers(page)).toEqual([]);
      replica.report({ kind: 'transfer-finished', sequence: 400, pages: 120 });
      await page.locator('#sync').waitFor({ state: 'hidden' });
      replica.connections = replica.connections.map((one) => ({ ...one, state: 'down' }));
      replica.report({ kind: 'checkpoint', sequence: 200, digest: 'ab' });
      await reads(page, '#alert', /No quorum\s+Only 1 replica of 4 is connected, and 3 must agree/);
      expect(unexpected(opened)).toEqual([]);
    },
    LIMIT,
  );

  it(
    'shows hostile operations and results as the text that they are',
    async () => {
      const { replica, url } = await served();
      const long = `</script><script>alert(2)</script>${'W'.repeat(3000)}`;
      replica.onSubmit = (operation) =>
        Promise.reject(new UserError(`never told: ${operation}`)).catch(() => HOSTILE);
      replica.execute([
        { operation: HOSTILE, result: HOSTILE },
        { operation: long, result: long },
      ]);
      replica.connections = replica.connections.map((one) => ({
        ...one,
        address: { host: '<b>evil</b>', port: 1 },
      }));
      const opened = await open(url, 'phone');
      const { page } = opened;
      let dialogs = 0;
      page.on('dialog', (dialog) => {
        dialogs++;
        void dialog.dismiss();
      });
      await reads(page, '#table-requests', /<img src=x onerror=alert\(1\)>/);
      await reads(page, '#table-replicas', /<b>evil<\/b>/);
      await page.getByLabel('An operation').fill('get <b>bold</b>');
      await page.keyboard.press('Enter');
      await reads(page, '#answers', /<b>bold<\/b>.*<img src=x/);
      await expectToFit(page);
      expect(await page.locator('main img, main script, main b').count()).toBe(0);
      expect(dialogs).toBe(0);
      expect(unexpected(opened)).toEqual([]);
    },
    LIMIT,
  );

  it(
    'is small, keeps nobody out, and looks as it should from the phone to the wall',
    async () => {
      const { replica, url } = await served();
      live(replica);
      for (const view of Object.keys(VIEWS) as (keyof typeof VIEWS)[]) {
        const opened = await browser.open('about:blank', VIEWS[view]);
        const { page } = opened;
        onTestFinished(() => page.context().close());
        let transferred = 0;
        page.on('requestfinished', (request) => {
          if (request.url().endsWith('/events')) return;
          request.sizes().then(
            ({ responseBodySize, responseHeadersSize }) => {
              transferred += responseBodySize + responseHeadersSize;
            },
            () => undefined,
          );
        });
        await page.goto(url);
        await reads(page, '#offences-list', /equivocation/);
        await reads(page, '#view-changes-list', /0 → 1/);
        await page.locator('#series-phases-plot canvas').waitFor();
        await eventually('the plots are drawn', async () => {
          replica.execute([{}]);
          return (await canvasColours(page)).every((colours) => colours > 1);
        });
        expect(transferred).toBeGreaterThan(10_000);
        expect(transferred).toBeLessThan(MAX_TRANSFER);
        expect(await barriers(page)).toEqual([]);
        await expectToFit(page);
        await screenshot(page, `pbft-${view}`);
        expect(unexpected(opened)).toEqual([]);
        // It would go on drawing while the next one is looked at.
        await page.context().close();
      }
    },
    LIMIT,
  );

  it(
    'over a real cluster, shows how a new view comes when the primary is killed, and how the old one comes back',
    async () => {
      const lab = new Lab();
      onTestFinished(() => lab.close());
      const network = await CommandNetwork.start(lab, { nodes: 4, extra: ['--application', 'kv'] });
      const { page, problems } = await browser.open(`${network.url}/`, VIEWS.light);
      page.setDefaultTimeout(NETWORK_PATIENCE);
      onTestFinished(() => page.context().close());
      const shows = (selector: string, wanted: RegExp): Promise<string> =>
        reads(page, selector, wanted, NETWORK_PATIENCE);
      const submit = async (line: string, answer: RegExp): Promise<void> => {
        await page.getByLabel('An operation').fill(line);
        await page.keyboard.press('Enter');
        await shows('#answers', answer);
      };
      await shows('#network-state', /^4 of 4 nodes run$/);
      await shows('#figure-connected', /^4 of 4$/);
      await submit('put fruit apple', /put fruit apple stored/);
      await shows('#nodes', /(replica-\d · view 0 · executed 1 .*){4}/);

      // The node that is shown is the primary: the page goes on with another one.
      await page.locator('#network').getByRole('button', { name: 'Kill replica-0', exact: true }).click();
      await shows('#network-state', /^3 of 4 nodes run$/);
      await shows('#name', /^network, replica-1$/);
      await shows('#replica-cards', /replica-0.*not connected/);
      await submit('put fruit pear', /put fruit pear stored/);
      await shows('#figure-view', /^1$/);
      await shows('#view-changes-list', /0 → 1 .*replica-1 is the primary/);
      await shows('#nodes', /replica-0 down.*(view 1 · .*){3}/);
      await screenshot(page, 'pbft-network');
      expect(await barriers(page)).toEqual([]);

      await page.locator('#network').getByRole('button', { name: 'Start replica-0', exact: true }).click();
      await shows('#network-state', /^4 of 4 nodes run$/);
      await page.getByLabel('Look up a key').fill('fruit');
      await page.keyboard.press('Enter');
      await shows('#look-up-result', /^"pear" \(/);
      await shows('#replica-cards', /replica-0.*view 1.*in step/);
      // A node that goes down answers so, and streams of the page that was left are broken off.
      const wrong = problems.filter((problem) => !/status of 503|ERR_ABORTED|ERR_INCOMPLETE/.test(problem));
      expect(wrong).toEqual([]);
      await network.program.kill('SIGINT');
    },
    LIMIT,
  );
});
