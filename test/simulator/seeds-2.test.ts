/** Two hundred seeds in two files, because each file can have a core of its own: the second hundred. */
import { expectSeedsHold } from './harness.ts';

expectSeedsHold(101, 200);
