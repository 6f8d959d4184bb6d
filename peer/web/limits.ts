/** Every bound of the web server, once, with its reason. Times are in milliseconds unless the name says otherwise. */

// Connections and requests

/** Sockets at a time: every event stream, and a few requests beside it for each of them. */
export const MAX_CONNECTIONS = 256;
/** More of this machine itself, for its `/healthz`: a peer that is only busy must not be taken for dead and restarted. */
export const SPARE_CONNECTIONS = 4;
/** Longest request line and headers, in bytes: a browser's are below 2 kB. */
export const MAX_HEADER_BYTES = 8_192;
/** Longest body, in bytes: a word, or the groups of a partition. */
export const MAX_BODY_BYTES = 4_096;
/** How long the headers, and the whole of a request, may take to come. */
export const HEADERS_TIMEOUT = 10_000;
export const REQUEST_TIMEOUT = 15_000;
/** How long a connection is kept for the next request, and how long one may stand still while it is answered. */
export const KEEP_ALIVE_TIMEOUT = 5_000;
export const SOCKET_TIMEOUT = 60_000;
/** Requests of one client: a page that loads makes thirty at once, and one a second afterwards. */
export const REQUESTS_PER_SECOND = 50;
export const REQUESTS_BURST = 300;
/** Requests of all clients together: at a millisecond each, the peer is left most of its time. */
export const ALL_REQUESTS_PER_SECOND = 200;
export const ALL_REQUESTS_BURST = 1_000;
/** Clients whose rates are remembered; beyond it the one idle longest is forgotten. */
export const MAX_RATED_CLIENTS = 4_096;
/** Longest token, in characters. */
export const MAX_TOKEN_LENGTH = 256;

// Events

/** Streams of events at a time, and those of one client: a person's tabs, not a room of them. */
export const MAX_STREAMS = 64;
export const MAX_STREAMS_PER_CLIENT = 32;
/** Bytes that may wait for a client to read them; beyond it is cut off and comes again for a fresh start. */
export const MAX_QUEUED_BYTES = 256 * 1024;
/** Something is sent this often, so that a proxy does not take the stream for dead. */
export const HEARTBEAT = 15_000;
/** After this long a browser is to try again. */
export const RECONNECT = 2_000;
/** Changes of the status, the words and a sync are sent at most this often. */
export const EVENT_INTERVAL = 1_000;
/** Events of one kind that are sent in such an interval; more than a person could follow. */
export const MAX_EVENTS_PER_INTERVAL = 50;

// History

/** What is remembered of what seldom happens, of each kind, as reorganisations: weeks of a network that works. */
export const MAX_REMEMBERED = 100;
/** Rows sent of one table: more than a person reads. */
export const MAX_SHOWN_ROWS = 200;
/** Peers named of those that claimed one false chain. */
export const MAX_CLAIMANTS = 16;
/** Blocks of which it is remembered when they came: what the page shows, many times over. */
export const MAX_ARRIVALS = 1_000;
/** One value of a hash rate, and how many are kept: an hour. */
export const RATE_STEP = 10_000;
export const RATE_VALUES = 360;

// Requests of a cluster

/** Longest line that may be submitted, in UTF-16 units: any operation there may be, and its quotes. */
export const MAX_LINE_LENGTH = 20_000;
/** Longest body with such a line, in bytes, however its characters are written. */
export const MAX_LINE_BODY_BYTES = 131_072;
/** How long an answer is awaited before the client goes on without it: shorter than anybody waits for us. */
export const SUBMIT_PATIENCE = 8_000;
/** Submissions that wait for their answers at a time: half of all connections. */
export const MAX_SUBMISSIONS = 128;
/** Submissions that are remembered, the last ones: their answers are the longest thing that is kept of them. */
export const MAX_KEPT_SUBMISSIONS = 512;
/** Blocks that are searched for a word that came through the API: a day of them, one a minute. */
export const MAX_SEARCHED_BLOCKS = 1_440;
/** How many blocks before it came, because another chain may have it lower: deeper forks are hardly seen. */
export const SEARCHED_BEFORE = 100;
/** Requests shown of those that were executed last, and how much of each text, in UTF-16 units. */
export const MAX_SHOWN_REQUESTS = 100;
export const MAX_SHOWN_TEXT = 500;
/** Batches whose times make the latency that is reported. */
export const LATENCY_BATCHES = 1_000;
/** A value of the performance over time, in seconds, how many are kept, and how many batches of each are looked at. */
export const STEP_SECONDS = 2;
export const STEP_VALUES = 300;
export const STEP_BATCHES = 1_000;
/** Steps whose average is the rate of requests: ten seconds. */
export const RATE_STEPS = 5;

// The index of the chain

/** Blocks indexed, at six bytes each: twenty years at one in forty seconds. */
export const MAX_INDEXED_BLOCKS = 2 ** 24;
/** Names counted apart; more than a class has students, even if each signs under a hundred. The rest counts as one. */
export const MAX_NAMES = 10_000;
/** A name is cut to so many UTF-16 units: with it, the names take at most 5 MB. */
export const MAX_NAME_LENGTH = 256;
/** Blocks read in one go: about a millisecond; and the pause in which the peer does everything else. */
export const INDEX_SLICE = 250;
export const INDEX_PAUSE = 1;

// Metrics

/** Different values of a label; what the engine counts has a few dozen names, this only bounds a careless one. */
export const MAX_LABEL_VALUES = 256;
