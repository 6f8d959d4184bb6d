/** Foreign nodes: each does what it promises, ours get on with it, and an engine that does not is found by them alone. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';

import type { PowMessage } from '../../../../peer/engines/pow/protocol/messages.ts';
import { PeerTable } from '../../../../peer/engines/pow/protocol/peers.ts';
import { FOREIGN, TREATED_WELL } from '../../../../peer/engines/pow/simulation/foreign.ts';
import { powSubject } from '../../../../peer/engines/pow/simulation/subject.ts';
import type { PowTypes } from '../../../../peer/engines/pow/protocol/types.ts';
import type { RunReport } from '../../../../peer/simulator/report.ts';
import { draw } from '../../../../peer/simulator/settings.ts';
import { Simulation } from '../../../../peer/simulator/simulation.ts';
import type { Subject } from '../../../../peer/simulator/subject.ts';
import type { TraceLine } from '../../../../peer/simulator/trace.ts';
import * as plant from '../../../simulator/plant.ts';

type Kind = keyof typeof FOREIGN;

const KINDS = Object.keys(FOREIGN) as Kind[];
const BROUGHT_UP = 'a foreign node that misses a block is sent it again, within some rounds of gossip';
const SETTINGS = { nodes: 4, hours: 0.2, latency: 100, 'block-interval': 10, 'consensus-interval': 60 };
/** Others that sleep through blocks and have to download them, again and again. */
const CATCHING_UP = { ...SETTINGS, 'start-blocks': 10, 'block-interval': 20, crashes: 100, down: 30 };
/** Neither a consensus of its own nor one of ours, but the first, brings anybody up. */
const NO_CONSENSUS = { ...SETTINGS, loss: 20, 'consensus-interval': 3_600 };

/** Runs a seed with foreign nodes, which have the last places; four nodes, so the first one is ours. */
function run(
  kinds: readonly string[],
  {
    subject = powSubject,
    settings = SETTINGS,
    trace,
  }: {
    readonly subject?: Subject<PowTypes>;
    readonly settings?: Readonly<Record<string, number>>;
    readonly trace?: (line: TraceLine) => void;
  } = {},
): RunReport {
  const ranges = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, { least: value, most: value }]),
  );
  const drawn = draw(1, { faults: 'none', ranges, byzantineKinds: [], foreign: kinds }, subject);
  return new Simulation(subject, 1, drawn, trace && { trace }).finish();
}

function violated(report: RunReport): readonly string[] {
  return [...new Set(report.violations.map(({ checker }) => checker))];
}

/** What ours hear of the last node, and what they say of their own chains and blocks. */
function heard(kind: Kind): { readonly own: PowMessage[]; readonly ours: PowMessage[] } {
  const own: PowMessage[] = [];
  const ours: PowMessage[] = [];
  const report = run([kind], {
    settings: kind === 'without-genesis' || kind === 'deaf' ? CATCHING_UP : SETTINGS,
    trace({ from, node, message }) {
      if (message === undefined || node === 3) return;
      (from === '10.0.0.4:8784' ? own : ours).push(message as PowMessage);
    },
  });
  expect(report.violations).toEqual([]);
  return { own, ours };
}

function only<K extends PowMessage['type']>(
  messages: readonly PowMessage[],
  type: K,
): Extract<PowMessage, { type: K }>[] {
  return messages.filter((message): message is Extract<PowMessage, { type: K }> => message.type === type);
}

/** By how much too long a chain a node says that it has, each time. */
function surplus(own: readonly PowMessage[], ours: readonly PowMessage[]): Set<number> {
  const lengths = new Map(only(ours, 'STATS_REPLY').map(({ height, hash }) => [hash, height]));
  return new Set(
    only(own, 'STATS_REPLY').flatMap(({ height, hash }) => {
      const length = lengths.get(hash);
      return length === undefined || hash === null ? [] : [height - length];
    }),
  );
}

describe('a foreign node', () => {
  it.each(KINDS)('does what it promises: %s', (kind) => {
    const { own, ours } = heard(kind);
    const miners = new Set(only(own, 'ANNOUNCE').map(({ block }) => block.minedBy));
    expect([...miners]).toEqual(kind === 'quiet' ? [] : ['10.0.0.4']);
    expect(only(own, 'GOSSIP_REPLY').length).toBeGreaterThan(0);
    expect(only(own, 'GOSSIP_REPLY').every(({ id }) => id === undefined)).toBe(true);
    expect([...surplus(own, ours)]).toEqual(kind === 'from-zero' ? [-1] : [0]);
    const first = only(own, 'GET_BLOCK_REPLY').filter(({ block }) => block?.height === 0);
    if (kind === 'without-genesis') expect(first).toEqual([]);
  });

  it('of the kind "doubling" says that its chain is longer once a datagram has come twice', () => {
    const own: PowMessage[] = [];
    const ours: PowMessage[] = [];
    const { violations } = run(['doubling'], {
      settings: { ...SETTINGS, duplicate: 50 },
      trace({ from, node, message }) {
        if (message === undefined || node === 3) return;
        (from === '10.0.0.4:8784' ? own : ours).push(message as PowMessage);
      },
    });
    expect(violations).toEqual([]);
    expect(surplus(own, ours)).toContain(1);
  });

  it('of the kind "deaf" has to be sent blocks again', () => {
    const copies = (kind: Kind): number => {
      let most = 0;
      const times = new Map<string, number>();
      run([kind], {
        settings: CATCHING_UP,
        trace({ node, message }) {
          const one = message as PowMessage | undefined;
          if (node !== 3 || one?.type !== 'ANNOUNCE') return;
          times.set(one.block.hash, (times.get(one.block.hash) ?? 0) + 1);
          most = Math.max(most, times.get(one.block.hash) ?? 0);
        },
      });
      return most;
    };
    expect(copies('deaf')).toBeGreaterThan(copies('plain'));
  });

  it('is in step in the end, with every fault there is', () => {
    for (const seed of [1, 2, 3, 4]) {
      const plan = {
        faults: 'mixed',
        ranges: { hours: { least: 0.2, most: 0.2 } },
        byzantineKinds: [],
      } as const;
      const drawn = draw(seed, { ...plan, foreign: { least: 1, most: 3 } }, powSubject);
      const report = new Simulation(powSubject, seed, drawn).finish();
      expect(violated(report)).toEqual([]);
      expect(report.verdicts.map(({ checker }) => checker)).toContain(BROUGHT_UP);
      expect(report.nodes.map(({ role }) => role)).toEqual(
        expect.arrayContaining([...(drawn.foreign ?? [])]),
      );
    }
  });
});

describe('an engine that is rude to foreign nodes is found by them, and by nobody else', () => {
  /** What is violated without foreign nodes, and with two. */
  function found(rude: Partial<Parameters<typeof run>[1]> = {}): (readonly string[])[] {
    return [[], ['plain', 'plain']].map((kinds) => violated(run(kinds, { settings: NO_CONSENSUS, ...rude })));
  }

  it('is none where nothing is planted', () => {
    expect(found()).toEqual([[], []]);
  });

  it('where it does not remember what it sent', () => {
    const spy = vi.spyOn(PeerTable.prototype, 'noteSent').mockImplementation(() => undefined);
    onTestFinished(() => {
      spy.mockRestore();
    });
    expect(found()).toEqual([[], [TREATED_WELL]]);
  });

  it('where it takes everybody for one of its own kind, and tells of blocks without asking', () => {
    const subject = plant.wrapped(powSubject, (engine) => {
      let id: string | undefined;
      return {
        step(event) {
          const reported =
            event.type === 'message' && event.message.type === 'GOSSIP_REPLY' && id !== undefined
              ? { ...event, message: { ...event.message, id } }
              : event;
          const effects = engine.step(reported);
          for (const effect of effects) {
            if ('message' in effect && effect.message.type === 'GOSSIP') id = effect.message.id ?? id;
          }
          return effects;
        },
        measure: (report) => {
          engine.measure(report);
        },
      };
    });
    expect(found({ subject })).toEqual([[], [TREATED_WELL]]);
  });

  it('where it brings nobody up who missed a block', () => {
    const subject = plant.faulty(powSubject, (effects) =>
      effects.filter((effect) => effect.type !== 'send' || effect.message.type !== 'ANNOUNCE'),
    );
    expect(found({ subject, settings: { ...NO_CONSENSUS, loss: 0 } })).toEqual([[], [BROUGHT_UP]]);
  });
});
