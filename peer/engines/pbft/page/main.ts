/** The page of a PBFT replica: that of its view, and the replicas, the watermarks and a state that is fetched, drawn. */
import { openPage } from '../../../web/page/view/page.ts';
import type { PbftEvents, ReplicasJson, Status } from '../face/schemas.ts';
import { ReplicaCards } from './replicas.ts';
import { standingOf } from './standing.ts';
import { Transfer } from './transfer.ts';
import { WindowBar } from './window.ts';

/** How often where replicas stand is fetched at most, in milliseconds: a view change takes a few seconds. */
const OFTEN = 1_000;

await openPage<Pick<PbftEvents, 'status'>>({
  standing: { draw: standingOf, path: '/status', interval: OFTEN },
  widgets: (shell) => {
    const cards = new ReplicaCards();
    const transfer = new Transfer();
    const bar = new WindowBar();
    const replicas = shell.refresher('/replicas', OFTEN, (all: ReplicasJson) => {
      cards.update(all);
    });
    return {
      opened: replicas.request,
      events: {
        status: (status: Status) => {
          transfer.update(status);
          bar.update(status);
          replicas.request();
        },
      },
    };
  },
});
