import type { Store } from '../core/store.ts';

/** A store that reports how long, in seconds, each of its writes took. */
export function timed(store: Store, report: (seconds: number) => void): Store {
  return {
    get: (key) => store.get(key),
    getBytes: (key) => store.getBytes(key),
    keys: (range) => store.keys(range),
    write: (writes) => {
      const start = performance.now();
      store.write(writes);
      report((performance.now() - start) / 1000);
    },
    close: () => store.close(),
  };
}
