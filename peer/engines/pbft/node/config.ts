import { UserError } from '../../../../shared/errors.ts';
import { DEFAULT_PBFT_CONFIG, type PbftConfig } from '../protocol/interface.ts';
import { MAX_BATCH } from '../protocol/limits.ts';
import { largestInterval } from '../protocol/sizes.ts';

/** The least and the most that each value of a configuration may be, both allowed. */
export const CONFIG_BOUNDS: Readonly<Record<keyof PbftConfig, readonly [least: number, most: number]>> = {
  // Milliseconds: a signature and a write take some; an hour.
  viewChangeTimeout: [10, 3_600_000],
  // Less with more than 60 members: see configOf.
  checkpointInterval: [1, 1024],
  // So that each of the fewest members has a window that its table can hold.
  messageBuffer: [100, 16_384],
  batchSize: [1, MAX_BATCH],
  pipeline: [1, 256],
};

/**
 * A whole configuration.
 *
 * @param given what is to be other than by default
 * @param members how many replicas the cluster has
 * @throws UserError if a value is none, or out of bounds, or a view change of so many replicas could get too long
 */
export function configOf(given: Partial<PbftConfig>, members: number): PbftConfig {
  const config = { ...DEFAULT_PBFT_CONFIG, ...given };
  for (const [name, [least, most]] of Object.entries(CONFIG_BOUNDS)) {
    const value = config[name as keyof PbftConfig];
    const whole = name === 'viewChangeTimeout' || Number.isInteger(value);
    if (!whole || !(value >= least && value <= most)) {
      throw new UserError(`${name} must be a number from ${least} to ${most}`);
    }
  }
  const largest = largestInterval(members);
  if (config.checkpointInterval > largest) {
    throw new UserError(
      `--checkpoint-interval: ${config.checkpointInterval} is too large for ${members} members: it may be ${largest} at most, so that a view change fits into one message`,
    );
  }
  return config;
}
