/** Ways in which disks, and people, damage the file of a store. */

/** The size of a page of LMDB on every system that the tests run on; other sizes only change where damage falls. */
export const PAGE_SIZE = 4096;
/** What a page, and what a meta page, begins with. */
const HEADER = 24;
const META = 160;

export interface Damaged {
  readonly bytes: Buffer;
  /** What was done, for the message of a failed test. */
  readonly what: string;
}

type Random = () => number;

/** A whole number below `limit`. */
function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

function flip(whole: Buffer, at: number, random: Random): Damaged {
  const bytes = Buffer.from(whole);
  const bit = below(random, 8);
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
  return { bytes, what: `bit ${bit} of byte ${at} flipped` };
}

/** A page beyond the two meta pages. */
function somePage(whole: Buffer, random: Random): number {
  return 2 + below(random, Math.max(1, whole.length / PAGE_SIZE - 2));
}

function cut(whole: Buffer, length: number): Damaged {
  return { bytes: Buffer.from(whole.subarray(0, length)), what: `cut off after ${length} bytes` };
}

/** Each takes a whole file and gives a damaged copy. */
export const DAMAGES: Readonly<Record<string, (whole: Buffer, random: Random) => Damaged>> = {
  'a bit anywhere': (whole, random) => flip(whole, below(random, whole.length), random),
  'a bit of a meta page': (whole, random) =>
    flip(whole, below(random, 2) * PAGE_SIZE + below(random, HEADER + META), random),
  'a bit of the head of a page': (whole, random) =>
    flip(whole, somePage(whole, random) * PAGE_SIZE + below(random, HEADER), random),
  'a bit of the index of a page': (whole, random) =>
    flip(whole, somePage(whole, random) * PAGE_SIZE + HEADER + below(random, 40), random),
  'a page of zeros': (whole, random) => {
    const page = below(random, whole.length / PAGE_SIZE);
    const bytes = Buffer.from(whole);
    bytes.fill(0, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
    return { bytes, what: `page ${page} is zeros` };
  },
  noise: (whole, random) => {
    const at = below(random, whole.length);
    const bytes = Buffer.from(whole);
    const end = Math.min(bytes.length, at + 1 + below(random, 600));
    for (let index = at; index < end; index++) bytes.writeUInt8(below(random, 256), index);
    return { bytes, what: `noise from ${at} to ${end}` };
  },
  'a page in the place of another': (whole, random) => {
    const [from, to] = [somePage(whole, random), somePage(whole, random)];
    const bytes = Buffer.from(whole);
    whole.copy(bytes, to * PAGE_SIZE, from * PAGE_SIZE, (from + 1) * PAGE_SIZE);
    return { bytes, what: `page ${from} written to page ${to}` };
  },
  'cut off anywhere': (whole, random) => cut(whole, below(random, whole.length)),
  'cut off at a page': (whole, random) => cut(whole, below(random, whole.length / PAGE_SIZE) * PAGE_SIZE),
  'cut off in the meta pages': (whole, random) => {
    const lengths = [0, 1, PAGE_SIZE].flatMap((at) => [
      at,
      at + HEADER,
      at + HEADER + META - 8,
      at + PAGE_SIZE - 1,
    ]);
    return cut(whole, lengths[below(random, lengths.length)] ?? 0);
  },
};
