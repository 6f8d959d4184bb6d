/** What a Byzantine or foreign node can do, for one life of it. */
import type { Chance } from './chance.ts';
import type { Course } from './course.ts';
import type { Hosts } from './hosts.ts';
import type { SimNode } from './node.ts';
import type { PeerTable } from './peers.ts';
import type { EngineTypes } from '../core/engine.ts';
import type { Body } from './subject.ts';
import type { Traffic } from './traffic.ts';
import { MS } from './units.ts';

interface Modules<T extends EngineTypes> {
  readonly course: Pick<Course<T>, 'after' | 'now' | 'over'>;
  readonly nodes: readonly SimNode<T>[];
  readonly peers: Pick<PeerTable<T['peer']>, 'claim' | 'sender'>;
  readonly traffic: Pick<Traffic<T>, 'counter' | 'encode' | 'transmit'>;
  readonly hosts: Pick<Hosts<T>, 'request'>;
}

/** The body of a node that has just started. */
export function bodyOf<T extends EngineTypes>(
  node: SimNode<T>,
  chance: Chance,
  { course, nodes, peers, traffic, hosts }: Modules<T>,
): Body<T> {
  const { life } = node;
  const after = (delay: number, run: () => void): void => {
    course.after(delay, () => {
      if (node.life === life && !course.over) run();
    });
  };
  return {
    node,
    self: node.peer,
    chance,
    others: () => nodes.filter((other) => other !== node).map(({ peer }) => peer),
    now: () => course.now / MS,
    send: (to, payload, { from = node.peer, after: delay = 0 } = {}) => {
      const bytes = payload instanceof Uint8Array;
      const encoded = bytes ? payload : traffic.encode(payload);
      const sender = peers.sender(node.index, from);
      const counter = traffic.counter(bytes ? 'bytes' : payload.type);
      traffic.transmit(node, sender, to, encoded, counter, Math.round(delay * MS));
    },
    claim: (peer) => {
      peers.claim(node.index, peer);
    },
    after,
    every: (mean, run) => {
      const again = (): void => {
        after(chance.exponential(mean), () => {
          run();
          again();
        });
      };
      again();
    },
    request: (request) => hosts.request(node, request),
  };
}
