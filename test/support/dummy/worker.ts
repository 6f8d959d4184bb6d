import { workerData } from 'node:worker_threads';

import { simulatedEngines } from '../../../peer/engines/registry.ts';
import { seedRunner, type CampaignSetup } from '../../../peer/simulator/campaign-task.ts';
import { WITH_DUMMY } from './registry.ts';

export default seedRunner(await simulatedEngines(WITH_DUMMY), workerData as CampaignSetup);
