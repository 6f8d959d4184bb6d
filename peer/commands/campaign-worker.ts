/** The file that the workers of a campaign run. */
import { workerData } from 'node:worker_threads';

import { simulatedEngines } from '../engines/registry.ts';
import { seedRunner, type CampaignSetup } from '../simulator/campaign-task.ts';

export default seedRunner(await simulatedEngines(), workerData as CampaignSetup);
