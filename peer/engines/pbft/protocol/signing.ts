/**
 * What is signed, as text: a JSON array that begins with the kind of the message and the cluster, so that nothing signed
 * for one purpose, or one cluster, serves another. Arrays of texts and whole numbers have one JSON form only.
 */
import { sha256Hex } from '../../../../shared/ed25519.ts';
import { RecentSet } from '../../../core/bounded.ts';
import type { Gauge } from '../../../core/engine.ts';
import type { PbftMembership, Signatures } from './interface.ts';
import { MAX_VERIFIED, MAX_VERIFIED_TEXT } from './limits.ts';
import type {
  Batch,
  CheckpointVote,
  ClientRequest,
  Header,
  NewView,
  PreparedProof,
  Reply,
  ViewChange,
  Vote,
} from './messages.ts';
import { primaryOf } from './quorum.ts';

/** What is to be signed of something. */
type Unsigned<T> = Omit<T, 'signature'>;

/** Signs and verifies the messages of one cluster, and remembers what it has verified. */
export class Signing {
  /** The digest of the batch without requests. */
  readonly nothing: string;
  private readonly cluster: string;
  private readonly replicas: number;
  private readonly self: number;
  private readonly signatures: Signatures;
  private readonly verified = new RecentSet(MAX_VERIFIED);
  /** Signatures verified so far: those remembered are not among them. */
  verifications = 0;

  constructor({ cluster, replicas, self }: PbftMembership, signatures: Signatures) {
    this.cluster = cluster;
    this.replicas = replicas;
    this.self = self;
    this.signatures = signatures;
    this.nothing = this.digestOf({ time: 0, requests: [] });
  }

  measure(report: Gauge): void {
    this.verified.measure('verified signatures', report);
  }

  /** The digest of a batch, signatures and all: who has the digest of a valid batch has a valid batch. */
  digestOf({ time, requests }: Batch): string {
    return sha256Hex(
      JSON.stringify([
        'batch',
        this.cluster,
        time,
        requests.map(({ client, timestamp, operation, signature }) => [
          client,
          timestamp,
          operation,
          signature,
        ]),
      ]),
    );
  }

  request(request: Unsigned<ClientRequest>): ClientRequest {
    return { ...request, signature: this.sign(this.requestText(request)) };
  }

  isRequest(request: ClientRequest): boolean {
    return this.check(request.client, this.requestText(request), request.signature);
  }

  header(header: Unsigned<Header>): Header {
    return { ...header, signature: this.sign(this.headerText(header)) };
  }

  /** Whether the primary of its view signed it. */
  isHeader(header: Header): boolean {
    return this.check(primaryOf(header.view, this.replicas), this.headerText(header), header.signature);
  }

  vote(phase: 'prepare' | 'commit', vote: Unsigned<Vote>): Vote {
    return { ...vote, signature: this.sign(this.voteText(phase, vote)) };
  }

  isVote(phase: 'prepare' | 'commit', vote: Vote): boolean {
    return this.check(vote.replica, this.voteText(phase, vote), vote.signature);
  }

  checkpoint(vote: Unsigned<CheckpointVote>): CheckpointVote {
    return { ...vote, signature: this.sign(this.checkpointText(vote)) };
  }

  isCheckpoint(vote: CheckpointVote): boolean {
    return this.check(vote.replica, this.checkpointText(vote), vote.signature);
  }

  reply(reply: Unsigned<Reply>): Reply {
    return { ...reply, signature: this.sign(this.replyText(reply)) };
  }

  isReply(reply: Reply): boolean {
    return this.check(reply.replica, this.replyText(reply), reply.signature);
  }

  viewChange(change: Unsigned<ViewChange>): ViewChange {
    return { ...change, signature: this.sign(this.viewChangeText(change)) };
  }

  /** Whether its replica signed it; what it claims is another question. */
  isViewChange(change: ViewChange): boolean {
    return this.check(change.replica, this.viewChangeText(change), change.signature);
  }

  newView(newView: Unsigned<NewView>): NewView {
    return { ...newView, signature: this.sign(this.newViewText(newView)) };
  }

  /** Whether the primary of its view signed it; what it claims is another question. */
  isNewView(newView: NewView): boolean {
    return this.check(primaryOf(newView.view, this.replicas), this.newViewText(newView), newView.signature);
  }

  /** Whether two new views say the same, whatever their signatures are: whoever has the key can make others. */
  isSameNewView(one: NewView, other: NewView): boolean {
    return one.view === other.view && this.newViewText(one) === this.newViewText(other);
  }

  private requestText({ client, timestamp, operation }: Unsigned<ClientRequest>): string {
    return JSON.stringify(['request', this.cluster, client, timestamp, operation]);
  }

  private headerText({ view, sequence, digest }: Unsigned<Header>): string {
    return JSON.stringify(['pre-prepare', this.cluster, view, sequence, digest]);
  }

  private voteText(phase: 'prepare' | 'commit', { view, sequence, digest, replica }: Unsigned<Vote>): string {
    return JSON.stringify([phase, this.cluster, view, sequence, digest, replica]);
  }

  private checkpointText({ sequence, digest, replica }: Unsigned<CheckpointVote>): string {
    return JSON.stringify(['checkpoint', this.cluster, sequence, digest, replica]);
  }

  private replyText({ view, replica, client, results }: Unsigned<Reply>): string {
    return JSON.stringify(['reply', this.cluster, view, replica, client, results]);
  }

  private viewChangeText({ view, stable, certificate, prepared, replica }: Unsigned<ViewChange>): string {
    const contents = sha256Hex(
      JSON.stringify([
        certificate.map((vote) => [vote.sequence, vote.digest, vote.replica, vote.signature]),
        prepared.map(proofFields),
      ]),
    );
    return JSON.stringify(['view-change', this.cluster, view, stable, contents, replica]);
  }

  private newViewText({ view, viewChanges, headers }: Unsigned<NewView>): string {
    // The signature of a view change stands for all that it says.
    const contents = sha256Hex(JSON.stringify([viewChanges, headers.map(headerFields)]));
    return JSON.stringify(['new-view', this.cluster, view, contents]);
  }

  private sign(text: string): string {
    const signature = this.signatures.sign(text);
    this.verified.add(memoOf(this.self, text, signature));
    return signature;
  }

  private check(member: number, text: string, signature: string): boolean {
    const memo = memoOf(member, text, signature);
    if (this.verified.has(memo)) return true;
    this.verifications++;
    if (!this.signatures.verify(member, text, signature)) return false;
    this.verified.add(memo);
    return true;
  }
}

function headerFields({ view, sequence, digest, signature }: Header): readonly unknown[] {
  return [view, sequence, digest, signature];
}

function proofFields({ header, prepares }: PreparedProof): readonly unknown[] {
  return [headerFields(header), prepares];
}

/** Under which a verified signature is remembered: it stands for just this member, text and signature. */
function memoOf(member: number, text: string, signature: string): string {
  return `${member} ${signature} ${text.length > MAX_VERIFIED_TEXT ? sha256Hex(text) : text}`;
}
