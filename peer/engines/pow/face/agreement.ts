/** How the chains that peers claim compare with ours, for every figure and list alike. */
import type { ChainClaim } from '../protocol/interface.ts';
import type { ForksJson, PeerJson } from './schemas.ts';
import type { PowSubject } from './subject.ts';

export type Agreement = PeerJson['agreement'];

/** What is asked of our chain. */
export type OurChain = Pick<PowSubject, 'block'>;

interface Tip {
  /** Number of blocks. */
  readonly height: number;
  readonly hash: string | null;
}

/** How claims compare with our chain. Peers mostly claim the same few, so each is looked at once. */
export function agreements(chain: OurChain, { height, hash }: Tip): (claim: ChainClaim | null) => Agreement {
  const known = new Map<string, Agreement>();
  return (claim) => {
    if (claim === null) return 'unknown';
    if (claim.hash === hash) return 'same';
    const key = `${claim.height} ${claim.hash}`;
    let agreement = known.get(key);
    if (agreement === undefined) {
      // Some report the height of the last block instead of the number of blocks.
      const ours = [claim.height - 1, claim.height].some((at) => chain.block(at)?.hash === claim.hash);
      agreement = ours ? 'behind' : claim.height > height ? 'ahead' : 'fork';
      known.set(key, agreement);
    }
    return agreement;
  };
}

/** Whether a peer is on our chain: one that only lags behind has no branch of its own. */
export function isWithUs(agreement: Agreement): boolean {
  return agreement === 'same' || agreement === 'behind';
}

/** Our chain, with us and all who are on it, and each other one that is claimed; longest first. */
export function branchesOf(
  { height, hash }: Tip,
  claims: readonly { readonly claim: ChainClaim | null; readonly agreement: Agreement }[],
): ForksJson['claims'] {
  const others = new Map<string, ForksJson['claims'][number]>();
  for (const { claim, agreement } of claims) {
    if (claim === null || isWithUs(agreement)) continue;
    const before = others.get(claim.hash);
    others.set(claim.hash, {
      ...{ height: Math.max(claim.height, before?.height ?? 0), hash: claim.hash },
      ...{
        peers: (before?.peers ?? 0) + 1,
        ours: false,
        ahead: agreement === 'ahead' || before?.ahead === true,
      },
    });
  }
  const withUs = claims.filter(({ agreement }) => isWithUs(agreement)).length;
  const ours = hash === null ? [] : [{ height, hash, peers: withUs + 1, ours: true, ahead: false }];
  return [...ours, ...others.values()].sort((a, b) => b.height - a.height || b.peers - a.peers);
}
