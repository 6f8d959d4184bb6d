/** Two engines that have options in common: what is everybody's is said once. */
import { expect, test } from 'vitest';

import { networkCommand } from '../../peer/commands/network.ts';
import { simulateCommand } from '../../peer/commands/simulate.ts';
import type { EngineModule } from '../../peer/engines/module.ts';
import type { Registry } from '../../peer/engines/registry.ts';
import { engine as DUMMY, node as DUMMY_NODE } from '../support/dummy/engine.ts';
import { WITH_DUMMY } from '../support/dummy/registry.ts';

const options = [{ flags: '--pace <number>', description: 'how fast it counts' }];

function twin(name: string): EngineModule {
  return {
    ...{ name, title: DUMMY.title, description: DUMMY.description, commands: {} },
    node: () => Promise.resolve({ ...DUMMY_NODE, options }),
    simulated: async () => {
      const [pow, own] = [await (await WITH_DUMMY.pow?.())?.engine.simulated(), await DUMMY.simulated()];
      return { ...own, name, ...(pow?.foreign && { foreign: pow.foreign }) };
    },
  };
}

const TWINS: Registry = {
  ...WITH_DUMMY,
  castor: () => Promise.resolve({ engine: twin('castor') }),
  pollux: () => Promise.resolve({ engine: twin('pollux') }),
};

test('an option of two engines is one of `network`, which says whose it is', async () => {
  const help = (await networkCommand(TWINS)).helpInformation();
  expect(help.match(/--pace <number>/g)).toHaveLength(1);
  expect(help.replaceAll(/\s+/g, ' ')).toContain('with --engine castor or pollux, how fast it counts');
});

test('engines with foreign nodes share one option of `simulate`', async () => {
  const help = (await simulateCommand(TWINS)).helpInformation();
  expect(help.match(/--foreign <nodes>/g)).toHaveLength(1);
});
