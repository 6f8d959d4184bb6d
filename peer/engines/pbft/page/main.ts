/** The status page of a PBFT replica: shows what its API tells, and follows what happens. */
import type {
  CheckpointsJson,
  OffencesJson,
  PbftEvents,
  PerformanceJson,
  ReplicasJson,
  RequestsJson,
  StatusJson,
  ViewChangesJson,
} from '../face/schemas.ts';
import { Live } from '../../../web/page/api.ts';
import { byId, setText } from '../../../web/page/dom.ts';
import { latency, replicaName } from '../../../web/page/format.ts';
import { NetworkPanel } from '../../../web/page/network.ts';
import { Shell } from '../../../web/page/shell.ts';
import { Latencies, WindowBar, drawAlert, drawFigures, drawTransfer } from './figures.ts';
import { drawCheckpoints, drawOffences, drawViewChanges } from './happenings.ts';
import { Performance } from './performance.ts';
import { Replicas } from './replicas.ts';
import { Requests, Submissions } from './requests.ts';
import { standingOf } from './standing.ts';

/** How often what is small is fetched at most, in milliseconds. */
const OFTEN = 1_000;
/** How often what costs the replica more is fetched at most, in milliseconds. */
const SELDOM = 2_000;
/** How often the nodes of a network are asked, in milliseconds: a view change takes a few seconds. */
const NODES_INTERVAL = 1_000;

const network = await NetworkPanel.find(standingOf, NODES_INTERVAL);
const shell = new Shell(network?.base ?? '');

/** The page of one replica. */
class ReplicaPage {
  readonly #replicas = new Replicas();
  readonly #requests = new Requests();
  readonly #window = new WindowBar();
  readonly #latencies = new Latencies();
  readonly #performance = new Performance();
  #status: StatusJson | undefined;
  #executed = -1;

  readonly #fetchReplicas = shell.refresher('/replicas', OFTEN, (replicas: ReplicasJson) => {
    this.#replicas.update(replicas);
  });
  readonly #fetchRequests = shell.refresher('/requests', OFTEN, (requests: RequestsJson) => {
    this.#requests.update(requests);
  });
  readonly #fetchPerformance = shell.refresher('/performance', SELDOM, (performance: PerformanceJson) => {
    this.#performance.update(performance);
  });
  readonly #fetchViewChanges = shell.refresher('/view-changes', OFTEN, (changes: ViewChangesJson) => {
    drawViewChanges(changes);
    this.#performance.updateViewChanges(changes);
  });
  readonly #fetchCheckpoints = shell.refresher('/checkpoints', SELDOM, (checkpoints: CheckpointsJson) => {
    drawCheckpoints(checkpoints);
  });
  readonly #fetchOffences = shell.refresher('/offences', SELDOM, (offences: OffencesJson) => {
    drawOffences(offences);
  });
  readonly #submissions = new Submissions(shell.base, this.#fetchRequests.request);

  start(): void {
    new Live<PbftEvents>(`${shell.base}/events`, {
      changed: (state) => {
        shell.showConnection(state);
      },
      opened: () => {
        shell.findAccess((writing) => {
          this.#submissions.allow(writing);
          network?.allow(writing);
        });
        for (const part of [
          ...[this.#fetchReplicas, this.#fetchRequests, this.#fetchPerformance],
          ...[this.#fetchViewChanges, this.#fetchCheckpoints, this.#fetchOffences],
        ])
          part.request();
      },
      events: {
        status: (status) => {
          this.#draw(status);
        },
        executed: () => {
          this.#fetchRequests.request();
        },
        view: ({ endedAt, view, primary, tookMs }) => {
          setText(
            byId('news'),
            endedAt === null
              ? `The primary was given up; view ${view} is sought.`
              : `View ${view} is in force, with ${replicaName(primary ?? 0)} as the primary, after ${latency(tookMs ?? 0)}.`,
          );
          this.#fetchViewChanges.request();
          this.#fetchReplicas.request();
        },
        checkpoint: this.#fetchCheckpoints.request,
        diverged: this.#fetchCheckpoints.request,
        transfer: this.#fetchCheckpoints.request,
        offence: () => {
          this.#fetchOffences.request();
          this.#fetchReplicas.request();
        },
        answer: (answer) => {
          this.#submissions.answered(answer);
        },
      },
    });
    setInterval(() => {
      if (this.#status !== undefined && !document.hidden) drawAlert(this.#status);
    }, 1000);
  }

  #draw(status: StatusJson): void {
    this.#status = status;
    shell.showNode(`${status.cluster}, ${replicaName(status.self)}`, status.address);
    drawFigures(status);
    drawAlert(status);
    drawTransfer(status);
    this.#window.update(status);
    this.#latencies.update(status);
    this.#submissions.update(status);
    this.#fetchReplicas.request();
    this.#fetchPerformance.request();
    if (status.executed !== this.#executed) this.#fetchRequests.request();
    this.#executed = status.executed;
    const what = status.phase === 'normal' ? `view ${status.view}` : status.phase;
    document.title = `${what} · ${status.cluster}, ${replicaName(status.self)} · gossip-peer`;
  }
}

new ReplicaPage().start();
