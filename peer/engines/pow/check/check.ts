/** Runs a whole check, and shows what comes of it. */
import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';

import { addressKey, type Address } from '../../../../shared/address.ts';
import { UserError, messageOf } from '../../../../shared/errors.ts';
import { StopSignals } from '../../../../shared/stop-signals.ts';
import { painter, wantsColour } from '../../../../shared/text-table.ts';
import { localAddressTo, machineGround } from './ground.ts';
import { Lab } from './lab.ts';
import { meet } from './meeting.ts';
import { progressLine, resultLines, ruleLines, scoreLines, type Look } from './report.ts';
import { Stopped, reportOf, type Rule } from './rule.ts';
import { MinerLab } from './miner-lab.ts';
import { MINER_RULES } from './rules/miner.ts';
import { PEER_RULES } from './rules/all.ts';
import { chosenRules, runRules, type Place } from './run.ts';

/** What every check takes. */
export interface ShownOptions {
  readonly only: readonly string[];
  readonly slow?: boolean;
  readonly details?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

/** All times in seconds. */
export interface CheckOptions extends ShownOptions {
  readonly target: Address | undefined;
  readonly difficulty: number;
  readonly listen?: number;
  readonly wait: number;
  readonly host?: string;
  readonly patience: number;
  /** In percent. */
  readonly loss: number;
  readonly gossipInterval: number;
  readonly peerTimeout: number;
  readonly consensusInterval: number;
}

const MILLISECONDS = 1000;
/** Width where there is no terminal: nothing is broken. */
const ENDLESS = Infinity;

/** @throws UserError if nobody is there */
export async function checkPeer(options: CheckOptions): Promise<void> {
  const { listen, wait } = options;
  if (options.list === true) {
    list(PEER_RULES, options);
    return;
  }
  if (options.target === undefined && listen === undefined)
    throw new UserError(
      'name the peer, as in "node peer check 127.0.0.1:8784", or have it join us, with --listen',
    );
  const target = options.target && (await resolved(options.target));
  const self = options.host ?? (target === undefined ? '127.0.0.1' : await localAddressTo(target));
  const signals = new StopSignals();
  const lab = await Lab.open(
    {
      ...{ target, self, port: listen ?? 0, joins: listen !== undefined, stop: signals.stop },
      difficulty: options.difficulty,
      loss: options.loss / 100,
      patience: options.patience * MILLISECONDS,
      gossipInterval: options.gossipInterval * MILLISECONDS,
      peerTimeout: options.peerTimeout * MILLISECONDS,
      consensusInterval: options.consensusInterval * MILLISECONDS,
      entropy: randomBytes(16),
    },
    machineGround,
  );
  try {
    const show = new Show(options);
    const [ann] = lab.cast;
    show.note(
      listen === undefined
        ? `meeting the peer at ${addressKey(lab.target)} …`
        : `waiting for a peer that joins ${addressKey(ann.address)} …`,
    );
    if (!(await meet(lab, wait * MILLISECONDS))) throw new UserError(nobody(options));
    await show.run(`the peer at ${addressKey(lab.target)}`, options, PEER_RULES, lab);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  } finally {
    lab.close();
  }
  if (signals.exitCode !== undefined) process.exitCode = signals.exitCode;
}

/** All times in seconds. */
export interface MinerCheckOptions extends ShownOptions {
  readonly port: number;
  readonly bind: string;
  readonly difficulty: number;
  readonly wait: number;
  readonly patience: number;
}

/** @throws UserError if no miner comes */
export async function checkMiner(options: MinerCheckOptions): Promise<void> {
  if (options.list === true) {
    list(MINER_RULES, options);
    return;
  }
  const { bind: host, port, difficulty, wait, patience } = options;
  const signals = new StopSignals();
  const lab = await MinerLab.open(
    {
      ...{ host, port, difficulty, patience: patience * MILLISECONDS },
      ...{ entropy: randomBytes(16), stop: signals.stop },
    },
    machineGround,
  );
  try {
    const show = new Show(options);
    show.note(`waiting for a miner at ${addressKey({ host, port: lab.port })} …`);
    if (!(await lab.connected(wait * MILLISECONDS)))
      throw new UserError(
        `no miner came within ${wait} s; start it after this, for port ${lab.port} (--wait waits longer)`,
      );
    await show.run(`the miner that came to port ${lab.port}`, options, MINER_RULES, lab);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  } finally {
    lab.close();
  }
  if (signals.exitCode !== undefined) process.exitCode = signals.exitCode;
}

function nobody({ target, listen, wait }: CheckOptions): string {
  return target === undefined || listen !== undefined
    ? `no peer came within ${wait} s; start it after this, so that it joins port ${listen ?? 0} (--wait waits longer)`
    : `nobody answers at ${addressKey(target)}; is the peer running, and is that its UDP port?`;
}

async function resolved({ host, port }: Address): Promise<Address> {
  if (isIPv4(host)) return { host, port };
  try {
    return { host: (await lookup(host, { family: 4 })).address, port };
  } catch (error) {
    throw new UserError(`${host} has no IPv4 address: ${messageOf(error)}`);
  }
}

function list<Context>(rules: readonly Rule<Context>[], { json }: ShownOptions): void {
  if (json === true) {
    const shown = rules.map(({ id, title, level, source, needs = [], slow = false }) => ({
      ...{ id, title, level, source, needs, slow },
    }));
    console.log(JSON.stringify(shown, null, 2));
  } else {
    console.log(ruleLines(rules, lookOf({})).join('\n'));
  }
}

function lookOf({ details = false }: { readonly details?: boolean }): Look {
  const width = process.stdout.isTTY ? process.stdout.columns : ENDLESS;
  return { paint: painter(wantsColour(process.stdout)), width, details };
}

/** Shows a check while it goes on: results on standard output, and on a terminal what is being tried. */
class Show {
  readonly #live = process.stderr.isTTY;
  readonly #look: Look;

  constructor(options: ShownOptions) {
    this.#look = lookOf(options);
  }

  /** A line on the terminal, until the next. */
  note(text: string): void {
    if (this.#live) process.stderr.write(`\r\u001b[2K${text}`);
  }

  /** Tries the rules; the exit code says whether all that must be is right. */
  async run<Context extends Place>(
    subject: string,
    options: ShownOptions,
    rules: readonly Rule<Context>[],
    context: Context,
  ): Promise<void> {
    const plain = options.json !== true;
    if (plain) this.#print([`Checking ${subject}.`, '']);
    const chosen = chosenRules(rules, options.only, options.slow === true);
    const results = await runRules(chosen, context, {
      onRule: (id, number, of) => {
        this.note(progressLine(id, number, of, process.stderr.columns));
      },
      onResult: (result) => {
        if (plain) this.#print(resultLines(result, this.#look));
      },
    });
    const report = reportOf(subject, results);
    this.note('');
    if (plain) this.#print(scoreLines(report, this.#look.paint));
    else console.log(JSON.stringify(report, null, 2));
    if (!report.passed) process.exitCode = 1;
  }

  #print(lines: readonly string[]): void {
    this.note('');
    console.log(lines.join('\n'));
  }
}
