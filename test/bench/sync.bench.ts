/**
 * Blocks synced a second between two peer processes (asked for, received, verified, stored and adopted), against a
 * bare loop between two processes that only moves the same payloads. Run from the compiled tree:
 *
 *     node dist/test/bench/sync.bench.js [blocks] [rounds]
 */
import { writeFileSync } from 'node:fs';

import { blockFields } from '../../shared/block.ts';
import { eventually } from '../support/asker.ts';
import { buildChain } from '../support/chains.ts';
import { Lab, forgetImportedChains, type LogRecord, type Peer } from '../support/processes.ts';
import { pumpFromProcess, startResponder } from './bare-udp.ts';
import { median, table } from './figures.ts';
import { argument } from './measure.ts';

/** Of four hashes sixteen are tried each, so a long chain is built in a second. */
const DIFFICULTY = 1;
/** Requests under way at once in the bare loop: the most that the peer has, so that neither is favoured. */
const WINDOW = 64;
/** What the ratio should reach. */
const GOAL = 0.6;

const blocks = argument(0, 'blocks', 50_000);
const rounds = argument(1, 'rounds', 5);

/** The time, in milliseconds, of the first log record with that message. */
function timeOf(peer: Peer, message: string): number | undefined {
  const record: LogRecord | undefined = peer.program.records.find((one) => one.message === message);
  return record === undefined ? undefined : Date.parse(String(record['time']));
}

/** Lets a fresh peer sync from `source`; the seconds from the start of the sync to the chain's adoption. */
async function syncOnce(lab: Lab, source: Peer): Promise<number> {
  const joiner = await lab.startPeer({
    difficulty: DIFFICULTY,
    join: [source],
    extra: ['--log-level', 'info'],
  });
  const end = await eventually('the chain is adopted', () => timeOf(joiner, 'sync finished'), 120_000);
  const { height } = await joiner.stats();
  const start = timeOf(joiner, 'sync started');
  await joiner.program.kill('SIGTERM');
  if (start === undefined || height !== blocks) throw new Error(`the sync ended at ${height} blocks`);
  return (end - start) / 1000;
}

const lab = new Lab();
try {
  const chain = buildChain(blocks, { difficulty: DIFFICULTY });
  const payloads = lab.path('payloads.txt');
  writeFileSync(
    payloads,
    chain.map((block) => `{"type":"GET_BLOCK_REPLY",${blockFields(block)}}\n`).join(''),
  );
  const source = await lab.newPeer();
  await lab.importChain(source, chain, DIFFICULTY);
  await source.start({ difficulty: DIFFICULTY, extra: ['--log-level', 'info'] });
  const responder = await startResponder(payloads);
  lab.onClose(() => {
    responder.stop();
  });
  const bare: number[] = [];
  const peers: number[] = [];
  for (let round = 0; round < rounds; round++) {
    bare.push(blocks / (await pumpFromProcess(responder.port, blocks, WINDOW)));
    peers.push(blocks / (await syncOnce(lab, source)));
  }
  console.log(
    table(`${blocks} blocks between two processes, ${rounds} rounds`, 'blocks/s', [
      { name: 'bare Node UDP loop', values: bare },
      { name: 'peer syncs from peer', values: peers },
    ]),
  );
  const ratio = median(peers.map((rate, round) => rate / (bare[round] ?? NaN)));
  console.log(`ratio (median of ${rounds}): ${ratio.toFixed(2)}, goal ${GOAL}`);
} finally {
  await lab.close();
  forgetImportedChains();
}
