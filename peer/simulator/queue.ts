/* eslint-disable @typescript-eslint/no-non-null-assertion -- places below the number of items are always filled */

/** Room for so many events at first; it doubles when it is full. */
const INITIAL_ROOM = 1024;
/** Children of a place in the heap: with four the heap is half as deep as with two, and they share a cache line. */
const ARITY = 4;

/**
 * What is to happen, by time; what happens at the same time in the order in which it was put in. A heap in typed arrays,
 * because a simulation spends a good part of its time here: the items themselves stay where they were put, since the
 * garbage collector has to be notified of each move of an object.
 */
export class EventQueue<T> {
  /** The time of the item that {@link pop} gave last. */
  time = 0;
  private count = 0;
  private times = new Float64Array(INITIAL_ROOM);
  private orders = new Float64Array(INITIAL_ROOM);
  /** Where the item of each place of the heap lies in {@link items}; after the heap the slots that are free. */
  private slots = Int32Array.from({ length: INITIAL_ROOM }, (_, slot) => slot);
  private readonly items: (T | undefined)[] = [];
  private order = 0;

  get size(): number {
    return this.count;
  }

  /** When the next item is due; Infinity if there is none. */
  get next(): number {
    return this.count === 0 ? Infinity : this.times[0]!;
  }

  /** @param at any number; an item whose time has passed comes out next */
  push(at: number, item: T): void {
    let place = this.count++;
    if (place === this.times.length) this.grow();
    const { times, orders, slots } = this;
    const slot = slots[place]!;
    this.items[slot] = item;
    // What comes later never goes before what is there at the same time, so only the times are compared.
    while (place > 0) {
      const parent = (place - 1) >> 2;
      const parentTime = times[parent]!;
      if (parentTime <= at) break;
      times[place] = parentTime;
      orders[place] = orders[parent]!;
      slots[place] = slots[parent]!;
      place = parent;
    }
    times[place] = at;
    orders[place] = this.order++;
    slots[place] = slot;
  }

  /** The next item, undefined if there is none; its time is then in {@link time}. */
  pop(): T | undefined {
    if (this.count === 0) return undefined;
    const { items, times, orders, slots } = this;
    const free = slots[0]!;
    const first = items[free];
    items[free] = undefined;
    this.time = times[0]!;
    const size = --this.count;
    const at = times[size]!;
    const order = orders[size]!;
    const slot = slots[size]!;
    slots[size] = free;
    let place = 0;
    for (;;) {
      let child = place * ARITY + 1;
      if (child >= size) break;
      const end = Math.min(child + ARITY, size);
      let time = times[child]!;
      let rank = orders[child]!;
      for (let other = child + 1; other < end; other++) {
        const otherTime = times[other]!;
        if (otherTime < time || (otherTime === time && orders[other]! < rank)) {
          child = other;
          time = otherTime;
          rank = orders[other]!;
        }
      }
      if (at < time || (at === time && order < rank)) break;
      times[place] = time;
      orders[place] = rank;
      slots[place] = slots[child]!;
      place = child;
    }
    if (size > 0) {
      times[place] = at;
      orders[place] = order;
      slots[place] = slot;
    }
    return first;
  }

  private grow(): void {
    const room = this.times.length * 2;
    const times = new Float64Array(room);
    times.set(this.times);
    this.times = times;
    const orders = new Float64Array(room);
    orders.set(this.orders);
    this.orders = orders;
    const { slots } = this;
    this.slots = Int32Array.from({ length: room }, (_, place) => slots[place] ?? place);
  }
}
