/** The status page of a peer: shows what its API tells, and follows what happens. */
import type {
  BlockJson,
  BlocksJson,
  ForksJson,
  GraphJson,
  LeaderboardJson,
  MinersJson,
  PeersJson,
  PowEvents,
  SearchJson,
  StatusJson,
  WordsJson,
} from '../face/schemas.ts';
import { ApiError, Live, getJson } from '../../../web/page/api.ts';
import { byId, fill, setText } from '../../../web/page/dom.ts';
import { NetworkPanel } from '../../../web/page/network.ts';
import { Shell } from '../../../web/page/shell.ts';
import { drawBlock, type BlockPage, type ShownBlock } from './block-view.ts';
import { drawAge, drawFigures, drawSync } from './figures.ts';
import { Forks } from './forks.ts';
import { drawLeaders } from './leaders.ts';
import { Miners } from './miners.ts';
import { Peers } from './peers.ts';
import { drawFound, drawProblem } from './search-view.ts';
import { STRIP_BLOCKS, Strip } from './strip.ts';
import { tipOf } from './tip.ts';
import { Words } from './words.ts';

/** How often what costs the peer more is fetched at most, in milliseconds. */
const SELDOM = 3_000;
/** How often what is small is fetched at most, in milliseconds. */
const OFTEN = 1_000;
/** How often the silence of the peers is fetched at least, in milliseconds. */
const PEERS_INTERVAL = 10_000;

const network = await NetworkPanel.find(tipOf);
const shell = new Shell(network?.base ?? '');

/** The page of one peer. */
class StatusPage {
  readonly #strip = new Strip();
  readonly #forks = new Forks();
  readonly #miners = new Miners();
  readonly #peers = new Peers();

  readonly #detail = byId('detail');
  readonly #overview = byId('overview');
  #status: StatusJson | undefined;
  #block: BlockPage | undefined;
  /** Counts the views, so that an answer that comes late does not replace a newer one. */
  #view = 0;

  readonly #blocks = shell.refresher(`/blocks?limit=${STRIP_BLOCKS}`, OFTEN, ({ blocks }: BlocksJson) => {
    this.#strip.reset(blocks);
    this.#draw();
  });
  readonly #leaderboard = shell.refresher('/leaderboard', SELDOM, (leaderboard: LeaderboardJson) => {
    drawLeaders(leaderboard);
    // Just after its start the peer is still counting.
    if (leaderboard.counted < leaderboard.height) this.#leaderboard.request();
  });
  readonly #fetchForks = shell.refresher('/forks', SELDOM, (forks: ForksJson) => {
    this.#forks.update(forks);
  });
  readonly #fetchPeers = shell.refresher('/peers', SELDOM, (peers: PeersJson) => {
    this.#peers.updatePeers(peers);
  });
  readonly #graph = shell.refresher('/graph', SELDOM, (graph: GraphJson) => {
    this.#peers.updateGraph(graph);
  });
  readonly #fetchMiners = shell.refresher('/miners', SELDOM, (miners: MinersJson) => {
    this.#miners.update(miners);
  });
  readonly #fetchWords = shell.refresher('/words', OFTEN, (words: WordsJson) => {
    this.#words.update(words);
    this.#draw();
  });
  readonly #words = new Words(shell.base, this.#fetchWords.request);

  start(): void {
    addEventListener('hashchange', () => {
      this.#route();
    });
    byId('search').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#search(byId('query', HTMLInputElement).value.trim());
    });
    this.#listen();
    this.#route();
    setInterval(() => {
      if (document.hidden) return;
      this.#strip.tick();
      drawAge(this.#strip.blocks);
    }, 1000);
    setInterval(() => {
      this.#fetchPeers.request();
      this.#graph.request();
      this.#fetchForks.request();
    }, PEERS_INTERVAL);
  }

  #listen(): void {
    new Live<PowEvents>(`${shell.base}/events`, {
      changed: (state) => {
        shell.showConnection(state);
      },
      opened: () => {
        shell.findAccess((writing) => {
          this.#words.allow(writing);
          network?.allow(writing);
        });
        for (const part of [
          ...[this.#blocks, this.#leaderboard, this.#fetchForks, this.#fetchPeers],
          ...[this.#graph, this.#fetchMiners, this.#fetchWords],
        ])
          part.request();
      },
      events: {
        status: (status) => {
          this.#status = status;
          drawSync(status.sync);
          this.#draw();
        },
        block: (block) => {
          if (!this.#strip.add(block)) this.#blocks.request();
          drawAge(this.#strip.blocks);
          this.#block?.grown(block.height + 1);
          this.#leaderboard.request();
          this.#fetchForks.request();
        },
        chain: (chain) => {
          this.#forks.continued(chain);
          this.#block?.grown(chain.height);
          for (const part of [this.#blocks, this.#leaderboard, this.#fetchForks, this.#fetchPeers])
            part.request();
        },
        peer: () => {
          this.#fetchPeers.request();
          this.#graph.request();
        },
        consensus: (consensus) => {
          this.#forks.consensus(consensus);
          if (consensus.change === 'started') return;
          this.#fetchForks.request();
          this.#fetchPeers.request();
        },
        sync: drawSync,
        miners: () => {
          this.#fetchMiners.request();
        },
        words: () => {
          this.#fetchWords.request();
        },
      },
    });
  }

  #draw(): void {
    const status = this.#status;
    if (status === undefined) return;
    shell.showNode(status.name, status.address);
    drawFigures(status, this.#strip.blocks);
    drawAge(this.#strip.blocks);
    this.#strip.next(status, this.#words.words);
    this.#entitle();
  }

  #entitle(): void {
    const { name, height } = this.#status ?? { name: '', height: 0 };
    const what = this.#block?.title ?? (height === 0 ? 'no block yet' : `height ${height - 1}`);
    document.title = `${what} · ${name} · gossip-peer`;
  }

  #search(query: string): void {
    setText(byId('search-problem'), query === '' ? 'Type a height, the beginning of a hash, or a name.' : '');
    if (query === '') return;
    const wanted = `#/search/${encodeURIComponent(query)}`;
    if (location.hash === wanted) this.#route();
    else location.hash = wanted;
  }

  /** Shows what the address asks for: the overview, `#/block/<height or hash>` or `#/search/<text>`. */
  #route(): void {
    const [, view, rest = ''] = /^#\/(block|search)\/(.+)$/.exec(location.hash) ?? [];
    const at = ++this.#view;
    const left = this.#block;
    this.#block = undefined;
    if (view === undefined) {
      this.#detail.hidden = true;
      fill(this.#detail);
      this.#overview.hidden = false;
      this.#entitle();
      // Back to where the reader was.
      if (left !== undefined)
        (
          document.querySelector<HTMLElement>(`#strip a[href="#/block/${left.height}"]`) ?? byId('main')
        ).focus();
      return;
    }
    let text: string;
    try {
      text = decodeURIComponent(rest);
    } catch {
      text = rest;
    }
    const shown = view === 'block' ? this.#showBlock(text, at) : this.#showFound(text, at);
    void shown.catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      if (at === this.#view) this.#open(drawProblem(this.#detail, error.message));
    });
  }

  #open(title: HTMLElement): void {
    this.#overview.hidden = true;
    this.#detail.hidden = false;
    this.#entitle();
    scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }

  async #showBlock(id: string, at: number): Promise<void> {
    const fetchIt = (): Promise<ShownBlock> => this.#fetchBlock(id);
    const shown = await fetchIt();
    if (at !== this.#view) return;
    this.#block = drawBlock(this.#detail, shown, fetchIt);
    this.#open(this.#block.heading);
  }

  async #fetchBlock(id: string): Promise<ShownBlock> {
    const block = await getJson<BlockJson>(`${shell.base}/blocks/${encodeURIComponent(id)}`);
    const [previous, status] = await Promise.all([
      block.height === 0 ? null : getJson<BlockJson>(`${shell.base}/blocks/${block.height - 1}`),
      getJson<StatusJson>(`${shell.base}/status`),
    ]);
    return { block, previous, difficulty: status.difficulty, blocks: status.height };
  }

  async #showFound(query: string, at: number): Promise<void> {
    const found = await getJson<SearchJson>(`${shell.base}/search?q=${encodeURIComponent(query)}`);
    if (at !== this.#view) return;
    const [only, ...others] = found.blocks;
    const exact = found.blocks.find(({ height, hash }) => String(height) === query || hash === query);
    const block = exact ?? (others.length === 0 && found.miners.length === 0 ? only : undefined);
    // Replaced, so that the way back does not lead here again.
    if (block !== undefined) location.replace(`#/block/${block.height}`);
    else this.#open(drawFound(this.#detail, query, found));
  }
}

new StatusPage().start();
