/** The status page of a peer: what is made of its view, and widgets that show what only this engine has. */
import type {
  BlockJson,
  BlocksJson,
  ForksJson,
  GraphJson,
  LeaderboardJson,
  MinersJson,
  PowEvents,
  SearchJson,
  Status,
  WordsJson,
} from '../face/schemas.ts';
import { ApiError, getJson } from '../../../web/page/api.ts';
import { byId, fill, setText } from '../../../web/page/dom.ts';
import type { Shell } from '../../../web/page/shell.ts';
import { openPage, type Widgets } from '../../../web/page/view/page.ts';
import { drawBlock, type BlockPage, type ShownBlock } from './block-view.ts';
import { drawSync, markTip } from './figures.ts';
import { Forks } from './forks.ts';
import { drawLeaders } from './leaders.ts';
import { NetworkPicture } from './network-picture.ts';
import { RatePlot } from './rate-plot.ts';
import { drawFound, drawProblem } from './search-view.ts';
import { STRIP_BLOCKS, Strip } from './strip.ts';
import { tipOf } from './tip.ts';
import { drawWords } from './words.ts';

/** How often what costs the peer more is fetched at most, in milliseconds. */
const SELDOM = 3_000;
/** How often what is small is fetched at most, and the nodes of a network are asked, in milliseconds. */
const OFTEN = 1_000;
const NODES_INTERVAL = 2_000;
/** How often what changes by itself is fetched at least, in milliseconds. */
const ANYWAY = 10_000;

/** Tables and journals that the widgets draw. */
const DRAWN = ['blocks', 'leaders', 'words', 'chains', 'chain'];

type Events = PowEvents & { readonly status: Status };

/** What the page of one peer has of its own. */
class PeerWidgets implements Widgets<Events> {
  readonly draw = DRAWN;
  readonly #shell: Shell;
  readonly #strip = new Strip();
  readonly #forks = new Forks();
  readonly #rates = new RatePlot();
  readonly #network = new NetworkPicture();

  readonly #detail = byId('detail');
  readonly #overview = byId('overview');
  #status: Status | undefined;
  #words: readonly string[] = [];
  #block: BlockPage | undefined;
  /** Counts the views, so that an answer that comes late does not replace a newer one. */
  #view = 0;

  /** Fetch what each widget shows. */
  readonly #blocks: () => void;
  readonly #leaderboard: () => void;
  readonly #fetchForks: () => void;
  readonly #graph: () => void;
  readonly #miners: () => void;
  readonly #fetchWords: () => void;

  constructor(shell: Shell) {
    this.#shell = shell;
    this.#blocks = shell.refresher(`/blocks?limit=${STRIP_BLOCKS}`, OFTEN, ({ blocks }: BlocksJson) => {
      this.#strip.reset(blocks);
      this.#drawNext();
    }).request;
    this.#leaderboard = shell.refresher('/leaderboard', SELDOM, (leaderboard: LeaderboardJson) => {
      drawLeaders(leaderboard);
      // Just after its start the peer is still counting.
      if (leaderboard.counted < leaderboard.height) this.#leaderboard();
    }).request;
    this.#fetchForks = shell.refresher('/forks', SELDOM, (forks: ForksJson) => {
      this.#forks.update(forks);
    }).request;
    this.#graph = shell.refresher('/graph', SELDOM, (graph: GraphJson) => {
      this.#network.update(graph);
    }).request;
    this.#miners = shell.refresher('/miners', SELDOM, (miners: MinersJson) => {
      this.#rates.update(miners);
    }).request;
    this.#fetchWords = shell.refresher('/words', OFTEN, (words: WordsJson) => {
      this.#words = words.words;
      drawWords(words);
      this.#drawNext();
    }).request;
    addEventListener('hashchange', () => {
      this.#route();
    });
    byId('search').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#search(byId('query', HTMLInputElement).value.trim());
    });
    this.#route();
    setInterval(() => {
      if (!document.hidden) this.#strip.tick();
    }, 1000);
    setInterval(() => {
      this.#graph();
      this.#fetchForks();
    }, ANYWAY);
  }

  readonly opened = (): void => {
    for (const fetchIt of [this.#blocks, this.#leaderboard, this.#fetchForks]) fetchIt();
    for (const fetchIt of [this.#graph, this.#miners, this.#fetchWords]) fetchIt();
  };

  readonly title = (): string => {
    const { name, height } = this.#status ?? { name: '', height: 0 };
    const what = this.#block?.title ?? (height === 0 ? 'no block yet' : `height ${height - 1}`);
    return `${what} · ${name} · gossip-peer`;
  };

  readonly events: Widgets<Events>['events'] = {
    status: (status) => {
      this.#status = status;
      drawSync(status.sync);
      markTip(status.tip);
      this.#drawNext();
    },
    block: (block) => {
      if (!this.#strip.add(block)) this.#blocks();
      this.#block?.grown(block.height + 1);
      this.#leaderboard();
      this.#fetchForks();
    },
    chain: (chain) => {
      this.#forks.continued(chain);
      this.#block?.grown(chain.height);
      for (const fetchIt of [this.#blocks, this.#leaderboard, this.#fetchForks]) fetchIt();
    },
    peer: () => {
      this.#graph();
    },
    consensus: (consensus) => {
      this.#forks.consensus(consensus);
      if (consensus.change !== 'started') this.#fetchForks();
    },
    sync: drawSync,
    miners: () => {
      this.#miners();
    },
    words: () => {
      this.#fetchWords();
    },
  };

  #drawNext(): void {
    if (this.#status !== undefined) this.#strip.next(this.#status, this.#words);
  }

  #entitle(): void {
    document.title = this.title();
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
    const block = await getJson<BlockJson>(`${this.#shell.base}/blocks/${encodeURIComponent(id)}`);
    const [previous, status] = await Promise.all([
      block.height === 0 ? null : getJson<BlockJson>(`${this.#shell.base}/blocks/${block.height - 1}`),
      getJson<Status>(`${this.#shell.base}/status`),
    ]);
    return { block, previous, difficulty: status.difficulty, blocks: status.height };
  }

  async #showFound(query: string, at: number): Promise<void> {
    const found = await getJson<SearchJson>(`${this.#shell.base}/search?q=${encodeURIComponent(query)}`);
    if (at !== this.#view) return;
    const [only, ...others] = found.blocks;
    const exact = found.blocks.find(({ height, hash }) => String(height) === query || hash === query);
    const block = exact ?? (others.length === 0 && found.miners.length === 0 ? only : undefined);
    // Replaced, so that the way back does not lead here again.
    if (block !== undefined) location.replace(`#/block/${block.height}`);
    else this.#open(drawFound(this.#detail, query, found));
  }
}

await openPage<Events>({
  standing: { draw: tipOf, path: '/status', interval: NODES_INTERVAL },
  widgets: (shell) => new PeerWidgets(shell),
});
