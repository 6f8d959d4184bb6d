/** What is shown of connections: what only people can mend, once in a while, and no more lines than they can read. */
import type { Address } from '../../shared/address.ts';
import type { Log } from '../../shared/log.ts';
import { HANDSHAKE_RULES, type HandshakeFault } from './handshake.ts';
import type { Member, Target } from './tcp-member.ts';

/** Faults that a person has to do something about. */
const TOLD_FAULTS: ReadonlySet<string> = new Set<HandshakeFault>([
  'wrong-version',
  'wrong-cluster',
  'unknown-member',
  'bad-signature',
]);

/** What a person can do about it. */
const REMEDIES: Readonly<Record<string, string>> = {
  'wrong-version': 'all members must run the same version of this program',
  'wrong-cluster': 'the cluster must be the same at all members',
  'unknown-member': 'the list of members must be the same at all of them',
};

/** So many new connections of a member, each in place of a living one, in an allowance period: nobody restarts so often. */
const MANY_REPLACEMENTS = 3;

interface Modules {
  readonly log: Log;
  readonly self: Pick<Member, 'target'>;
  /** What people call a member; its number by default. */
  readonly nameOf: ((member: number) => string) | undefined;
  /** Only whoever gave the cluster its name knows what that stands for. */
  readonly clusterRemedy: string | undefined;
}

export class Notices {
  readonly #modules: Modules;
  /** What was logged lately about hosts at which nobody is known. */
  readonly #toldOfStrangers = new Set<string>();

  constructor(modules: Modules) {
    this.#modules = modules;
  }

  nameOf(member: number): string {
    return this.#modules.nameOf?.(member) ?? String(member);
  }

  /** Lets everything be logged again. */
  forget(targets: Iterable<Target>): void {
    this.#toldOfStrangers.clear();
    for (const { reported } of targets) reported.clear();
  }

  /**
   * Logs what only a person can mend: once in a while about everybody that we dial or know, and as often about all
   * others together, so that strangers neither fill the log nor keep anything out of it.
   *
   * @param reported whether the other side has found the fault
   * @param about whom we dialled, or know at that host
   */
  onFault(fault: string, reported: boolean, { host, port }: Address, about: () => Target | undefined): void {
    const { clusterRemedy, log, self } = this.#modules;
    if (fault === 'own-key' && !reported) {
      tellOnce(self.target.reported, fault, () => {
        log.error('tcp: another process runs with the key of this replica', {
          ...{ host, port, remedy: 'stop one of the two: both together are one faulty member' },
        });
      });
    }
    if (!TOLD_FAULTS.has(fault)) return;
    tellOnce(about()?.reported ?? this.#toldOfStrangers, reported ? `told-${fault}` : fault, () => {
      const rule = HANDSHAKE_RULES[fault as HandshakeFault];
      const remedy = (fault === 'wrong-cluster' ? clusterRemedy : undefined) ?? REMEDIES[fault];
      log.warn(reported ? 'tcp: a peer refuses us' : 'tcp: a connection is refused', {
        ...{ fault, host, port, rule: `broken: ${rule}`, remedy },
      });
    });
  }

  /** A member that is started again has a new connection once; two processes with its key take it from each other. */
  onReplacement(member: Member): void {
    if (++member.replacements < MANY_REPLACEMENTS) return;
    tellOnce(member.target.reported, 'replaced', () => {
      this.#modules.log.warn(
        'tcp: connections of a member take the place of each other: do two processes use its key?',
        { member: this.nameOf(member.member) },
      );
    });
  }

  /** A line for people, unless a member has caused too many. */
  line(member: Member, text: string, data: Record<string, string | number>): void {
    const { log } = this.#modules;
    const named = { member: this.nameOf(member.member), ...data };
    if (member.lines-- > 0) log.info(text, named);
    else log.debug(text, named);
  }
}

function tellOnce(before: Set<string>, name: string, report: () => void): void {
  if (before.has(name)) return;
  before.add(name);
  report();
}
