/** Sixty seeds in two files, because each file can have a core of its own: the second thirty. */
import { expectSeedsHold } from './harness.ts';

expectSeedsHold(31, 60);
