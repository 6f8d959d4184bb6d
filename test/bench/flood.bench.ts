/**
 * What a peer process still does for honest peers while it gets garbage, kind by kind, against the same just before.
 * Flood, peer and honest peers share the machine, so on few cores some of what is lost is the flood's own doing. The
 * columns:
 *
 *     sent/s, read/s   datagrams that the flood sent, and that the peer read (with those of honest peers)
 *     lost             share of what arrived that the kernel had no room for
 *     cost             microseconds of the peer's processor time for a datagram of the flood, the system's included
 *     first, all       share of honest questions at a moderate rate answered to the first try, and at all
 *     p50, p99, was    milliseconds until they were answered; `was` is p99 before the flood
 *     rate             answers a second where as many are asked as are answered, as a ratio to before
 *     follow, after    milliseconds until an announced block was in the chain; until the first answer after the flood
 *     MiB              memory of the peer before, at most, and after
 *
 * Run from the compiled tree:
 *
 *     node dist/test/bench/flood.bench.js [--rate 50000] [--seconds 2] [--kind name] [--sources one|many] [--blocks 10000]
 */
import type { Socket } from 'node:dgram';

import { Command } from 'commander';

import { integer, oneOf, runProgram, seconds as secondsTo } from '../../shared/options.ts';
import { pause, eventually } from '../support/asker.ts';
import { buildChain, type PlainBlock } from '../support/chains.ts';
import { GARBAGE_KINDS, startFlood, type FloodPlan, type GarbageKind } from '../support/flood.ts';
import { Lab, forgetImportedChains, type LogRecord, type Peer } from '../support/processes.ts';
import { datagramsLost, processorTime, residentMemory } from '../support/process-info.ts';
import { LOOPBACK, openSocket, readDatagram } from '../support/wire.ts';
import { median, quantile } from './figures.ts';

const DIFFICULTY = 1;
/** Questions a second that honest peers ask, at the moderate rate. */
const QUESTIONS = 250;
/** Questions under way at once where as many are asked as are answered. */
const WINDOW = 16;
/** When a question is asked again, and how often, in milliseconds. */
const RETRY_AFTER = 250;
const TRIES = 12;
/** How often the memory of the peer is looked at, in milliseconds. */
const SAMPLE = 200;
/** Rounds of a fresh peer's sync, each without and with the flood. */
const SYNC_ROUNDS = 3;
/** Floods of the same peer, one after the other. */
const LONG_ROUNDS = 5;
const MIB = 2 ** 20;
/** Datagrams a second: more than one process sends. */
const MOST_RATE = 10_000_000;
/** An hour for each kind. */
const MOST_SECONDS = 3600;
/** The chain is built in memory. */
const MOST_BLOCKS = 1_000_000;
const SOURCES: readonly FloodPlan['sources'][] = ['one', 'many'];

interface Answer {
  readonly milliseconds: number;
  readonly tries: number;
}

/** An honest peer that asks, again and again until it is answered. */
class Questioner {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #waiting = new Map<string, () => void>();

  constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on('message', (bytes) => {
      const message = readDatagram(bytes);
      if (message === undefined) return;
      const { type, height } = message;
      if (type === 'GOSSIP')
        this.#say({ type: 'GOSSIP_REPLY', host: LOOPBACK, port: socket.address().port, name: 'bench' });
      else if (type === 'STATS') this.#say({ type: 'STATS_REPLY', height: 0, hash: null });
      else this.#waiting.get(type === 'GET_BLOCK_REPLY' ? `GET_BLOCK ${String(height)}` : String(type))?.();
    });
  }

  /** Makes itself known: strangers are served slowly. */
  async introduce(): Promise<void> {
    const { port } = this.#socket.address();
    await eventually('the peer answers a GOSSIP', async () => {
      const id = `${port} ${performance.now()}`;
      const question = { type: 'GOSSIP', host: LOOPBACK, port, id, name: 'bench' };
      return (await this.#ask('GOSSIP_REPLY', question)) !== undefined;
    });
  }

  /** The number of blocks that the peer says it has is not looked at; every answer counts. */
  stats(): Promise<Answer | undefined> {
    return this.#ask('STATS_REPLY', { type: 'STATS' });
  }

  /** @param height only once under way at a time */
  block(height: number): Promise<Answer | undefined> {
    return this.#ask(`GET_BLOCK ${height}`, { type: 'GET_BLOCK', height });
  }

  announce(block: PlainBlock): void {
    this.#say({ type: 'ANNOUNCE', ...block });
  }

  async #ask(key: string, question: object): Promise<Answer | undefined> {
    const start = performance.now();
    let tries = 0;
    const answered = await new Promise<boolean>((resolve) => {
      const say = (): void => {
        if (tries === TRIES) finish(false);
        else this.#say(question);
        tries++;
      };
      const again = setInterval(say, RETRY_AFTER);
      const before = this.#waiting.get(key);
      const finish = (result: boolean): void => {
        clearInterval(again);
        // Several may wait for the same answer; each finishes those before it.
        this.#waiting.delete(key);
        before?.();
        resolve(result);
      };
      this.#waiting.set(key, () => {
        finish(true);
      });
      say();
    });
    return answered ? { milliseconds: performance.now() - start, tries } : undefined;
  }

  #say(message: object): void {
    this.#socket.send(JSON.stringify(message), this.#port, LOOPBACK, () => undefined);
  }
}

interface Service {
  /** Milliseconds until each question of the moderate rate was answered. */
  readonly latencies: number[];
  /** Shares of these questions that were answered to the first try, and at all. */
  readonly first: number;
  readonly all: number;
  /** Answers a second where as many are asked as are answered. */
  readonly rate: number;
}

/** What honest peers get in some seconds. */
async function serve(questioner: Questioner, blocks: number, seconds: number): Promise<Service> {
  const asked: Promise<Answer | undefined>[] = [];
  const half = (seconds / 2) * 1000;
  const start = performance.now();
  while (performance.now() - start < half) {
    const due = ((performance.now() - start) / 1000) * QUESTIONS;
    while (asked.length < due)
      asked.push(asked.length % 2 === 0 ? questioner.stats() : questioner.block((asked.length * 7) % blocks));
    await pause(2);
  }
  const answers = (await Promise.all(asked)).filter((answer) => answer !== undefined);

  let answered = 0;
  let next = 0;
  const begin = performance.now();
  const work = async (): Promise<void> => {
    while (performance.now() - begin < half)
      if ((await questioner.block(next++ % blocks)) !== undefined) answered++;
  };
  await Promise.all(Array.from({ length: WINDOW }, work));
  const rate = (answered / (performance.now() - begin)) * 1000;
  return {
    latencies: answers.map(({ milliseconds }) => milliseconds),
    first: answers.filter(({ tries }) => tries === 1).length / asked.length,
    all: answers.length / asked.length,
    rate,
  };
}

/** Milliseconds until a valid block, announced again and again as nobody answers an ANNOUNCE, is in the peer's chain. */
async function follow(peer: Peer, questioner: Questioner, block: PlainBlock): Promise<number> {
  const start = performance.now();
  const again = setInterval(() => {
    questioner.announce(block);
  }, RETRY_AFTER);
  questioner.announce(block);
  await peer.reaches('the announced block', ({ height }) => height > block.height);
  clearInterval(again);
  return performance.now() - start;
}

/** What the peer has counted so far. */
async function counters(peer: Peer): Promise<LogRecord> {
  const { program } = peer;
  const before = program.records.filter(({ message }) => message === 'counters').length;
  process.kill(program.pid, 'SIGUSR2');
  return eventually('the counters are logged', () => {
    const lines = program.records.filter(({ message }) => message === 'counters');
    return lines.length > before && lines.at(-1);
  });
}

/** The three counters of refusals and limits that grew most, with how much. */
function refusals(before: LogRecord, after: LogRecord): string {
  return Object.entries(after)
    .filter(
      ([name]) => name.startsWith('malformed.') || name.startsWith('dropped.') || name.startsWith('engine.'),
    )
    .map(([name, value]): [string, number] => [name, Number(value) - Number(before[name] ?? 0)])
    .filter(([, growth]) => growth > 100)
    .sort(([, one], [, other]) => other - one)
    .slice(0, 3)
    .map(([name, growth]) => `${name.replace('engine.', '')} ${growth.toLocaleString('en')}`)
    .join(', ');
}

interface Options {
  readonly rate: number;
  readonly seconds: number;
  readonly blocks: number;
  readonly kind?: GarbageKind;
  readonly sources?: FloodPlan['sources'];
}

/** Says on a terminal what is being done; nothing in a pipe. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`);
}

const COLUMNS = [
  ...['kind', 'from', 'sent/s', 'read/s', 'lost', 'cost', 'first', 'all', 'p50', 'p99', 'was'],
  ...['rate', 'follow', 'after', 'MiB'],
];
const WIDTHS = [14, 5, 8, 8, 5, 5, 6, 6, 7, 7, 7, 6, 7, 7, 14];

function row(cells: readonly string[]): string {
  return cells
    .map((cell, index) => (index < 2 ? cell.padEnd(WIDTHS[index] ?? 0) : cell.padStart(WIDTHS[index] ?? 0)))
    .join(' ');
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0.995 ? 0 : 1)}%`;
}

/** Microseconds of processor time that the peer needs for a datagram, system and socket included, with no other load. */
async function costOfEach(peer: Peer, seconds: number): Promise<number> {
  const { pid } = peer.program;
  const before = { read: Number((await counters(peer))['received']), time: processorTime(pid) ?? NaN };
  await pause(seconds * 1000);
  const after = { read: Number((await counters(peer))['received']), time: processorTime(pid) ?? NaN };
  return ((after.time - before.time) / (after.read - before.read)) * 1e6;
}

/** One kind from one or many addresses: a quiet spell, a flood, and what comes after; gives the ratio of the rates. */
async function measure(
  peer: Peer,
  questioner: Questioner,
  plan: FloodPlan,
  options: Options,
  block: PlainBlock | undefined,
): Promise<number> {
  if (block === undefined) throw new Error('there is no block left to announce');
  const { pid } = peer.program;
  const { blocks, seconds } = options;
  await questioner.introduce();
  const quiet = await serve(questioner, blocks, seconds);
  const counted = await counters(peer);
  const lost = datagramsLost(peer.port) ?? NaN;
  const before = residentMemory(pid);
  let most = before;
  const sampler = setInterval(() => {
    most = Math.max(most, residentMemory(pid));
  }, SAMPLE);
  const flood = await startFlood(plan);
  const cost = await costOfEach(peer, seconds / 2);
  const flooded = await serve(questioner, blocks, seconds);
  const followed = await follow(peer, questioner, block);
  flood.stop();
  const { sent, seconds: lasted } = await flood.over;
  const end = performance.now();
  await questioner.stats();
  const after = performance.now() - end;
  clearInterval(sampler);
  const counts = await counters(peer);
  const read = Number(counts['received']) - Number(counted['received']);
  const lostNow = (datagramsLost(peer.port) ?? NaN) - lost;
  const ratio = flooded.rate / quiet.rate;
  const show = (milliseconds: number): string => milliseconds.toFixed(1);
  console.log(
    row([
      ...[plan.kind, plan.sources, Math.round(sent / lasted).toLocaleString('en')],
      ...[
        Math.round(read / lasted).toLocaleString('en'),
        percent(lostNow / (lostNow + read)),
        cost.toFixed(1),
      ],
      ...[percent(flooded.first), percent(flooded.all)],
      ...[show(quantile(flooded.latencies, 0.5)), show(quantile(flooded.latencies, 0.99))],
      ...[show(quantile(quiet.latencies, 0.99)), ratio.toFixed(2), followed.toFixed(0), show(after)],
      [before, most, residentMemory(pid)].map((bytes) => Math.round(bytes / MIB)).join(' '),
    ]),
  );
  console.log(`    ${refusals(counted, counts)}`);
  return ratio;
}

/** Seconds from the start of a fresh peer's sync to the chain's adoption. */
async function sync(lab: Lab, source: Peer): Promise<number> {
  const joiner = await lab.startPeer({
    difficulty: DIFFICULTY,
    join: [source],
    extra: ['--log-level', 'info'],
  });
  const timeOf = (what: string): number | undefined => {
    const record = joiner.program.records.find(({ message }) => message === what);
    return record === undefined ? undefined : Date.parse(String(record['time']));
  };
  const end = await eventually('the chain is adopted', () => timeOf('sync finished'), 120_000);
  await joiner.program.kill('SIGTERM');
  return (end - (timeOf('sync started') ?? NaN)) / 1000;
}

/** A peer with a chain, at the rhythm at which people run it, and somebody who has asked it enough to warm it up. */
async function openPeer(
  lab: Lab,
  chain: readonly PlainBlock[],
  { blocks, seconds }: Options,
): Promise<{ peer: Peer; questioner: Questioner }> {
  const peer = await lab.newPeer();
  await lab.importChain(peer, chain.slice(0, blocks), DIFFICULTY);
  const rhythm = ['--consensus-interval', '300', '--gossip-interval', '30', '--peer-timeout', '60'];
  await peer.start({ difficulty: DIFFICULTY, extra: ['--log-level', 'info', ...rhythm] });
  const socket = await openSocket();
  lab.onClose(() => {
    socket.close();
  });
  const questioner = new Questioner(socket, peer.port);
  await questioner.introduce();
  await serve(questioner, blocks, seconds);
  return { peer, questioner };
}

async function main(lab: Lab, options: Options): Promise<void> {
  const { blocks, rate } = options;
  const kinds = options.kind === undefined ? GARBAGE_KINDS : [options.kind];
  const sources = options.sources === undefined ? SOURCES : [options.sources];
  const chain = buildChain(blocks + LONG_ROUNDS, { difficulty: DIFFICULTY });
  // Bounded also when nobody stops it.
  const plan = { height: blocks, rate, count: rate * 120 };
  const ratios: number[] = [];
  console.log(row(COLUMNS));
  for (const kind of kinds) {
    for (const from of sources) {
      progress(`${kind} from ${from} (${ratios.length + 1} of ${kinds.length * sources.length})`);
      // A peer of its own for each, because floods of some kinds leave peers behind that are no peers.
      const { peer, questioner } = await openPeer(lab, chain, options);
      const flood = { ...plan, port: peer.port, kind, sources: from };
      ratios.push(await measure(peer, questioner, flood, options, chain[blocks]));
      await peer.kill9();
    }
  }
  console.log(
    `honest answers a second, share of before: median ${median(ratios).toFixed(2)} ` +
      `(${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
  );

  const kind = options.kind ?? 'mixed';
  const { peer, questioner } = await openPeer(lab, chain, options);
  const flood: FloodPlan = { ...plan, port: peer.port, kind, sources: 'many' };
  console.log(`one peer, "${kind}" from many again and again`);
  for (let round = 0; round < LONG_ROUNDS; round++) {
    progress(`"${kind}" once more (${round + 1} of ${LONG_ROUNDS})`);
    await measure(peer, questioner, flood, options, chain[blocks + round]);
  }
  for (let round = 0; round < SYNC_ROUNDS; round++) {
    progress(`a fresh peer syncs (${round + 1} of ${SYNC_ROUNDS})`);
    const alone = await sync(lab, peer);
    const running = await startFlood(flood);
    const flooded = await sync(lab, peer);
    running.stop();
    await running.over;
    console.log(
      `a fresh peer syncs ${blocks} blocks in ${alone.toFixed(2)} s, from a source under "${kind}" in ${flooded.toFixed(2)} s`,
    );
  }
  progress('');
}

async function bench(options: Options): Promise<void> {
  const lab = new Lab();
  try {
    await main(lab, options);
  } finally {
    await lab.close();
    forgetImportedChains();
  }
}

const program = new Command('flood.bench')
  .description('Measures what honest peers get of a peer while it is flooded with garbage.')
  .option('--rate <number>', 'datagrams of the flood a second', integer(1, MOST_RATE), 50_000)
  .option('--seconds <seconds>', 'how long honest peers ask in each measurement', secondsTo(MOST_SECONDS), 2)
  .option('--blocks <number>', "length of the peer's chain", integer(1, MOST_BLOCKS), 10_000)
  .option(
    '--kind <name>',
    `only this kind of garbage: ${GARBAGE_KINDS.join(', ')} (default: all, one after the other)`,
    oneOf(GARBAGE_KINDS),
  )
  .option('--sources <sources>', 'only from one address, or from many (default: both)', oneOf(SOURCES))
  .option('--verbose', 'show where in the program an error came from')
  .addHelpText(
    'after',
    '\nExample:\n  node dist/test/bench/flood.bench.js --kind mixed --sources many --seconds 5',
  )
  .action(bench);

await runProgram(program, process.argv.slice(2));
