/** What every face must pass: whoever sees a figure is told what it is, and Prometheus is given names as it wants them. */
import { expect } from 'vitest';

import type { Face, Unit } from '../../peer/web/face.ts';

/** How the name of a metric ends that has a unit. */
const ENDINGS: Readonly<Partial<Record<Unit, string>>> = {
  seconds: '_seconds',
  milliseconds: '_seconds',
  bytes: '_bytes',
};
const NAME = /^[a-z][a-z0-9-]*$/;

export function expectFace<Status, Notice, Node>(face: Face<Status, Notice, Node>): void {
  const { figures, tables, series, journals, actions, metrics = [] } = face;
  for (const list of [figures, tables, series, journals, actions]) {
    const names = list.map(({ name }) => name);
    expect(new Set(names).size, `names twice: ${names.join(', ')}`).toBe(names.length);
    for (const { name, title, help } of list) {
      expect(name).toMatch(NAME);
      expect(title, `${name} has no title`).toMatch(/^[A-Z0-9]/);
      expect(help, `${name} has no help`).toMatch(/^[A-Z].*[^.]$/);
    }
  }
  for (const { name, metric, unit } of figures) {
    if (metric === undefined) continue;
    const base = metric.name.replace(/_total$/, '');
    expect(metric.name.endsWith('_total'), `${name} is a ${metric.type}`).toBe(metric.type === 'counter');
    expect(base.endsWith((unit && ENDINGS[unit]) ?? ''), `${metric.name} does not end in its unit`).toBe(
      true,
    );
  }
  for (const { name, help, type } of metrics) {
    expect(help, `${name} has no help`).toMatch(/^[A-Z0-9].*[^.]$/);
    expect(name.endsWith('_total'), `${name} is a ${type}`).toBe(type === 'counter');
  }
}
