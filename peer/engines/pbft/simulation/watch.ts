/** What must hold of a PBFT replica, whatever happens to it: one watch for each honest node, through all of its lives. */
import type { PbftNotice } from '../protocol/interface.ts';
import type { ClientRequest, Header, NewView, PbftMessage, ViewChange, Vote } from '../protocol/messages.ts';
import { primaryOf } from '../protocol/quorum.ts';
import type { SimulatedNode } from '../../../simulator/subject.ts';
import { isNamedStored, isStored, readStored } from './layout.ts';
import { ORDER_CHECKERS, type AgreedOrder } from './order.ts';

/** All checkers, each by the sentence that it holds the cluster to. */
export const CHECKERS = {
  ...ORDER_CHECKERS,
  gaps: 'each node executes in the order of the sequence numbers, without gaps',
  contradiction: 'no honest node contradicts what it has signed, also after a crash',
  back: 'no honest node goes back to a view that it has given up',
  prepared: 'a view change names everything that its node has committed to',
  reported: 'nothing is told before it is stored',
  blamed: 'no honest node is accused of an offence',
} as const;

export type Violate = (checker: keyof typeof CHECKERS, node: SimulatedNode, detail: string) => void;

/** What the watches of a run share. */
export interface WatchModules {
  readonly order: AgreedOrder;
  readonly replicas: number;
  readonly violate: Violate;
  /** Whether a member has obeyed the rules, and kept its store, from the start. */
  readonly isHonest: (member: number) => boolean;
}

type Choice = Pick<Vote, 'view' | 'sequence' | 'digest'>;

export class NodeWatch {
  private readonly node: SimulatedNode;
  private readonly modules: WatchModules;
  /** Last sequence number that it has executed in this life. */
  private executed = 0;
  /** The highest view that it has entered, or voted for. */
  private view = 0;
  /** The highest view that it has voted for: it may sign nothing more for those before. */
  private wanted = 0;
  /** What it has signed, by the sequence number: for each view the digest, and by what kinds of messages. */
  private readonly choices = new Map<number, Map<number, { digest: string; readonly kinds: Set<string> }>>();
  /** The commit of the highest view for each sequence number. */
  private readonly commits = new Map<number, Choice>();
  private readonly checkpoints = new Map<number, string>();
  /** Signatures of its view changes and new views, by the kind and the view. */
  private readonly signed = new Map<string, string>();

  constructor(node: SimulatedNode, modules: WatchModules) {
    this.node = node;
    this.modules = modules;
  }

  /** The node has started. @param executed what it reports to have executed in earlier lives */
  onStart(executed: number): void {
    this.executed = executed;
  }

  /** The node has left; another one, that knows of nothing, has its place. */
  onReplaced(): void {
    this.view = 0;
    this.wanted = 0;
    for (const map of [this.choices, this.commits, this.checkpoints, this.signed]) map.clear();
  }

  onNotice(notice: PbftNotice): void {
    const { order } = this.modules;
    switch (notice.kind) {
      case 'executed':
        if (notice.sequence !== this.executed + 1) {
          this.violate('gaps', `it executed ${notice.sequence} after ${this.executed}`);
        }
        this.executed = notice.sequence;
        order.onExecuted(this.node, notice);
        break;
      case 'transfer-finished':
        if (notice.sequence < this.executed) this.violate('gaps', `it went back to ${notice.sequence}`);
        this.executed = notice.sequence;
        break;
      case 'checkpoint':
        order.onState(this.node, notice.sequence, notice.digest);
        this.forgetUpTo(notice.sequence);
        break;
      case 'view-change-started':
      case 'view-entered':
        this.reach(notice.view);
        break;
      case 'offence':
        if (this.modules.isHonest(notice.member)) {
          this.violate('blamed', `node ${notice.member}: ${notice.rule}`);
        }
        break;
      default:
        break;
    }
  }

  onSend(message: PbftMessage): void {
    switch (message.type) {
      case 'PRE_PREPARE':
        if (this.choose('pre-prepare', message.header)) this.mustHaveBatch(message.header);
        this.mustBeSetAside(message.batch.requests);
        break;
      case 'PREPARE':
        if (this.choose('prepare', message.vote)) this.mustHaveBatch(message.vote);
        break;
      case 'COMMIT':
        this.commit(message.vote);
        break;
      case 'CHECKPOINT':
        this.checkpoint(message.vote.sequence, message.vote.digest);
        break;
      case 'REPLY':
        for (const [timestamp, result] of message.reply.results) {
          this.modules.order.onReply(this.node, message.reply.client, timestamp, result);
        }
        break;
      case 'VIEW_CHANGE':
        this.changeView(message.change);
        break;
      case 'NEW_VIEW':
        this.mustHaveNamed(message.newView);
        if (primaryOf(message.newView.view, this.modules.replicas) !== this.node.index) break;
        if (!this.sign('new view', message.newView.view, message.newView.signature)) break;
        for (const header of message.newView.headers) this.choose('new view', header);
        this.mustBeStored('newView', message.newView.signature, `new view ${message.newView.view}`);
        break;
      case 'REQUEST':
        this.mustBeSetAside(message.requests);
        break;
      default:
        break;
    }
  }

  /** The timestamp of a request of its own must never go to another one, also after a crash. */
  private mustBeSetAside(requests: readonly ClientRequest[]): void {
    for (const { client, timestamp } of requests) {
      // Whoever has lost its store may pass on requests of the one whose place it has.
      const own = client === this.node.index && this.modules.isHonest(client);
      if (own && timestamp > readStored(this.node.store).timestamp) {
        this.violate('reported', `request ${timestamp}`);
      }
    }
  }

  /** @returns whether it sends this for the first time */
  private choose(kind: string, { view, sequence, digest }: Choice): boolean {
    if (view < this.wanted) {
      this.violate('back', `it sends a ${kind} for view ${view}, and wants ${this.wanted}`);
    }
    const views = this.choices.get(sequence) ?? new Map<number, { digest: string; kinds: Set<string> }>();
    this.choices.set(sequence, views);
    const choice = views.get(view) ?? { digest, kinds: new Set() };
    views.set(view, choice);
    if (choice.digest !== digest) {
      this.violate(
        'contradiction',
        `view ${view}, sequence number ${sequence}: a ${kind} for ${digest} after ${[...choice.kinds].join(', ')} for ${choice.digest}`,
      );
    }
    if (choice.kinds.has(kind)) return false;
    choice.kinds.add(kind);
    return true;
  }

  private commit(vote: Vote): void {
    const { view, sequence } = vote;
    if (!this.choose('commit', vote)) return;
    if (view >= (this.commits.get(sequence)?.view ?? 0)) this.commits.set(sequence, vote);
    const { prepared } = readStored(this.node.store).slot(sequence) ?? {};
    if (!isSame(prepared?.header, vote)) this.violate('reported', `a commit for ${sequence} in view ${view}`);
  }

  private checkpoint(sequence: number, digest: string): void {
    const known = this.checkpoints.get(sequence) ?? digest;
    this.checkpoints.set(sequence, known);
    if (known !== digest) this.violate('contradiction', `two states after ${sequence}`);
    this.modules.order.onState(this.node, sequence, digest);
    if (readStored(this.node.store).pages < sequence) this.violate('reported', `the state after ${sequence}`);
  }

  private changeView(change: ViewChange): void {
    const { view, stable, prepared, replica, signature } = change;
    if (replica !== this.node.index) return;
    // What a new view names is shown to others, also by one that has lost its store and signed it in an earlier life.
    if (isNamedStored(this.node.store, replica, signature)) return;
    if (!this.sign('view change', view, signature)) return;
    this.reach(view);
    this.wanted = Math.max(this.wanted, view);
    this.mustBeStored('viewChange', signature, `view change ${view}`);
    for (const [sequence, commit] of this.commits) {
      if (sequence <= stable || commit.view >= view) continue;
      const proof = prepared.find(({ header }) => header.sequence === sequence);
      if (proof !== undefined && (proof.header.view > commit.view || isSame(proof.header, commit))) continue;
      this.violate('prepared', `view ${view} lacks ${sequence}, committed to in view ${commit.view}`);
      return;
    }
  }

  /** @returns whether it signs this for the first time */
  private sign(kind: string, view: number, signature: string): boolean {
    const key = `${kind} ${view}`;
    const known = this.signed.get(key);
    if (known !== undefined && known !== signature) this.violate('contradiction', `two of ${key}`);
    this.signed.set(key, signature);
    return known === undefined;
  }

  private reach(view: number): void {
    if (view < this.view) this.violate('back', `to ${view} from ${this.view}`);
    this.view = view;
  }

  private mustHaveBatch(choice: Choice): void {
    const stored = readStored(this.node.store);
    const header = stored.header(choice.view, choice.sequence);
    if (!isSame(header, choice) || !stored.hasBatch(choice.sequence, choice.digest)) {
      this.violate('reported', `the batch of ${choice.sequence} in view ${choice.view}`);
    }
  }

  /** Whoever shows a new view has what it names, also for those who ask after a crash. */
  private mustHaveNamed({ view, viewChanges }: NewView): void {
    for (const [replica, signature] of viewChanges) {
      if (isNamedStored(this.node.store, replica, signature)) continue;
      this.violate('reported', `the view change of ${replica} for view ${view}`);
      return;
    }
  }

  private mustBeStored(what: 'viewChange' | 'newView', signature: string, name: string): void {
    if (!isStored(this.node.store, what, signature)) this.violate('reported', name);
  }

  /** What lies below a stable checkpoint is over. */
  private forgetUpTo(sequence: number): void {
    for (const map of [this.choices, this.commits, this.checkpoints]) {
      for (const old of map.keys()) if (old <= sequence) map.delete(old);
    }
  }

  private violate(checker: keyof typeof CHECKERS, detail: string): void {
    this.modules.violate(checker, this.node, detail);
  }
}

function isSame(one: Header | undefined, other: Choice): boolean {
  return one?.view === other.view && one.sequence === other.sequence && one.digest === other.digest;
}
