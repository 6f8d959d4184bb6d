/** What a replica has stored, read from the layout alone: no code of the engine that wrote it is used. */
import type { Header } from '../protocol/messages.ts';
import type { StoreView } from '../../../core/store.ts';

/** What is stored of one sequence number. */
interface StoredSlot {
  readonly header?: Header;
  readonly prepared?: { readonly header: Header };
}

/** What there is to be asked of a store. */
export interface Stored {
  /** Timestamps up to this one are set aside for our own client. */
  readonly timestamp: number;
  /** The sequence number whose state is stored. */
  readonly pages: number;
  slot(sequence: number): StoredSlot | undefined;
  /** The pre-prepare that was accepted in a view, noted by itself or with the new view that began it. */
  header(view: number, sequence: number): Header | undefined;
  hasBatch(sequence: number, digest: string): boolean;
}

export function readStored(store: StoreView): Stored {
  const slot = (sequence: number): StoredSlot | undefined => {
    const text = store.get(`pbft/slot/${sequence}`);
    return text === undefined ? undefined : (JSON.parse(text) as StoredSlot);
  };
  const carried = (): readonly Header[] => {
    const text = store.get('pbft/new-view');
    if (text === undefined) return [];
    return (JSON.parse(text) as { newView: { headers: readonly Header[] } }).newView.headers;
  };
  return {
    get timestamp() {
      return Number(store.get('pbft/timestamp') ?? 0);
    },
    get pages() {
      return Number(store.get('pbft/pages') ?? 0);
    },
    slot,
    header: (view, sequence) => {
      const header = slot(sequence)?.header;
      if (header?.view === view) return header;
      return carried().find((one) => one.view === view && one.sequence === sequence);
    },
    hasBatch: (sequence, digest) => store.get(`pbft/b/${sequence}/${digest.slice(0, 40)}`) !== undefined,
  };
}

/** Whether the view change of a replica with that signature is stored, to be shown to others. */
export function isNamedStored(store: StoreView, replica: number, signature: string): boolean {
  return store.get(`pbft/named/${replica}`)?.includes(signature) ?? false;
}

/** Whether a view change or new view with that signature is stored. */
export function isStored(store: StoreView, what: 'viewChange' | 'newView', signature: string): boolean {
  const text = store.get(what === 'newView' ? 'pbft/new-view' : 'pbft/view-change');
  return text?.includes(signature) ?? false;
}
