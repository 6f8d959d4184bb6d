/** Numbers and times as the page of a report writes them. */
export const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 3 });
const rounded = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export function number(value: number): string {
  return (Math.abs(value) < 1000 ? plain : rounded).format(value);
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

export function plural(count: number, what: string): string {
  return `${number(count)} ${what}${count === 1 ? '' : 's'}`;
}

/** Simulated seconds as people say them. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${number(seconds)} s`;
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
