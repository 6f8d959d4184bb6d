/** A web server over a real engine on a bench: no socket, no clock but ours. */
import { addressKey, type Address } from '../../shared/address.ts';
import { hashBlock, meetsDifficulty, type Block } from '../../shared/block.ts';
import type { PowNotice } from '../../peer/engines/pow/protocol/interface.ts';
import type { MinerView } from '../../peer/engines/pow/node/mining/server.ts';
import { createPowApp } from '../../peer/engines/pow/face/server.ts';
import type { NodeObserver } from '../../peer/core/node.ts';
import type { PowSubject } from '../../peer/engines/pow/face/subject.ts';
import type { AppOptions, WebApp } from '../../peer/web/server.ts';
import { at, Rig, SELF } from '../engines/pow/protocol/rig.ts';

export const DIFFICULTY = 1;
/** What would run, or draw, where somebody forgot that it is only text. */
export const HOSTILE = '<img src=x onerror=alert(1)>"\'&\u202e\u0007';

/** A block that is valid and full of markup. */
export function hostileBlock(previous: Block | null): Block {
  for (let count = 0; ; count++) {
    const block = {
      height: previous === null ? 0 : previous.height + 1,
      minedBy: `${HOSTILE}</script><script>alert(2)</script>`,
      messages: ['<b onclick=x>', '</title><svg>', '\u202eabc\u0000'],
      timestamp: 2n ** 63n + 1n,
      nonce: `"><script>${count}`,
    };
    const hash = hashBlock(block, previous?.hash ?? '');
    if (meetsDifficulty(hash, DIFFICULTY)) return { ...block, hash };
  }
}

export class WebRig {
  readonly engine: Rig;
  readonly subject: PowSubject;
  readonly web: WebApp;
  readonly miners: MinerView[] = [];
  /** The wall clock of the web server, and the monotonic one, in milliseconds. */
  now = 1_800_000_000_000;
  /** What the server did not foresee. */
  readonly faults: Error[] = [];
  private readonly observers = new Set<NodeObserver<PowNotice>>();
  private reported = 0;

  constructor(blocks: readonly Block[] = [], options: Partial<AppOptions> = {}) {
    this.engine = new Rig({ name: HOSTILE, genesis: true, join: [at(1)] }, blocks);
    this.subject = {
      name: HOSTILE,
      address: SELF,
      difficulty: DIFFICULTY,
      status: () => this.engine.engine.status(),
      block: (height) => this.engine.engine.block(height),
      miners: () => this.miners,
      counters: () => ({
        transport: {
          received: 1,
          receivedBytes: 2,
          sent: 3,
          sentBytes: 4,
          dropped: { closed: 5 },
          errors: {},
          blocked: 10,
        },
        host: { messages: 6, malformed: { 'not-json': 7 } },
        mining: { 'connection.accepted': 8, 'cut.flood': 9 },
      }),
      measure: (report) => {
        this.engine.engine.measure(report);
      },
      request: (request) => {
        const result = this.engine.request(request);
        this.report();
        return result;
      },
      observe: (observer) => {
        this.observers.add(observer);
        return () => this.observers.delete(observer);
      },
    };
    this.web = createPowApp(this.subject, {
      bind: '127.0.0.1',
      now: () => this.now,
      clock: () => this.now,
      onFault: (error) => this.faults.push(error),
      ...options,
    });
  }

  /** Hands on what the engine has noticed since the last time, and some more. */
  report(...more: readonly PowNotice[]): void {
    const notices = [...this.engine.notices.slice(this.reported), ...more];
    this.reported = this.engine.notices.length;
    for (const notice of notices) for (const observer of this.observers) observer.onNotice(notice);
  }

  notifyWrite(seconds: number): void {
    for (const observer of this.observers) observer.onWrite?.(seconds);
  }

  /** A peer that spoke to us, and what it claims. */
  meet(peer: Address, claim?: { height: number; hash: string }): void {
    this.engine.gossip(peer, `id of ${addressKey(peer)}`);
    if (claim !== undefined) this.engine.receive({ type: 'STATS_REPLY', ...claim }, peer);
    this.report();
  }

  /** A miner that is attached. */
  attach(miner: Partial<MinerView> = {}): void {
    this.miners.push({
      address: { host: '127.0.0.1', port: 50_000 + this.miners.length },
      agent: HOSTILE.slice(0, 20),
      processes: 2,
      hashesPerSecond: 1000,
      accepted: 0,
      stale: 0,
      rejected: 0,
      connectedAt: this.now,
      ...miner,
    });
  }

  async get(path: string, init?: RequestInit): Promise<Response> {
    return this.web.app.request(path, init, {});
  }

  async json(path: string): Promise<unknown> {
    const response = await this.get(path);
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.get(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }
}
