/** How benchmarks show what they measured. */

/** The middle of several values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

/** The value below which a share of all lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? NaN;
}

/** Each series as a line: median, least and most. */
export function table(
  title: string,
  unit: string,
  rows: readonly { readonly name: string; readonly values: readonly number[] }[],
): string {
  const show = (value: number): string => Math.round(value).toLocaleString('en').padStart(9);
  const lines = rows.map(
    ({ name, values }) =>
      `  ${name.padEnd(24)}${show(median(values))} ${unit}   (${show(Math.min(...values)).trim()} to ${show(Math.max(...values)).trim()})`,
  );
  return [title, ...lines].join('\n');
}
