import type { Log } from '../../../../shared/log.ts';
import { TokenBucket } from '../../../core/bounded.ts';
import { replicaName, type PbftNotice, type PbftResult } from '../protocol/interface.ts';
import type { Progress } from '../../../node/progress.ts';

/** Batches logged at info, so that who tries it out sees them agree: so many at once, then so many a second. */
const BATCHES_BURST = 5;
const BATCHES_PER_SECOND = 0.2;

/** Characters of a digest that tell batches apart at a glance. */
const SHOWN_DIGEST = 16;

/** Why a primary is given up. */
const REASONS: Readonly<Record<Extract<PbftNotice, { kind: 'view-change-started' }>['reason'], string>> = {
  timeout: 'a request waits for too long',
  joined: 'others have given it up',
  'no new view': 'the next primary does not begin its view',
};

/**
 * Logs what a replica notices. Above debug a line holds only numbers, digests and the codes of our own rules, never
 * a text that came from a member.
 */
export class PbftReporter {
  readonly #log: Log;
  readonly #progress: Progress;
  /** Offences that were logged, as `member rule`: a member and a rule are warned of once. */
  readonly #offences = new Set<string>();
  readonly #batches = new TokenBucket({ perSecond: BATCHES_PER_SECOND, burst: BATCHES_BURST });
  readonly #now: () => number;
  #clocks = false;

  /** @param now in milliseconds, from any moment on */
  constructor(log: Log, progress: Progress, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#progress = progress;
    this.#now = now;
  }

  /** A request of our own user was answered. */
  onReply(answer: PbftResult): void {
    if (answer.status !== 'answered') return;
    this.#log.debug('answered', { timestamp: answer.timestamp, waited: Math.round(answer.waited) });
  }

  /** Takes one notice. */
  report(notice: PbftNotice): void {
    const log = this.#log;
    switch (notice.kind) {
      case 'executed': {
        const { sequence, view, requests, phases, digest } = notice;
        const reported = requests.length > 0 && this.#batches.take(this.#now());
        log[reported ? 'info' : 'debug']('executed', {
          ...{ sequence, view, requests: requests.length, digest: digest.slice(0, SHOWN_DIGEST) },
          ...(phases && { prepare: Math.round(phases.prepare), total: Math.round(phases.total) }),
        });
        break;
      }
      case 'view-change-started':
        log.warn('view change: the primary is given up', {
          view: notice.view,
          why: REASONS[notice.reason],
        });
        break;
      case 'view-entered': {
        const { view, primary, carried } = notice;
        // At the level of the beginning of a view change, so that whoever saw it sees its end.
        log.warn('new view', { view, primary: replicaName(primary), carried });
        break;
      }
      case 'checkpoint':
        log.debug('checkpoint', { sequence: notice.sequence, digest: notice.digest });
        break;
      case 'transfer-started':
        log.info('behind: fetching the state of others', {
          executed: notice.executed,
          sequence: notice.sequence,
        });
        this.#progress.stop();
        break;
      case 'transfer-progress':
        this.#progress.update(notice.pages, notice.total);
        break;
      case 'transfer-finished':
        this.#progress.stop();
        log.info('the state is fetched', { sequence: notice.sequence, pages: notice.pages });
        break;
      case 'diverged':
        log.error('our state was not that of the others; it is thrown away', {
          sequence: notice.sequence,
          digest: notice.digest,
        });
        break;
      case 'time-refused':
        log[this.#clocks ? 'debug' : 'warn'](
          'a batch is refused: its primary and we have clocks that are too far apart; set them',
          { primary: replicaName(notice.primary), difference: `${Math.round(notice.difference / 1000)}s` },
        );
        this.#clocks = true;
        break;
      case 'offence': {
        const { member, rule } = notice;
        const offence = `${member} ${rule}`;
        log[this.#offences.has(offence) ? 'debug' : 'warn']('a member did what no correct one does', {
          ...{ replica: replicaName(member), rule },
        });
        this.#offences.add(offence);
        break;
      }
    }
  }

  /** Takes the progress bar off the terminal. */
  close(): void {
    this.#progress.stop();
  }
}
