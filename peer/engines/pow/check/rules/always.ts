/** What holds for every datagram of a peer, whatever was tried. */
import type { Lab } from '../lab.ts';
import { MAX_RECEIVED_BY_MOST } from '../limits.ts';
import { Wrong, type Level, type Rule } from '../rule.ts';
import type { Watch } from '../watch.ts';

function never(
  id: string,
  title: string,
  level: Level,
  source: string,
  offences: (watch: Watch) => readonly string[],
): Rule<Lab> {
  return {
    ...{ id, title, level, source, looksBack: true },
    run: (lab: Lab): Promise<void> => {
      const all = offences(lab.watch);
      const [first] = all;
      if (first === undefined) return Promise.resolve();
      const more = all.length > 1 ? `, and ${all.length - 1} more` : '';
      return Promise.reject(new Wrong(`${first}${more}`));
    },
  };
}

export const ALWAYS_RULES: readonly Rule<Lab>[] = [
  never(
    'datagrams',
    'Everything it sent was one JSON object',
    'must',
    'One UDP socket, one JSON object per datagram, UTF-8.',
    ({ notJson }) => notJson,
  ),
  never(
    'datagram-size',
    `Nothing it sent was longer than ${MAX_RECEIVED_BY_MOST} bytes`,
    'should',
    'Most implementations receive with recvfrom(1024).',
    ({ tooLong }) => tooLong,
  ),
  never(
    'one-port',
    'Everything it sent came from the port that it listens on',
    'should',
    'Some implementations answer, and remember, the port that a datagram came from.',
    ({ otherPort }) => otherPort,
  ),
  never(
    'announce-copies',
    'It announced no block twice to the same peer',
    'should',
    'A second copy of an ANNOUNCE has ruined the chain of a peer.',
    ({ copies }) => copies,
  ),
];
