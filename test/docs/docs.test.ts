import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { ROOT } from '../../peer/web/assets.ts';
import { documents } from './docs.ts';

test('the documents say what the program says of itself; "npm run docs" rewrites them', async () => {
  for (const [path, text] of await documents())
    expect(readFileSync(join(ROOT, path), 'utf8'), `${path} is out of date: run "npm run docs"`).toBe(text);
});
