/** `peer network --engine pbft`: replicas, which are asked through the channels to them. */
import { EXECUTION_PATIENCE } from '../../../network/limits.ts';
import { anyNode, networkPrompt, nodeName } from '../../../cli/network-prompt.ts';

export const pbftPrompt = networkPrompt([
  [
    'submit',
    {
      usage: 'submit [@<node>] <operation>',
      help: 'have something executed, by way of a node, as in "submit @2 hello" (else of the first that runs); "submit /entry 1" and "submit /length" read the log',
      short: ['s'],
      run: async (_, { network, print }, text) => {
        const [, name, line = ''] = /^(?:@(\S+)(?:\s+|$))?(.*)$/su.exec(text) ?? [];
        const node = name === undefined ? anyNode(network) : network.find(nodeName(name, network));
        const answer = await node.ask({ type: 'submit', line }, EXECUTION_PATIENCE);
        if (answer.type === 'answer') print(answer.text);
      },
    },
  ],
]);
