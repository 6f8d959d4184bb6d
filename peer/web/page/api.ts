/** Asks the peer that served this page, and listens to it. */
import type { Problem } from '../schemas.ts';
import { byId } from './dom.ts';

/** How long an answer is awaited, in milliseconds. */
const PATIENCE = 15_000;
/** How long after the end of a stream that the browser does not open again by itself we do, in milliseconds. */
const RETRY_AFTER = 2_000;
/** A stream that sent nothing for so long is dead: a status comes every ten seconds. In milliseconds. */
const SILENCE = 35_000;

/** Answers that mean "ask again": too many requests, not ready. */
const LATER = [429, 503];

/** What a request was answered with instead of what was asked for; the message is one sentence for people. */
export class ApiError extends Error {
  /** 0 where nothing was answered at all. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  const problem = (await response.json().catch(() => null)) as Partial<Problem> | null;
  return new ApiError(response.status, problem?.detail ?? `The peer answered ${response.status}.`);
}

/** Where a path of the API is: below the page, wherever a proxy shows it. */
function below(path: string): URL {
  return new URL(`.${path}`, document.baseURI);
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(below(path), {
    ...init,
    cache: 'no-store',
    signal: AbortSignal.timeout(PATIENCE),
  }).catch(() => {
    throw new ApiError(0, 'The peer does not answer.');
  });
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** Gets JSON. @throws ApiError */
export async function getJson<T>(path: string): Promise<T> {
  return (await (await ask(path)).json()) as T;
}

/** Sends JSON, with the token if one was typed, and gets some. @throws ApiError */
export async function postJson<T>(path: string, body: unknown): Promise<T> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  const token = byId('token', HTMLInputElement).value;
  if (token !== '') headers['authorization'] = `Bearer ${token}`;
  return (await (await ask(path, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as T;
}

type Timer = ReturnType<typeof setTimeout>;

export type LiveState = 'connecting' | 'live' | 'reconnecting';

export interface LiveHandlers<Events> {
  /** Called whenever the stream has opened: all that is shown is to be fetched anew. */
  readonly opened: () => void;
  readonly changed: (state: LiveState) => void;
  readonly events: { readonly [Name in keyof Events]: (data: Events[Name]) => void };
}

/** The stream of events, opened again whenever it ends. */
export class Live<Events> {
  readonly #path: string;
  readonly #handlers: LiveHandlers<Events>;
  #source: EventSource | undefined;
  #retry: Timer | undefined;
  #silence: Timer | undefined;
  #state: LiveState = 'connecting';

  constructor(path: string, handlers: LiveHandlers<Events>) {
    this.#path = path;
    this.#handlers = handlers;
    this.#open();
  }

  close(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    this.#source?.close();
  }

  #open(): void {
    this.close();
    const source = new EventSource(below(this.#path));
    this.#source = source;
    this.#heard();
    source.addEventListener('open', () => {
      this.#heard();
      this.#change('live');
      this.#handlers.opened();
    });
    source.addEventListener('error', () => {
      this.#change('reconnecting');
      // The browser tries again after a broken connection, but never after another answer than a stream.
      if (source.readyState === EventSource.CLOSED) this.#later();
    });
    for (const [name, handle] of Object.entries(this.#handlers.events)) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        this.#heard();
        // The peer keeps to the schema of each event.
        (handle as (data: unknown) => void)(JSON.parse(event.data));
      });
    }
  }

  #later(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#open();
    }, RETRY_AFTER);
  }

  #heard(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#change('reconnecting');
      this.#open();
    }, SILENCE);
  }

  #change(state: LiveState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#handlers.changed(state);
  }
}

/**
 * Something that is fetched again and again: at most once in an interval, never twice at a time, not while nobody
 * looks, and never lost: what was asked for in the meantime is done once afterwards.
 */
export class Refresher {
  readonly #work: () => Promise<void>;
  readonly #interval: number;
  #timer: Timer | undefined;
  #running = false;
  #wanted = false;
  #last = -Infinity;
  #stopped = false;

  /** @param interval least milliseconds from one start to the next */
  constructor(work: () => Promise<void>, interval: number) {
    this.#work = work;
    this.#interval = interval;
    document.addEventListener('visibilitychange', this.#visible);
  }

  /** Asks for it soon. */
  readonly request = (): void => {
    this.#wanted = true;
    if (this.#running || this.#timer !== undefined || document.hidden || this.#stopped) return;
    const wait = Math.max(0, this.#last + this.#interval - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#run();
    }, wait);
  };

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener('visibilitychange', this.#visible);
  }

  readonly #visible = (): void => {
    if (this.#wanted) this.request();
  };

  async #run(): Promise<void> {
    this.#wanted = false;
    this.#running = true;
    this.#last = performance.now();
    try {
      await this.#work();
    } catch (error) {
      // The stream notices a peer that is gone, and everything is fetched when it is back.
      if (!(error instanceof ApiError)) throw error;
      if (LATER.includes(error.status)) this.#wanted = true;
    } finally {
      this.#running = false;
    }
    // It may have been asked for while it ran.
    if (this.#wanted) this.request();
  }
}
