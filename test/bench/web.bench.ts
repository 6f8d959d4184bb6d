/**
 * What the status page costs: the time of `/metrics` with a thousand peers, and the rate of GET_BLOCKs that a peer
 * serves while five pages listen to it, against the same peer with none. Run from the compiled tree:
 *
 *     node dist/test/bench/web.bench.js [requests] [rounds]
 */
import { randomUUID } from 'node:crypto';

import { at } from '../engines/pow/protocol/rig.ts';
import { buildChain } from '../support/chains.ts';
import { Lab, forgetImportedChains, freePort } from '../support/processes.ts';
import { WebRig } from '../web/web-rig.ts';
import { getBlockRequests, openBareSocket, pump } from './bare-udp.ts';
import { median, quantile, table } from './figures.ts';
import { argument } from './measure.ts';

const DIFFICULTY = 1;
const BLOCKS = 10_000;
const PEERS = 1_000;
const MINERS = 20;
const PAGES = 5;
/** Requests under way at once. */
const WINDOW = 64;
const LOOPBACK = '127.0.0.1';
/** What a page asks for every so often, in milliseconds, besides listening. */
const PAGE_INTERVAL = 2_000;
const PAGE_PATHS = ['/peers', '/graph', '/leaderboard'];

const count = argument(0, 'count', 40_000);
const rounds = argument(1, 'rounds', 9);

await benchMetrics();
await benchServing();

async function benchMetrics(): Promise<void> {
  const rig = new WebRig(buildChain(10, { difficulty: DIFFICULTY }));
  for (let peer = 1; peer <= PEERS; peer++) {
    rig.engine.now += 20;
    // Not more than three quarters of the table may be of those who spoke to us; others tell of the rest.
    if (peer <= 0.75 * PEERS) rig.meet(at(peer));
    else rig.engine.gossip(at(peer), `id ${peer}`, at(1 + (peer % 20)));
  }
  for (let miner = 0; miner < MINERS; miner++) rig.attach();
  const times: number[] = [];
  for (let round = 0; round < 50; round++) {
    rig.now += 1_000;
    const start = performance.now();
    const response = await rig.get('/metrics');
    await response.text();
    times.push(performance.now() - start);
  }
  rig.web.close();
  console.log(
    `/metrics with ${rig.subject.status().peers.length} peers: ${median(times).toFixed(1)} ms (median), ` +
      `${quantile(times, 0.95).toFixed(1)} ms (95 %), aim 20 ms`,
  );
}

async function benchServing(): Promise<void> {
  const lab = new Lab();
  try {
    const httpPort = await freePort();
    const peer = await lab.newPeer();
    await lab.importChain(peer, buildChain(BLOCKS, { difficulty: DIFFICULTY }), DIFFICULTY);
    const quiet = ['--gossip-interval', '20', '--consensus-interval', '3600', '--peer-timeout', '3600'];
    await peer.start({
      difficulty: DIFFICULTY,
      extra: ['--log-level', 'info', ...quiet, '--http-port', String(httpPort)],
    });
    const socket = await openBareSocket();
    lab.onClose(() => {
      socket.close();
    });
    const { port } = socket.address();
    const say = (message: object): void => {
      socket.send(JSON.stringify(message), peer.port, LOOPBACK);
    };
    // Strangers are served slowly: the client makes itself known first.
    await new Promise<void>((resolve) => {
      const greet = setInterval(() => {
        say({ type: 'GOSSIP', host: LOOPBACK, port, id: randomUUID(), name: 'bench' });
      }, 300);
      socket.once('message', () => {
        clearInterval(greet);
        say({ type: 'GOSSIP_REPLY', host: LOOPBACK, port, name: 'bench' });
        setTimeout(resolve, 500);
      });
    });
    socket.removeAllListeners('message');
    const all = getBlockRequests(BLOCKS);
    const requests = Array.from({ length: count }, (_, index) => all[index % BLOCKS] ?? Buffer.alloc(0));
    const rate = async (): Promise<number> => count / (await pump(socket, peer.port, requests, WINDOW));
    const page = `http://${LOOPBACK}:${httpPort}`;
    const alone: number[] = [];
    const watched: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const without = await rate();
      const close = await openPages(page);
      const withPages = await rate();
      close();
      // The first round is for the compiler.
      if (round < 0) continue;
      alone.push(without);
      watched.push(withPages);
    }
    console.log(
      table(`${count} GET_BLOCKs, ${rounds} rounds`, 'requests/s', [
        { name: 'no page open', values: alone },
        { name: `${PAGES} pages open`, values: watched },
      ]),
    );
    const ratio = median(watched.map((value, round) => value / (alone[round] ?? NaN)));
    console.log(`ratio (median of ${rounds}): ${ratio.toFixed(3)}, aim 0.95`);
  } finally {
    await lab.close();
    forgetImportedChains();
  }
}

/** Opens pages as browsers do. @returns what closes them */
async function openPages(page: string): Promise<() => void> {
  const controller = new AbortController();
  const { signal } = controller;
  const ask = (path: string): void => {
    fetch(page + path, { signal }).then(
      (response) => response.arrayBuffer().catch(() => undefined),
      () => undefined,
    );
  };
  const timers: NodeJS.Timeout[] = [];
  for (let index = 0; index < PAGES; index++) {
    const { body } = await fetch(`${page}/events`, { signal });
    void body?.pipeTo(new WritableStream()).catch(() => undefined);
    timers.push(
      setInterval(() => {
        for (const path of PAGE_PATHS) ask(path);
      }, PAGE_INTERVAL),
    );
  }
  return () => {
    for (const timer of timers) clearInterval(timer);
    controller.abort();
  };
}
