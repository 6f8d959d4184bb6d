/** Server-sent events: one text for all who listen, and nobody who is slow holds up anybody else. */
import { toJson } from '../../shared/escape.ts';
import { HEARTBEAT, MAX_QUEUED_BYTES, MAX_STREAMS, MAX_STREAMS_PER_CLIENT, RECONNECT } from './limits.ts';

interface Stream {
  readonly client: string;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Ends the connection, which may have stopped to take anything. */
  readonly cut: () => void;
}

const encoder = new TextEncoder();

/** An event as the wire has it. JSON has no line ends, so it is one line of data. */
function eventText(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${toJson(data)}\n\n`;
}

/**
 * Everybody who listens to `/events`.
 *
 * @template Events the data of each event, by its name
 */
export class EventHub<Events extends { readonly status: unknown }> {
  /** Streams that were cut off because they were not read. */
  slow = 0;
  readonly #streams = new Set<Stream>();
  readonly #heartbeat: NodeJS.Timeout;

  constructor() {
    this.#heartbeat = setInterval(() => {
      this.#write(': still here\n\n');
    }, HEARTBEAT).unref();
  }

  get size(): number {
    return this.#streams.size;
  }

  /**
   * Begins a stream.
   *
   * @param client who it is for
   * @param first what it begins with
   * @param cut ends the connection
   * @returns undefined if there are too many
   */
  open(
    client: string,
    first: Events['status'],
    cut: () => void = () => undefined,
  ): ReadableStream<Uint8Array> | undefined {
    let own = 0;
    for (const stream of this.#streams) if (stream.client === client) own++;
    if (this.#streams.size >= MAX_STREAMS || own >= MAX_STREAMS_PER_CLIENT) return undefined;
    let stream: Stream | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          stream = { client, controller, cut };
          this.#streams.add(stream);
          controller.enqueue(encoder.encode(`retry: ${RECONNECT}\n\n${eventText('status', first)}`));
        },
        cancel: () => {
          if (stream !== undefined) this.#streams.delete(stream);
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MAX_QUEUED_BYTES }),
    );
  }

  send<Name extends keyof Events & string>(name: Name, data: Events[Name]): void {
    if (this.#streams.size > 0) this.#write(eventText(name, data));
  }

  /** Ends every stream. */
  close(): void {
    clearInterval(this.#heartbeat);
    for (const stream of this.#streams) this.#end(stream);
  }

  #write(text: string): void {
    const bytes = encoder.encode(text);
    for (const stream of this.#streams) {
      if ((stream.controller.desiredSize ?? 0) >= bytes.length) {
        stream.controller.enqueue(bytes);
      } else {
        this.slow++;
        this.#end(stream);
      }
    }
  }

  #end(stream: Stream): void {
    this.#streams.delete(stream);
    stream.controller.close();
    stream.cut();
  }
}
