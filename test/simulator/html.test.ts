import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { renderHtml, replayCommand } from '../../peer/simulator/html.ts';
import { distribution, type RunReport } from '../../peer/simulator/report.ts';
import type { Plan } from '../../peer/simulator/settings.ts';
import { pbftSubject } from '../../peer/engines/pbft/simulation/subject.ts';
import { powSubject } from '../../peer/engines/pow/simulation/subject.ts';
import { uPlotFile } from '../../peer/web/assets.ts';
import {
  barriers,
  browserNote,
  browserPath,
  canvasColours,
  screenshot,
  TestBrowser,
  VIEWS,
} from '../support/browser.ts';
import { SIMULATED_ENGINES, engineNamed } from './harness.ts';
import { changed, simulation } from './plant.ts';

/** Every kind of fault at once, in half an hour. */
const FAULTS: Readonly<Record<string, number>> = {
  nodes: 8,
  hours: 0.5,
  latency: 200,
  loss: 10,
  duplicate: 5,
  reorder: 10,
  partitions: 14,
  crashes: 20,
  churn: 4,
  slow: 30,
  'consensus-interval': 60,
  'block-interval': 12,
};

/** The page of a run. A hostile report is of no engine that there is. */
function htmlOf(report: RunReport, command?: string): string {
  const engine = SIMULATED_ENGINES.find(({ name }) => name === report.engine) ?? { settings: {} };
  return renderHtml(report, engine, command);
}

function simulate(
  seed: number,
  values: Readonly<Record<string, number>>,
  byzantineKinds: string[],
): RunReport {
  const [engine] = SIMULATED_ENGINES;
  if (engine === undefined) throw new Error('there is no engine');
  const ranges = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { least: value, most: value }]),
  );
  const plan: Plan = { faults: 'none', ranges, byzantineKinds };
  const run = engine.simulate(seed, plan, { timeline: true });
  while (!run.advance(100_000));
  return run.report();
}

const report = simulate(3, FAULTS, ['goose', 'promiser']);
const HOSTILE = '</script><script>document.title="broken in"</script><img src=x onerror=alert(1)>"\'&<!--';

/** A report in which everything that can be text is hostile. */
const hostile: RunReport = {
  ...report,
  engine: HOSTILE,
  progressName: HOSTILE,
  digest: HOSTILE,
  violations: [
    { checker: HOSTILE, kind: 'safety', at: 700, node: 2, detail: HOSTILE },
    { checker: 'time goes on', kind: 'safety', at: 900, node: null, detail: 'plain' },
  ],
  verdicts: [{ checker: HOSTILE, kind: 'safety', result: 'violated' }, ...report.verdicts],
  settings: { ...report.settings, values: { [HOSTILE]: 1 }, byzantine: [HOSTILE, HOSTILE] },
  network: { ...report.network, byType: { [HOSTILE]: { sent: 1, delivered: 1 } } },
  figures: [{ title: HOSTILE, value: 1, unit: HOSTILE }],
  distributions: [distribution(HOSTILE, HOSTILE, [1, 2, 3])],
  nodes: report.nodes.map((row) => ({ ...row, [HOSTILE]: HOSTILE })),
  timeline: report.timeline && {
    ...report.timeline,
    tipWords: { name: HOSTILE, title: HOSTILE, caption: HOSTILE },
    faults: [{ kind: HOSTILE, from: 1, to: 100, nodes: [0, 1] }],
  },
};

describe('the timeline of a report', () => {
  const { timeline, nodes, distributions } = report;

  it('has a sample of every node, and of the number of tips, for each moment', () => {
    const samples = timeline?.seconds.length ?? 0;
    expect(samples).toBeGreaterThan(100);
    expect(timeline?.progress.map((values) => values.length)).toEqual(nodes.map(() => samples));
    expect(timeline?.tips).toHaveLength(samples);
    expect(Math.max(...(timeline?.tips ?? []))).toBeGreaterThan(1);
    expect(timeline?.tips.at(-1)).toBe(1);
  });

  it('goes on after healing, closer together, and ends with what the nodes end with', () => {
    const { seconds = [], healedAt = 0, progress = [] } = timeline ?? {};
    const gaps = seconds.slice(1).map((second, place) => second - (seconds[place] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(0);
    expect(seconds).toContain(healedAt);
    expect(seconds.at(-1)).toBe(report.simulatedSeconds);
    const before = gaps.slice(0, seconds.indexOf(healedAt) - 1);
    const after = gaps.slice(seconds.indexOf(healedAt));
    expect(after.length).toBeGreaterThan(4);
    expect(Math.max(...after)).toBeLessThan(Math.min(...before));
    expect(progress.map((values) => values.at(-1))).toEqual(nodes.map(({ height }) => height));
  });

  it('ends where a violation ends the run', () => {
    const broken = changed(powSubject, (run) => ({
      onStore: (node) => {
        if (run.progress(node) > 20) throw new Error('planted');
      },
    }));
    const ended = simulation(broken, { nodes: 4, hours: 2 }, [], { timeline: true }).finish();
    expect(ended.violations).toHaveLength(1);
    expect(ended.timeline?.seconds.at(-1)).toBe(ended.simulatedSeconds);
    expect(ended.timeline?.seconds.length).toBeLessThan(100);
  });

  it('has not many more samples where healing takes far longer than all faults', () => {
    const never = { checker: 'planted', limit: 50_000_000, missing: () => 'everything' };
    const hopeless = changed(powSubject, () => ({ goals: [never] }));
    const settings = { nodes: 2, hours: 0.0101, 'gossip-interval': 3_600, 'consensus-interval': 3_600 };
    const ended = simulation(hopeless, settings, [], { timeline: true }).finish();
    expect(ended.simulatedSeconds).toBeGreaterThan(50_000);
    const { seconds = [], healedAt = 0 } = ended.timeline ?? {};
    expect(seconds.length).toBeLessThan(4_000);
    // The sample that was to come when healing came is not one more from then on.
    const first = seconds.filter((second) => second > healedAt && second < healedAt + 9.5);
    expect(first.map((second) => Math.round((second - healedAt) * 1000))).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map((passed) => 1000 * passed),
    );
  });

  it('does not change the run', () => {
    const {
      digest,
      events,
      distributions: measured,
    } = replay(replayCommand(report, engineNamed(report.engine)), false);
    expect({ digest, events, measured }).toEqual({
      digest: report.digest,
      events: report.events,
      measured: distributions,
    });
  });

  it('is about the nodes that the table calls slow, even though all are healed', () => {
    const slow = timeline?.faults.find(({ kind }) => kind === 'slow')?.nodes ?? [];
    expect(slow.length).toBeGreaterThan(0);
    const honest = slow.filter((index) => index < nodes.length - 2);
    expect(nodes.filter(({ role }) => role === 'slow').map(({ node }) => node)).toEqual(honest);
  });

  it('has no fault that lasts longer than until everything healed', () => {
    const late = timeline?.faults.filter(({ to }) => to > timeline.healedAt);
    expect(late).toEqual([]);
  });

  it('comes with what was measured, counted in buckets', () => {
    for (const { count, buckets, least, most } of distributions) {
      expect(count).toBeGreaterThan(0);
      expect(buckets.reduce((sum, bucket) => sum + bucket.count, 0)).toBe(count);
      expect(buckets[0]?.from).toBeLessThanOrEqual(least);
      expect(buckets.at(-1)?.to).toBeGreaterThan(most);
    }
  });
});

it.each([
  [[], []],
  [[3], [[3, 4, 1]]],
  [
    [2, 4, 4],
    [
      [2, 3, 1],
      [3, 4, 0],
      [4, 5, 2],
    ],
  ],
  [[0, 0.5], [[0, 0.63, 2]]],
  [
    [1.5, 1.5, 9.9],
    [
      [1, 1.6, 2],
      [1.6, 2.5, 0],
      [2.5, 4, 0],
      [4, 6.3, 0],
      [6.3, 10, 1],
    ],
  ],
])('%j is counted in the buckets %j', (values, expected) => {
  const { buckets } = distribution('', '', values);
  expect(buckets.map(({ from, to, count }) => [from, to, count])).toEqual(expected);
});

it('a bucket never is too narrow for a wide spread', () => {
  const { buckets } = distribution('', '', [1e-9, 2, 1e9]);
  expect(buckets.length).toBeLessThan(30);
  expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(3);
});

/** Runs what a command line of ours says. */
function replay(command: string, timeline: boolean): RunReport {
  const [, engineName, options] = /^node peer simulate (\w+) (.*)$/.exec(command) ?? [];
  const engine = SIMULATED_ENGINES.find(({ name }) => name === engineName);
  if (engine === undefined) throw new Error(`no engine in ${command}`);
  const said = Object.fromEntries(
    [...(options ?? '').matchAll(/--([\w-]+) (\S+)/g)].map(([, name = '', value = '']) => [name, value]),
  );
  const { seed, byzantine = '', ...values } = said;
  const ranges = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { least: Number(value), most: Number(value) }]),
  );
  const plan: Plan = { faults: 'none', ranges, byzantineKinds: byzantine.split(',') };
  const run = engine.simulate(Number(seed), plan, { timeline });
  while (!run.advance(100_000));
  return run.report();
}

describe('the page of a report', () => {
  const html = htmlOf(report);

  it('is one file that refers to nothing outside of it', () => {
    expect(html.startsWith('<!doctype html>')).toBe(true);
    // uPlot says where it comes from, in a comment.
    expect(/https?:\/\/.*/.exec(html.replace(uPlotFile('uPlot.iife.min.js'), ''))).toBeNull();
    const references = [...html.matchAll(/\s(?:src|href|srcset|action)\s*=\s*["']?([^"'\s>]*)/g)].map(
      ([, to]) => to,
    );
    expect(references).toEqual(['data:,', '#main']);
    expect(/@import|url\(.*/.exec(html)).toBeNull();
    expect(html.includes('content="default-src &#39;none&#39;; script-src &#39;nonce-')).toBe(true);
  });

  it('has every verdict, figure, message, node and setting, and how to run it again', () => {
    const text = html.replaceAll('&#39;', "'").replaceAll('&quot;', '"');
    const reported = [
      ...report.verdicts.map(({ checker }) => checker),
      ...report.figures.map(({ title }) => title),
      ...Object.keys(report.network.byType),
      ...Object.keys(report.network.dropped),
      ...Object.keys(report.settings.values),
      report.digest,
      replayCommand(report, engineNamed(report.engine)),
    ];
    expect(reported.filter((each) => !text.includes(`>${each}<`))).toEqual([]);
    expect(htmlOf(report, 'node peer simulate as I said').includes('>node peer simulate as I said<')).toBe(
      true,
    );
  });

  it('leaves the plots over time out where no timeline was kept', () => {
    expect(html.includes('>Over time<')).toBe(true);
    expect(htmlOf({ ...report, timeline: null }).includes('>Over time<')).toBe(false);
  });

  it('says what different tips mean to the engine at hand', () => {
    expect(html).toContain('>Branches that honest nodes stand on<');
    expect(html).toContain('More than one is a fork');
    const settings = { nodes: 4, hours: 0.01 };
    const pbft = htmlOf(simulation(pbftSubject, settings, [], { timeline: true }).finish());
    expect(pbft).toContain('>Views that honest nodes are in<');
    expect(pbft).toContain('More than one is no fork');
    expect(pbft).not.toContain('is a fork');
  });

  it('has no two nodes, and no two kinds of faults, that look the same', () => {
    const settings = { nodes: 16, hours: 0.05 };
    const many = simulation(powSubject, settings, [], { timeline: true }).finish();
    const kinds = ['slow', 'down', 'replaced', 'clock set', 'clogged', 'symmetric', 'one-way', 'isolate-one'];
    const faults = kinds.map((kind) => ({ kind, from: 1, to: 100, nodes: [0] }));
    const page = htmlOf({ ...many, timeline: many.timeline && { ...many.timeline, faults } });
    const swatches = [
      ...page.matchAll(/class="swatch" data-color="([^"]*)" data-shape="([^"]*)"><\/span>([^<]*)/g),
    ];
    const looks = (label: RegExp): string[] =>
      swatches.flatMap(([, color = '', shape = '', text = '']) =>
        label.test(text) ? [`${color} ${shape}`] : [],
      );
    expect(new Set(looks(/^node /)).size).toBe(16);
    const blocks = looks(/./).filter((look) => look.endsWith('block'));
    expect(new Set(blocks).size).toBe(kinds.length);
    // These two are nearly the same red.
    expect(blocks).toContain('bad block');
    expect(blocks).not.toContain('series-6 block');
  });

  it('says how many faults the plot leaves out', () => {
    expect(html.includes('are drawn')).toBe(false);
    const faults = [
      { kind: 'down', from: 1, to: 100, nodes: [0] },
      { kind: 'down', from: 62, to: 63, nodes: [1] },
    ];
    const timeline = report.timeline && { ...report.timeline, faults, furtherFaults: 1_234 };
    expect(htmlOf({ ...report, timeline })).toContain(
      'Only the first 2 faults are drawn, those that began by 1 min 2 s; 1,234 that came later are not.',
    );
  });

  it('has violations first, and says when and where', () => {
    const page = htmlOf({
      ...report,
      violations: [{ checker: 'blocks are valid', kind: 'safety', at: 754, node: 2, detail: 'block 7' }],
    });
    const order = ['>Violations<', '12 min 34 s', '>2<', '>blocks are valid<', '>block 7<', '>In figures<'];
    const places = order.map((each) => page.indexOf(each, page.indexOf('</header>')));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((one, other) => one - other));
    expect(html.includes('>Violations<')).toBe(false);
  });

  it('has hostile text only as text', () => {
    const page = htmlOf(hostile);
    expect(page.includes('&lt;img src=x')).toBe(true);
    for (const tag of [/<img/g, /<script/g, /<\/script/g, /<!--/g]) {
      expect([...page.matchAll(tag)].length, String(tag)).toBe([...html.matchAll(tag)].length);
    }
  });
});

/**
 * Has all plots over time drawn again: the labels that they have, and those of which a part is outside of the canvas.
 * A script, as there is no DOM here.
 */
const LABELS = `(async () => {
  const labels = new Set();
  const cut = new Set();
  const { prototype } = CanvasRenderingContext2D;
  const { fillText } = prototype;
  prototype.fillText = function (text, x, ...rest) {
    const { width } = this.measureText(text);
    const left = x - { left: 0, start: 0, center: width / 2, right: width, end: width }[this.textAlign];
    labels.add(text);
    if (left < 0 || left + width > this.canvas.width) cut.add(text);
    fillText.call(this, text, x, ...rest);
  };
  for (const plot of uPlot.sync('timeline').plots) plot.redraw(false, true);
  await new Promise(requestAnimationFrame);
  return { labels: [...labels], cut: [...cut] };
})()`;

describe('in a browser, the page of a report', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gossip-peer-test-'));
  const browser = new TestBrowser();
  const skipped = browserPath === undefined;

  /** Writes a report and says where it lies. */
  function write(name: string, of: RunReport): string {
    const path = join(folder, `${name}.html`);
    writeFileSync(path, htmlOf(of));
    return pathToFileURL(path).href;
  }

  let url = '';
  beforeAll(() => {
    url = write('report', report);
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  it.skipIf(skipped).each(Object.entries(VIEWS))(
    `is drawn, without errors or barriers, in the view "%s"${browserNote}`,
    async (name, view) => {
      const { page, problems } = await browser.open(url, view);
      await screenshot(page, `simulation-${name}`);
      const colours = await canvasColours(page);
      expect(colours).toHaveLength(4 + report.distributions.length);
      expect(Math.min(...colours)).toBeGreaterThan(5);
      const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      expect(wide).toBeLessThanOrEqual(0);
      expect(await barriers(page)).toEqual([]);
      expect(problems).toEqual([]);
    },
  );

  it.skipIf(skipped)(`is read with the keyboard, all plots at the same moment${browserNote}`, async () => {
    const { page, problems } = await browser.open(url);
    await page.focus('#progress');
    await page.keyboard.press('End');
    const end = await page.textContent('#progress-readout');
    expect(end).toMatch(/^\d+:\d\d, lowest \d+, highest \d+/);
    await page.keyboard.press('ArrowLeft');
    expect(await page.textContent('#progress-readout')).not.toBe(end);
    expect(await page.textContent('#tips-readout')).toMatch(/branches 1$/);
    await page.keyboard.press('Escape');
    expect(await page.textContent('#progress-readout')).toBe('');
    expect(problems).toEqual([]);
  });

  /** A day in which something happened to a node whose label is long. */
  const long: RunReport = {
    ...simulation(powSubject, { nodes: 12, hours: 0.05 }, [], { timeline: true }).finish(),
    violations: [
      {
        checker: 'no word is in the chain more often than it was submitted',
        kind: 'safety',
        at: 754,
        node: 2,
        detail: 'nodes 0, 1 and 2 have 0123456789ab at 13; nodes 3 and 4 have ba9876543210 at 14',
      },
    ],
    simulatedSeconds: 86_400,
  };
  const day: RunReport = {
    ...long,
    timeline: long.timeline && {
      ...long.timeline,
      seconds: long.timeline.seconds.map((_, place, { length }) => (86_400 * place) / (length - 1)),
      faults: [{ kind: 'down', from: 60, to: 70_000, nodes: [10, 11] }],
    },
  };

  it.skipIf(skipped).each(['light', 'phone'] as const)(
    `has every label of its plots in full, in the view "%s"${browserNote}`,
    async (view) => {
      const { page } = await browser.open(write('day', day), VIEWS[view]);
      const { labels, cut } = await page.evaluate<{ labels: string[]; cut: string[] }>(LABELS);
      expect(labels).toEqual(expect.arrayContaining(['24:00:00', 'node 10', 'node 11']));
      expect(cut).toEqual([]);
    },
  );

  it.skipIf(skipped)(
    `has room for its words on a phone, and hints at what is beside${browserNote}`,
    async () => {
      const { page } = await browser.open(write('day', day), VIEWS.phone);
      await screenshot(page, 'simulation-day-phone');
      const detail = await page.locator('.violations .detail').boundingBox();
      expect(detail?.width).toBeGreaterThan(200);
      const cut = await page.evaluate<string[]>(`[...document.querySelectorAll('caption > span')]
      .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth)
      .map((one) => one.textContent)`);
      expect(cut).toEqual([]);
      const settings = await page.evaluate<number>(`(() => {
      const { scrollWidth, clientWidth } = document.querySelector('.settings .scroll');
      return scrollWidth - clientWidth;
    })()`);
      expect(settings).toBe(0);
      // A shadow that stays at each edge, under what moves with the table.
      const style = await page.evaluate<string>(
        "getComputedStyle(document.querySelector('.violations .scroll')).backgroundAttachment",
      );
      expect(style).toMatch(/^local, local, scroll, scroll/);
    },
  );

  it.skipIf(skipped)(
    `draws tips from 0, since the sample before, also where it is zoomed in${browserNote}`,
    async () => {
      const seconds = [0, 20_000, 40_000, 60_000, 80_000, 86_400];
      const progress = day.timeline?.progress.map(() => seconds) ?? [];
      const timeline = day.timeline && { ...day.timeline, seconds, progress, tips: [1, 1, 3, 5, 4, 4] };
      const { page } = await browser.open(write('forked', { ...day, timeline }));
      const found = await page.evaluate<unknown>(`(async () => {
      const plot = uPlot.sync('timeline').plots.find(({ root }) => root.parentElement.id === 'tips');
      const { ctx, series } = plot;
      ctx.lineWidth = 4;
      const isDrawn = (x, y) =>
        ctx.isPointInStroke(series[1]._paths.stroke, plot.valToPos(x, 'x', true), plot.valToPos(y, 'y', true));
      plot.setScale('x', { min: 40_000, max: 60_000 });
      await new Promise(requestAnimationFrame);
      return { least: plot.scales.y.min, before: isDrawn(50_000, 3), since: isDrawn(50_000, 5) };
    })()`);
      expect(found).toEqual({ least: 0, before: false, since: true });
    },
  );

  it.skipIf(skipped)(`keeps hostile text inert${browserNote}`, async () => {
    const { page, problems } = await browser.open(write('hostile', hostile));
    await screenshot(page, 'simulation-hostile');
    expect(await page.title()).toContain(HOSTILE);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('.violations .detail').first().textContent()).toBe(HOSTILE);
    expect(problems).toEqual([]);
  });
});
