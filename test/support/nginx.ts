/** A real reverse proxy for tests: Debian's nginx, or what the variable NGINX names. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from './asker.ts';
import { findProgram } from './programs.ts';
import { LOOPBACK } from './wire.ts';

/** The path of nginx; undefined if this machine has none. */
export const nginxPath = findProgram('NGINX', ['nginx'], ['/usr/sbin', '/usr/local/sbin']);

/** What the names of tests that need it end in: they are skipped where there is none. */
export const nginxNote =
  nginxPath === undefined ? ' (skipped: no nginx in PATH or /usr/sbin, and NGINX names none)' : '';

/** Paths of a proxy that runs, and what the block of each says. */
export type Locations = Readonly<Record<string, string>>;

export class Nginx {
  readonly #stop: () => Promise<void>;

  private constructor(stop: () => Promise<void>) {
    this.#stop = stop;
  }

  /** One process in a temporary folder of its own, on this machine alone. */
  static async start(port: number, locations: Locations): Promise<Nginx> {
    const folder = mkdtempSync(join(tmpdir(), 'gossip-nginx-'));
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${join(folder, name)};`)
      .join('\n');
    const blocks = Object.entries(locations).map(([path, text]) => `location ${path} {\n${text}\n}`);
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off;
master_process off;
pid ${join(folder, 'pid')};
error_log stderr;
events {}
http {
access_log off;
${temporary}
server {
listen ${LOOPBACK}:${port};
${blocks.join('\n')}
}
}
`,
    );
    const child = spawn(nginxPath ?? 'nginx', [
      '-e',
      'stderr',
      '-p',
      folder,
      '-c',
      join(folder, 'nginx.conf'),
    ]);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => {
        resolve();
      });
      child.once('error', () => {
        resolve();
      });
    });
    const stop = async (): Promise<void> => {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    };
    try {
      await eventually('nginx answers', async () => {
        if (child.exitCode !== null) throw new Error(`nginx has ended: ${said}`);
        return fetch(`http://${LOOPBACK}:${port}/`).then(
          () => true,
          () => false,
        );
      });
    } catch (error) {
      await stop();
      throw error;
    }
    return new Nginx(stop);
  }

  close(): Promise<void> {
    return this.#stop();
  }
}
