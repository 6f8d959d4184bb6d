/** The pages behind a real reverse proxy, at its root and below a path, in a real browser. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import type { Network } from '../../peer/network/network.ts';
import { createNetworkApp } from '../../peer/network/web.ts';
import { listen, type Listening } from '../../peer/web/http.ts';
import { openPowWeb } from '../../peer/engines/pow/face/server.ts';
import type { NodesJson } from '../../peer/web/schemas.ts';
import { silentLog } from '../../shared/log.ts';
import { TestBrowser, VIEWS, browserNote, browserPath, type OpenPage } from '../support/browser.ts';
import { buildChain } from '../support/chains.ts';
import { Nginx, nginxNote, nginxPath } from '../support/nginx.ts';
import { freePort } from '../support/processes.ts';
import { LOOPBACK } from '../support/wire.ts';
import { reads } from './pages.ts';
import { DIFFICULTY, WebRig } from './web-rig.ts';

const LIMIT = 240_000;
const PATIENCE = 60_000;
/** As most people write it, and as the documentation has it. */
const FORWARDED = `proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`;
const MODERN = 'proxy_http_version 1.1;\nproxy_set_header Connection "";';
const JSON_TYPE = { 'content-type': 'application/json' };

const open: { close(): unknown }[] = [];
const browser = new TestBrowser();
let base = '';
let killed: string[] = [];
let plain: WebRig;
let secret: WebRig;

async function serve(rig: WebRig, options: object = {}): Promise<Listening> {
  const web = await openPowWeb(rig.subject, { bind: LOOPBACK, port: 0, log: silentLog, ...options });
  open.push(web);
  return web;
}

/** A network whose one node is a server that runs. */
async function serveNetwork(httpPort: number, options: object = {}): Promise<Listening> {
  const node = { name: 'node-1', state: 'running', httpPort };
  const view: NodesJson['nodes'][number] = {
    ...{ name: 'node-1', api: '/nodes/node-1/api', address: { host: LOOPBACK, port: 1 } },
    ...{ state: 'running', group: null, miners: 0 },
  };
  const network = {
    nodes: [node],
    view: () => ({ nodes: [view], partitioned: false }),
    kill: (name: string) => Promise.resolve(killed.push(name)),
  };
  const app = createNetworkApp(network as unknown as Network, { bind: LOOPBACK, page: 'pow', ...options });
  const web = await listen(app, { bind: LOOPBACK, port: 0, log: silentLog });
  open.push(web);
  return web;
}

describe.skipIf(nginxPath === undefined)(`behind nginx${nginxNote}`, () => {
  beforeAll(async () => {
    const port = await freePort();
    base = `http://${LOOPBACK}:${port}`;
    plain = new WebRig(buildChain(3, { difficulty: DIFFICULTY }));
    secret = new WebRig(buildChain(3, { difficulty: DIFFICULTY }));
    open.push(plain.web, secret.web);
    const options = { token: 'secret', origins: [base], trustedProxies: [LOOPBACK] };
    const [peer, tokened] = [await serve(plain), await serve(secret, options)];
    const network = await serveNetwork(peer.address.port);
    const tokenedNetwork = await serveNetwork(peer.address.port, options);
    const to = ({ address }: Listening): string => `proxy_pass http://${LOOPBACK}:${address.port}/;`;
    const nginx = await Nginx.start(port, {
      '/': `${to(peer)}\n${FORWARDED}`,
      '/bare/': to(peer),
      '/deep/er/': `${to(peer)}\n${MODERN}\n${FORWARDED}`,
      '/token/': `${to(tokened)}\n${MODERN}\nproxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`,
      '/our/net/': `${to(network)}\n${FORWARDED}`,
      '/token-net/': `${to(tokenedNetwork)}\n${FORWARDED}`,
    });
    open.push(nginx);
  }, LIMIT);
  afterAll(async () => {
    await browser.close();
    for (const one of open.splice(0).reverse()) await one.close();
  });

  function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(base + path, {
      method: 'POST',
      headers: { ...JSON_TYPE, ...headers },
      body: JSON.stringify(body),
    });
  }

  test.each(['/', '/bare/', '/deep/er/'])('nobody writes without a token at %s', async (prefix) => {
    const refused = await post(`${prefix}words`, { word: 'stranger' });
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain('--http-token');
    expect((await fetch(`${base}${prefix}status`)).status).toBe(200);
    expect(plain.subject.status().words).toEqual([]);
  });

  test('nobody kills a node without a token', async () => {
    killed = [];
    for (const path of ['nodes/node-1/kill', 'partition', 'heal', 'nodes/node-1/api/words'])
      expect((await post(`/our/net/${path}`, {})).status, path).toBe(403);
    expect((await post('/token-net/nodes/node-1/kill', {})).status).toBe(401);
    expect(killed).toEqual([]);
    const authorization = 'Bearer secret';
    expect((await post('/token-net/nodes/node-1/kill', {}, { authorization })).status).toBe(200);
    expect(killed).toEqual(['node-1']);
  });

  test('the token writes, from a page at the configured origin', async () => {
    const headers = { authorization: 'Bearer secret' };
    const elsewhere = await post(
      '/token/words',
      { word: 'far' },
      { ...headers, origin: 'http://evil.example' },
    );
    expect(elsewhere.status).toBe(403);
    expect((await post('/token/words', { word: 'near' }, { ...headers, origin: base })).status).toBe(202);
    expect(secret.subject.status().words).toEqual(['near']);
  });

  describe.skipIf(browserPath === undefined)(`a browser${browserNote}`, () => {
    /** A page, and what it asked for outside of where it is. */
    async function visit(path: string): Promise<OpenPage & { readonly strayed: string[] }> {
      const strayed: string[] = [];
      const opened = await browser.open(base + path, {
        ...VIEWS.light,
        onRequest: (url) => {
          if (!url.startsWith(base + path.replace(/[?#].*/, ''))) strayed.push(url);
        },
      });
      opened.page.setDefaultTimeout(PATIENCE);
      onTestFinished(() => opened.page.context().close());
      return { ...opened, strayed };
    }

    test.each(['/', '/deep/er/', '/our/net/nodes/node-1/api/'])(
      'shows the whole page at %s',
      async (path) => {
        const { page, problems, strayed } = await visit(path);
        await reads(page, '#connection', /^live$/, PATIENCE);
        await page.locator('#strip a.cube').nth(2).waitFor();
        await page.locator('#actions-off').waitFor();
        expect(await page.getByLabel('A word for the next block').isDisabled()).toBe(true);
        await page.locator('#strip a.cube').nth(1).click();
        await reads(page, '#detail-title', /^Block 1$/, PATIENCE);
        await page.getByRole('button', { name: 'Verify in my browser' }).click();
        await reads(page, '.verdict', /✓ Valid/, PATIENCE);
        for (const name of ['API description', 'metrics']) {
          const link = await page.getByRole('link', { name }).getAttribute('href');
          expect((await fetch(new URL(link ?? '', page.url()))).status).toBe(200);
        }
        expect(problems).toEqual([]);
        expect(strayed).toEqual([]);
      },
      LIMIT,
    );

    test(
      'shows the network below a path, where nobody is offered what is refused',
      async () => {
        const { page, problems, strayed } = await visit('/our/net/?node=node-1');
        await reads(page, '#network-state', /^1 of 1 nodes run$/, PATIENCE);
        await reads(page, '#connection', /^live$/, PATIENCE);
        await reads(page, '#nodes', /height 2/, PATIENCE);
        await page.locator('#network-off').waitFor();
        expect(await page.getByRole('button', { name: 'Kill node-1' }).isDisabled()).toBe(true);
        expect(problems).toEqual([]);
        expect(strayed).toEqual([]);
      },
      LIMIT,
    );

    test(
      'takes the token for words and for the network',
      async () => {
        const words = await visit('/token/');
        await words.page.getByLabel('Token for changes').fill('secret');
        await words.page.getByLabel('A word for the next block').fill('by token');
        await words.page.keyboard.press('Enter');
        await reads(words.page, '#word-result', /“by token” waits/, PATIENCE);
        killed = [];
        const { page } = await visit('/token-net/');
        const kill = page.getByRole('button', { name: 'Kill node-1' });
        await page.getByLabel('Token for changes').waitFor();
        await kill.click();
        await reads(page, '#control-problem', /A change needs the token/, PATIENCE);
        await page.getByLabel('Token for changes').fill('secret');
        await kill.click();
        await expect.poll(() => killed, { timeout: PATIENCE }).toEqual(['node-1']);
      },
      LIMIT,
    );

    test(
      'finds a picture for what is no page',
      async () => {
        const { page, problems } = await visit('/status');
        expect(await page.evaluate("fetch('/favicon.ico').then(({ ok }) => ok)")).toBe(true);
        expect(problems).toEqual([]);
      },
      LIMIT,
    );
  });
});
