/** Writes what of the documents is made of the program. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from '../../peer/web/assets.ts';
import { documents } from './docs.ts';

for (const [path, text] of await documents()) writeFileSync(join(ROOT, path), text);
