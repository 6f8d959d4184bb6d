/** What follows from the view changes of a quorum, and whether they are what they claim. Pure. */
import type { Context } from './context.ts';
import { WINDOW } from './limits.ts';
import type { Certificate, NewView, PreparedProof, Signed, ViewChange, Vote } from './messages.ts';

/** What a new view begins with. */
export interface Foundation {
  /** The highest stable checkpoint that one of the quorum has proved; 0 for the beginning. */
  readonly stable: number;
  readonly certificate: Certificate;
  /** The digest that each sequence number above it must have, in order, without a gap. */
  readonly digests: readonly { readonly sequence: number; readonly digest: string }[];
}

/**
 * Computes what a new view must begin with: for each sequence number up to the highest that was prepared, the batch
 * prepared in the highest view, or nothing. Source: PBFT, section 4.4.
 */
export function foundationOf(viewChanges: readonly ViewChange[], nothing: string): Foundation {
  let highest: ViewChange | undefined;
  for (const change of viewChanges) {
    if (highest === undefined || change.stable > highest.stable) highest = change;
  }
  const { stable, certificate } = highest ?? { stable: 0, certificate: [] };
  const prepared = new Map<number, PreparedProof>();
  let last = stable;
  for (const proof of viewChanges.flatMap((change) => change.prepared)) {
    const { sequence, view } = proof.header;
    last = Math.max(last, sequence);
    const known = prepared.get(sequence);
    if (known === undefined || view > known.header.view) prepared.set(sequence, proof);
  }
  const digests = Array.from({ length: last - stable }, (_, index) => {
    const sequence = stable + 1 + index;
    return { sequence, digest: prepared.get(sequence)?.header.digest ?? nothing };
  });
  return { stable, certificate, digests };
}

/** The rule that a view change breaks, undefined if it is valid. */
export function viewChangeFault(context: Context, change: ViewChange): string | undefined {
  const { signing, config } = context;
  const { stable, certificate, prepared, view } = change;
  if (change.replica >= context.replicas) return 'view-change-from-nobody';
  if (!signing.isViewChange(change)) return 'view-change-signature';
  if (stable === 0 ? certificate.length > 0 : certificate[0]?.sequence !== stable) {
    return 'view-change-checkpoint';
  }
  if (stable > 0 && !isCertificate(context, certificate)) return 'view-change-checkpoint';
  const seen = new Set<number>();
  for (const { header, prepares } of prepared) {
    const { sequence } = header;
    if (sequence <= stable || sequence > stable + WINDOW * config.checkpointInterval || seen.has(sequence)) {
      return 'view-change-window';
    }
    seen.add(sequence);
    if (header.view >= view) return 'view-change-later-view';
    if (!signing.isHeader(header) || !isPrepared(context, { header, prepares })) return 'view-change-proof';
  }
  return undefined;
}

/**
 * The rule that a new view breaks whatever its view changes say, undefined if there is none. One that its primary has not
 * signed is the fault of whoever sent it, everything else that of the primary.
 */
export function newViewFault(context: Context, newView: NewView): string | undefined {
  const { signing, quorum, config } = context;
  const { view, viewChanges, headers } = newView;
  if (!signing.isNewView(newView)) return 'new-view-signature';
  const replicas = viewChanges.map(([replica]) => replica);
  if (!areDistinct(replicas) || replicas.length < quorum) return 'new-view-quorum';
  if (replicas.some((replica) => replica >= context.replicas)) return 'new-view-quorum';
  if (headers.length > WINDOW * config.checkpointInterval) return 'new-view-forged';
  for (const header of headers) {
    if (header.view !== view) return 'new-view-forged';
    if (!signing.isHeader(header)) return 'new-view-header-signature';
  }
  return undefined;
}

/**
 * The rule that a new view breaks by its view changes, each valid by itself: what follows from them is computed anew.
 *
 * @param foundation of these view changes
 */
export function foundationFault(
  { view, headers }: NewView,
  viewChanges: readonly ViewChange[],
  { digests }: Foundation,
): string | undefined {
  if (viewChanges.some((change) => change.view !== view)) return 'new-view-quorum';
  const follows =
    headers.length === digests.length &&
    headers.every(
      ({ sequence, digest }, index) =>
        sequence === digests[index]?.sequence && digest === digests[index].digest,
    );
  return follows ? undefined : 'new-view-forged';
}

/** Whether a quorum signed the same checkpoint. */
export function isCertificate(context: Context, certificate: Certificate): boolean {
  const [first] = certificate;
  return (
    first !== undefined &&
    first.sequence % context.config.checkpointInterval === 0 &&
    certificate.length >= context.quorum &&
    areDistinct(certificate.map(({ replica }) => replica)) &&
    certificate.every(
      (vote) =>
        vote.replica < context.replicas &&
        vote.sequence === first.sequence &&
        vote.digest === first.digest &&
        context.signing.isCheckpoint(vote),
    )
  );
}

/** Whether commits of a quorum decide a batch. */
export function isDecision(context: Context, commits: readonly Vote[]): boolean {
  const [first] = commits;
  return (
    first !== undefined &&
    commits.length >= context.quorum &&
    areDistinct(commits.map(({ replica }) => replica)) &&
    commits.every((vote) => isSame(vote, first) && isSigned(context, 'commit', vote))
  );
}

/** Whether q - 1 different backups of its view have prepared what a pre-prepare says. */
function isPrepared(context: Context, { header, prepares }: PreparedProof): boolean {
  const { view, sequence, digest } = header;
  const primary = context.primary(view);
  return (
    prepares.length >= context.quorum - 1 &&
    areDistinct(prepares.map(([replica]) => replica)) &&
    prepares.every(
      ([replica, signature]) =>
        replica !== primary && isSigned(context, 'prepare', { view, sequence, digest, replica, signature }),
    )
  );
}

/** What a vote is for. */
type Choice = Pick<Vote, 'view' | 'sequence' | 'digest'>;

/** Whether two votes, or a vote and a pre-prepare, are for the same. */
export function isSame(one: Choice, other: Choice): boolean {
  return one.view === other.view && one.sequence === other.sequence && one.digest === other.digest;
}

function isSigned(context: Context, phase: 'prepare' | 'commit', vote: Vote): boolean {
  return vote.replica < context.replicas && context.signing.isVote(phase, vote);
}

function areDistinct(replicas: readonly number[]): boolean {
  return new Set(replicas).size === replicas.length;
}

/** What stands for something signed where the rest of it is known, or can be fetched. */
export function nameOf({ replica, signature }: Pick<Vote, 'replica' | 'signature'>): Signed {
  return [replica, signature];
}
