/** `peer network --engine pow`: peers and miners, with one page over all of them. */
import { MAX_MINED_MESSAGE_LENGTH, isMineableWord } from '../../shared/block.ts';
import { UserError } from '../../shared/errors.ts';
import { queuedWordSchema } from '../web/pow/schemas.ts';
import { ask } from './ask.ts';
import { anyNode, networkPrompt } from './network-prompt.ts';
import { askNetwork, networkText } from './network-text.ts';

export const powPrompt = networkPrompt(
  async (_, { url, paint, print }) => {
    print(networkText(await askNetwork(url), paint).trimEnd());
  },
  [
    [
      'word',
      {
        usage: 'word <text> [<node>]',
        help: 'a word for the next block, given to a node (else to the first that runs)',
        run: async (args, { network, url, print }) => {
          const last = args.length > 1 ? args.at(-1) : undefined;
          const named = network.nodes.find(({ name }) => name === last || name === `node-${last}`);
          const word = (named === undefined ? args : args.slice(0, -1)).join(' ');
          if (!isMineableWord(word)) {
            throw new UserError(`a word is 1 to ${MAX_MINED_MESSAGE_LENGTH} printable ASCII characters`);
          }
          const node = named ?? anyNode(network);
          await ask(`${url}/nodes/${node.name}/api`, '/words', queuedWordSchema, { word });
          print(`"${word}" waits at ${node.name}`);
        },
      },
    ],
  ],
);
