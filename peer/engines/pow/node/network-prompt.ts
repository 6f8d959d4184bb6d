/** `peer network --engine pow`: peers and miners, with one page over all of them. */
import { MAX_MINED_MESSAGE_LENGTH, isMineableWord } from '../../../../shared/block.ts';
import { UserError } from '../../../../shared/errors.ts';
import { queuedWordSchema } from '../face/schemas.ts';
import { ask } from '../../../cli/ask.ts';
import { anyNode, networkPrompt } from '../../../cli/network-prompt.ts';

export const powPrompt = networkPrompt([
  [
    'word',
    {
      usage: 'word <text> [<node>]',
      help: 'a word for the next block, given to a node (else to the first that runs)',
      run: async (args, { network, url, print }) => {
        const last = args.length > 1 ? (args.at(-1) ?? '') : '';
        // A number may be the end of the word, unless it is that of a node; this can't be meant as one.
        const named = last.startsWith('node-')
          ? network.find(last)
          : network.nodes.find(({ name }) => name === `node-${last}`);
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
]);
