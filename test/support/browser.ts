/**
 * A browser for tests of pages: Debian's chromium, or what the variable CHROMIUM names. One is started for a test file
 * and closed after it.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

import { findProgram } from './programs.ts';

/** Where screenshots go. */
const OUTPUT = join(import.meta.dirname, '../output');

/** Colours of a canvas that are counted: more than a test asks for. */
const COUNTED_COLOURS = 16;

/** The path of a browser; undefined if this machine has none. */
export const browserPath = findProgram('CHROMIUM', ['chromium', 'chromium-browser', 'google-chrome']);

/** What the names of tests that need a browser end in: they are skipped where there is none. */
export const browserNote =
  browserPath === undefined ? ' (skipped: no chromium in PATH, and CHROMIUM names none)' : '';

/** How a page is looked at: the themes, and the widths from a phone to a screen on a wall. */
export const VIEWS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  phone: {
    colorScheme: 'light',
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 2,
    hasTouch: true,
  },
  wall: { colorScheme: 'dark', viewport: { width: 3840, height: 2160 } },
} as const satisfies Record<string, BrowserContextOptions>;

/** A page that is open, and what went wrong on it. */
export interface OpenPage {
  readonly page: Page;
  /** Errors and warnings of the console, exceptions, and requests that failed. */
  readonly problems: string[];
}

/** Something of a page that keeps people out, as axe-core found it. */
export interface Barrier {
  readonly rule: string;
  readonly impact: string;
  readonly where: readonly string[];
}

export class TestBrowser {
  private browser: Promise<Browser> | undefined;

  /**
   * Opens an address in a context of its own, whose settings are those of a view, or others; tells what it asks for. It is
   * closed when the test ends.
   */
  async open(
    url: string,
    { onRequest, ...settings }: BrowserContextOptions & { onRequest?: (url: string) => void } = VIEWS.light,
  ): Promise<OpenPage> {
    this.browser ??= chromium.launch({
      executablePath: browserPath ?? 'chromium',
      // What is run is ours, and containers have no sandbox to offer.
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    });
    const context = await (await this.browser).newContext({ reducedMotion: 'reduce', ...settings });
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('requestfailed', (request) =>
      problems.push(`${request.url()}: ${request.failure()?.errorText ?? ''}`),
    );
    page.on('request', (request) => {
      onRequest?.(request.url());
    });
    // A page that stays open goes on drawing while others are looked at.
    onTestFinished(() => context.close());
    await page.goto(url);
    return { page, problems };
  }

  async close(): Promise<void> {
    await (await this.browser)?.close();
  }
}

/**
 * Keeps a picture of the whole page in test/output, for people to look at, where the variable SCREENSHOTS is set: no test
 * looks at it, and a large page takes seconds.
 */
export async function screenshot(page: Page, name: string): Promise<void> {
  if ((process.env['SCREENSHOTS'] ?? '') === '') return;
  mkdirSync(OUTPUT, { recursive: true });
  await page.screenshot({ path: join(OUTPUT, `${name}.png`), fullPage: true });
}

/** What axe-core finds of at least serious impact. */
export async function barriers(page: Page): Promise<Barrier[]> {
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  // Evaluated, not added as an element: the page's policy would not let it in.
  await page.evaluate(axe);
  const found = await page.evaluate<{ id: string; impact: string | null; nodes: { html: string }[] }[]>(
    '(async () => (await axe.run()).violations)()',
  );
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, impact, nodes }) => ({
      rule: id,
      impact: impact ?? '',
      where: nodes.map(({ html }) => html.slice(0, 200)),
    }));
}

/**
 * How many different colours each canvas of a page shows, as far as they are counted: one that nothing was drawn on has a
 * single one. To count all of a large one would take seconds.
 */
export async function canvasColours(page: Page): Promise<number[]> {
  return page.evaluate<number[]>(`[...document.querySelectorAll('canvas')].map((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (const pixel of new Uint32Array(data.buffer)) {
      colours.add(pixel);
      if (colours.size === ${COUNTED_COLOURS}) break;
    }
    return colours.size;
  })`);
}
