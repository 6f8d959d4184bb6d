import { engine } from '../support/dummy/engine.ts';
import { complianceOf } from '../simulator/compliance.ts';

complianceOf(await engine.simulated());
