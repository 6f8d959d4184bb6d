/** The nodes of a network that was started with one command: which one is shown, and what is done to them. */
import type { NodesJson, Writing } from '../schemas.ts';
import { ApiError, getJson, postJson } from './api.ts';
import { byId, fill, make, setText, type Child } from './dom.ts';

type Node = NodesJson['nodes'][number];
type Action = 'kill' | 'start' | 'pause' | 'resume';

/** How often the nodes are asked for by default, in milliseconds. */
const INTERVAL = 2_000;
/** Groups that can be chosen at least. */
const LEAST_GROUPS = 3;
/** Nodes that are asked where they stand, at most. */
const MAX_ASKED = 16;

const STATES = { running: 'good', paused: 'warn', down: 'bad' } as const;
/** What can be done to a node in a state. */
const ACTIONS: Readonly<Record<Node['state'], readonly Action[]>> = {
  running: ['kill', 'pause'],
  paused: ['kill', 'resume'],
  down: ['start'],
};
const LABELS: Readonly<Record<Action, string>> = {
  kill: 'Kill',
  start: 'Start',
  pause: 'Pause',
  resume: 'Resume',
};

/** What is shown of the status of a node, in a line: where it stands among the others. */
export type DrawStatus = (status: never) => readonly Child[];

interface Card {
  readonly item: HTMLLIElement;
  readonly state: HTMLElement;
  readonly note: HTMLElement;
  readonly standing: HTMLElement;
  readonly group: HTMLSelectElement;
  readonly buttons: Readonly<Record<Action, HTMLButtonElement>>;
}

export class NetworkPanel {
  /** Path of the API of the node that is shown. */
  readonly base: string;
  readonly #shown: string;
  /** Whether just this node is to be shown, and not any that runs. */
  readonly #chosen: boolean;
  readonly #draw: DrawStatus;
  readonly #interval: number;
  /** Path of what is asked of each node. */
  readonly #status: string;
  readonly #cards = new Map<string, Card>();
  #nodes: readonly Node[] = [];
  #partitioned = false;
  /** The groups that the selectors show, if they show those that there are. */
  #parted = '';
  #writing: Writing = 'open';

  private constructor(nodes: NodesJson, draw: DrawStatus, interval: number, status: string) {
    this.#draw = draw;
    this.#interval = interval;
    this.#status = status;
    const wanted = new URLSearchParams(location.search).get('node');
    const running = nodes.nodes.find(({ state }) => state === 'running');
    const node = nodes.nodes.find(({ name }) => name === wanted) ?? running ?? nodes.nodes[0];
    if (node === undefined) throw new ApiError(0, 'This network has no nodes.');
    this.base = node.api;
    this.#chosen = node.name === wanted;
    this.#shown = node.name;
    byId('network').hidden = false;
    byId('partition').addEventListener('click', () => {
      void this.#send('/partition', { groups: this.#groups() });
    });
    byId('heal').addEventListener('click', () => {
      void this.#send('/heal', {});
    });
    this.#update(nodes);
    this.#poll();
  }

  /**
   * The panel, if this page is of a network; null on the page of a plain peer, which knows no nodes.
   *
   * @param interval how often the nodes are asked for, in milliseconds
   * @param status path of what is drawn of each
   */
  static async find(draw: DrawStatus, interval = INTERVAL, status = '/status'): Promise<NetworkPanel | null> {
    if (document.documentElement.dataset['network'] === undefined) return null;
    for (;;) {
      try {
        return new NetworkPanel(await getJson<NodesJson>('/nodes'), draw, interval, status);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        await new Promise((resolve) => setTimeout(resolve, interval));
      }
    }
  }

  /** Whether the network is changed from here. */
  allow(writing: Writing): void {
    this.#writing = writing;
    this.#drawButtons();
  }

  #poll(): void {
    setTimeout(() => {
      const done = document.hidden ? Promise.resolve() : this.#refresh();
      void done.finally(() => {
        this.#poll();
      });
    }, this.#interval);
  }

  async #refresh(): Promise<void> {
    try {
      this.#update(await getJson<NodesJson>('/nodes'));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(byId('network-state'), 'the network does not answer');
    }
  }

  async #send(path: string, body: unknown): Promise<void> {
    const problem = byId('control-problem');
    try {
      await postJson(path, body);
      setText(problem, '');
      await this.#refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(problem, error.message);
    }
  }

  /** The names of the nodes by the group that was chosen for each. */
  #groups(): string[][] {
    const groups = new Map<string, string[]>();
    for (const [name, { group }] of this.#cards)
      groups.set(group.value, [...(groups.get(group.value) ?? []), name]);
    // The first is to be called group 1 afterwards.
    return [...groups].sort(([one], [other]) => Number(one) - Number(other)).map(([, names]) => names);
  }

  #update({ nodes, partitioned }: NodesJson): void {
    const isDown = nodes.some(({ name, state }) => name === this.#shown && state === 'down');
    // It was shown because it ran: the page begins again with one that does.
    if (isDown && !this.#chosen && nodes.some(({ state }) => state === 'running')) location.reload();
    const names = new Set(nodes.map(({ name }) => name));
    for (const [name, { item }] of this.#cards) {
      if (names.has(name)) continue;
      item.remove();
      this.#cards.delete(name);
    }
    this.#nodes = nodes;
    this.#partitioned = partitioned;
    const running = nodes.filter(({ state }) => state === 'running').length;
    setText(
      byId('network-state'),
      `${running} of ${nodes.length} nodes run${partitioned ? '; the network is partitioned' : ''}`,
    );
    for (const [index, node] of nodes.entries()) {
      const card = this.#cards.get(node.name) ?? this.#add(node, index);
      setText(card.state, node.state);
      card.state.dataset['state'] = STATES[node.state];
      const part = node.group === null ? '' : ` · in group ${node.group + 1}`;
      const miners = node.miners === 0 ? '' : ` · ${node.miners} ${node.miners === 1 ? 'miner' : 'miners'}`;
      setText(card.note, `${node.address.host}:${node.address.port}${miners}${part}`);
    }
    this.#chooseGroups();
    this.#drawButtons();
    void this.#askStatus();
  }

  /** Has the selectors show the groups that there are, when those have changed: what was chosen since then stays. */
  #chooseGroups(): void {
    const parted = JSON.stringify(this.#nodes.map(({ group }) => group));
    if (parted === this.#parted) return;
    this.#parted = parted;
    const most = Math.max(LEAST_GROUPS, ...this.#nodes.map(({ group }) => (group ?? 0) + 1));
    for (const { name, group } of this.#nodes) {
      const select = this.#cards.get(name)?.group;
      if (select === undefined) continue;
      for (let value = select.options.length + 1; value <= most; value++)
        select.append(make('option', { value }, `group ${value}`));
      if (group !== null) select.value = String(group + 1);
    }
  }

  #drawButtons(): void {
    const off = this.#writing === 'off';
    for (const { name, state } of this.#nodes)
      for (const [action, button] of Object.entries(this.#cards.get(name)?.buttons ?? {}))
        button.disabled = off || !ACTIONS[state].includes(action as Action);
    byId('partition', HTMLButtonElement).disabled = off;
    byId('heal', HTMLButtonElement).disabled = off || !this.#partitioned;
    byId('network-off').hidden = !off;
  }

  /** Asks each running node where it stands. */
  async #askStatus(): Promise<void> {
    await Promise.all(
      this.#nodes.slice(0, MAX_ASKED).map(async (node) => {
        const standing = this.#cards.get(node.name)?.standing;
        if (standing === undefined) return;
        const status =
          node.state === 'running' ? await getJson(node.api + this.#status).catch(() => null) : null;
        fill(
          standing,
          ...(status === null ? [make('span', { class: 'muted' }, '–')] : this.#draw(status as never)),
        );
      }),
    );
  }

  #add({ name }: Node, index: number): Card {
    const button = (action: Action): HTMLButtonElement => {
      const made = make(
        'button',
        { type: 'button', 'aria-label': `${LABELS[action]} ${name}` },
        LABELS[action],
      );
      made.addEventListener('click', () => {
        void this.#send(`/nodes/${encodeURIComponent(name)}/${action}`, {});
      });
      return made;
    };
    const buttons = {
      kill: button('kill'),
      start: button('start'),
      pause: button('pause'),
      resume: button('resume'),
    };
    const group = make(
      'select',
      { 'aria-label': `Group of ${name}` },
      ...Array.from({ length: LEAST_GROUPS }, (_, at) =>
        make('option', { value: at + 1 }, `group ${at + 1}`),
      ),
    );
    group.value = index % 2 === 0 ? '1' : '2';
    const state = make('span', { class: 'badge' });
    const note = make('p', { class: 'muted small' });
    const standing = make('p', { class: 'small' });
    const current = name === this.#shown;
    const item = make(
      'li',
      { class: current ? 'node-card current' : 'node-card' },
      make(
        'p',
        { class: 'node-name' },
        make(
          'a',
          { href: `?node=${encodeURIComponent(name)}`, 'aria-current': current ? 'true' : null },
          name,
        ),
        ' ',
        state,
      ),
      standing,
      note,
      make('div', { class: 'node-buttons' }, ...Object.values(buttons), group),
    );
    byId('nodes').append(item);
    const card = { item, state, note, standing, group, buttons };
    this.#cards.set(name, card);
    return card;
  }
}
