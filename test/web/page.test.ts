/** The status page of real peers, in a real browser. */
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';

import { escapeControls } from '../../shared/escape.ts';
import { eventually } from '../support/asker.ts';
import {
  TestBrowser,
  VIEWS,
  barriers,
  browserNote,
  browserPath,
  canvasColours,
  screenshot,
  type OpenPage,
} from '../support/browser.ts';
import { buildChain, extendChain, forkChain, mineBlock, type PlainBlock } from '../support/chains.ts';
import { Lab, forgetImportedChains, freePort, type Peer, type PeerPlan } from '../support/processes.ts';
import { LOOPBACK } from '../support/wire.ts';
import { expectToFit, reads, unexpected } from './pages.ts';

/** High enough that a fast miner takes a moment for a block, low enough that a slow one does not take long. */
const DIFFICULTY = 6;
/** Where some blocks are mined before anybody looks: a sixteenth of the work. */
const QUICK = 5;
/** Where nobody mines: the blocks are made by the test. */
const LOW = 2;
const LIMIT = 240_000;
/** How long something may take to be seen on the page. */
const PATIENCE = 40_000;
/** Most that the whole page may take to transfer, in bytes. */
const MAX_TRANSFER = 150_000;
/** The blocks that are shown beside each other. */
const CUBE = '#strip a.cube';

const browser = new TestBrowser();
afterAll(async () => {
  await browser.close();
  forgetImportedChains();
});

interface Served {
  readonly lab: Lab;
  readonly peer: Peer;
  readonly url: string;
  /** Starts the peer, again if need be. */
  readonly start: (plan?: Partial<PeerPlan>) => Promise<void>;
}

/** A peer with a page, not started yet; everything ends with the test. */
async function served(plan: Partial<PeerPlan> = {}): Promise<Served> {
  const lab = new Lab();
  onTestFinished(() => lab.close());
  const peer = await lab.newPeer();
  const port = String(await freePort());
  return {
    lab,
    peer,
    url: `http://${LOOPBACK}:${port}/`,
    start: (more) =>
      peer.start({
        ...{ difficulty: DIFFICULTY, name: 'Anna', minedBy: 'Anna', ...plan, ...more },
        extra: ['--http-port', port],
      }),
  };
}

/** A peer that has a chain and that nobody mines for. */
async function servedChain(chain: readonly PlainBlock[]): Promise<Served> {
  const peer = await served({ difficulty: LOW });
  await peer.lab.importChain(peer.peer, chain, LOW);
  await peer.start();
  return peer;
}

/** Opens a page that is closed with the test. */
async function open(url: string, view: keyof typeof VIEWS = 'light'): Promise<OpenPage> {
  const opened = await browser.open(url, VIEWS[view]);
  opened.page.setDefaultTimeout(PATIENCE);
  onTestFinished(() => opened.page.context().close());
  return opened;
}

describe.skipIf(browserPath === undefined)(`the status page${browserNote}`, () => {
  it(
    'shows blocks as they are mined, and the words that were typed into it end in one',
    async () => {
      const { lab, peer, url, start } = await served();
      await start({ genesis: true });
      const opened = await open(url);
      const { page } = opened;
      await reads(page, '#connection', /^live$/);
      await reads(page, '#name', /^Anna$/);
      expect(await page.locator(CUBE).count()).toBe(0);

      await page.getByLabel('A word for the next block').fill('from the page');
      await page.keyboard.press('Enter');
      await reads(page, '#word-result', /“from the page” waits/);
      await reads(page, '#words', /from the page/);
      await page.getByLabel('A word for the next block').fill('much too long for a word');
      await page.getByRole('button', { name: 'Add', exact: true }).click();
      await reads(page, '#word-result', /1 to 19 printable ASCII characters/);
      expect(await page.locator('#word-result.problem').count()).toBe(1);

      lab.startMiner(peer);
      await page.locator(CUBE, { hasText: 'from the page' }).waitFor();
      await page.locator(`${CUBE}[href="#/block/3"]`).waitFor();
      await reads(page, '#words', /No word waits/);
      await reads(page, '#leaders', /Anna/);
      await reads(page, '#table-miners', /gossip-miner/);
      await reads(page, '#figure-rate', /H\/s$/);
      // Newest first, without gaps, whatever arrived meanwhile.
      const heights = await page.evaluate<number[]>(
        `[...document.querySelectorAll('${CUBE}')].map((cube) => Number(cube.hash.slice(8)))`,
      );
      expect(heights).toEqual(heights.map((_, index) => (heights[0] ?? 0) - index));
      await reads(page, '#news', /mined by Anna/);
      expect(unexpected(opened, 400)).toEqual([]);
    },
    LIMIT,
  );

  it(
    'finds a block by its height, its hash, the beginning of it, and says what it does not find',
    async () => {
      const chain = buildChain(30, { difficulty: LOW });
      const { url } = await servedChain(chain);
      const opened = await open(url);
      const { page } = opened;
      const find = async (query: string): Promise<void> => {
        await page.getByRole('searchbox').fill(query);
        await page.keyboard.press('Enter');
      };
      const block = chain[17];
      if (block === undefined) throw new Error('no block');
      for (const query of ['17', block.hash, block.hash.slice(0, 20)]) {
        await page.goto(`${url}#/`);
        await find(query);
        await reads(page, '#detail-title', /^Block 17$/);
        expect(new URL(page.url()).hash).toBe('#/block/17');
        await reads(page, '#detail', new RegExp(block.hash));
      }
      // What was found has everything of the block, and leads to the blocks beside it.
      await reads(page, '.fields', /12 blocks on top of it/);
      await reads(page, '.fields', new RegExp(`word 17.*${block.timestamp} s since 1970`));
      await page.getByRole('link', { name: 'Block 18' }).click();
      await reads(page, '#detail-title', /^Block 18$/);
      await page.goBack();
      await reads(page, '#detail-title', /^Block 17$/);

      await find('9999999');
      await reads(page, '#detail', /No block has that height or hash/);
      await find('   ');
      await reads(page, '#search-problem', /Type a height/);
      await page.goto(`${url}#/block/${block.hash}`);
      await reads(page, '#detail-title', /^Block 17$/);
      await page.goto(`${url}#/block/31`);
      await reads(page, '#detail', /no block 31/);
      // The answer that there is no such block.
      expect(unexpected(opened, 404)).toEqual([]);
    },
    LIMIT,
  );

  it(
    'verifies a block in the browser, and is not fooled by one that was changed',
    async () => {
      const chain = buildChain(4, { difficulty: LOW });
      const { url } = await servedChain(chain);
      const opened = await open(`${url}#/block/2`);
      const { page } = opened;
      const verify = async (): Promise<string> => {
        await page.evaluate("document.querySelector('.verdict')?.remove()");
        await page.getByRole('button', { name: 'Verify in my browser' }).click();
        return reads(page, '.verdict', /Valid|Not valid/);
      };
      await reads(page, '.preimage', new RegExp(`previous hash${chain[1]?.hash ?? ''}`));
      expect(await verify()).toMatch(
        new RegExp(`✓ Valid.*WebCrypto.*${chain[2]?.hash ?? ''}.*ends in \\d+ zeros`),
      );

      // Each change is one that a peer could make up.
      const changes: Record<string, { at: number; change: object; broken: RegExp }> = {
        message: {
          at: 2,
          change: { messages: ['word 3'] },
          broken: /✗ Not valid.*Broken: The recomputed hash is not/,
        },
        time: {
          at: 2,
          change: { timestamp: '1' },
          broken: /✗ Not valid.*Broken: The recomputed hash is not/,
        },
        hash: {
          at: 2,
          change: { hash: 'ab'.repeat(31) + '00' },
          broken: /✗ Not valid.*Broken: The recomputed/,
        },
        before: {
          at: 1,
          change: { hash: 'ab'.repeat(31) + '00' },
          broken: /✗ Not valid.*Broken: The recomputed/,
        },
      };
      for (const { at, change, broken } of Object.values(changes)) {
        await page.route(`**/blocks/${at}`, async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, json: { ...((await response.json()) as object), ...change } });
        });
        expect(await verify()).toMatch(broken);
        await page.unroute(`**/blocks/${at}`);
      }
      expect(await verify()).toMatch(/✓ Valid/);
      await page.goto(`${url}#/block/0`);
      await reads(page, '#detail-title', /^Block 0$/);
      expect(await verify()).toMatch(/✓ Valid.*genesis/);
      expect(unexpected(opened)).toEqual([]);
    },
    LIMIT,
  );

  it(
    'shows hostile text of real blocks, names and words as the text that it is',
    async () => {
      const bad = '<img src=x onerror=alert(1)>';
      let chain = [
        mineBlock(null, { difficulty: LOW, minedBy: bad, messages: ['<b>bold</b>', '"><script>x</scri'] }),
      ];
      // Control characters, a writing direction turned round, and an endless name.
      chain = extendChain(chain, 1, {
        difficulty: LOW,
        minedBy: '\u202eevil\u0007\u001b[31m',
        messages: ['\u202e\u2066txt.exe', '</span>'],
      });
      chain = extendChain(chain, 1, {
        difficulty: LOW,
        minedBy: `javascript:alert(1)//${'W'.repeat(3000)}`,
        messages: ['{{7*7}}'],
      });
      const { url, peer, lab } = await servedChain(chain);
      // A peer of that name as well.
      await lab.startPeer({ difficulty: LOW, name: bad, join: [peer] });
      const opened = await open(url);
      const { page } = opened;
      let dialogs = 0;
      page.on('dialog', (dialog) => {
        dialogs++;
        void dialog.dismiss();
      });
      await page.locator(CUBE, { hasText: bad }).waitFor();
      await reads(page, CUBE + '[href="#/block/0"]', /<b>bold<\/b>/);
      await reads(page, '#leaders', /<img src=x onerror=alert\(1\)>/);
      await reads(page, '#table-peers', /<img src=x onerror=alert\(1\)>/);
      await reads(page, '#graph', /<img/);
      await page.goto(`${url}#/search/${encodeURIComponent('<img')}`);
      await reads(page, '#detail', /<img src=x onerror=alert\(1\)>/);
      for (const block of chain) {
        await page.goto(`${url}#/block/${block.height}`);
        await reads(page, '#detail-title', new RegExp(`^Block ${block.height}$`));
        const shown = await page.locator('.fields .verbatim').allTextContents();
        expect(shown).toEqual([block.minedBy, ...block.messages, block.nonce].map(escapeControls));
        await page.getByRole('button', { name: 'Verify in my browser' }).click();
        await reads(page, '.verdict', /✓ Valid/);
        // Nothing makes the page wider than the window.
        await expectToFit(page);
      }
      await page.goto(`${url}#/`);
      await page.locator(CUBE).first().waitFor();
      await expectToFit(page);
      expect(await page.locator('main img, main script, main b, main font').count()).toBe(0);
      expect(dialogs).toBe(0);
      // The policy had nothing to forbid either.
      expect(unexpected(opened)).toEqual([]);
    },
    LIMIT,
  );

  it(
    'reconnects by itself after the peer was killed and started again, and shows what it has then',
    async () => {
      const chain = buildChain(8, { difficulty: LOW });
      const { url, peer, lab, start } = await servedChain(chain);
      const { page } = await open(url);
      await reads(page, '#connection', /^live$/);
      await page.locator(`${CUBE}[href="#/block/7"]`).waitFor();
      await peer.kill9();
      await reads(page, '#connection', /^reconnecting…$/);
      expect(await page.locator(`${CUBE}[href="#/block/7"]`).count()).toBe(1);
      // It comes back with another chain, as after a reset of the network or a long absence.
      await lab.run('peer', 'import', ...(await longer(lab, peer, chain))).ended;
      await start();
      await reads(page, '#connection', /^live$/);
      await page.locator(`${CUBE}[href="#/block/11"]`).waitFor();
      await reads(page, '#figure-height', /^11$/);
    },
    LIMIT,
  );

  it(
    'tells of a reorganisation as it happens, and shows the chain that there is then',
    async () => {
      const chain = buildChain(10, { difficulty: LOW });
      const { url, peer, lab } = await servedChain(chain);
      const opened = await open(url);
      const { page } = opened;
      await page.locator(`${CUBE}[href="#/block/9"]`).waitFor();
      await reads(page, '#events', /Nothing has happened yet/);
      // Somebody comes who has another chain, and a longer one.
      const other = await lab.newPeer();
      const fork = forkChain(chain, 7, 12, { difficulty: LOW, minedBy: 'fork' });
      await lab.importChain(other, fork, LOW);
      await other.start({ difficulty: LOW, join: [peer], name: 'other' });
      await reads(page, '#events', /reorganisation.*3 blocks of ours gave way to 5 above block 6/);
      await reads(page, '#events-count', /^1 reorganisation$/);
      await page.locator(`${CUBE}[href="#/block/11"]`, { hasText: 'fork' }).waitFor();
      await page.locator(`${CUBE}[href="#/block/7"]`, { hasText: 'fork' }).waitFor();
      await page.locator(`${CUBE}[href="#/block/6"]`, { hasText: 'test' }).waitFor();
      await reads(page, '#leaders', /test.*7.*fork.*5/);
      await reads(page, '#table-peers', /other.*11.*same chain/);
      await reads(page, '#claims', /our chain.*height 11.*we and 1 peer/);
      expect(unexpected(opened)).toEqual([]);
    },
    LIMIT,
  );

  it(
    'shows how far a download is, as long as it lasts',
    async () => {
      const { url } = await servedChain(buildChain(3, { difficulty: LOW }));
      const { page } = await browser.open('about:blank');
      onTestFinished(() => page.context().close());
      const sync = {
        target: { height: 1003, hash: 'ab'.repeat(32) },
        forkPoint: 2,
        verified: 753,
        total: 1003,
        peers: 4,
        startedAt: new Date().toISOString(),
      };
      let over = false;
      // A download is over too soon to be looked at, so its events are made up.
      await page.route('**/events', (route) =>
        route.fulfill({
          contentType: 'text/event-stream',
          body: `retry: 50\nevent: sync\ndata: ${JSON.stringify(over ? null : sync)}\n\n`,
        }),
      );
      await page.goto(url);
      await reads(page, '#sync-text', /^753 of 1,003 blocks are verified, from 4 peers; about .* to go$/);
      expect(await page.evaluate("document.querySelector('#sync-bar').position")).toBe(0.75);
      expect(await page.getByRole('progressbar', { name: 'Catching up' }).count()).toBe(1);
      expect(await barriers(page)).toEqual([]);
      over = true;
      await page.locator('#sync').waitFor({ state: 'hidden' });
    },
    LIMIT,
  );

  it(
    'can be used with the keyboard alone',
    async () => {
      const chain = buildChain(12, { difficulty: LOW });
      const { url, peer, lab } = await servedChain(chain);
      for (const name of ['Berta', 'Carla']) await lab.startPeer({ difficulty: LOW, name, join: [peer] });
      const opened = await open(url);
      const { page } = opened;
      await page.locator(`${CUBE}[href="#/block/11"]`).waitFor();
      const focused = (): Promise<string> =>
        page.evaluate<string>('document.activeElement.id || document.activeElement.textContent');
      const tabTo = async (name: string): Promise<void> => {
        for (let steps = 0; steps < 80; steps++) {
          await page.keyboard.press('Tab');
          if ((await focused()).trim() === name) return;
        }
        throw new Error(`Tab does not lead to ${name}`);
      };

      // First comes the link that skips the rest.
      await page.keyboard.press('Tab');
      expect(await focused()).toBe('skip');
      await page.keyboard.press('Enter');
      expect(await focused()).toBe('main');
      // From there to the newest block, which opens and has its title read.
      await page.keyboard.press('Tab');
      if ((await focused()) === 'strip') await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.getAttribute("href")')).toBe('#/block/11');
      await page.keyboard.press('Enter');
      await reads(page, '#detail-title', /^Block 11$/);
      expect(await focused()).toBe('detail-title');
      await tabTo('Verify in my browser');
      await page.keyboard.press('Enter');
      await reads(page, '.verdict', /✓ Valid/);
      expect(await focused()).toBe('Verify in my browser');
      // And back to where the reader was.
      await page.goBack();
      await page.locator('#overview').waitFor();
      await eventually(
        'the focus is back',
        async () => (await page.evaluate('document.activeElement.getAttribute("href")')) === '#/block/11',
      );
      // A table is sorted by its heads.
      await page.locator('#table-peers tbody tr').nth(2).waitFor();
      await page.locator('#table-peers').getByRole('button', { name: 'Name' }).focus();
      const names = (): Promise<string[]> =>
        page.locator('#table-peers tbody tr td:first-child').allTextContents();
      await page.keyboard.press('Enter');
      expect(await names()).toEqual(['asker', 'Berta', 'Carla']);
      await page.keyboard.press('Enter');
      expect(await names()).toEqual(['Carla', 'Berta', 'asker']);
      expect(await page.locator('#table-peers th').first().getAttribute('aria-sort')).toBe('descending');
      expect(unexpected(opened)).toEqual([]);
    },
    LIMIT,
  );

  it(
    'is small, keeps nobody out, and looks as it should from the phone to the wall',
    async () => {
      const { lab, peer, url, start } = await served({ difficulty: QUICK });
      await start({ genesis: true });
      for (const name of ['Berta', 'Carla', 'Doris'])
        await lab.startPeer({ difficulty: QUICK, name, minedBy: name, join: [peer] });
      const miners = [peer, lab.peers[1] ?? peer].map((mined) => lab.startMiner(mined));
      await peer.reaches('some blocks', ({ height }) => height >= 8);
      // They pause, or would take the browser's time.
      for (const { pid } of miners) process.kill(pid, 'SIGUSR2');
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
        await reads(page, '#table-peers', /Doris/);
        await reads(page, '#leaders', /Anna|Berta/);
        await reads(page, '#graph', /Carla/);
        await page.locator('#rate-plot canvas').waitFor();
        await eventually('a plot is drawn', async () =>
          (await canvasColours(page)).every((colours) => colours > 1),
        );
        expect(transferred).toBeGreaterThan(10_000);
        expect(transferred).toBeLessThan(MAX_TRANSFER);
        expect(await barriers(page)).toEqual([]);
        await expectToFit(page);
        await screenshot(page, `page-${view}`);
        await page.goto(`${url}#/block/3`);
        await page.getByRole('button', { name: 'Verify in my browser' }).click();
        await reads(page, '.verdict', /✓ Valid/);
        expect(await barriers(page)).toEqual([]);
        await expectToFit(page);
        await screenshot(page, `page-block-${view}`);
        expect(unexpected(opened)).toEqual([]);
        // It would go on drawing while the next one is looked at.
        await page.context().close();
      }
    },
    LIMIT,
  );

  it(
    'fits a phone of 320 pixels',
    async () => {
      const { url } = await servedChain(buildChain(5, { difficulty: LOW }));
      const page = (await browser.open(url, { viewport: { width: 320, height: 640 } })).page;
      onTestFinished(() => page.context().close());
      for (const path of ['#/', '#/search/test', '#/block/4']) {
        await page.goto(url + path);
        await page
          .locator(path === '#/' ? CUBE : '#detail-title')
          .first()
          .waitFor();
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(320);
      }
      // The hash that was computed has the usual length.
      await page.getByRole('button', { name: 'Verify in my browser' }).click();
      await reads(page, '.verdict', /✓ Valid/);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(320);
    },
    LIMIT,
  );

  it(
    'has a panel over a whole network where there is one, and does what its buttons say',
    async () => {
      const { url } = await servedChain(buildChain(5, { difficulty: LOW }));
      const page = (await browser.open('about:blank')).page;
      onTestFinished(() => page.context().close());
      const posted: { path: string; body: unknown }[] = [];
      let partitioned = false;
      const node = (name: string, state: string): object => {
        return {
          name,
          api: `/nodes/${name}/api`,
          address: { host: LOOPBACK, port: 1 },
          state,
          group: null,
          miners: 1,
        };
      };
      const states = new Map([
        ['Anna', 'running'],
        ['Berta', 'paused'],
        ['Carla', 'down'],
      ]);
      // The page of a network says in its document that it is one.
      await page.route(/\?node=/, async (route) => {
        const response = await route.fetch();
        const body = (await response.text()).replace('<html', '<html data-network');
        await route.fulfill({ response, body });
      });
      await page.route(/\/(nodes|partition|heal)(\/|$)/, async (route) => {
        const request = route.request();
        const { pathname } = new URL(request.url());
        if (pathname === '/nodes') {
          const nodes = [...states].map(([name, state]) => node(name, state));
          await route.fulfill({ json: { nodes, partitioned } });
        } else if (request.method() === 'POST') {
          posted.push({ path: pathname, body: request.postDataJSON() });
          if (pathname.endsWith('/kill')) states.set('Anna', 'down');
          if (pathname === '/partition') partitioned = true;
          if (pathname === '/heal')
            await route.fulfill({ status: 409, json: { detail: 'It can not be healed now.' } });
          else await route.fulfill({ json: {} });
        } else {
          // A node's own API is the real peer's.
          await route.continue({ url: url + pathname.replace(/^\/nodes\/\w+\/api\//, '') });
        }
      });
      await page.goto(`${url}?node=Berta`);
      const panel = page.locator('#network');
      await panel.waitFor();
      expect(await panel.locator('[aria-current]').textContent()).toBe('Berta');
      await reads(page, '#network-state', /1 of 3 nodes run/);
      await reads(page, '#nodes', /Anna.*running.*height 4.*Berta.*paused.*Carla.*down/);
      await page.locator(CUBE).first().waitFor();

      expect(await panel.getByRole('button', { name: 'Start Anna' }).isDisabled()).toBe(true);
      await panel.getByRole('button', { name: 'Kill Anna' }).click();
      await reads(page, '#network-state', /0 of 3 nodes run/);
      await panel.getByRole('button', { name: 'Resume Berta' }).click();
      await panel.getByRole('button', { name: 'Start Carla' }).click();
      await panel.getByLabel('Group of Carla').selectOption('2');
      await panel.getByRole('button', { name: 'Partition' }).click();
      await reads(page, '#network-state', /partitioned/);
      await panel.getByRole('button', { name: 'Heal' }).click();
      await reads(page, '#control-problem', /It can not be healed now/);
      expect(posted).toEqual([
        { path: '/nodes/Anna/kill', body: {} },
        { path: '/nodes/Berta/resume', body: {} },
        { path: '/nodes/Carla/start', body: {} },
        { path: '/partition', body: { groups: [['Anna'], ['Berta', 'Carla']] } },
        { path: '/heal', body: {} },
      ]);
      expect(await barriers(page)).toEqual([]);
      await screenshot(page, 'page-network');
      await panel.getByRole('link', { name: 'Carla' }).click();
      await page.waitForURL(/node=Carla/);
      expect(await panel.locator('[aria-current]').textContent()).toBe('Carla');
    },
    LIMIT,
  );
});

/** Arguments of an import that makes a peer's chain longer by four blocks. */
async function longer(lab: Lab, peer: Peer, chain: readonly PlainBlock[]): Promise<string[]> {
  const other = await lab.newPeer();
  await lab.importChain(other, extendChain(chain, 4, { difficulty: LOW, minedBy: 'later' }), LOW);
  const file = lab.path('longer.txt');
  await lab.run('peer', 'export', file, '--data-dir', other.dataDir).ended;
  return [file, '--data-dir', peer.dataDir, '--difficulty', String(LOW)];
}
