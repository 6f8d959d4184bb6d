/** The status of a node of any engine, also one that this program has never heard of: what `/status` gives, as it is. */
import { table } from '../../shared/text-table.ts';
import { engineSchema } from '../web/schemas.ts';
import { ask } from './ask.ts';
import { short } from './status-format.ts';
import type { StatusFace } from './status-face.ts';

/** Each figure, those within others under `outer.inner`. */
function figuresOf(value: unknown, name = ''): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[name, short(String(value))]];
  return Object.entries(value).flatMap(([key, part]) =>
    figuresOf(part, name === '' ? key : `${name}.${key}`),
  );
}

export const plainStatus: StatusFace = {
  ask: async (base) => {
    const json = await ask(base, '/status', engineSchema.loose());
    const figures = figuresOf(json).map(([name, text]): [string, string] => [short(name), text]);
    return {
      json: () => json,
      text: (paint) =>
        [`${paint('bold', short(json.engine))} at ${base}`, ...table(['', ''], figures, paint), ''].join(
          '\n',
        ),
      line: () => figures.map(([name, text]) => `${name}=${text}`).join(' '),
    };
  },
  columns: [],
  row: () => undefined,
};
