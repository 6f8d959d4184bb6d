/* eslint-disable @typescript-eslint/no-non-null-assertion -- places below the number of items are always filled */

/** Room for so many events at first; it doubles when it is full. */
const INITIAL_ROOM = 1024;
/** Children of a place in the heap: with four the heap is half as deep as with two, and they share a cache line. */
const ARITY = 4;

/**
 * What is to happen, by time; what happens at the same time in the order in which it was put in. A heap whose times
 * and orders lie in typed arrays, because a simulation spends a good part of its time here.
 */
export class EventQueue<T> {
  /** The time of the item that {@link pop} gave last. */
  time = 0;
  private times = new Float64Array(INITIAL_ROOM);
  private orders = new Float64Array(INITIAL_ROOM);
  private readonly items: T[] = [];
  private order = 0;

  get size(): number {
    return this.items.length;
  }

  /** When the next item is due; Infinity if there is none. */
  get next(): number {
    return this.items.length === 0 ? Infinity : (this.times[0] ?? Infinity);
  }

  /** @param at any number; an item whose time has passed comes out next */
  push(at: number, item: T): void {
    const { items } = this;
    let place = items.length;
    if (place === this.times.length) this.grow();
    const { times, orders } = this;
    items.push(item);
    // What comes later never goes before what is there at the same time, so only the times are compared.
    while (place > 0) {
      const parent = (place - 1) >> 2;
      const parentTime = times[parent]!;
      if (parentTime <= at) break;
      times[place] = parentTime;
      orders[place] = orders[parent]!;
      items[place] = items[parent]!;
      place = parent;
    }
    times[place] = at;
    orders[place] = this.order++;
    items[place] = item;
  }

  /** The next item, undefined if there is none; its time is then in {@link time}. */
  pop(): T | undefined {
    const { items, times, orders } = this;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined) return undefined;
    this.time = times[0]!;
    const size = items.length;
    if (size === 0) return first;
    const at = times[size]!;
    const order = orders[size]!;
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
      items[place] = items[child]!;
      place = child;
    }
    times[place] = at;
    orders[place] = order;
    items[place] = last;
    return first;
  }

  private grow(): void {
    const times = new Float64Array(this.times.length * 2);
    times.set(this.times);
    this.times = times;
    const orders = new Float64Array(this.orders.length * 2);
    orders.set(this.orders);
    this.orders = orders;
  }
}
