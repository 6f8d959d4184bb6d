import { expect, it } from 'vitest';

import { Watch } from '../../../../peer/engines/pow/check/watch.ts';

const TARGET = { host: '127.0.0.1', port: 8784 };

function noted(...datagrams: readonly (readonly [port: number, message: Record<string, unknown>])[]): Watch {
  const watch = new Watch(() => TARGET);
  for (const [port, message] of datagrams) {
    const text = JSON.stringify(message);
    const actor = { name: 'one of ours', address: { host: '127.0.0.1', port: 8785 } };
    watch.note({ at: 0, actor, from: { host: '127.0.0.1', port }, text, bytes: text.length, message });
  }
  return watch;
}

const GOSSIP_REPLY = { type: 'GOSSIP_REPLY', host: '127.0.0.1' };

it('a datagram from another port of the peer is noted', () => {
  expect(noted([9999, { ...GOSSIP_REPLY, port: TARGET.port }]).otherPort).toHaveLength(1);
  expect(noted([9999, { type: 'STATS_REPLY' }]).otherPort).toHaveLength(1);
});

it('another peer, which answers a GOSSIP that was passed on, is not the one that is tested', () => {
  const watch = noted(
    [TARGET.port, { ...GOSSIP_REPLY, port: TARGET.port }],
    [9999, { ...GOSSIP_REPLY, port: 9999 }],
    [9999, { type: 'STATS' }],
  );
  expect(watch.otherPort).toEqual([]);
});
