/** The file that the workers of a campaign run. */
import { workerData } from 'node:worker_threads';

import { seedRunner, type CampaignSetup } from './campaign-task.ts';
import { SIMULATED_ENGINES } from './offer.ts';

export default seedRunner(SIMULATED_ENGINES, workerData as CampaignSetup);
