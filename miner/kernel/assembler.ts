/**
 * A small assembler for WebAssembly: as much as a kernel needs to be written as expressions and put into a module
 * at run time. An instruction's operands are code themselves, so `i32.add(x, y)` is the code that computes x,
 * computes y and adds them.
 *
 * Opcodes and layout: WebAssembly Core Specification 2.0, chapter 5.
 */

/** Instructions; nested as they were composed, flattened when the module is written. */
export type Code = number | readonly Code[];

/** An unsigned integer in LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest > 0 ? 0x80 : 0));
    value = rest;
  } while (value > 0);
  return bytes;
}

/** A signed 32-bit integer in LEB128. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = value & 0x7f;
    value >>= 7;
    if ((value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** A list with its length before it. */
const vector = (items: readonly (readonly number[])[]): number[] => [
  ...unsigned(items.length),
  ...items.flat(),
];
const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
const section = (id: number, bytes: readonly number[]): number[] => [id, ...sized(bytes)];
const name = (text: string): number[] => sized([...Buffer.from(text)]);

/** Types of values, with their codes. */
export const TYPES = { i32: 0x7f, v128: 0x7b } as const;
/** The name of a type of values. */
export type Type = keyof typeof TYPES;

/** A parameter or local of a function. */
export interface Variable {
  /** Code that reads it. */
  readonly get: Code;
  /** Code that sets it. */
  readonly set: (value: Code) => Code;
}

/** A function being written: hands out its locals. */
export class FunctionWriter {
  readonly parameters: readonly Variable[];
  readonly #types: Type[];
  readonly #parameterCount: number;

  /** @param parameters how many parameters it has, all i32; it returns nothing */
  constructor(parameters: number) {
    this.#types = Array.from({ length: parameters }, () => 'i32' as const);
    this.#parameterCount = parameters;
    this.parameters = this.#types.map((_, index) => this.#variable(index));
  }

  #variable(index: number): Variable {
    const at = unsigned(index);
    return { get: [0x20, at], set: (value) => [value, 0x21, at] };
  }

  /** A new local, zero at first. */
  local(type: Type): Variable {
    return this.#variable(this.#types.push(type) - 1);
  }

  /** The function's type and its body, as the module's sections have them. */
  write(body: Code): { type: number[]; body: number[] } {
    const parameters = this.#types.slice(0, this.#parameterCount);
    const locals = this.#types.slice(this.#parameterCount);
    return {
      type: [0x60, ...vector(parameters.map((type) => [TYPES[type]])), ...vector([])],
      body: sized([...vector(locals.map((type) => [1, TYPES[type]])), ...flatten(body), 0x0b]),
    };
  }
}

function flatten(code: Code): number[] {
  const bytes: number[] = [];
  const visit = (part: Code): void => {
    if (typeof part === 'number') bytes.push(part);
    else for (const inner of part) visit(inner);
  };
  visit(code);
  return bytes;
}

/** Two operands, then the opcode. */
const binary =
  (...opcode: Code[]) =>
  (x: Code, y: Code): Code => [x, y, opcode];

/** Instructions on 32-bit integers. Addresses are in bytes; `offset` is added to them. */
export const i32 = {
  constant: (value: number): Code => [0x41, signed(value | 0)],
  load: (address: Code, offset = 0): Code => [address, 0x28, 2, unsigned(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x36, 2, unsigned(offset)],
  isZero: (x: Code): Code => [x, 0x45],
  less: binary(0x49),
  countTrailingZeros: (x: Code): Code => [x, 0x68],
  add: binary(0x6a),
  subtract: binary(0x6b),
  multiply: binary(0x6c),
  and: binary(0x71),
  or: binary(0x72),
  xor: binary(0x73),
  shiftLeft: (x: Code, by: number): Code => [x, 0x41, signed(by), 0x74],
  shiftRight: (x: Code, by: number): Code => [x, 0x41, signed(by), 0x76],
  rotateRight: (x: Code, by: number): Code => [x, 0x41, signed(by), 0x78],
} as const;

/** Instructions on four 32-bit integers at once. */
export const i32x4 = {
  load: (address: Code, offset = 0): Code => [address, 0xfd, 0x00, 2, unsigned(offset)],
  /** One word of memory in all four lanes. */
  loadSplat: (address: Code, offset = 0): Code => [address, 0xfd, 0x09, 2, unsigned(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0xfd, 0x0b, 2, unsigned(offset)],
  zero: [0xfd, 0x0c, Array.from({ length: 16 }, () => 0)] as Code,
  /** All ones in each lane where both are equal, else zeros. */
  equal: binary(0xfd, 0x37),
  and: binary(0xfd, 0x4e),
  or: binary(0xfd, 0x50),
  xor: binary(0xfd, 0x51),
  anyTrue: (x: Code): Code => [x, 0xfd, 0x53],
  /** The lanes' highest bits as a number, lane 0 lowest. */
  bitmask: (x: Code): Code => [x, 0xfd, 0xa4, 0x01],
  shiftLeft: (x: Code, by: number): Code => [x, 0x41, signed(by), 0xfd, 0xab, 0x01],
  shiftRight: (x: Code, by: number): Code => [x, 0x41, signed(by), 0xfd, 0xad, 0x01],
  add: binary(0xfd, 0xae, 0x01),
} as const;

/** `do { body } while (condition)` */
export const repeatWhile = (condition: Code, ...body: readonly Code[]): Code => [
  [0x03, 0x40],
  body,
  condition,
  [0x0d, 0, 0x0b],
];

/** `while (condition) { body }` */
export const loopWhile = (condition: Code, ...body: readonly Code[]): Code =>
  when(condition, repeatWhile(condition, ...body));

/** `if (condition) { body }` */
export const when = (condition: Code, ...body: readonly Code[]): Code => [condition, 0x04, 0x40, body, 0x0b];

/** Calls the function with this index, in the order they were given to {@link assemble}. */
export const call = (index: number, ...operands: readonly Code[]): Code => [operands, 0x10, unsigned(index)];

/** A function of a module. */
export interface AssembledFunction {
  readonly name: string;
  readonly writer: FunctionWriter;
  readonly body: Code;
}

/**
 * Writes a module that exports its functions and its memory (as `memory`).
 *
 * @param pages the memory's size, in pages of 64 KiB
 */
export function assemble(functions: readonly AssembledFunction[], pages: number): Uint8Array {
  const written = functions.map(({ writer, body }) => writer.write(body));
  const exported = functions.map((one, index) => [...name(one.name), 0, ...unsigned(index)]);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(written.map(({ type }) => type))),
    ...section(3, vector(written.map((_, index) => unsigned(index)))),
    ...section(5, vector([[1, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(7, vector([...exported, [...name('memory'), 2, 0]])),
    ...section(10, vector(written.map(({ body }) => body))),
  ]);
}
