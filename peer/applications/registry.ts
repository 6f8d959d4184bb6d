/** The applications that a cluster may run: a new one is one line here. */
import type { Application } from '../core/application.ts';
import { KeyValueStore } from './key-value.ts';
import { OrderedLog } from './ordered-log.ts';

/** Under the name that stands on the command line, what makes a fresh one. */
export const APPLICATIONS: ReadonlyMap<string, () => Application> = new Map<string, () => Application>([
  ['log', () => new OrderedLog()],
  ['kv', () => new KeyValueStore()],
]);
