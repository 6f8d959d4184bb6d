import { addressKey } from '../../shared/address.ts';
import type { Log, LogData } from '../../shared/log.ts';
import type { PowNotice } from '../engines/pow/interface.ts';
import type { Progress } from './progress.ts';

/**
 * Tells people what the engine notices. Above debug a line holds only what we have checked ourselves (numbers,
 * hashes, codes of rules), never a name, an address or a word from the network.
 */
export class Reporter {
  readonly #log: Log;
  readonly #progress: Progress;
  /** What was said of the state of things since it last changed, so that it is not said in every round. */
  readonly #said = new Set<string>();

  constructor(log: Log, progress: Progress) {
    this.#log = log;
    this.#progress = progress;
  }

  /** Takes one notice. */
  report(notice: PowNotice): void {
    const log = this.#log;
    switch (notice.kind) {
      case 'work':
        log.debug('work', { height: notice.template?.height, words: notice.template?.messages.length });
        break;
      case 'peer-joined':
        if (notice.peers === 1) log.info('joined: the first peer is there');
        log.debug('peer joined', { peer: addressKey(notice.peer), name: notice.name, peers: notice.peers });
        break;
      case 'peer-dropped':
        log.debug('peer dropped', { peer: addressKey(notice.peer), peers: notice.peers });
        if (notice.peers === 0) log.info('no peer is left; the hosts given with --join are still greeted');
        break;
      case 'block': {
        const { height, hash } = notice.block;
        log.info(notice.source === 'mined' ? 'block mined by us' : 'block', { height, hash });
        this.#said.clear();
        break;
      }
      case 'consensus-started':
        log.debug('consensus started', { peers: notice.peers });
        break;
      case 'sync-started': {
        const { target, forkPoint, peers } = notice;
        log.info('sync started', { from: forkPoint + 1, blocks: target.height, hash: target.hash, peers });
        this.#progress.start(target.height - forkPoint - 1);
        break;
      }
      case 'sync-progress':
        this.#progress.update(notice.verified, notice.total);
        break;
      case 'chain-adopted': {
        const { height: blocks, hash, added, depth, returnedWords } = notice;
        this.#progress.stop();
        if (depth > 0) log.warn('reorganisation', { depth, added, blocks, hash, returnedWords });
        else log.info('sync finished', { added, blocks, hash });
        this.#said.clear();
        break;
      }
      case 'false-chain':
        this.#progress.stop();
        log.warn('a claimed chain is false', {
          blocks: notice.target.height,
          hash: notice.target.hash,
          fault: notice.fault,
          claims: notice.claimedBy.length,
        });
        for (const peer of notice.claimedBy) log.debug('it was claimed by', { peer: addressKey(peer) });
        break;
      case 'chain-unavailable':
        this.#progress.stop();
        log.warn('nobody serves a claimed chain', {
          blocks: notice.target.height,
          hash: notice.target.hash,
        });
        break;
      case 'consensus-finished': {
        const { outcome, answers, height: blocks } = notice;
        this.#progress.stop();
        log.debug('consensus finished', { outcome, answers, blocks });
        if (outcome === 'alone') this.#once(outcome, 'no other peer so far; looking again', { blocks });
        else if (outcome === 'failed') this.#once(outcome, 'no claimed chain could be had; asking again');
        else if (outcome === 'current') this.#once(outcome, 'in step with the network', { blocks, answers });
        break;
      }
      case 'waiting':
        this.#once(
          'waiting',
          'waiting for a peer that has a chain (name one with --join, or found a network of your own with --genesis)',
        );
        break;
    }
  }

  /** Takes the progress bar off the terminal. */
  close(): void {
    this.#progress.stop();
  }

  /** Says something at info unless it was said since the chain last grew. */
  #once(what: string, message: string, data?: LogData): void {
    if (this.#said.has(what)) return;
    this.#said.add(what);
    this.#log.info(message, data);
  }
}
