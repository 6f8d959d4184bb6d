/**
 * Every bound of the proof-of-work engine, once, with its reason. Times are in milliseconds. What goes over a bound
 * is dropped and counted as `limit.<name>`.
 */

// The wire

/**
 * Longest datagram looked at, twice what the most generous implementation receives: whatever is longer can't be part
 * of the network's chain, and blocks that wait in memory are not to be of any size. Source: a dozen of them read.
 */
export const MAX_RECEIVED = 8_192;
/**
 * Brackets, braces, colons and commas of a datagram looked at; the largest block has 22. A datagram of nothing else
 * takes up to a millisecond to parse, a hundred times as long as a block.
 */
export const MAX_STRUCTURE = 128;
/** Longest host name taken, a DNS name's limit. */
export const MAX_HOST_LENGTH = 253;
/** Longest id of a GOSSIP taken: a UUID has 36 characters, the longest seen is an integer of 39 digits. */
export const MAX_ID_LENGTH = 128;
/** A name is cut to this: it is only shown. */
export const MAX_NAME_LENGTH = 64;
/** Longest word looked at; longer ones could never be a message. */
export const MAX_WORD_LENGTH = 64;
/** Most implementations receive into 1024 bytes, so nothing of ours is longer. Source: a dozen of them read. */
export const MAX_DATAGRAM = 1024;

// Peers

/** Peers tracked at most; a class has a few dozen. */
export const MAX_PEERS = 1024;
/** Of these, peers that only somebody else has introduced: they give way first. */
export const MAX_HEARSAY_PEERS = 256;
/**
 * Of the others, peers that have neither proved that they are where they say nor served us anything, so that half of
 * the places are left to those that did: a thousand addresses are as easily forged as one.
 */
export const MAX_IDLE_PEERS = (MAX_PEERS - MAX_HEARSAY_PEERS) / 2;
/** Greetings remembered whose answer proves where a peer is: as many as there may be peers. */
export const MAX_GREETINGS = MAX_PEERS;
/** Hearsay peers that one host may have introduced, so that no single host fills the table. */
export const MAX_PEERS_PER_INTRODUCER = 32;
/**
 * Unknown peers a second that one host, and all together, may introduce. Finding room for one costs as much as
 * thirty other messages, and a table that somebody turns over many times a second is of no use to anybody. The bursts
 * let a newcomer learn of a whole class.
 */
export const INTRODUCTIONS_PER_SECOND = 10;
export const INTRODUCTIONS_BURST = 64;
export const ALL_INTRODUCTIONS_PER_SECOND = 100;
export const ALL_INTRODUCTIONS_BURST = 512;
/** Peers on one host that speak for themselves: a laptop with a test network has some, an attacker would have all. */
export const MAX_PEERS_PER_HOST = 128;

/** Hearsay peers on one host, so that nobody can have us bother a bystander on a thousand ports. */
export const MAX_HEARSAY_PER_HOST = 16;
/** Peers remembered of those that passed a peer's GOSSIP on to us: three do it at a time, the rest is history. */
export const MAX_FORWARDERS = 8;

// Gossip

/** Peers that a GOSSIP is passed on to. Source: the assignment. */
export const GOSSIP_FANOUT = 3;
/** Ids remembered, so that none is passed on twice: half as many, the least, are a minute of a thousand peers. */
export const MAX_SEEN_IDS = 4096;
/**
 * How long ids are remembered, at least: no datagram is on its way for as long, not even through a peer that is deaf
 * during its consensus, and whoever has one id for life sends it again by then. Of a small network far fewer ids come
 * in this time than may be remembered.
 */
export const SEEN_ID_LIFETIME = 300_000;
/** A GOSSIP with an id of its own for every copy storms; each peer's is passed on this often at most. */
export const FORWARD_INTERVAL = 5_000;
/** GOSSIPs a second passed on for one host, and for all together: a thousand peers make 34 new ones a second. */
export const FORWARDS_PER_SECOND = 10;
export const FORWARDS_BURST = 50;
export const ALL_FORWARDS_PER_SECOND = 50;
export const ALL_FORWARDS_BURST = 250;
/** GOSSIP_REPLYs to one address: a first burst for a joining peer whose datagrams are lost, then one in 5 s. */
export const REPLY_BURST = 4;
export const REPLY_INTERVAL = 5_000;
/**
 * GOSSIP, GOSSIP_REPLY and STATS a second, all together, to addresses that somebody else named, and to those in whose
 * name somebody spoke: what can be reflected. The latter are a whole class of foreign peers.
 */
export const HEARSAY_SENDS_PER_SECOND = 20;
export const HEARSAY_SENDS_BURST = 200;
export const STRANGER_SENDS_PER_SECOND = 100;
export const STRANGER_SENDS_BURST = 1_000;

// Neighbours

/** Peers asked for STATS in each round of gossip: who is silent, behind or ahead is noticed within one. */
export const STATS_PER_ROUND = 3;
/**
 * When others' blocks are passed on to peers that do not take a second copy: after what it takes the miner's own
 * ANNOUNCE and the answers to it, and some random time, so that not all neighbours of a peer send to it at once.
 */
export const PASS_ON_DELAY = 3_000;
export const PASS_ON_SPREAD = 5_000;
/** A peer that lacks more blocks than this has to sync. */
export const MAX_MISSING_BLOCKS = 8;
/** After this long an ANNOUNCE has arrived or is lost: whoever lacks the block then may be sent it again. */
export const RESEND_AFTER = 2_000;
/** How often a peer is sent a block that it goes on to lack: one kind of peer is deaf for 40 s after its sync. */
export const MAX_SENDS = 4;
/** Blocks remembered as sent, for each peer: more than are found while anything is on its way. */
export const MAX_SENT_BLOCKS = 32;

// Serving

/** Answers a second to one host that proved where it is: a peer that syncs from us takes tens of thousands. */
export const SERVE_PER_SECOND = 100_000;
/** Answers a second to a host that did not, whose address may be forged: ten times what a class peer asks. */
export const SERVE_UNVERIFIED_PER_SECOND = 500;
export const SERVE_UNVERIFIED_BURST = 2_000;
/**
 * Answers a second to all such hosts together: with forged addresses anybody is a thousand hosts, and each answer costs
 * us as much as reading three questions. Whoever gossips with us is not among them.
 */
export const SERVE_ALL_UNVERIFIED_PER_SECOND = 5_000;
export const SERVE_ALL_UNVERIFIED_BURST = 20_000;
/** Hosts whose rates are remembered; beyond it the one idle longest is forgotten. */
export const MAX_RATED_HOSTS = 4096;

// Words

/** Words that wait to be mined: at ten a block and ten seconds a block, a quarter of an hour. */
export const MAX_WORDS = 1_000;
/** NEW_WORDs a second from one host, so that none fills the queue at once. */
export const WORDS_PER_SECOND = 10;
export const WORDS_BURST = 100;

// Announcements

/** Hashes of announced blocks remembered, so that none is passed on twice. */
export const MAX_SEEN_BLOCKS = 4096;
/** Blocks ahead of us that are stored until we have caught up, in all and from one host. */
export const MAX_EARLY_BLOCKS = 256;
export const MAX_EARLY_PER_HOST = 64;

// Consensus

/** How often those who do not answer STATS are asked, at what interval, and how long the last answers are awaited. */
export const STATS_ROUNDS = 3;
export const STATS_RETRY = 500;
export const STATS_TIMEOUT = 1_000;
/** Least time between the end of a consensus and the next that a message asks for. */
export const CONSENSUS_MIN_INTERVAL = 5_000;
/** Least time to a consensus for a block ahead of us: soon, but not for every forged one. Doubled each time in vain. */
export const CATCH_UP_MIN_INTERVAL = 250;
export const CATCH_UP_MAX_INTERVAL = 60_000;
/** After start, how long GOSSIP_REPLYs are collected before the first consensus. */
export const JOIN_WAIT = 1_000;
/** With nobody found, the next try comes after this long, twice as long each time up to the consensus interval. */
export const JOIN_RETRY = 2_000;
/** Different claims that may be tried in one consensus, half of them the most credible ones; more only come from liars. */
export const MAX_CANDIDATES = 64;
/** Sources of a chain that are asked for its last block in each round: one may be slow, or lose it. */
export const PROBE_COPIES = 2;
/** Chains whose last block nobody served that are tried all the same, at the end: only their answers may be lost. */
export const MAX_SILENT_TRIES = 2;
/** How often what a source claims leads to nothing before its answers are not waited for any more. */
export const MAX_VAIN_CLAIMS = 2;
/** Such sources that are remembered: as many as there may be peers. */
export const MAX_VAIN_SOURCES = MAX_PEERS;
/** Chains proved false that are remembered, with who claimed them. */
export const MAX_FALSE_CHAINS = 1024;
/** Claimants remembered for each of them: more than one host may have peers. */
export const MAX_BLAMED = 256;
/** Claims of one host that may prove false or unavailable in a consensus before those of other hosts go first. */
export const MAX_FAILURES_PER_HOST = 2;

// Download

/** Peers that one chain is downloaded from at once. */
export const MAX_SOURCES = 32;
/** Heights that one source is given at a time. */
export const CHUNK = 16;
/** Requests under way to one source: at first, and at most. Small, because class peers lose bursts. */
export const INITIAL_WINDOW = 8;
export const MIN_WINDOW = 4;
export const MAX_WINDOW = 128;
/** Share of lost requests, beyond what is lost anyway, at which the window is halved. */
export const TOLERATED_LOSS = 0.25;
/** Blocks held beyond the last verified one, waiting for a gap to close: about 4 MB. */
export const MAX_AHEAD = 4096;
/** Time after which a request is sent again: before anything is known, and its bounds. Source: RFC 6298. */
export const INITIAL_TIMEOUT = 1_000;
export const MIN_TIMEOUT = 150;
export const MAX_TIMEOUT = 1_000;
/** By how much that time grows with every loss; gently, because most losses are not of the network's making. */
export const BACK_OFF = 1.5;
/**
 * Requests in a row without an answer, and the time without one, after which a source is given up; twice and three
 * times as much for one that has answered before. Of peers that lose three datagrams in four, one in a hundred is
 * given up wrongly, before it has answered at all.
 */
export const MAX_SILENCE = 10;
export const MAX_SILENT_TIME = 4_000;
/** A source is too slow with a round trip over this, and over so many times that of the best. */
export const SLOW_ROUND_TRIP = 1_000;
export const SLOW_FACTOR = 10;
/** Refusals (null replies) in a row after which a source is given up. */
export const MAX_REFUSALS = 3;
/** How often the requests under way are looked through. */
export const DOWNLOAD_TICK = 50;
/** Sources asked one by one, where the blocks of several did not fit together. */
export const MAX_SINGLE_ATTEMPTS = 3;
/** Heights asked at once while the fork point is searched, and rounds of it: enough for any chain. */
export const PROBES = 8;
export const MAX_PROBE_ROUNDS = 24;
/** Rounds without any answer after which the search goes on without one. */
export const MAX_SILENT_ROUNDS = 4;
/** Without a further block for this long the sources left are given up: answers to other questions do not count. */
export const MAX_STALL = 30_000;
/** After this long a sync ends with what it has got, so that a source that only just keeps going can't hold us. */
export const MAX_SYNC_TIME = 300_000;
/**
 * Time of a sync while something waits that no fewer hosts claim: longer than one takes over a bad line, short enough
 * for whoever serves a false promise slowly. Doubled each time that it was not enough for one of the sources.
 */
export const FIRST_SYNC_TIME = 15_000;
/** Sources remembered for which that time was not enough. */
export const MAX_SLOW_SOURCES = 1024;
/** Progress is reported this often. */
export const PROGRESS_INTERVAL = 250;
/** Our own orphaned blocks that are looked through for words to be mined again. */
export const MAX_ORPHANED_BLOCKS = 1_000;
/** Messages of a downloaded chain that are compared with the words that wait; the rest is too old to matter. */
export const MAX_STAGED_MESSAGES = 20_000;
/** Blocks verified in one step: about a millisecond. */
export const VERIFY_SLICE = 1_000;
/** Blocks deleted in one step. */
export const SWEEP_SLICE = 1_000;
