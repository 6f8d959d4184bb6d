/**
 * The users of a simulated cluster: what they ask for, what they are answered, and whether that can be so. Their
 * applications are reckoned a second time, from their description alone, so that a fault of an application is not also
 * one of its check.
 */
import type { Chance } from '../../../simulator/chance.ts';
import type { SimulatedNode } from '../../../simulator/subject.ts';

/** Keys that users fight for. */
const KEYS = ['a', 'b', 'c', 'd', 'e'] as const;

/** Something that a user has asked a node for. */
export interface Operation {
  readonly node: SimulatedNode;
  /** The life of the node that has taken it, and which it goes with. */
  readonly life: number;
  /** Where in the agreed order what had been answered before it was asked for stands: it must come after that. */
  readonly after: number;
  answered: boolean;
}

/** What users may ask of an application, and what they must be answered. */
export interface Model {
  /** An operation that somebody may ask for. */
  draw(chance: Chance): string;
  /** Executes an operation. @returns the answer, undefined if there is more than one that is right */
  execute(operation: string): string | undefined;
}

/** A key-value store, for its linearizable history. */
export class KeyValueModel implements Model {
  private readonly values = new Map<string, string>();
  private drawn = 0;

  draw(chance: Chance): string {
    const key = chance.pick(KEYS);
    // No value twice, so that each shows which operation it came from.
    const value = `value ${++this.drawn}`;
    const before = chance.happens(0.3) ? null : `value ${Math.max(1, this.drawn - chance.integer(1, 10))}`;
    return JSON.stringify(
      chance.pick([
        ['put', key, value],
        ['get', key],
        ['cas', key, before, value],
        ['delete', key],
      ]),
    );
  }

  execute(operation: string): string | undefined {
    const parts = parse(operation);
    const [verb, key, first, second] = parts;
    if (typeof key !== 'string') return undefined;
    const found = this.values.get(key) ?? null;
    if (verb === 'get' && parts.length === 2) return JSON.stringify({ value: found });
    if (verb === 'delete' && parts.length === 2) return JSON.stringify({ deleted: this.values.delete(key) });
    if (verb === 'put' && typeof first === 'string') {
      this.values.set(key, first);
      return JSON.stringify({ stored: true });
    }
    if (verb !== 'cas' || typeof second !== 'string') return undefined;
    if (found !== first) return JSON.stringify({ swapped: false, value: found });
    this.values.set(key, second);
    return JSON.stringify({ swapped: true });
  }
}

/** A log of texts. */
export class LogModel implements Model {
  private length = 0;
  private drawn = 0;

  draw(): string {
    return JSON.stringify(['append', `entry ${++this.drawn}`]);
  }

  execute(operation: string): string | undefined {
    const [verb, text] = parse(operation);
    if (verb !== 'append' || typeof text !== 'string') return undefined;
    return JSON.stringify({ index: ++this.length });
  }
}

/** The parts of an operation; none if it is no JSON array. */
function parse(operation: string): readonly unknown[] {
  try {
    const parts: unknown = JSON.parse(operation);
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}
