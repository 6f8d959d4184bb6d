/** The page of any node that has a view: draws the view, follows what happens, and what an engine adds to it. */
import type { DoneJson, GlanceJson, HappeningJson, StepJson, TableJson, ViewJson } from '../../schemas.ts';
import { Live, type LiveHandlers } from '../api.ts';
import { byId, foreign, make, setText, type Child } from '../dom.ts';
import { NetworkPanel, type DrawStatus } from '../network.ts';
import { Shell } from '../shell.ts';
import { Actions } from './actions.ts';
import { JournalCards, markStyle } from './journals.ts';
import { Plots } from './plots.ts';
import { Tables } from './tables.ts';
import { Tiles } from './tiles.ts';

/** How often everything is fetched at most, in milliseconds: what changes comes with the events. */
const OFTEN = 1_000;
/** How often the nodes of a network are asked, in milliseconds. */
const NODES_INTERVAL = 2_000;

interface NodeEvents {
  readonly glance: GlanceJson;
  readonly table: TableJson;
  readonly step: StepJson;
  readonly journal: HappeningJson;
  readonly answer: DoneJson;
}

/** What the page of an engine has of its own. */
export interface Widgets<Events> {
  /** Called whenever the stream has opened: all that they show is to be fetched anew. */
  readonly opened?: () => void;
  readonly events: { readonly [Name in keyof Events]: (data: Events[Name]) => void };
  /** Names of tables and journals that they draw in their own way. */
  readonly draw?: readonly string[];
  /** What the window is called; what the node is doing by default. */
  readonly title?: (seen: GlanceJson) => string;
}

export interface PageOptions<Events> {
  /** What is drawn of each node of a network. */
  readonly standing?: {
    readonly draw: DrawStatus;
    /** What is asked of it. */
    readonly path: string;
    /** How often, in milliseconds. */
    readonly interval: number;
  };
  /** @param shell asks the node that is shown */
  readonly widgets?: (shell: Shell) => Widgets<Events>;
}

/** Where a node stands among the others: its figures that are columns, and what it does if that is unusual. */
function standingOf({ phase, figures }: GlanceJson): readonly Child[] {
  const columns = figures.filter(({ column }) => column);
  const text = columns.map((figure) => `${figure.title.toLowerCase()} ${figure.text}`).join(' · ');
  const badge = make('span', { class: 'badge', 'data-state': markStyle(phase.tone) }, phase.text);
  return [foreign(`${text} `), phase.tone === 'good' ? null : badge];
}

/** Shows a node, or one of a network. The parts stand where the document has a place for them, or at its end. */
export async function openPage<Events = object>({
  standing = { draw: standingOf, path: '/view/glance', interval: NODES_INTERVAL },
  widgets = () => ({ events: {} as Widgets<Events>['events'] }),
}: PageOptions<Events> = {}): Promise<void> {
  const network = await NetworkPanel.find(standing.draw, standing.interval, standing.path);
  const shell = new Shell(network?.base ?? '');
  const own = widgets(shell);
  const isShared = (part: { readonly name: string }): boolean => own.draw?.includes(part.name) !== true;
  const tiles = new Tiles();
  const tables = new Tables();
  const journals = new JournalCards();
  const plots = new Plots();
  const actions = new Actions(shell.base);
  const glance = (seen: GlanceJson): void => {
    const { engine, name, address, phase, alert, figures } = seen;
    shell.showNode(name, address);
    const badge = byId('phase');
    setText(badge, phase.text);
    badge.dataset['state'] = phase.tone;
    byId('alert').hidden = alert === null;
    setText(byId('alert-title'), alert?.title ?? '');
    setText(byId('alert-text'), alert?.text ?? '');
    tiles.update(figures);
    document.title = own.title?.(seen) ?? `${phase.text} · ${name} · ${engine} · gossip-peer`;
  };
  const fetchView = shell.refresher('/view', OFTEN, (view: ViewJson) => {
    glance(view);
    actions.update(view);
    journals.update({ journals: view.journals.filter(isShared) });
    plots.update(view);
    tables.update(view.tables.filter(isShared));
  });
  new Live<NodeEvents & Events>(`${shell.base}/events`, {
    changed: (state) => {
      shell.showConnection(state);
    },
    opened: () => {
      shell.findAccess((writing) => {
        actions.allow(writing);
        network?.allow(writing);
      });
      fetchView.request();
      own.opened?.();
    },
    // Those of an engine come beside those of all.
    events: {
      ...own.events,
      glance,
      table: (table: TableJson) => {
        if (isShared(table)) tables.update([table]);
      },
      step: (step: StepJson) => {
        plots.step(step);
      },
      journal: (entry: HappeningJson) => {
        setText(byId('news'), entry.word === null ? entry.text : `${entry.word}: ${entry.text}`);
        journals.add(entry);
        plots.mark(entry);
      },
      answer: (answer: DoneJson) => {
        actions.answered(answer);
      },
    } as LiveHandlers<NodeEvents & Events>['events'],
  });
}
