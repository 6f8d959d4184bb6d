/** What every status page has around what it shows: the connection, the way to the content, what is fetched again. */
import type { AccessJson, AddressJson, Writing } from '../schemas.ts';
import { ApiError, Refresher, getJson, type LiveState } from './api.ts';
import { byId, setText } from './dom.ts';

const CONNECTION: Readonly<Record<LiveState, { text: string; state: string }>> = {
  connecting: { text: 'connecting…', state: 'warn' },
  live: { text: 'live', state: 'good' },
  reconnecting: { text: 'reconnecting…', state: 'bad' },
};

export class Shell {
  /** Path of the API of the node that is shown, without a slash at the end. */
  readonly base: string;

  constructor(base: string) {
    this.base = base;
    this.showConnection('connecting');
    byId('skip').addEventListener('click', (event) => {
      // The part after # is where the page stands.
      event.preventDefault();
      byId('main').focus();
    });
  }

  showConnection(state: LiveState): void {
    const badge = byId('connection');
    setText(badge, CONNECTION[state].text);
    badge.dataset['state'] = CONNECTION[state].state;
    document.body.classList.toggle('stale', state === 'reconnecting');
  }

  /** Finds out who may change something here, and asks for the token if there is one. */
  findAccess(draw: (writing: Writing) => void): void {
    getJson<AccessJson>('/access').then(
      ({ writing }) => {
        byId('token-row').hidden = writing !== 'token';
        draw(writing);
      },
      (error: unknown) => {
        // The stream is opened again, and then so is this.
        if (!(error instanceof ApiError)) throw error;
      },
    );
  }

  /** Shows whose page it is. */
  showNode(name: string, { host, port }: AddressJson): void {
    setText(byId('name'), name);
    setText(byId('address'), `${host}:${port}`);
  }

  /**
   * Fetches something again and again and draws it.
   *
   * @param interval least milliseconds from one start to the next
   */
  refresher(path: string, interval: number, draw: (answer: never) => void): Refresher {
    return new Refresher(async () => {
      draw(await getJson<never>(this.base + path));
    }, interval);
  }
}
