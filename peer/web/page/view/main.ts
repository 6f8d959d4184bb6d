/** The status page of any node that has a view: shows what that tells, and follows what happens. */
import type { HappeningJson, ViewJson } from '../../schemas.ts';
import { Live } from '../api.ts';
import { byId, fill, foreign, make, setText, type Child } from '../dom.ts';
import { timeOfDay } from '../format.ts';
import { NetworkPanel } from '../network.ts';
import { Shell } from '../shell.ts';
import { Actions } from './actions.ts';
import { Plots } from './plots.ts';
import { Tables } from './tables.ts';

/** How often the view is fetched at most, and how often the nodes of a network are asked, in milliseconds. */
const OFTEN = 1_000;
const NODES_INTERVAL = 2_000;
/** Happenings listed. */
const MAX_LISTED = 30;

interface Events {
  readonly status: object;
  readonly journal: HappeningJson;
}

type Tone = HappeningJson['tone'];

/** The state that a tone is drawn as. */
function stateOf(tone: Tone): Exclude<Tone, 'quiet'> | null {
  return tone === 'quiet' ? null : tone;
}

/** Where a node stands among the others: its figures that are columns, and what it does if that is unusual. */
function standingOf({ phase, figures }: ViewJson): readonly Child[] {
  const columns = figures.filter(({ column }) => column);
  const text = columns.map((figure) => `${figure.title.toLowerCase()} ${figure.text}`).join(' · ');
  return [
    foreign(`${text} `),
    phase.tone === 'good'
      ? null
      : make('span', { class: 'badge', 'data-state': stateOf(phase.tone) }, phase.text),
  ];
}

const network = await NetworkPanel.find(standingOf, NODES_INTERVAL, '/view');
const shell = new Shell(network?.base ?? '');

/** The page of one node. */
class ViewPage {
  readonly #tables = new Tables();
  readonly #plots = new Plots();
  readonly #fetch = shell.refresher('/view', OFTEN, (view: ViewJson) => {
    this.#draw(view);
  });
  readonly #actions = new Actions(shell.base, this.#fetch.request);

  start(): void {
    new Live<Events>(`${shell.base}/events`, {
      changed: (state) => {
        shell.showConnection(state);
      },
      opened: () => {
        shell.findAccess((writing) => {
          this.#actions.allow(writing);
          network?.allow(writing);
        });
        this.#fetch.request();
      },
      events: {
        status: this.#fetch.request,
        journal: ({ text }) => {
          setText(byId('news'), text);
          this.#fetch.request();
        },
      },
    });
  }

  #draw(view: ViewJson): void {
    const { engine, name, address, phase, unready, figures, journal } = view;
    shell.showNode(name, address);
    const badge = byId('phase');
    setText(badge, phase.text);
    const state = stateOf(phase.tone);
    if (state === null) delete badge.dataset['state'];
    else badge.dataset['state'] = state;
    byId('alert').hidden = unready === null;
    setText(byId('alert-text'), unready ?? '');
    fill(byId('figures'), ...figures.map(tileOf));
    fill(
      byId('journal'),
      ...(journal.length === 0
        ? [make('li', { class: 'muted' }, 'Nothing happened yet.')]
        : journal.slice(0, MAX_LISTED).map(happeningOf)),
    );
    this.#tables.update(view);
    this.#plots.update(view);
    this.#actions.update(view);
    document.title = `${phase.text} · ${name} · ${engine} · gossip-peer`;
  }
}

function tileOf({ title, text, help }: ViewJson['figures'][number]): HTMLElement {
  return make(
    'div',
    { class: 'tile' },
    make('dt', {}, title),
    make('dd', {}, foreign(text)),
    make('dd', { class: 'note muted small' }, help),
  );
}

function happeningOf({ at, text, tone }: HappeningJson): HTMLLIElement {
  return make(
    'li',
    {},
    make('span', { class: 'muted count' }, timeOfDay(Date.parse(at))),
    make('span', {}, make('span', { class: 'happening-tone', 'data-state': stateOf(tone) }), foreign(text)),
  );
}

new ViewPage().start();
