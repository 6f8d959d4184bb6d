import { describe, expect, test } from 'vitest';

import { defaultHost, selfHosts, thisMachine, type Machine } from '../../../../peer/engines/pow/node/self.ts';

const MACHINE: Machine = {
  addresses: [
    { address: '127.0.0.1', internal: true },
    { address: '192.0.2.5', internal: false },
    { address: '198.51.100.5', internal: false },
  ],
  hostname: 'Silicon',
};
const OFFLINE: Machine = { addresses: [{ address: '127.0.0.1', internal: true }], hostname: 'alone' };

describe('the host that others are told', () => {
  test('is the first that other machines may reach', () => {
    expect(defaultHost('0.0.0.0', MACHINE)).toBe('192.0.2.5');
  });

  test('is the one listened on, if it is one', () => {
    expect(defaultHost('198.51.100.5', MACHINE)).toBe('198.51.100.5');
    expect(defaultHost('127.0.0.1', MACHINE)).toBe('127.0.0.1');
  });

  test('is loopback on a machine without a network', () => {
    expect(defaultHost('0.0.0.0', OFFLINE)).toBe('127.0.0.1');
  });
});

describe('the hosts that mean ourselves', () => {
  test('are all of the machine when it listens on all', () => {
    expect(selfHosts('Peer.Example', '0.0.0.0', MACHINE).toSorted()).toEqual(
      [
        'peer.example',
        '',
        '0.0.0.0',
        '127.0.0.1',
        '127.0.1.1',
        '192.0.2.5',
        '198.51.100.5',
        'localhost',
        'localhost.localdomain',
        'silicon',
      ].toSorted(),
    );
  });

  test('leave room for a neighbour with the same port on another address', () => {
    const hosts = selfHosts('127.0.0.2', '127.0.0.2', MACHINE);
    expect(hosts).toContain('127.0.0.2');
    expect(hosts).not.toContain('127.0.0.1');
    expect(hosts).not.toContain('192.0.2.5');
  });
});

test('the machine knows its own loopback address', () => {
  const { addresses, hostname } = thisMachine();
  expect(addresses).toContainEqual({ address: '127.0.0.1', internal: true });
  expect(hostname).not.toBe('');
});
