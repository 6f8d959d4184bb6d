/** The worker of a campaign that has no engine but the planted one. */
import { workerData } from 'node:worker_threads';

import { seedRunner, type CampaignSetup } from '../../peer/simulator/campaign-task.ts';
import { plantedEngine } from './planted.ts';

export default seedRunner([plantedEngine], workerData as CampaignSetup);
