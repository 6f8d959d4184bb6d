/** The settings of a simulation of PBFT. */
import { SETTINGS, type SettingSpec } from '../../../simulator/settings.ts';
import { DEFAULT_PBFT_CONFIG } from '../protocol/interface.ts';
import { MAX_BATCH, MAX_REPLICAS, MIN_REPLICAS } from '../protocol/limits.ts';
import { largestInterval } from '../protocol/sizes.ts';

/** Milliseconds in a second. */
const SECOND = 1_000;

export const PBFT_SETTINGS = {
  nodes: {
    ...SETTINGS.nodes,
    bounds: { least: MIN_REPLICAS, most: MAX_REPLICAS },
    mixed: { least: 4, most: 10 },
  },
  // View changes are long, and to measure messages takes longer than everything else together, as encoding them does.
  bandwidth: { ...SETTINGS.bandwidth, mixed: { least: 100, most: 10_000 }, share: 0.2 },
  codec: { ...SETTINGS.codec, mixed: { least: 1, most: 1 }, fault: true, share: 0.1 },
  operations: {
    description: 'operations that users submit',
    unit: 'an hour',
    bounds: { least: 0, most: 1_000_000 },
    whole: false,
    initial: 600,
    mixed: { least: 60, most: 600 },
  },
  'view-change-timeout': {
    description: 'how long an operation may wait until the primary is given up',
    unit: 's',
    bounds: { least: 0.1, most: 3_600 },
    whole: false,
    initial: DEFAULT_PBFT_CONFIG.viewChangeTimeout / SECOND,
    mixed: { least: 2, most: 30 },
  },
  'checkpoint-interval': {
    description: 'every so many sequence numbers the states are compared',
    unit: '',
    bounds: { least: 1, most: largestInterval(MAX_REPLICAS) },
    whole: true,
    initial: DEFAULT_PBFT_CONFIG.checkpointInterval,
    mixed: { least: 2, most: 50 },
  },
  'batch-size': {
    description: 'most operations under one sequence number',
    unit: '',
    bounds: { least: 1, most: MAX_BATCH },
    whole: true,
    initial: DEFAULT_PBFT_CONFIG.batchSize,
    mixed: { least: 1, most: 64 },
  },
  pipeline: {
    description: 'most sequence numbers that the primary has under way',
    unit: '',
    bounds: { least: 1, most: 1_000 },
    whole: true,
    initial: DEFAULT_PBFT_CONFIG.pipeline,
    mixed: { least: 1, most: 16 },
  },
  'message-buffer': {
    description: 'operations that a node keeps waiting',
    unit: '',
    bounds: { least: 8, most: 4_096 },
    whole: true,
    initial: DEFAULT_PBFT_CONFIG.messageBuffer,
    mixed: { least: 100, most: 1_000 },
  },
  kv: {
    description: 'what the operations are for: a key-value store (1) or a log of texts (0)',
    unit: '',
    bounds: { least: 0, most: 1 },
    whole: true,
    initial: 1,
    mixed: { least: 0, most: 1 },
  },
  'real-keys': {
    description: 'whether messages have real signatures (1), or stand-ins, which cost a twentieth (0)',
    unit: '',
    bounds: { least: 0, most: 1 },
    whole: true,
    initial: 0,
    mixed: { least: 1, most: 1 },
    fault: true,
    share: 0.1,
  },
} as const satisfies Record<string, SettingSpec>;
