/** Replicas of one cluster in one process, with nothing between them but their codec. Signatures are real. */
import { KeyValueStore } from '../../peer/applications/key-value.ts';
import { pbftCodec } from '../../peer/engines/pbft/protocol/codec.ts';
import type { PbftConfig, PbftNotice } from '../../peer/engines/pbft/protocol/interface.ts';
import type { PbftEffect } from '../../peer/engines/pbft/protocol/context.ts';
import { PbftEngine } from '../../peer/engines/pbft/protocol/pbft.ts';
import { demonstrationKey } from '../../peer/engines/pbft/node/members.ts';
import { MemoryStore } from '../../peer/storage/memory.ts';
import { verifierOf } from '../../shared/ed25519.ts';

type Event = Parameters<PbftEngine['step']>[0];
type Todo = (now: number) => readonly PbftEffect[];

/** What became of requests: how long all took, and each, in milliseconds. */
export interface Load {
  readonly answered: number;
  readonly elapsed: number;
  readonly latencies: readonly number[];
}

/**
 * Has requests executed, so many under way at each replica at all times.
 *
 * @param requests in all
 */
export function runInMemory(
  replicas: number,
  requests: number,
  outstanding: number,
  config: PbftConfig,
): Load {
  const keys = Array.from({ length: replicas }, (_, index) => demonstrationKey(index));
  const verifiers = keys.map(({ publicKey }) => verifierOf(publicKey));
  const stores = keys.map(() => new MemoryStore());
  const engines = keys.map(
    (key, self) =>
      new PbftEngine(
        config,
        { cluster: 'bench', replicas, self },
        {
          view: stores[self] ?? new MemoryStore(),
          machine: new KeyValueStore(),
          signatures: {
            sign: (text) => key.sign(text),
            verify: (member, text, signature) => verifiers[member]?.verify(text, signature) === true,
          },
        },
      ),
  );
  /** What waits, each with whom it is for; taken from the front without moving the rest. */
  let queue: [number, Todo][] = [];
  let later: [number, Todo][] = [];
  const latencies: number[] = [];
  let submitted = 0;
  const clock = (): number => performance.timeOrigin + performance.now();
  const step = (to: number, event: Event): readonly PbftEffect[] => engines[to]?.step(event) ?? [];
  const submit = (self: number): void => {
    if (submitted >= requests) return;
    const operation = JSON.stringify(['put', `key ${submitted % 1000}`, String(submitted)]);
    const id = ++submitted;
    later.push([
      self,
      (now) => step(self, { type: 'request', now, id, request: { kind: 'submit', operation } }),
    ]);
  };
  const onNotice = (notice: PbftNotice): void => {
    if (notice.kind === 'offence') throw new Error(`member ${notice.member}: ${notice.rule}`);
  };
  const carryOut = (self: number, effects: readonly PbftEffect[]): void => {
    for (const effect of effects) {
      switch (effect.type) {
        case 'send':
        case 'broadcast': {
          const bytes = pbftCodec.encode(effect.message);
          for (const to of effect.type === 'send' ? [effect.to] : effect.to) {
            later.push([
              to,
              (now) => {
                const { message, fault } = pbftCodec.decode(bytes);
                if (fault !== undefined) throw new Error(fault);
                return step(to, { type: 'message', now, from: self, message });
              },
            ]);
          }
          break;
        }
        case 'store':
          stores[self]?.write(effect.writes);
          break;
        case 'notify':
          onNotice(effect.notice);
          break;
        case 'reply':
          if (effect.result.status === 'answered') latencies.push(effect.result.waited);
          submit(self);
          break;
        case 'continue':
          later.push([self, (now) => step(self, { type: 'continue', now })]);
          break;
        default:
          // Nothing fails here, so timers have nothing to do.
          break;
      }
    }
  };
  for (const [self] of engines.entries()) carryOut(self, step(self, { type: 'started', now: clock() }));
  const started = performance.now();
  for (let round = 0; round < outstanding; round++) for (const [self] of engines.entries()) submit(self);
  while (later.length > 0) {
    [queue, later] = [later, []];
    for (const [to, todo] of queue) carryOut(to, todo(clock()));
  }
  return { answered: latencies.length, elapsed: performance.now() - started, latencies };
}
