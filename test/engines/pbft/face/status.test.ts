import { expect, onTestFinished, test } from 'vitest';

import { networkLine, networkText, type NetworkAnswers } from '../../../../peer/cli/network-text.ts';
import { listen } from '../../../../peer/web/http.ts';
import { statusOf } from '../../../../peer/cli/view-status.ts';
import { face } from '../../../../peer/engines/pbft/face/face.ts';
import { silentLog } from '../../../../shared/log.ts';
import { painter } from '../../../../shared/text-table.ts';
import { LOOPBACK } from '../../../support/wire.ts';
import { HOSTILE, ReplicaRig, statusSchema } from './replica-rig.ts';
import { runPeer } from '../../../commands/run.ts';

const pbftStatus = statusOf(face);
/** Anything that would do something to a terminal; line ends are ours. */
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

/** A replica to which something has happened, asked over HTTP. */
async function served(): Promise<{ readonly rig: ReplicaRig; readonly url: string }> {
  const rig = new ReplicaRig();
  const { replica } = rig;
  replica.execute([{ client: 2, operation: HOSTILE, result: `${HOSTILE}\u001b[31m` }]);
  replica.become({ view: 1, primary: 1, waiting: 5, viewChanges: 1 });
  replica.report(
    { kind: 'view-change-started', view: 1, reason: 'timeout' },
    { kind: 'view-entered', view: 1, primary: 1, carried: 0 },
    { kind: 'offence', member: 3, rule: 'equivocation' },
  );
  const server = await listen(rig.web.app, { bind: LOOPBACK, port: 0, log: silentLog });
  onTestFinished(async () => {
    await server.close();
    rig.web.close();
    expect(rig.faults).toEqual([]);
  });
  return { rig, url: `http://${LOOPBACK}:${server.address.port}` };
}

test('peer status knows a replica by its engine, and prints what its page shows', async () => {
  const { url } = await served();
  const { stdout, stderr, code } = await runPeer(['status', '--url', url]);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  expect(stdout).toMatch(/^test, replica-0 at 127\.0\.0\.1:8000: normal\n/);
  expect(stdout).toMatch(/view +1; replica-1 is the primary\n/);
  expect(stdout).toMatch(/waiting +5; 0 of ours without an answer\n/);
  for (const heading of ['Replicas', 'Executed last', 'View changes', 'Offences'])
    expect(stdout).toContain(`\n${heading}\n`);
  expect(stdout).toMatch(/\n +replica-1 +primary +0 +1 +0 +0 +in step /);
  expect(stdout).toMatch(/0 → 1: a request waited too long; replica-1 is the primary after 0\.0 ms/);
  expect(stdout).toMatch(/replica-3: equivocation/);
  expect(stdout).toContain('<img src=x');
  expect(stdout).not.toMatch(CONTROLS);
});

test('as JSON it is what the API gives', async () => {
  const { rig, url } = await served();
  const { stdout } = await runPeer(['status', '--url', url, '--json']);
  const { status, viewChanges, view } = JSON.parse(stdout) as Record<string, unknown>;
  expect(status).toMatchObject({ engine: 'pbft', cluster: 'test', view: 1, executed: 1, waiting: 5 });
  expect(viewChanges).toEqual(await (await rig.get('/view-changes')).json());
  // A step of what is plotted may come between the two.
  const now = (await (await rig.get('/view')).json()) as object;
  expect(view).toEqual({ ...now, series: expect.any(Array) as unknown });
});

test('a cluster is a table with the view and the progress of every replica', async () => {
  const { rig } = await served();
  const status = statusSchema.parse(await (await rig.get('/status')).json());
  const node = (name: string): Omit<NetworkAnswers['nodes'][number], 'state' | 'status'> => {
    return { name, api: '/', address: { host: LOOPBACK, port: 10_001 }, group: null, miners: 0 };
  };
  const answers: NetworkAnswers = {
    partitioned: false,
    nodes: [
      { ...node('replica-0'), state: 'running', status: { ...status, phase: 'changing view' } },
      { ...node('replica-1'), state: 'down', status: null },
      { ...node('replica-2'), state: 'running', status: { ...status, self: 1, executed: 9 } },
    ],
  };
  const text = networkText(answers, pbftStatus, painter(false));
  expect(text).toMatch(/node +state +port +view +primary +executed +digest/);
  expect(text).toMatch(/replica-0 +changing view +10001 +1 +replica-1 +1 +ef/);
  expect(text).toMatch(/replica-2 +running +10001 +1 +replica-1 +9 +ef/);
  const narrow = networkText(answers, pbftStatus, Object.assign(painter(false), { width: 80 }));
  expect(Math.max(...narrow.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  for (const word of ['changing view', 'peers', 'replica-1', '10001']) expect(narrow).toContain(word);
  expect(networkLine(answers, pbftStatus)).toBe('replica-0=1:1(changing-view) replica-1=down replica-2=1:9');
});
