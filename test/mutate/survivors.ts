/** Mutants that no test can kill, each with the reason: they change nothing that anybody could notice. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { z } from 'zod';

import type { Mutant } from './operators.ts';

/** The file stands beside the source, also of the compiled program. */
const FILE = fileURLToPath(
  new URL(
    import.meta.url.includes('/dist/test/') ? '../../../test/mutate/survivors.json' : './survivors.json',
    import.meta.url,
  ),
);

const schema = z.array(
  z.strictObject({
    id: z.string(),
    file: z.string(),
    scope: z.string(),
    operator: z.string(),
    before: z.string(),
    after: z.string(),
    reason: z.string().min(20),
  }),
);

export type Survivor = z.infer<typeof schema>[number];

export function readSurvivors(): Survivor[] {
  return schema.parse(JSON.parse(readFileSync(FILE, 'utf8')));
}

/** An entry of the list, without its reason. */
export function entryOf({ id, file, scope, operator, before, after }: Mutant): Omit<Survivor, 'reason'> {
  return { id, file, scope, operator, before, after };
}
