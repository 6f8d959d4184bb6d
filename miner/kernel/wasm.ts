/**
 * The portable kernel: WebAssembly, written here as expressions and assembled when it is first used. With SIMD four
 * nonces are worked at once in each of three streams, which keeps the processor's pipes full though each stream
 * waits for itself; without SIMD, the same code works on single words.
 *
 * See scan.ts for the memory it works on and layout.ts for what word p and the midstates are. The work is:
 *
 *     for each vector of words (4 of them; single midstate: 3 vectors, one for each stream)
 *       stretch the schedule, with the round constants added
 *       for each 3 midstates, one for each stream (single midstate: once)
 *         rounds p + 1 to 56
 *         rounds 57 to 60, of which only e is computed: e after round 60 is h after round 63
 *         is h plus the h before the first round zero where the mask says so?
 *
 * Of a stream's eight state variables only six are kept in locals. In round i, d and h are the a and the e of four
 * rounds ago, and are read from memory, where each round leaves its a and e. That makes the optimising compiler of
 * Node 20 twice as fast: it runs out of registers otherwise and moves values to and fro.
 */
import { assemble, call, FunctionWriter, i32, i32x4, loopWhile, repeatWhile, when } from './assembler.ts';
import type { Code, Type, Variable } from './assembler.ts';
import type { Kernel } from './kernel.ts';
import { MAX_MIDSTATES } from './layout.ts';
import {
  BLOCK,
  HITS,
  MAX_HITS,
  MEMORY_WORDS,
  MIDSTATE_STRIDE,
  MIDSTATES,
  PARAMETER,
  ScanSearch,
  WORDS,
} from './scan.ts';
import type { Scanner } from './scan.ts';
import { selfTest } from './self-test.ts';
import { ROUND_CONSTANTS, ROUNDS } from './sha256.ts';

/** What of the WebAssembly interface is used here; Node's own type declarations do not have it. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: Record<string, unknown> };
  Memory: new (limits: { initial: number }) => { buffer: ArrayBuffer };
  validate(bytes: Uint8Array): boolean;
};

/** The operations of the kernel, on one word or on four at once. */
interface Vector {
  readonly type: Type;
  readonly lanes: number;
  load(address: Code, offset?: number): Code;
  loadSplat(address: Code, offset?: number): Code;
  store(address: Code, value: Code, offset?: number): Code;
  add(x: Code, y: Code): Code;
  and(x: Code, y: Code): Code;
  xor(x: Code, y: Code): Code;
  shiftRight(x: Code, by: number): Code;
  /** The exclusive or of rotations to the right. */
  rotations(x: Code, by: readonly number[]): Code;
  /** Not zero if a lane is zero. */
  anyZero(x: Code): Code;
  /** A number with a bit set for each lane that is zero. */
  zeroLanes(x: Code): Code;
}

const SIMD: Vector = {
  ...i32x4,
  type: 'v128',
  lanes: 4,
  rotations: (x, by) =>
    by
      .flatMap((n) => [i32x4.shiftRight(x, n), i32x4.shiftLeft(x, 32 - n)])
      .reduce((sum, part) => i32x4.xor(sum, part)),
  anyZero: (x) => i32x4.anyTrue(i32x4.equal(x, i32x4.zero)),
  zeroLanes: (x) => i32x4.bitmask(i32x4.equal(x, i32x4.zero)),
};

const SCALAR: Vector = {
  ...i32,
  type: 'i32',
  lanes: 1,
  loadSplat: i32.load,
  rotations: (x, by) => by.map((n) => i32.rotateRight(x, n)).reduce((sum, part) => i32.xor(sum, part)),
  anyZero: i32.isZero,
  zeroLanes: i32.isZero,
};

/** Two do as well, four worse; streams of single words between those of vectors are no gain on every processor. */
const STREAMS = [0, 1, 2] as const;

/** The last round but three, and the last whose a is needed. */
const LAST_FULL_ROUND = 56;
/** The round whose e is the h of the hash. */
const LAST_ROUND = 60;
/** Rounds in one turn of the loop. */
const ROUNDS_AT_ONCE = [0, 1, 2, 3] as const;

/** Bytes that a vector takes in memory; single words are spread as far, so that both variants have one memory map. */
const SLOT = 16;

/** Where things are in memory, in bytes: first what scan.ts defines, then what only this kernel uses. */
const CONSTANTS_AT = 4 * MEMORY_WORDS;
const SCRATCH_AT = CONSTANTS_AT + 4 * ROUNDS;
/** Bytes of one array of vectors, one for each round and some more. */
const ARRAY = SLOT * (ROUNDS + 8);
const arrayAt = (stream: number, which: number): number => SCRATCH_AT + (4 * stream + which) * ARRAY;
/** The schedule. */
const scheduleAt = (stream: number): number => arrayAt(stream, 0);
/** The schedule with the round constants added. */
const addedAt = (stream: number): number => arrayAt(stream, 1);
/** Where in this array round i reads the a of round i - 4, and behind it writes its own. */
const chainA = (stream: number): number => arrayAt(stream, 2);
/** Array of every round's e. */
const chainE = (stream: number): number => arrayAt(stream, 3);
const PAGES = Math.ceil(arrayAt(STREAMS.length, 0) / 65536);

const ZERO = i32.constant(0);
const slot = (index: number): Code => i32.constant(SLOT * index);
const parameter = (place: number): Code => i32.load(ZERO, 4 * place);

/** `report(lanes, word, midstate)`: writes down a hit for each bit of `lanes`. */
function reportFunction(): { writer: FunctionWriter; body: Code } {
  const writer = new FunctionWriter(3);
  const [lanes, word, midstate] = writer.parameters as [Variable, Variable, Variable];
  const hits = writer.local('i32');
  const at = i32.shiftLeft(hits.get, 3);
  const body = [
    hits.set(parameter(PARAMETER.hits)),
    repeatWhile(
      lanes.get,
      i32.store(at, i32.add(word.get, i32.countTrailingZeros(lanes.get)), 4 * HITS),
      i32.store(at, midstate.get, 4 * HITS + 4),
      hits.set(i32.add(hits.get, i32.constant(1))),
      lanes.set(i32.and(lanes.get, i32.subtract(lanes.get, i32.constant(1)))),
    ),
    i32.store(ZERO, hits.get, 4 * PARAMETER.hits),
  ];
  return { writer, body };
}

/** The index of the report function in the module. */
const REPORT = 0;

/**
 * `scan(from, to)`, see {@link Scanner}; the top of the file describes it.
 *
 * @param shared whether the streams work different midstates with one schedule, or different words with one midstate
 */
function scanFunction(v: Vector, shared: boolean): { writer: FunctionWriter; body: Code } {
  const writer = new FunctionWriter(2);
  const [next, to] = writer.parameters as [Variable, Variable];
  const mask = writer.local(v.type);
  /** A round or a word of the schedule, times SLOT. */
  const at = writer.local('i32');
  /** The first midstate of the group, and where it is. */
  const midstate = writer.local('i32');
  const midstateAt = writer.local('i32');
  const sum = writer.local(v.type);
  const difference = writer.local(v.type);
  const streams = STREAMS.map((stream) => ({
    a: writer.local(v.type),
    b: writer.local(v.type),
    /** b ^ c, left from the round before. */
    bc: writer.local(v.type),
    e: writer.local(v.type),
    f: writer.local(v.type),
    g: writer.local(v.type),
    added: addedAt(shared ? 0 : stream),
    chainA: chainA(stream),
    chainE: chainE(stream),
    midstate: shared ? stream : 0,
    word: shared ? 0 : v.lanes * stream,
  }));
  type Stream = (typeof streams)[number];

  const advance = (variable: Variable, by: number): Code =>
    variable.set(i32.add(variable.get, i32.constant(by)));
  const addAll = (first: Code, ...rest: Code[]): Code => rest.reduce((x, y) => v.add(x, y), first);
  /** The inner characters of the vector that begins `offset` words after `next`. */
  const innerWords = (offset: number): Code => v.load(i32.shiftLeft(next.get, 2), 4 * (WORDS + offset));

  /** The streams that have a schedule of their own. */
  const schedules = shared ? streams.slice(0, 1) : streams;
  const step = v.lanes * schedules.length;

  /** Sets word `at` of a schedule, and the same with the round's constant. */
  const setSchedule = (stream: number, value: Code): Code => [
    sum.set(value),
    v.store(at.get, sum.get, scheduleAt(stream)),
    v.store(at.get, v.add(sum.get, v.loadSplat(i32.shiftRight(at.get, 2), CONSTANTS_AT)), addedAt(stream)),
  ];

  const fillBlock = [
    at.set(ZERO),
    repeatWhile(
      i32.less(at.get, slot(16)),
      schedules.map((_, stream) => setSchedule(stream, v.loadSplat(i32.shiftRight(at.get, 2), 4 * BLOCK))),
      advance(at, SLOT),
    ),
  ];

  const wordP = parameter(PARAMETER.word);
  const fillVaryingWord = schedules.map(({ word }, stream) =>
    v.store(
      i32.shiftLeft(wordP, 4),
      v.add(v.loadSplat(i32.shiftLeft(wordP, 2), 4 * BLOCK), innerWords(word)),
      scheduleAt(stream),
    ),
  );

  const stretchSchedule = [
    at.set(slot(16)),
    repeatWhile(
      i32.less(at.get, slot(LAST_ROUND + 1)),
      schedules.map((_, stream) => {
        const before = (by: number): Code => v.load(i32.subtract(at.get, slot(by)), scheduleAt(stream));
        const s0 = v.xor(v.rotations(sum.get, [7, 18]), v.shiftRight(sum.get, 3));
        const s1 = v.xor(v.rotations(difference.get, [17, 19]), v.shiftRight(difference.get, 10));
        return [
          sum.set(before(15)),
          difference.set(before(2)),
          setSchedule(stream, addAll(s0, before(16), s1, before(7))),
        ];
      }),
      advance(at, SLOT),
    ),
  ];

  /** Reads the state after round p and adds the inner characters where they come in; `at` is round p + 1. */
  const loadState = ({ a, b, bc, e, f, g, chainA, chainE, midstate, word }: Stream): Code => {
    const state = (variable: number): Code =>
      v.loadSplat(midstateAt.get, 4 * (MIDSTATES + MIDSTATE_STRIDE * midstate + variable));
    const store = (value: Code, chain: number, age: number): Code =>
      v.store(at.get, value, chain + SLOT * (4 - age));
    return [
      a.set(v.add(state(0), innerWords(word))),
      b.set(state(1)),
      bc.set(v.xor(b.get, state(2))),
      e.set(v.add(state(4), innerWords(word))),
      f.set(state(5)),
      g.set(state(6)),
      [
        store(a.get, chainA, 1),
        store(b.get, chainA, 2),
        store(state(2), chainA, 3),
        store(state(3), chainA, 4),
      ],
      [store(e.get, chainE, 1), store(f.get, chainE, 2), store(g.get, chainE, 3), store(state(7), chainE, 4)],
    ];
  };

  /** T1 of round `at` + `ahead`, but without h: what the schedule, e, f and g make. */
  const addends = ({ e, f, g, added }: Stream, ahead: number): Code =>
    addAll(
      v.load(at.get, added + SLOT * ahead),
      v.xor(v.and(v.xor(f.get, g.get), e.get), g.get),
      v.rotations(e.get, [6, 11, 25]),
    );

  /** Round `at` + `ahead` of one stream. */
  const fullRound = (stream: Stream, ahead: number): Code => {
    const { a, b, bc, e, f, g, chainA, chainE } = stream;
    return [
      sum.set(v.add(v.load(at.get, chainE + SLOT * ahead), addends(stream, ahead))),
      g.set(f.get),
      f.set(e.get),
      e.set(v.add(v.load(at.get, chainA + SLOT * ahead), sum.get)),
      difference.set(v.xor(a.get, b.get)),
      // The majority of a, b and c is b where a and b agree, else c: b ^ ((a ^ b) & (b ^ c)).
      sum.set(addAll(sum.get, v.xor(v.and(difference.get, bc.get), b.get), v.rotations(a.get, [2, 13, 22]))),
      b.set(a.get),
      bc.set(difference.get),
      a.set(sum.get),
      v.store(at.get, a.get, chainA + SLOT * (ahead + 4)),
      v.store(at.get, e.get, chainE + SLOT * (ahead + 4)),
    ];
  };

  /** Round `at` + `ahead` of one stream, but only e. */
  const lastRound = (stream: Stream, ahead: number): Code => {
    const { e, f, g, chainA, chainE } = stream;
    return [
      sum.set(
        addAll(
          v.load(at.get, chainA + SLOT * ahead),
          v.load(at.get, chainE + SLOT * ahead),
          addends(stream, ahead),
        ),
      ),
      g.set(f.get),
      f.set(e.get),
      e.set(sum.get),
    ];
  };

  /** Rounds one by one until a multiple of four is left, then four at a time. */
  const workRounds = [
    at.set(i32.shiftLeft(i32.add(wordP, i32.constant(1)), 4)),
    streams.map(loadState),
    loopWhile(
      i32.and(i32.subtract(slot(LAST_FULL_ROUND + 1), at.get), i32.constant(3 * SLOT)),
      streams.map((stream) => fullRound(stream, 0)),
      advance(at, SLOT),
    ),
    repeatWhile(
      i32.less(at.get, slot(LAST_FULL_ROUND + 1)),
      ROUNDS_AT_ONCE.map((ahead) => streams.map((stream) => fullRound(stream, ahead))),
      advance(at, SLOT * ROUNDS_AT_ONCE.length),
    ),
    ROUNDS_AT_ONCE.map((ahead) => streams.map((stream) => lastRound(stream, ahead))),
  ];

  /** The masked bits of the hash's last word. */
  const tested = ({ e, midstate }: Stream): Code =>
    v.and(
      v.add(e.get, v.loadSplat(midstateAt.get, 4 * (MIDSTATES + MIDSTATE_STRIDE * midstate + 8))),
      mask.get,
    );
  const reportHits = streams.map((stream) =>
    when(
      v.anyZero(tested(stream)),
      call(
        REPORT,
        v.zeroLanes(tested(stream)),
        i32.add(next.get, i32.constant(stream.word)),
        i32.add(midstate.get, i32.constant(stream.midstate)),
      ),
    ),
  );

  const body = [
    i32.store(ZERO, ZERO, 4 * PARAMETER.hits),
    mask.set(v.loadSplat(ZERO, 4 * PARAMETER.mask)),
    fillBlock,
    loopWhile(
      // Stops early where one more step could find more than there is room for.
      i32.and(
        i32.less(next.get, to.get),
        i32.less(
          parameter(PARAMETER.hits),
          i32.constant(MAX_HITS - step * (shared ? MAX_MIDSTATES + STREAMS.length : 1)),
        ),
      ),
      fillVaryingWord,
      stretchSchedule,
      midstate.set(ZERO),
      midstateAt.set(ZERO),
      repeatWhile(
        i32.less(midstate.get, parameter(PARAMETER.midstates)),
        workRounds,
        reportHits,
        advance(midstate, shared ? STREAMS.length : 1),
        advance(midstateAt, 4 * MIDSTATE_STRIDE * STREAMS.length),
      ),
      advance(next, step),
    ),
    i32.store(ZERO, next.get, 4 * PARAMETER.next),
  ];
  return { writer, body };
}

/** The module of the kernel. */
function assembleKernel(v: Vector): Uint8Array {
  return assemble(
    [
      { name: 'report', ...reportFunction() },
      { name: 'scanMidstates', ...scanFunction(v, true) },
      { name: 'scanWords', ...scanFunction(v, false) },
    ],
    PAGES,
  );
}

/** Compiled modules, one for each variant; code may be shared, memory not. */
const modules = new Map<Vector, object>();

function compile(v: Vector): object {
  let module = modules.get(v);
  if (module === undefined) {
    module = new WebAssembly.Module(assembleKernel(v));
    modules.set(v, module);
  }
  return module;
}

function isScan(value: unknown): value is (from: number, to: number) => void {
  return typeof value === 'function';
}

/** Compiles and instantiates a module that imports nothing; returns its exports. */
export function instantiateModule(bytes: Uint8Array): Record<string, unknown> {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
}

/**
 * A scanner with a memory of its own.
 *
 * @param simd whether to use SIMD; see {@link hasSimd}
 */
export function wasmScanner(simd: boolean): Scanner {
  const { memory, scanMidstates, scanWords } = new WebAssembly.Instance(compile(simd ? SIMD : SCALAR))
    .exports;
  if (!(memory instanceof WebAssembly.Memory) || !isScan(scanMidstates) || !isScan(scanWords))
    throw new TypeError('The assembled module does not export what it should.');
  new Uint32Array(memory.buffer, CONSTANTS_AT, ROUNDS).set(ROUND_CONSTANTS);
  const words = new Uint32Array(memory.buffer, 0, MEMORY_WORDS);
  return {
    name: 'wasm',
    memory: words,
    scan: (from, to) => {
      (words[PARAMETER.midstates] === 1 ? scanWords : scanMidstates)(from, to);
    },
  };
}

/** Whether this Node runs WebAssembly's SIMD instructions on this processor. */
export function hasSimd(): boolean {
  return WebAssembly.validate(assembleKernel(SIMD));
}

/**
 * A kernel with a memory of its own (1.1 MiB): one for each thread. It runs everywhere. Its first calls run
 * unoptimised code, and the optimised one is taken up between calls: begin with slices of some thousand nonces.
 *
 * @throws Error if WebAssembly is switched off, or KernelFault if it failed its self-test
 */
export function createWasmKernel(): Kernel {
  const simd = hasSimd();
  const scanner = wasmScanner(simd);
  selfTest(scanner);
  return {
    name: 'wasm',
    description: `WebAssembly ${simd ? 'SIMD, 4 nonces' : 'without SIMD, 1 nonce'} in each of ${STREAMS.length} streams`,
    search: (job) => new ScanSearch(scanner, job),
  };
}
