/** What plots are made of, for those who prepare it where there is no browser. */

/** A colour by its name in style.css: `series-1` to `series-8`, `accent`, `muted`, `good`, `warn`, `bad`. */
export type Color = string;

/** From where to where an axis goes. */
export type Range = readonly [from: number, to: number];

/** A moment worth marking, at its x value. */
export interface Mark {
  readonly at: number;
  readonly label: string;
  readonly color: Color;
}

/** Something that lasted from `from` to `to`, drawn in a lane. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly label: string;
  readonly color: Color;
}

export interface Lane {
  readonly label: string;
  readonly spans: readonly Span[];
}
