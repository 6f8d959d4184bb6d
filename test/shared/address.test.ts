import { expect, it } from 'vitest';

import { pageUrl } from '../../shared/address.ts';

it('the URL of a page has IPv6 addresses in brackets', () => {
  expect(pageUrl({ host: '127.0.0.1', port: 8998 })).toBe('http://127.0.0.1:8998/');
  expect(pageUrl({ host: '::1', port: 8998 })).toBe('http://[::1]:8998/');
});
