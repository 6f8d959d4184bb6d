/** Where a program can be reached: a host name or IP address, and a port from 1 to 65535. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

let lastAddress: Address = { host: '', port: 0 };
let lastKey = ':0';

/** What a browser is given to show what an address serves. */
export function pageUrl({ host, port }: Address): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}/`;
}

/** An address as one text, fit to be the key of a map. The last one is remembered: datagrams come in runs. */
export function addressKey(address: Address): string {
  const { host, port } = address;
  if (port !== lastAddress.port || host !== lastAddress.host) {
    lastAddress = address;
    lastKey = `${host}:${port}`;
  }
  return lastKey;
}
