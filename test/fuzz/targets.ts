/** Every fuzz target, for `npm test` and `npm run fuzz` alike. */
import type { Corpus } from './corpus.ts';
import { decoderTargets } from './decoders.ts';
import { engineTarget } from './engine.ts';
import { miningTargets } from './mining.ts';
import { pbftTargets } from './pbft.ts';
import type { FuzzTarget } from './target.ts';
import { tcpTargets } from './tcp.ts';

export function fuzzTargets(corpus: Corpus): FuzzTarget[] {
  return [
    ...decoderTargets(corpus),
    ...miningTargets(corpus),
    ...tcpTargets(),
    engineTarget(corpus),
    ...pbftTargets(),
  ];
}
