/**
 * GET_BLOCK requests that a peer process serves a second, against a process that answers with the same payloads and
 * does nothing else. The client is the same for both. Run from the compiled tree:
 *
 *     node dist/test/bench/serve.bench.js [requests] [rounds]
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';

import { blockFields } from '../../shared/block.ts';
import { buildChain } from '../support/chains.ts';
import { Lab, forgetImportedChains } from '../support/processes.ts';
import { getBlockRequests, openBareSocket, pump, startResponder } from './bare-udp.ts';
import { median, table } from './figures.ts';
import { argument } from './measure.ts';

const DIFFICULTY = 1;
/** Blocks in the chain; the requests go through all of them again and again. */
const BLOCKS = 10_000;
/** Requests under way at once. */
const WINDOW = 64;
/** What the ratio should reach. */
const GOAL = 0.7;
const LOOPBACK = '127.0.0.1';

const count = argument(0, 'count', 40_000);
const rounds = argument(1, 'rounds', 7);

const lab = new Lab();
try {
  const chain = buildChain(BLOCKS, { difficulty: DIFFICULTY });
  const payloads = lab.path('payloads.txt');
  writeFileSync(
    payloads,
    chain.map((block) => `{"type":"GET_BLOCK_REPLY",${blockFields(block)}}\n`).join(''),
  );
  const peer = await lab.newPeer();
  await lab.importChain(peer, chain, DIFFICULTY);
  await peer.start({
    difficulty: DIFFICULTY,
    // Its own rounds would only add noise.
    extra: [
      '--log-level',
      'info',
      '--gossip-interval',
      '20',
      '--consensus-interval',
      '3600',
      '--peer-timeout',
      '3600',
    ],
  });
  const responder = await startResponder(payloads);
  const socket = await openBareSocket();
  lab.onClose(() => {
    responder.stop();
    socket.close();
  });

  // Strangers are served slowly: the client makes itself known, and answers the gossip that proves its address.
  const { port } = socket.address();
  const say = (message: object): void => {
    socket.send(JSON.stringify(message), peer.port, LOOPBACK);
  };
  await new Promise<void>((resolve) => {
    let greetings = 0;
    const greet = setInterval(() => {
      say({ type: 'GOSSIP', host: LOOPBACK, port, id: randomUUID(), name: 'bench' });
    }, 300);
    socket.on('message', (bytes) => {
      const text = bytes.toString('utf8');
      if (text.includes('"GOSSIP"')) say({ type: 'GOSSIP_REPLY', host: LOOPBACK, port, name: 'bench' });
      else if (text.includes('"STATS"')) say({ type: 'STATS_REPLY', height: 0, hash: null });
      if (text.includes('"GOSSIP"') && ++greetings === 1) {
        clearInterval(greet);
        setTimeout(resolve, 200);
      }
    });
  });

  socket.removeAllListeners('message');
  const all = getBlockRequests(BLOCKS);
  const requests = Array.from({ length: count }, (_, index) => all[index % BLOCKS] ?? Buffer.alloc(0));
  const bare: number[] = [];
  const served: number[] = [];
  for (let round = 0; round < rounds; round++) {
    bare.push(count / (await pump(socket, responder.port, requests, WINDOW)));
    served.push(count / (await pump(socket, peer.port, requests, WINDOW)));
  }
  console.log(
    table(`${count} GET_BLOCKs, ${rounds} rounds`, 'requests/s', [
      { name: 'bare Node UDP responder', values: bare },
      { name: 'peer', values: served },
    ]),
  );
  const ratio = median(served.map((rate, round) => rate / (bare[round] ?? NaN)));
  console.log(`ratio (median of ${rounds}): ${ratio.toFixed(2)}, goal ${GOAL}`);
} finally {
  await lab.close();
  forgetImportedChains();
}
