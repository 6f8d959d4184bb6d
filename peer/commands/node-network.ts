/** `peer network` of an engine that only describes itself: all nodes know each other, and take what its face offers. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { Option } from 'commander';
import { z } from 'zod';

import { addressKey } from '../../shared/address.ts';
import { UserError } from '../../shared/errors.ts';
import { counted } from '../../shared/text-table.ts';
import { ask } from '../cli/ask.ts';
import type { NetworkOffer, OptionValues } from '../cli/network-offer.ts';
import { anyNode, nodeName, type NetworkCommand } from '../cli/network-prompt.ts';
import type { EngineModule, NodeOffer } from '../engines/module.ts';
import type { NetworkPlace } from '../network/network.ts';
import type { NodeKind } from '../network/node.ts';
import { LOOPBACK } from '../network/ports.ts';
import type { Action } from '../web/face.ts';
import type { FieldJson } from '../web/schemas.ts';
import { fieldsOf, pathOf } from '../web/view.ts';

/** Nodes by default: of as many, one may be killed and two others still have each other. */
const NODES = 4;

export function networkOfNodes({ name, title }: EngineModule, offer: NodeOffer): NetworkOffer {
  const { member, options, face } = offer;
  return {
    node: member,
    nodes: NODES,
    fewestNodes: 1,
    options,
    commands: Object.fromEntries(face.actions.map((action) => [action.name, commandOf(action)])),
    examples: (call) => [call],
    plan: (values, nodes) => ({
      starting: counted(nodes, member),
      title: `A network of ${counted(nodes, member)} runs: ${title}.`,
      create: (place) => kindOf(name, offer, values, place),
    }),
  };
}

function kindOf(
  engine: string,
  { member, options }: NodeOffer,
  values: OptionValues,
  { ports, folder }: NetworkPlace,
): NodeKind {
  const addresses = ports.map(({ port }) => ({ host: LOOPBACK, port }));
  const nameOf = (index: number): string => `${member}-${index + 1}`;
  return {
    name: nameOf,
    peer: (index) => [
      ...[engine, 'start', '--port', String(ports[index]?.port), '--bind', LOOPBACK],
      ...['--http-port', String(ports[index]?.httpPort), '--http-bind', LOOPBACK],
      ...['--name', nameOf(index), '--data-dir', join(folder, nameOf(index))],
      ...options.flatMap(({ flags }) => given(new Option(flags), values)),
      ...addresses.flatMap((other, at) => (at === index ? [] : ['--join', addressKey(other)])),
    ],
    miner: () => undefined,
    block: (others) => ({ type: 'block', peers: others.flatMap((index) => addresses[index] ?? []) }),
  };
}

/** An option of the network as an option of each node. */
function given(option: Option, values: OptionValues): string[] {
  const value = values[option.attributeName()];
  const name = `--${option.name()}`;
  if (value === true) return [name];
  return typeof value === 'string' || typeof value === 'number' ? [name, String(value)] : [];
}

/** How long an answer is awaited, and how often it is asked for once it is late, in milliseconds. */
const PATIENCE = 60_000;
const ASKED_EVERY = 1_000;

/** What an action answers: without a text as long as there is none. */
const answerSchema = z.looseObject({ id: z.string(), text: z.string().nullish() });

/** An action as it is typed: its fields in their order, each a word, and all that is left for the last. */
function commandOf(action: Pick<Action<never>, 'name' | 'help' | 'schema' | 'path'>): NetworkCommand {
  const { name, help, schema } = action;
  const fields = fieldsOf(schema);
  const shown = fields.map((field) => (field.required ? `<${field.name}>` : `[<${field.name}>]`));
  return {
    usage: [name, '[@<node>]', ...shown].join(' '),
    help: `${help}; by way of a node (else of the first that runs)`,
    run: async (_, { network, url, print, stopped }, text) => {
      const [, named, rest = ''] = /^(?:@(\S+)(?:\s+|$))?(.*)$/su.exec(text) ?? [];
      const node = named === undefined ? anyNode(network).name : nodeName(named, network);
      const api = `${url}/nodes/${node}/api`;
      let answer = await ask(api, pathOf(action), answerSchema, readFields(fields, rest));
      for (const asked = performance.now(); typeof answer.text !== 'string' && !stopped.aborted;) {
        if (performance.now() - asked > PATIENCE) throw new UserError('there is no answer yet');
        await pause(ASKED_EVERY, undefined, { signal: stopped }).catch(() => undefined);
        answer = await ask(api, `${pathOf(action)}/${answer.id}`, answerSchema);
      }
      if (typeof answer.text === 'string') print(answer.text);
    },
  };
}

function readFields(fields: readonly FieldJson[], text: string): Record<string, unknown> {
  const words = text.trim() === '' ? [] : text.trim().split(/\s+/);
  if (fields.length === 0 && words.length > 0) throw new UserError('it takes nothing but the name of a node');
  const last = words.slice(fields.length - 1).join(' ');
  const entries = fields.flatMap(({ name, kind }, at): [string, unknown][] => {
    const word = at === fields.length - 1 ? last : words[at];
    return word === undefined || word === '' ? [] : [[name, typed(word, kind)]];
  });
  return Object.fromEntries(entries);
}

/** A word as the schema wants it; what is none stays as it is, so that the node says what is wrong. */
function typed(word: string, kind: FieldJson['kind']): unknown {
  if (kind === 'boolean' && ['true', 'false'].includes(word)) return word === 'true';
  if ((kind === 'integer' || kind === 'number') && Number.isFinite(Number(word))) return Number(word);
  return word;
}
