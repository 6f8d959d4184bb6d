import { addressKey } from '../../../../shared/address.ts';
import type { Log, LogData } from '../../../../shared/log.ts';
import type { PowNotice } from '../protocol/interface.ts';
import type { Progress } from '../../../node/progress.ts';

/** States of things that last: the outcomes of a consensus, and what else there is to be waited for. */
type Lasting = 'alone' | 'silent' | 'empty' | 'current' | 'failed' | 'waiting';

/**
 * Logs what the engine notices. Above debug a line holds only what we have checked ourselves (numbers,
 * hashes, codes of rules), never a name, an address or a word from the network.
 */
export class Reporter {
  readonly #log: Log;
  readonly #progress: Progress;
  /** What was logged of the state of things since it last changed, so that it is not logged in every round. */
  readonly #said = new Set<Lasting>();
  #peers = 0;

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
        this.#peers = notice.peers;
        if (notice.peers === 1) log.info('joined: the first peer is there');
        this.#said.delete('alone');
        log.debug('peer joined', { peer: addressKey(notice.peer), name: notice.name, peers: notice.peers });
        break;
      case 'peer-dropped':
        this.#peers = notice.peers;
        log.debug('peer dropped', { peer: addressKey(notice.peer), peers: notice.peers });
        if (notice.peers > 0) break;
        log.info('no peer is left; the hosts given with --join are still greeted');
        // It has just been logged in other words.
        this.#said.add('alone');
        break;
      case 'block': {
        const { height, hash } = notice.block;
        log.info(notice.source === 'mined' ? 'block mined by us' : 'block', { height, hash });
        this.#changed();
        break;
      }
      case 'consensus-started':
        log.debug('consensus started', { peers: notice.peers });
        break;
      case 'sync-started': {
        const { target, forkPoint, peers } = notice;
        log.info('sync started', { from: forkPoint + 1, to: target.height - 1, hash: target.hash, peers });
        this.#progress.start(target.height - forkPoint - 1);
        break;
      }
      case 'sync-progress':
        this.#progress.update(notice.verified, notice.total);
        break;
      case 'chain-adopted': {
        const { hash, added, depth, returnedWords } = notice;
        const height = notice.height - 1;
        this.#progress.stop();
        if (depth > 0) log.warn('reorganisation', { depth, added, height, hash, returnedWords });
        else log.info('sync finished', { added, height, hash });
        this.#changed();
        break;
      }
      case 'false-chain':
        this.#progress.stop();
        log.warn('a claimed chain is false', {
          height: notice.target.height - 1,
          hash: notice.target.hash,
          fault: notice.fault,
          claims: notice.claimedBy.length,
        });
        for (const peer of notice.claimedBy) log.debug('it was claimed by', { peer: addressKey(peer) });
        break;
      case 'chain-unavailable':
        this.#progress.stop();
        log.warn('nobody serves a claimed chain', {
          height: notice.target.height - 1,
          hash: notice.target.hash,
        });
        break;
      case 'consensus-finished': {
        this.#progress.stop();
        log.debug('consensus finished', { ...notice, kind: undefined });
        this.#sayOutcome(notice);
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

  #sayOutcome({ outcome, answers, height }: Extract<PowNotice, { kind: 'consensus-finished' }>): void {
    if (outcome === 'failed') this.#once(outcome, 'no claimed chain could be had; asking again');
    else if (outcome === 'alone' && this.#peers === 0)
      this.#once(outcome, 'no other peer so far; looking again');
    else if (outcome === 'alone')
      this.#once('silent', 'no peer has answered yet which chain it has; asking again', {
        peers: this.#peers,
      });
    else if (outcome === 'current' && height === 0)
      this.#once('empty', 'no peer has a chain so far', { answers });
    else if (outcome === 'current')
      this.#once(outcome, 'in step with the network', { height: height - 1, answers });
  }

  /** The chain has changed. Whether anybody else is there has nothing to do with it. */
  #changed(): void {
    for (const what of this.#said) if (what !== 'alone') this.#said.delete(what);
  }

  /** Logs something at info unless it was logged since that last changed. */
  #once(what: Lasting, message: string, data?: LogData): void {
    if (this.#said.has(what)) return;
    this.#said.add(what);
    this.#log.info(message, data);
  }
}
