/** What is mutated: the parts of the program where a fault that no test notices does most harm. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Area {
  readonly name: string;
  readonly folder: string;
  /** Only these files of the folder, by name; all of them if left out. */
  readonly files?: RegExp;
}

export const AREAS: readonly Area[] = [
  { name: 'pbft', folder: 'peer/engines/pbft/protocol' },
  { name: 'pow', folder: 'peer/engines/pow/protocol' },
  { name: 'applications', folder: 'peer/applications' },
  { name: 'storage', folder: 'peer/storage' },
  { name: 'http', folder: 'peer', files: /^web\/[^/]+$|^engines\/\w+\/face\// },
  { name: 'handshake', folder: 'peer/transports', files: /^(?:handshake|frame|tcp)/ },
  {
    name: 'shared',
    folder: 'shared',
    files: /^(?:block|json|json-stream|mining-wire|record|ed25519|address|work)\.ts$/,
  },
  { name: 'mining', folder: 'peer/engines/pow/node/mining' },
];

/** Every TypeScript file below a folder, by its path from the root. */
export function sourcesBelow(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .sort();
}

export function filesOf(root: string, { folder, files }: Area): string[] {
  return sourcesBelow(root, folder).filter((file) => files?.test(file.slice(folder.length + 1)) ?? true);
}
