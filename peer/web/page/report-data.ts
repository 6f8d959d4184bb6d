/** What the script of a simulation's report is given: only what it draws. */
import type { Color, Lane, Mark, Range } from './plot-data.ts';

export interface ReportLine {
  readonly label: string;
  readonly color: Color;
  readonly shape: 'line' | 'dashed' | 'dotted';
  readonly values: readonly number[];
}

/** How many of something there were in each bucket. */
export interface ReportHistogram {
  readonly labels: readonly string[];
  /** From where to where each bucket goes, in words. */
  readonly names: readonly string[];
  readonly counts: readonly number[];
  readonly unit: string;
  readonly description: string;
  readonly marks: readonly Mark[];
}

/** What is drawn over time. */
export interface ReportTimeline {
  readonly range: Range;
  readonly seconds: readonly number[];
  readonly marks: readonly Mark[];
  readonly progress: readonly ReportLine[];
  /** How far honest nodes are behind the one that has got furthest. */
  readonly behind: readonly ReportLine[];
  /** The most since the sample before. */
  readonly tips: readonly number[];
  /** What these are, in the plural. */
  readonly tipsName: string;
  readonly lanes: readonly Lane[];
  /** What the plots show, by the id of their elements. */
  readonly descriptions: Readonly<Record<string, string>>;
}

export interface ReportData {
  readonly timeline: ReportTimeline | null;
  readonly histograms: readonly ReportHistogram[];
}
