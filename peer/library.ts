/**
 * What programs that use an engine as a library need besides it, and the engines that there are. Each engine has an entry
 * of its own: `import { NodeBuilder } from 'gossip-peer/pbft'`.
 */
/// <reference types="node" preserve="true" />
export { generateKeyPair, keyPairOf, type KeyPair } from '../shared/ed25519.ts';
export { UserError } from '../shared/errors.ts';
export { createLog, silentLog, type Log, type LogLevel } from '../shared/log.ts';
export { DEFAULT_ENGINE, ENGINES, allEngines, engineNamed, type Registry } from './engines/registry.ts';
export type { EngineModule } from './engines/module.ts';
export { readKeyFile, writeKeyFile } from './storage/key-file.ts';
