import { describe, expect, it } from 'vitest';

import { AddressTable, MemberTable } from '../../peer/simulator/peers.ts';

describe('nodes that are called by their addresses', () => {
  it('are found at them, at the right port only', () => {
    const table = new AddressTable(3);
    for (const node of [0, 1, 2]) expect(table.find(table.peerOf(node))).toBe(node);
    expect(table.find({ ...table.peerOf(1), port: 1 })).toBeUndefined();
    expect(table.find({ host: '192.0.2.1', port: 8784 })).toBeUndefined();
  });

  it('may write the address of another one as that of the sender', () => {
    const table = new AddressTable(2);
    expect(table.sender(0, table.peerOf(1))).toEqual(table.peerOf(1));
  });

  it('have another address once another one has taken the place, and nobody is found at the old one', () => {
    const table = new AddressTable(2);
    const old = table.peerOf(1);
    table.replace(1);
    expect(table.peerOf(1)).not.toEqual(old);
    expect(table.find(old)).toBeUndefined();
    expect(table.find(table.peerOf(1))).toBe(1);
  });

  it('may take hold of a host with all ports that nobody has taken, and of the other ports of one that has an owner', () => {
    const table = new AddressTable(3);
    const host = '192.0.2.1';
    table.claim(2, { host, port: 1 });
    table.claim(1, { host, port: 1 });
    expect(table.find({ host, port: 5 })).toBe(2);
    const own = table.peerOf(0);
    table.claim(2, own);
    expect(table.find(own)).toBe(0);
    expect(table.find({ ...own, port: 5 })).toBe(2);
  });
});

describe('members', () => {
  it('are called by their numbers, whoever takes their place, and nobody speaks for another one', () => {
    const table = new MemberTable(3);
    table.claim();
    table.replace();
    expect([0, 1, 2].map((node) => table.peerOf(node))).toEqual([0, 1, 2]);
    expect([table.find(2), table.find(3)]).toEqual([2, undefined]);
    expect(table.sender(1)).toBe(1);
  });
});
