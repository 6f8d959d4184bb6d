/** Who is dialled and when: everybody that is wanted and not connected, later each time. */
import type { Address } from '../../shared/address.ts';
import type { HostAnswer, HostFault, HostResolver } from './names.ts';
import type { TcpLimits } from './tcp-limits.ts';
import { Target, type Member } from './tcp-member.ts';
import type { Timers } from './timers.ts';

interface Modules {
  readonly limits: Pick<TcpLimits, 'firstRetry' | 'longestRetry'>;
  readonly timers: Pick<Timers, 'after'>;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  readonly hosts: Pick<HostResolver, 'find'>;
  /** Makes a connection with somebody at a numeric address; `settled` or `planAgain` is notified how that went. */
  readonly connect: (target: Target, address: Address) => void;
  /** A host could not be found. */
  readonly onFault: (fault: HostFault) => void;
}

export class Dialler {
  readonly #modules: Modules;
  /** Addresses of which it is not known whose they are. */
  readonly #bootstraps = new Set<Target>();
  /** An address of ours that another process has advertised; it is dialled once, to find out. */
  #twin: Target | undefined;
  #closed = false;

  constructor(modules: Modules) {
    this.#modules = modules;
  }

  get bootstraps(): ReadonlySet<Target> {
    return this.#bootstraps;
  }

  /** Dials an address of which it is not known whose it is. */
  addBootstrap(address: Address): void {
    const target = new Target(() => [address]);
    this.#bootstraps.add(target);
    this.plan(target, 0);
  }

  /** An address has turned out to be our own. */
  dropBootstrap(target: Target): void {
    this.#bootstraps.delete(target);
  }

  /** Dials an address that another process has advertised as ours, unless another one is being looked at. */
  askTwin(address: Address): void {
    if (this.#twin !== undefined) return;
    this.#twin = new Target(() => [address]);
    this.plan(this.#twin, 0);
  }

  /** Lets somebody be dialled after so many milliseconds, unless that is planned or of no use. */
  plan(target: Target, delay: number): void {
    if (target.busy || target.cancel !== undefined || !this.#isWanted(target)) return;
    target.cancel = this.#modules.timers.after(delay, () => {
      target.cancel = undefined;
      if (this.#isWanted(target)) this.#dial(target);
    });
  }

  /** Dials again, later each time. */
  planAgain(target: Target): void {
    if (this.#twin === target) this.#twin = undefined;
    if (!this.#isWanted(target)) return;
    const { limits, random } = this.#modules;
    const { firstRetry, longestRetry } = limits;
    const longest = Math.min(longestRetry, firstRetry * 2 ** Math.min(target.attempts++, 30));
    this.plan(target, longest * (0.5 + random() / 2));
  }

  /** Dials soon whoever may be reached now. */
  planAfresh(target: Target): void {
    target.attempts = 0;
    this.plan(target, 0);
  }

  /** A connection that was dialled is established. */
  settled(target: Target): void {
    target.busy = false;
    if (this.#twin === target) this.#twin = undefined;
  }

  /** It is known now who is at an address. */
  identify(target: Target, member: Member): void {
    const [address] = target.addresses();
    if (target.member !== undefined || address === undefined) return;
    this.#bootstraps.delete(target);
    member.addAlias(address);
    this.plan(member.target, this.#modules.limits.firstRetry);
  }

  /** Dials nobody any more. */
  close(members: readonly Member[]): void {
    this.#closed = true;
    for (const target of [...this.#bootstraps, ...members.map((member) => member.target)]) target.callOff();
  }

  #isWanted(target: Target): boolean {
    if (this.#closed) return false;
    const { member } = target;
    if (member === undefined) return this.#bootstraps.has(target) || this.#twin === target;
    const reachable = member.connection === undefined && target.addresses().length > 0;
    return reachable && !member.blocked && member.paused === 0;
  }

  #dial(target: Target): void {
    const addresses = target.addresses();
    const address = addresses[target.attempts % addresses.length];
    if (address === undefined) return;
    target.busy = true;
    const answer = this.#modules.hosts.find(address.host, (later) => {
      this.#dialAt(target, address, later);
    });
    if (answer !== undefined) this.#dialAt(target, address, answer);
  }

  #dialAt(target: Target, { port }: Address, { address: host, fault }: HostAnswer): void {
    target.busy = false;
    if (!this.#isWanted(target)) return;
    if (fault !== undefined) {
      this.#modules.onFault(fault);
      this.planAgain(target);
      return;
    }
    target.busy = true;
    this.#modules.connect(target, { host, port });
  }
}
