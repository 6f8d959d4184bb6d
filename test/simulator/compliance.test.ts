/** The same checks over all engines of the registry, so that a new one is under them from its first day. */
import { describe } from 'vitest';

import { complianceOf } from './compliance.ts';
import { SIMULATED_ENGINES } from './harness.ts';

describe.each(SIMULATED_ENGINES)('$name, $title', complianceOf);
