/** The walls of the house are rules of the linter: these are attempts to get through them. */
import { fileURLToPath } from 'node:url';

import { ESLint, Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const PROTOCOL = 'peer/engines/pow/protocol/new.ts';
const APPLICATION = 'peer/applications/new.ts';

/** Imports that must be refused: from where, and what. */
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  [PROTOCOL]: [
    ...[
      "import 'fs'",
      "import { readFileSync } from 'node:fs'",
      "import dgram from 'dgram'",
      "import 'node:net'",
    ],
    ...[
      "import { randomBytes } from 'node:crypto'",
      "import * as crypto from 'node:crypto'",
      "import 'crypto'",
    ],
    ...["import { webcrypto } from 'node:crypto'", "import { setTimeout } from 'node:timers'"],
    ...["import { performance } from 'node:perf_hooks'", "import { Worker } from 'node:worker_threads'"],
    ...[
      "import { open } from 'lmdb'",
      "import winston from 'winston'",
      "import { createLog } from '../../../../shared/log.ts'",
    ],
    ...["import { generateKeyPair } from '../../../../shared/ed25519.ts'"],
    ...[
      "import * as keys from '../../../../shared/ed25519.ts'",
      "export * from '../../../../shared/ed25519.ts'",
    ],
    ...[
      "import { openStore } from '../../../storage/lmdb.ts'",
      "import type { Lmdb } from '../../../storage/lmdb.ts'",
    ],
    ...[
      "import { PbftEngine } from '../../pbft/protocol/pbft.ts'",
      "export * from '../../pbft/protocol/pbft.ts'",
    ],
    ...["import { ENGINES } from '../../registry.ts'", "import { powStatus } from '../face/status-text.ts'"],
    ...["import { MiningServer } from '../node/mining/server.ts'", "import '../../../../miner/pool.ts'"],
    ...[
      "import { Simulation } from '../../../simulator/simulation.ts'",
      "const fs = await import('node:fs')",
    ],
    ...["const name = 'fs'; export const load = () => import(name)", "import fs = require('fs')"],
    ...[
      "export const load = () => import('../../../storage/lmdb.ts')",
      "let a: import('../../../storage/lmdb.ts').Lmdb",
    ],
  ],
  [APPLICATION]: [
    ...["import 'fs'", "import { readFileSync } from 'node:fs'", "import '../storage/lmdb.ts'"],
    ...["import '../engines/pbft/protocol/pbft.ts'", "import { randomUUID } from 'node:crypto'"],
  ],
  'peer/newroom/new.ts': ["import '../engines/pow/protocol/pow.ts'", "import 'node:fs'"],
  'peer/new.ts': ["import './engines/registry.ts'"],
  'peer/engines/proof-of-stake/protocol/new.ts': ["import 'node:fs'", "import '../../pow/protocol/pow.ts'"],
  'peer/web/page/new.ts': ["import 'node:fs'", "import '../server.ts'"],
  'peer/core/new.ts': ["import 'node:fs'", "import '../storage/lmdb.ts'", "import '../engines/registry.ts'"],
  'peer/engines/pow/simulation/new.ts': [
    ...[
      "import '../../pbft/simulation/subject.ts'",
      "import '../../../storage/lmdb.ts'",
      "import '../node/open.ts'",
    ],
  ],
  'peer/engines/pbft/node/new.ts': [
    ...[
      "import '../../pow/node/open.ts'",
      "import '../../registry.ts'",
      "import '../../../../miner/pool.ts'",
    ],
  ],
  'peer/engines/pbft/face/new.ts': ["import '../../pow/face/views.ts'", "import '../node/open.ts'"],
  'peer/engines/pbft/page/new.ts': [
    "import '../../pow/page/main.ts'",
    "import '../face/views.ts'",
    "import 'zod'",
  ],
  'peer/storage/new.ts': ["import '../engines/pow/protocol/chain.ts'", "import '../transports/udp.ts'"],
  'peer/transports/new.ts': ["import '../engines/pow/protocol/codec.ts'", "import '../storage/lmdb.ts'"],
  'peer/node/new.ts': ["import '../engines/pow/protocol/pow.ts'", "import '../engines/registry.ts'"],
  'peer/simulator/new.ts': [
    ...[
      "import '../engines/pow/simulation/subject.ts'",
      "import '../engines/registry.ts'",
      "import '../node/host.ts'",
    ],
  ],
  'peer/network/new.ts': ["import '../engines/pow/node/network.ts'", "import '../engines/registry.ts'"],
  'peer/web/new.ts': ["import '../engines/pow/face/views.ts'", "import '../node/host.ts'", "import 'http'"],
  'peer/cli/new.ts': ["import '../engines/pow/face/status-text.ts'", "import '../engines/registry.ts'"],
  'peer/commands/new.ts': ["import '../engines/pow/node/start.ts'", "import '../../miner/pool.ts'"],
  'miner/new.ts': [
    "import '../peer/core/bounded.ts'",
    "import type { Gauge } from '../peer/core/bounded.ts'",
  ],
  'shared/new.ts': ["import '../peer/core/bounded.ts'", "import '../miner/pool.ts'", "import 'fs'"],
};

/** What must not be used where everything replays from its events. */
const IMPURE = [
  ...['(1.5).toLocaleString()', '"a".localeCompare("b")', 'Promise.resolve().then(() => 1)'],
  ...['globalThis.Date.now()', "globalThis['Date']", 'Date.now()', 'new Date()', 'performance.now()'],
  ...[
    'Math.random()',
    "Math['random']()",
    'const { random } = Math',
    'const math = Math',
    'Math.log(2)',
    'Math.sin(1)',
  ],
  ...[
    'setTimeout(() => {}, 1)',
    'setInterval(() => {}, 1)',
    'setImmediate(() => {})',
    'queueMicrotask(() => {})',
  ],
  ...[
    'process.hrtime()',
    'process.env',
    'fetch("http://localhost")',
    'crypto.getRandomValues(new Uint8Array(1))',
  ],
  ...[
    'eval("1")',
    'new Function("return 1")',
    'require("node:fs")',
    'global.Date',
    'self.Date',
    'console.log(1)',
  ],
  ...['export async function wait(it: Promise<void>) { await it; }', 'import.meta.url', 'new WeakRef({})'],
  ...['new Worker("x")', 'navigator.userAgent', 'Atomics.wait(new Int32Array(1), 0, 0)'],
];

const FINE: Readonly<Record<string, string>> = {
  [PROTOCOL]: `import { hash } from 'node:crypto';
    import { Buffer } from 'node:buffer';
    import type { Engine } from '../../../core/engine.ts';
    import { addressKey } from '../../../../shared/address.ts';
    import { sign } from '../../../../shared/ed25519.ts';
    import { Chain } from './chain.ts';
    export const now = (date: Date, engine: Engine) => [Math.max(1, Math.PI), hash, Buffer, addressKey, sign, Chain, date, engine, new Map(), parseInt('1')];`,
  [APPLICATION]: `import { z } from 'zod';
    import type { Application } from '../core/application.ts';
    export const all = (application: Application) => [z, application, JSON.stringify({})];`,
  'peer/engines/pow/page/new.ts': `import { make } from '../../../web/page/dom.ts';
    import type { StatusJson } from '../face/schemas.ts';
    export const now = (status: StatusJson) => [make, status, Date.now(), document.body];`,
  'peer/node/new.ts': `import { readFileSync } from 'node:fs';
    import { openUdp } from '../transports/udp.ts';
    setTimeout(() => [readFileSync, openUdp, Date.now()], 1);`,
};

/** Where texts of people's own places are no part of a run, they may be written. */
const PLACES = 'Intl.DateTimeFormat().resolvedOptions().timeZone';

describe('the walls', () => {
  const eslint = new ESLint({ cwd: ROOT });
  const linter = new Linter({ configType: 'flat', cwd: ROOT });
  /** What the linter, as the project has set it up, says of the walls. */
  const faultsOf = async (file: string, code: string): Promise<string[]> => {
    const config = (await eslint.calculateConfigForFile(file)) as Linter.Config;
    const rules = Object.entries(config.rules ?? {}).filter(([name]) => name.startsWith('walls/'));
    const found = linter.verify(
      code,
      {
        files: ['**/*.ts'],
        plugins: config.plugins ?? {},
        rules: Object.fromEntries(rules),
        languageOptions: { parser: tseslint.parser },
      },
      { filename: file },
    );
    return found.map(({ ruleId, message, severity }) => `${ruleId ?? 'syntax'} ${severity}: ${message}`);
  };

  beforeAll(async () => {
    await eslint.calculateConfigForFile(PROTOCOL);
  });

  it.each(Object.entries(IMPORTS).flatMap(([file, all]) => all.map((code) => [file, code] as const)))(
    'from %s: %s',
    async (file, code) => {
      const faults = await faultsOf(file, code);
      expect(faults).not.toEqual([]);
      for (const fault of faults) expect(fault).toMatch(/^walls\/(?:imports|replay) 2: /);
    },
  );

  const replayed = [
    PROTOCOL,
    APPLICATION,
    'peer/core/new.ts',
    'peer/simulator/new.ts',
    'peer/engines/x/simulation/y.ts',
  ];
  it.each(IMPURE)('where everything replays: %s', async (code) => {
    for (const file of replayed) {
      expect((await faultsOf(file, code)).map((fault) => fault.slice(0, 14))).toContain('walls/replay 2');
    }
  });

  it('keep the place of the machine out of what replays, but for reports', async () => {
    expect(await faultsOf(PROTOCOL, PLACES)).toEqual([
      'walls/replay 2: "Intl" may differ when this is replayed.',
    ]);
    expect(await faultsOf('peer/simulator/new.ts', PLACES)).toEqual([]);
  });

  it.each(Object.entries(FINE))('let through what belongs in %s', async (file, code) => {
    expect(await faultsOf(file, code)).toEqual([]);
  });
});
