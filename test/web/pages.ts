/** What tests of pages have in common. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

import { eventually } from '../support/asker.ts';
import type { OpenPage } from '../support/browser.ts';

/** The text of an element, once it passes. */
export function reads(page: Page, selector: string, wanted: RegExp, patience?: number): Promise<string> {
  return eventually(
    `${selector} reads ${wanted}`,
    async () => {
      const text = await page.locator(selector).first().textContent();
      return text !== null && wanted.test(text) && text;
    },
    patience,
  );
}

/** What went wrong on a page, without answers that are no success and have to be. */
export function unexpected({ problems }: OpenPage, ...statuses: number[]): string[] {
  return problems.filter((problem) => !statuses.some((status) => problem.includes(`status of ${status}`)));
}

/** Fails if something makes a page wider than the window. */
export async function expectToFit(page: Page): Promise<void> {
  expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
}
