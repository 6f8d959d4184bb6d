/** Who may change something: this machine itself, and whoever has the token; nobody who comes through a proxy. */
import { BlockList } from 'node:net';

import { afterEach, describe, expect, test } from 'vitest';

import { addNetwork, type WebEnv } from '../../peer/web/access.ts';
import { REQUESTS_BURST } from '../../peer/web/limits.ts';
import type { AppOptions } from '../../peer/web/server.ts';
import { WebRig } from './web-rig.ts';

const rigs: WebRig[] = [];
afterEach(() => {
  for (const rig of rigs.splice(0)) rig.web.close();
});

function newRig(options: Partial<AppOptions> = {}): WebRig {
  const rig = new WebRig([], options);
  rigs.push(rig);
  return rig;
}

const WORD = { word: 'x' };
const TOKEN = { authorization: 'Bearer secret' };

/** The connection that a request comes over. */
function from(remoteAddress: string, httpVersion = '1.1'): WebEnv['Bindings'] {
  return { incoming: { socket: { remoteAddress }, httpVersion, complete: true } as never };
}

/** What is answered to a word: over that connection, with these headers. */
async function word(
  rig: WebRig,
  headers: Record<string, string> = {},
  connection = from('127.0.0.1'),
): Promise<number> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(WORD),
  };
  return (await rig.web.app.request('http://127.0.0.1:8998/words', init, connection)).status;
}

describe('a request that a proxy passed on', () => {
  const added = [
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Port',
    'X-Forwarded-Server',
    'X-Real-IP',
    'X-Client-IP',
    'X-Cluster-Client-IP',
    'X-Original-Host',
    'X-Envoy-External-Address',
    'X-Scheme',
    'Forwarded',
    'Via',
    'CDN-Loop',
    'Client-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'Fastly-Client-IP',
    'Fly-Client-IP',
    'Tailscale-User-Login',
  ];
  test('writes only with the token, whatever the proxy added', async () => {
    const [plain, secret] = [newRig(), newRig({ token: 'secret' })];
    for (const name of added) {
      expect(await word(plain, { [name]: 'anything' }), name).toBe(403);
      expect(await word(secret, { [name]: 'anything' }), name).toBe(401);
      const reported = await plain.get('/access', { headers: { [name]: 'anything' } });
      expect(await reported.json()).toEqual({ writing: 'off' });
    }
    expect(await word(secret, { 'x-forwarded-for': '192.0.2.1', ...TOKEN })).toBe(202);
  });

  test('is known by its version where the proxy adds nothing', async () => {
    expect(await word(newRig(), {}, from('127.0.0.1', '1.0'))).toBe(403);
    expect(await word(newRig({ token: 'secret' }), TOKEN, from('127.0.0.1', '1.0'))).toBe(202);
  });

  test('is not told from one of this machine where a proxy is configured, so neither writes without the token', async () => {
    for (const options of [{ origins: ['https://chain.example'] }, { trustedProxies: ['127.0.0.1'] }]) {
      expect(await word(newRig(options))).toBe(403);
      expect(await word(newRig({ ...options, token: 'secret' }), TOKEN)).toBe(202);
    }
  });

  test('is no request of a browser, or of a usual client, on this machine', async () => {
    const usual = {
      'user-agent': 'x',
      accept: '*/*',
      'accept-language': 'en',
      'sec-fetch-site': 'same-origin',
      'sec-ch-ua': '"x"',
      dnt: '1',
      origin: 'http://127.0.0.1:8998',
      cookie: 'a=b',
      priority: 'u=1',
    };
    expect(await word(newRig(), { host: '127.0.0.1:8998', ...usual })).toBe(202);
    expect(await (await newRig().get('/access')).json()).toEqual({ writing: 'open' });
  });
});

describe('a page', () => {
  const host = '127.0.0.1:8998';
  test.each([
    'http://evil.example',
    `http://evil.example/${host}`,
    `http://x.${host}`,
    `http://evil${host}`,
    `http://${host}.evil.example`,
    `http://${host}9`,
    `http://${host}/`,
    `https://evil.example:80@${host}`,
    `ftp://${host}`,
    host,
    '',
    'null',
  ])('from elsewhere changes nothing: %s', async (origin) => {
    expect(await word(newRig(), { host, origin })).toBe(403);
    expect(await word(newRig({ token: 'secret' }), { host, origin, ...TOKEN })).toBe(403);
  });

  test('behind a proxy is our own where its origin is configured', async () => {
    const options = { token: 'secret', origins: ['https://chain.example'] };
    for (const [origin, status] of [
      ['https://chain.example', 202],
      ['http://chain.example', 403],
      ['https://chain.example:8443', 403],
      ['https://evil-chain.example', 403],
    ] as const)
      expect(await word(newRig(options), { host, origin, ...TOKEN }), origin).toBe(status);
  });

  test('is asked for by the names of this machine, and those of the proxies before it', async () => {
    const asked = async (name: string, options: Partial<AppOptions> = {}): Promise<number> =>
      (await newRig(options).get('/status', { headers: { host: name } })).status;
    for (const name of ['localhost', 'LOCALHOST:1', '127.0.0.1:8998', '[::1]:8998'])
      expect(await asked(name)).toBe(200);
    for (const name of ['chain.example', 'localhost.evil.example', 'evillocalhost', '192.0.2.1'])
      expect(await asked(name), name).toBe(421);
    const options = { origins: ['https://chain.example:8443'] };
    expect(await asked('chain.example', options)).toBe(200);
    expect(await asked('evil.example', options)).toBe(421);
  });
});

test.each([
  ['application/json', 202],
  ['Application/JSON; charset=utf-8', 202],
  ['application/json ;charset=utf-8', 202],
  ['text/plain; application/json', 415],
  ['text/plain;x=application/json', 415],
  ['text/plain, application/json', 415],
  ['application/json, text/plain', 415],
  ['application/jsonp', 415],
  ['application/json-seq', 415],
  ['application/json+xml', 415],
  ['application/x-www-form-urlencoded', 415],
  ['', 415],
])('what a form of a foreign page could send is no JSON: "%s"', async (type, status) => {
  expect(await word(newRig(), { 'content-type': type })).toBe(status);
});

describe('each client has limits of its own', () => {
  /** How many requests are answered before one is refused. */
  async function answered(
    rig: WebRig,
    headers: (at: number) => Record<string, string>,
    address: string,
  ): Promise<number> {
    for (let at = 0; at <= REQUESTS_BURST; at++) {
      const { status } = await rig.web.app.request(
        'http://127.0.0.1/healthz',
        { headers: headers(at) },
        from(address),
      );
      if (status === 429) return at;
    }
    return Infinity;
  }
  const each = (at: number): Record<string, string> => ({ 'x-forwarded-for': `192.0.2.${at % 200}` });

  test('which a stranger does not shed by naming others', async () => {
    expect(await answered(newRig(), each, '127.0.0.1')).toBe(REQUESTS_BURST);
    const trusting = { trustedProxies: ['10.0.0.0/8'] };
    expect(await answered(newRig(trusting), each, '127.0.0.1')).toBe(REQUESTS_BURST);
  });

  test('whom a trusted proxy names', async () => {
    for (const [proxy, address] of [
      ['127.0.0.1', '127.0.0.1'],
      ['127.0.0.0/8', '::ffff:127.0.0.1'],
      ['fd00::/8', 'fd00::1'],
    ] as const)
      expect(await answered(newRig({ trustedProxies: [proxy] }), each, address)).toBe(Infinity);
  });

  test.each(['10.0.0.0/33', 'fd00::/129', 'goose', 'goose/8', '10.0.0', '10.0.0.0/', ''])(
    'of whom %j is no list',
    (text) => {
      expect(addNetwork(new BlockList(), text)).toBe(false);
    },
  );

  test.each(['10.0.0.0/32', '10.0.0.0/0', 'fd00::/128', '::1', '10.0.0.1'])(
    'of whom %s is a list',
    (text) => {
      const list = new BlockList();
      expect(addNetwork(list, text)).toBe(true);
      expect(list.rules).toHaveLength(1);
    },
  );

  test('and it is the last that is named whom nobody trusts, whatever the client wrote before it', async () => {
    const rig = newRig({ trustedProxies: ['127.0.0.1', '10.0.0.0/8'] });
    const forged = (at: number): Record<string, string> => ({
      'x-forwarded-for': `192.0.2.${at % 200}, 198.51.100.7, 10.1.2.3`,
    });
    expect(await answered(rig, forged, '127.0.0.1')).toBe(REQUESTS_BURST);
    const other = { headers: { 'x-forwarded-for': '198.51.100.8' } };
    expect((await rig.web.app.request('http://127.0.0.1/healthz', other, from('127.0.0.1'))).status).toBe(
      200,
    );
    const nobody = (at: number): Record<string, string> => ({ 'x-forwarded-for': `no address ${at}` });
    expect(await answered(rig, nobody, '127.0.0.1')).toBe(REQUESTS_BURST);
  });
});
