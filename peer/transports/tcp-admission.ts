/** Which connections from outside are too many, before it is known who they are from. */
import { RateLimit, TokenBucket } from '../core/bounded.ts';
import type { TcpConnection } from './tcp-connection.ts';
import type { TcpLimits } from './tcp-limits.ts';

type Limits = Pick<
  TcpLimits,
  'handshakesPerHost' | 'pending' | 'pendingPerHost' | 'ratedHosts' | 'strangers'
>;

export class Admission {
  readonly #limits: Limits;
  readonly #handshakes: RateLimit;
  readonly #strangers: TokenBucket;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#handshakes = new RateLimit({ ...limits.handshakesPerHost, maxKeys: limits.ratedHosts });
    this.#strangers = new TokenBucket(limits.strangers);
  }

  /**
   * Whether a host may have another handshake.
   *
   * @param now in milliseconds, not by a clock that may be set back
   * @param isKnown whether a member is known to be there
   */
  mayShake(host: string, now: number, isKnown: () => boolean): boolean {
    return this.#handshakes.take(host, now) && (isKnown() || this.#strangers.take(now));
  }

  /**
   * Ends the oldest connection from outside whose handshake is not finished if there are too many.
   *
   * @param pending oldest first
   */
  makeRoom(host: string, pending: Iterable<TcpConnection>): void {
    const waiting = [...pending].filter(({ dialled }) => !dialled);
    const fromHost = waiting.filter(({ remote }) => remote.host === host);
    if (fromHost.length >= this.#limits.pendingPerHost) fromHost[0]?.end('crowded');
    else if (waiting.length >= this.#limits.pending) waiting[0]?.end('crowded');
  }
}
