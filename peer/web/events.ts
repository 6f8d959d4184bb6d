/** Server-sent events: one text for all who listen, and nobody who is slow holds up anybody else. */
import { HEARTBEAT, MAX_QUEUED_BYTES, MAX_STREAMS, MAX_STREAMS_PER_CLIENT, RECONNECT } from './limits.ts';
import type { EventJson, EventName } from './schemas.ts';

interface Stream {
  readonly client: string;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Ends the connection, which may have stopped to take anything. */
  readonly cut: () => void;
}

const encoder = new TextEncoder();

/** An event as the wire has it. JSON has no line ends, so it is one line of data. */
function eventText<Name extends EventName>(name: Name, data: EventJson<Name>): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

export class EventHub {
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
    first: EventJson<'status'>,
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

  send<Name extends EventName>(name: Name, data: EventJson<Name>): void {
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
