/** The page that is made of a view, in a real browser. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { openNode, type RunningNode } from '../../peer/node/open-node.ts';
import { MemoryStore } from '../../peer/storage/memory.ts';
import { createFaceApp } from '../../peer/web/face-app.ts';
import { listen, type Listening } from '../../peer/web/http.ts';
import type { WebApp } from '../../peer/web/server.ts';
import { silentLog } from '../../shared/log.ts';
import { eventually } from '../support/asker.ts';
import { TestBrowser, VIEWS, barriers, browserNote, browserPath, screenshot } from '../support/browser.ts';
import { node as DUMMY, type Types } from '../support/dummy/engine.ts';
import { Lab, freePort, freePorts } from '../support/processes.ts';
import { LOOPBACK } from '../support/wire.ts';
import { expectToFit, reads, unexpected } from '../web/pages.ts';

type Node = RunningNode<Types, { count: number; peers: string[] }>;

/** What would run, or draw, where somebody forgot that it is only text. */
const HOSTILE = '<img src=x onerror=alert(1)>"\'&';
const LIMIT = 200_000;

const browser = new TestBrowser();
const nodes: Node[] = [];
let web: WebApp;
let server: Listening;

async function openDummy(name: string): Promise<Node> {
  const [first] = nodes;
  const node = await openNode(
    { engine: 'dummy', name, port: 0, bind: LOOPBACK, join: first ? [first.address] : [] },
    (parts) => DUMMY.setup({}, parts),
    { store: new MemoryStore(), log: silentLog, onFailure: () => undefined },
  );
  nodes.push(node);
  return node;
}

describe.skipIf(browserPath === undefined)(`the page of a view${browserNote}`, () => {
  beforeAll(async () => {
    const node = await openDummy(HOSTILE);
    web = createFaceApp(node, DUMMY.face, { bind: LOOPBACK });
    node.start();
    server = await listen(web.app, { bind: LOOPBACK, port: 0, log: silentLog });
  });

  afterAll(async () => {
    await browser.close();
    web.close();
    await server.close();
    await Promise.all(nodes.map((node) => node.close()));
  });

  const url = (): string => `http://${LOOPBACK}:${server.address.port}/`;

  it(
    'shows all of it, does what is typed, and follows what happens',
    async () => {
      const opened = await browser.open(url(), VIEWS.light);
      const { page } = opened;
      await reads(page, '#connection', /^live$/);
      await reads(page, '#name', /^<img src=x onerror=alert\(1\)>/);
      await reads(page, '#phase', /^alone$/);
      await reads(page, '#alert-text', /^No other node is known\.$/);
      await reads(page, '#counts-list', /^Nothing happened yet\.$/);

      (await openDummy('other')).start();
      await reads(page, '#phase', /^counting$/);
      expect(await page.locator('#alert').isVisible()).toBe(false);
      await reads(page, '#table-peers tbody', /^127\.0\.0\.1:\d+$/);

      await page.getByLabel('By how much').fill('42');
      await page.getByRole('button', { name: 'Increment' }).click();
      await reads(page, '#increment-result', /^the count is 42 \(.*\)$/);
      await reads(page, '#figures', /^Count42The highest count that this node has heard of$/);
      await reads(page, '#counts-list', /^\d\d:\d\d:\d\d the count is 42$/);
      expect(await page.title()).toMatch(/^counting · /);
      await page.getByLabel('By how much').fill('1000');
      await page.getByRole('button', { name: 'Increment' }).click();
      await reads(page, '#increment-result.problem', /by/);
      await page.locator('#series-count-plot canvas').waitFor();
      expect(await barriers(page)).toEqual([]);
      await screenshot(page, 'view');
      expect(unexpected(opened, 400)).toEqual([]);
      await page.context().close();
    },
    LIMIT,
  );

  it(
    'shows the nodes of a network, and the node that was chosen',
    async () => {
      const lab = new Lab();
      onTestFinished(() => lab.close());
      const program = lab.runIn(
        { input: 'pipe' },
        ...['dist/test/support/dummy/main.js', 'network', '--engine', 'dummy', '--nodes', '2'],
        ...['--base-port', String(await freePorts(4)), '--http-port', String(await freePort())],
      );
      const look = (): string | undefined => program.lines.find((line) => line.includes('Status page: '));
      const address = await eventually('it has a page', look, LIMIT);
      const opened = await browser.open(address.replace(/^.*: /, ''), VIEWS.light);
      const { page } = opened;
      await reads(page, '#network-state', /^2 of 2 nodes run$/, LIMIT);
      await reads(page, '#nodes', /counter-1.*count 0.*counter-2.*count 0/, LIMIT);
      await page.getByRole('link', { name: 'counter-2' }).click();
      await reads(page, '#name', /^counter-2$/, LIMIT);
      await page.getByRole('button', { name: 'Increment' }).click();
      await reads(page, '#increment-result', /^the count is 1 \(.*\)$/, LIMIT);
      await reads(page, '#nodes', /counter-1.*count 1.*counter-2.*count 1/, LIMIT);
      await screenshot(page, 'view-network');
      expect(await barriers(page)).toEqual([]);
      await page.context().close();
      await program.kill('SIGINT');
    },
    2 * LIMIT,
  );

  it.each(['dark', 'phone', 'wall'] as const)(
    'fits on every screen, in every theme: %s',
    async (name) => {
      const { page } = await browser.open(url(), VIEWS[name]);
      await reads(page, '#connection', /^live$/);
      await page.locator('#increment-result').waitFor({ state: 'attached' });
      await expectToFit(page);
      expect(await barriers(page)).toEqual([]);
      await screenshot(page, `view-${name}`);
      await page.context().close();
    },
    LIMIT,
  );
});
