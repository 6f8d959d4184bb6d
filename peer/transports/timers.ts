/** What lets time pass; tests have their own. Each gives a function that calls it off. */
export interface Timers {
  after(milliseconds: number, action: () => void): () => void;
  every(milliseconds: number, action: () => void): () => void;
}

export const SYSTEM_TIMERS: Timers = {
  after: (milliseconds, action) => {
    const timer = setTimeout(action, milliseconds);
    return () => {
      clearTimeout(timer);
    };
  },
  every: (milliseconds, action) => {
    const timer = setInterval(action, milliseconds);
    return () => {
      clearInterval(timer);
    };
  },
};
