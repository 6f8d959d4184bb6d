/** Where a program can be reached: a host name or IP address, and a port from 1 to 65535. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** An address as one text, fit to be the key of a map. */
export function addressKey(address: Address): string {
  return `${address.host}:${address.port}`;
}
