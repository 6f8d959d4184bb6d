/** Sixty seeds in two files, because each file can have a core of its own: the first thirty. */
import { expectSeedsHold } from './harness.ts';

expectSeedsHold(1, 30);
