/** Everybody is asked for STATS: who has answered, and how many answers may come from where. */
import { addressKey, type Address } from '../../../../shared/address.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { Answer } from './choice.ts';
import type { ChainClaim } from './interface.ts';
import { isNumeric } from './sync.ts';

export class StatsPoll {
  /** How often those who are silent have been asked. */
  rounds = 1;
  private readonly asked: ReadonlyMap<string, Address>;
  private readonly answers = new Map<string, { claim: ChainClaim | null; from: Address }>();
  /** How many peers were asked on each host, and how many answers it gave. */
  private readonly hosts = new Map<string, { asked: number; answers: number }>();
  /** Peers that have not answered from the address at which they were asked. */
  private silent: number;

  /** @param asked by the keys of their addresses */
  constructor(asked: ReadonlyMap<string, Address>) {
    this.asked = asked;
    this.silent = asked.size;
    for (const { host } of asked.values()) {
      const group = hostGroup(host);
      this.hosts.set(group, { asked: (this.hosts.get(group)?.asked ?? 0) + 1, answers: 0 });
    }
  }

  /** @param most peers that may be asked */
  measure(report: Gauge, most: number): void {
    report('peers asked for STATS', this.asked.size, most);
    report('answers to STATS', this.answers.size, this.asked.size);
  }

  /** Whether everybody has answered. */
  get complete(): boolean {
    return this.silent === 0;
  }

  /** Whether an answer has come from there. */
  has(from: Address): boolean {
    return this.answers.has(addressKey(from));
  }

  /** Whom to ask again. */
  silentPeers(): Address[] {
    return [...this.asked].filter(([key]) => !this.answers.has(key)).map(([, address]) => address);
  }

  /**
   * An answer comes, for the first time or again.
   *
   * @returns whether it counts
   */
  take(from: Address, claim: ChainClaim | null): boolean {
    if (!this.makeRoom(from)) return false;
    this.answers.set(addressKey(from), { claim, from });
    return true;
  }

  /** All answers that count. */
  results(): Answer[] {
    return [...this.answers.values()].map(({ claim, from }) => ({
      claim,
      addresses: this.asked.has(addressKey(from)) ? [from] : this.silentOn(from),
    }));
  }

  /**
   * Whether one more answer may be taken: a host gives as many as it has peers that were asked, from whatever ports,
   * but a peer that answers from where it was asked takes the place of one that did not.
   */
  private makeRoom({ host, port }: Address): boolean {
    const { asked, answers, hosts } = this;
    const key = addressKey({ host, port });
    if (answers.has(key)) return true;
    const group = hosts.has(host) ? host : '';
    const quota = hosts.get(group);
    if (quota === undefined) return false;
    const direct = asked.has(key);
    if (quota.answers < quota.asked) quota.answers++;
    else if (!direct) return false;
    else {
      for (const [other, { from }] of answers) {
        if (asked.has(other) || (hosts.has(from.host) ? from.host : '') !== group) continue;
        answers.delete(other);
        break;
      }
    }
    if (direct) this.silent--;
    return true;
  }

  /**
   * An answer came from a port that nobody asked: it is from one of those on the same host that are silent. Where none
   * is, the port itself is asked.
   */
  private silentOn(from: Address): Address[] {
    const silent = this.silentPeers().filter(({ host }) => host === from.host);
    return silent.length > 0 ? silent : [from];
  }
}

/** Numeric hosts by themselves, names all together: a name can't be compared with where an answer came from. */
function hostGroup(host: string): string {
  return isNumeric(host) ? host : '';
}
