/** The applications that a cluster may run: a new one is one line here. */
import type { Application } from '../core/application.ts';
import { keyValue } from './key-value.ts';
import { orderedLog } from './ordered-log.ts';

const ALL: readonly Application[] = [orderedLog, keyValue];

/** By the name that stands on the command line. */
export const APPLICATIONS: ReadonlyMap<string, Application> = new Map(
  ALL.map((application) => [application.name, application]),
);
