/** The odd datagrams that running peers were seen to die of: nobody is to send them, everybody is to survive them. */
import type { Lab } from '../lab.ts';
import { mineBlock } from '../mine.ts';
import { Wrong, type Rule } from '../rule.ts';
import { withIntegerNonce } from './announce.ts';

/** What is sent, by what it is called. */
type Odd = Readonly<Record<string, string | Uint8Array>>;

function survives(
  id: string,
  title: string,
  source: string,
  make: (lab: Lab) => Odd | Promise<Odd>,
): Rule<Lab> {
  return {
    id,
    title,
    level: 'should',
    source,
    needs: ['stats'],
    run: async (lab: Lab): Promise<void> => {
      const odd = Object.entries(await make(lab));
      // Some die of it only when they have something to send to all that they track.
      odd.push(['it, at a CONSENSUS,', '{"type":"CONSENSUS"}']);
      for (const [name, datagram] of odd) {
        lab.send(lab.stranger(), datagram);
        // Or the question would overtake it.
        await lab.arrived();
        if ((await lab.stats()) === undefined && (await lab.stats()) === undefined)
          throw new Wrong(`after ${name} it does not answer STATS any more`);
      }
    },
  };
}

const json = (fields: object): string => JSON.stringify(fields);

export const ODD_RULES: readonly Rule<Lab>[] = [
  survives(
    'odd-bytes',
    'It survives what is no JSON: nothing at all, text, bytes that are no UTF-8',
    'Peers were seen to die of, or go deaf on, each of these.',
    () => ({
      'an empty datagram': '',
      'text that is no JSON': 'hello',
      'half an object': '{"type":"STATS"',
      'bytes that are no UTF-8': Uint8Array.of(0x7b, 0xff, 0xfe, 0x80, 0x7d),
    }),
  ),
  survives(
    'odd-json',
    'It survives JSON that is no object, or no message',
    'Peers were seen to die of null and of a text.',
    () => ({
      null: 'null',
      'a number': '42',
      'a text': '"STATS"',
      'JSON within JSON': json({ type: 'STATS' }).replace(/.*/, (text) => JSON.stringify(text)),
      'a list': '[{"type":"STATS"}]',
      'an empty object': '{}',
      'an unknown type': json({ type: 'HELLO' }),
      'a type that is no text': json({ type: 7 }),
    }),
  ),
  survives(
    'odd-gossip',
    'It survives GOSSIP and GOSSIP_REPLY with fields missing or odd',
    'Seen: no id, port 0, a port as text, a host that has no address, "post" for "port", the own address.',
    ({ cast: [ann, ben], target }) => {
      const base = { type: 'GOSSIP', ...ann.address, id: 'odd', name: 'odd' };
      const { name, ...nameless } = base;
      const { id, ...anonymous } = base;
      return {
        'a GOSSIP without fields': json({ type: 'GOSSIP' }),
        'a GOSSIP without id': json(anonymous),
        'a GOSSIP without name': json({ ...nameless, id: `${id} ${name}` }),
        'a GOSSIP whose id is a number': json({ ...base, id: 7 }),
        'a GOSSIP with port 0': json({ ...base, id: 'odd 0', port: 0 }),
        'a GOSSIP with port 70000': json({ ...base, id: 'odd 70000', port: 70_000 }),
        'a GOSSIP whose port is a text': json({ ...base, id: 'odd text', port: String(ann.address.port) }),
        'a GOSSIP whose host has no address': json({ ...base, id: 'odd host', host: 'no-such-host.invalid' }),
        'a GOSSIP without a host': json({ ...base, id: 'odd empty', host: '' }),
        'a GOSSIP with its own address': json({ ...base, id: 'odd self', ...target }),
        'a GOSSIP_REPLY without fields': json({ type: 'GOSSIP_REPLY' }),
        'a GOSSIP-REPLY with a hyphen': json({ ...ben.address, type: 'GOSSIP-REPLY', name: 'odd' }),
        'a GOSSIP_REPLY with "post"': json({
          ...{ type: 'GOSSIP_REPLY', host: ben.address.host, post: ben.address.port, name: 'odd' },
        }),
        'a GOSSIP_REPLY with its own address': json({ type: 'GOSSIP_REPLY', ...target, name: 'odd' }),
      };
    },
  ),
  survives(
    'odd-stats',
    'It survives STATS_REPLYs that say nothing',
    'Seen: null, texts, "CURRENTLY RUNNING CONSENSUS"; int(null) ended a peer.',
    () => ({
      'a STATS_REPLY without fields': json({ type: 'STATS_REPLY' }),
      'a STATS_REPLY of nulls': json({ type: 'STATS_REPLY', height: null, hash: null }),
      'a STATS_REPLY of texts': json({ type: 'STATS_REPLY', height: '0', hash: 'doing conensus' }),
      'a STATS_REPLY that says that it is busy': json({
        ...{ type: 'STATS_REPLY', message: 'CURRENTLY RUNNING CONSENSUS' },
      }),
      'a STATS_REPLY of -1': json({ type: 'STATS_REPLY', height: -1, hash: null }),
    }),
  ),
  survives(
    'odd-blocks',
    'It survives GET_BLOCKs and replies with fields missing or odd',
    'Seen: no height, "1", 1.0, null, "None" in every field, a list instead of an object.',
    () => ({
      'a GET_BLOCK without height': json({ type: 'GET_BLOCK' }),
      'a GET_BLOCK of "1"': json({ type: 'GET_BLOCK', height: '1' }),
      'a GET_BLOCK of 1.0': '{"type":"GET_BLOCK","height":1.0}',
      'a GET_BLOCK of null': json({ type: 'GET_BLOCK', height: null }),
      'a GET_BLOCK of a list': json({ type: 'GET_BLOCK', height: [1] }),
      'a GET_BLOCK_REPLY without fields': json({ type: 'GET_BLOCK_REPLY' }),
      'a GET_BLOCK_REPLY of "None"': json({
        ...{ type: 'GET_BLOCK_REPLY', hash: 'None', height: 'None', messages: 'None' },
        ...{ minedBy: 'None', nonce: 'None', timestamp: 'None' },
      }),
      'a list with an error': '["error: no such block"]',
    }),
  ),
  survives(
    'odd-announce',
    'It survives ANNOUNCE and NEW_WORD with fields missing or odd',
    'Seen: a nonce that is a number (three peers died of it), no timestamp, nothing at all.',
    async (lab) => {
      const parent = lab.chain.at(-1) ?? null;
      const block = lab.mines
        ? await mineBlock(lab.mine, parent, { decimal: true, nonceStart: '1' })
        : undefined;
      if (block !== undefined) lab.offered = block;
      const { timestamp, ...timeless } = block ?? { timestamp: 0 };
      return {
        'an ANNOUNCE without fields': json({ type: 'ANNOUNCE' }),
        'an ANNOUNCE without timestamp': json({ type: 'ANNOUNCE', ...timeless }),
        'an ANNOUNCE of nulls': json({
          ...{
            type: 'ANNOUNCE',
            hash: null,
            height: null,
            messages: null,
            minedBy: null,
            nonce: null,
            timestamp,
          },
        }),
        ...(block !== undefined && { 'an ANNOUNCE whose nonce is a number': withIntegerNonce(block) }),
        'a NEW_WORD without word': json({ type: 'NEW_WORD' }),
        'a NEW_WORD that is a number': json({ type: 'NEW_WORD', word: 7 }),
        'a NEW_WORD of 500 characters': json({ type: 'NEW_WORD', word: 'w'.repeat(500) }),
      };
    },
  ),
];
