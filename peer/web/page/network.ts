/** The nodes of a network that was started with one command: which one is shown, and what is done to them. */
import type { NodesJson } from '../schemas.ts';
import { ApiError, getJson, postJson } from './api.ts';
import { byId, fill, make, setText, type Child } from './dom.ts';

type Node = NodesJson['nodes'][number];
type Action = 'kill' | 'start' | 'pause' | 'resume';

/** How often the nodes are asked for unless told otherwise, in milliseconds. */
const INTERVAL = 2_000;
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
  readonly #cards = new Map<string, Card>();
  #nodes: readonly Node[] = [];

  private constructor(nodes: NodesJson, draw: DrawStatus, interval: number) {
    this.#draw = draw;
    this.#interval = interval;
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
   */
  static async find(draw: DrawStatus, interval = INTERVAL): Promise<NetworkPanel | null> {
    try {
      return new NetworkPanel(await getJson<NodesJson>('/nodes'), draw, interval);
    } catch (error) {
      if (error instanceof ApiError) return null;
      throw error;
    }
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
    return [...groups.values()];
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
    const running = nodes.filter(({ state }) => state === 'running').length;
    setText(
      byId('network-state'),
      `${running} of ${nodes.length} nodes run${partitioned ? '; the network is partitioned' : ''}`,
    );
    byId('heal', HTMLButtonElement).disabled = !partitioned;
    for (const [index, node] of nodes.entries()) {
      const card = this.#cards.get(node.name) ?? this.#add(node, index);
      setText(card.state, node.state);
      card.state.dataset['state'] = STATES[node.state];
      const part = node.group === null ? '' : ` · in group ${node.group + 1}`;
      const miners = node.miners === 0 ? '' : ` · ${node.miners} ${node.miners === 1 ? 'miner' : 'miners'}`;
      setText(card.note, `${node.address.host}:${node.address.port}${miners}${part}`);
      for (const [action, button] of Object.entries(card.buttons))
        button.disabled = !ACTIONS[node.state].includes(action as Action);
    }
    void this.#askStatus();
  }

  /** Asks each running node where it stands. */
  async #askStatus(): Promise<void> {
    await Promise.all(
      this.#nodes.slice(0, MAX_ASKED).map(async (node) => {
        const standing = this.#cards.get(node.name)?.standing;
        if (standing === undefined) return;
        const status =
          node.state === 'running' ? await getJson(`${node.api}/status`).catch(() => null) : null;
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
      ...['1', '2', '3'].map((value) => make('option', { value }, `group ${value}`)),
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
