/** The description of the API, made of the same schemas that validate it. */
import { STATUS_CODES } from 'node:http';

import { z } from 'zod';

import { VERSION } from './assets.ts';
import type { Route } from './routes.ts';
import { problemSchema } from './schemas.ts';

type Json = Record<string, unknown>;

/** A schema as OpenAPI 3.1 has it, which is JSON Schema. */
function describe(schema: z.ZodType, io: 'input' | 'output'): Json {
  const description: Json = z.toJSONSchema(schema, { io });
  delete description['$schema'];
  return description;
}

function content(type: string, schema: Json): Json {
  return { content: { [type]: { schema } } };
}

const PROBLEM = content('application/problem+json', { $ref: '#/components/schemas/Problem' });

function operation(route: Route): Json {
  const { summary, parameters = {}, query, headers = {}, body } = route;
  const { status = 200, gives, also = {}, problems = [] } = route;
  const inPath = Object.entries(parameters).map(([name, schema]) => ({
    name,
    in: 'path',
    required: true,
    schema: describe(schema, 'input'),
  }));
  const inQuery = Object.entries<z.ZodType>(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !schema.safeParse(undefined).success,
    schema: describe(schema, 'output'),
  }));
  const inHeader = Object.entries(headers).map(([name, schema]) => ({
    name,
    in: 'header',
    required: false,
    schema: describe(schema, 'output'),
  }));
  const all = [...inPath, ...inQuery, ...inHeader];
  const success =
    typeof gives === 'string'
      ? content(gives, { type: 'string' })
      : content('application/json', describe(gives, 'output'));
  return {
    summary,
    ...(all.length > 0 && { parameters: all }),
    ...(body && {
      requestBody: { required: true, ...content('application/json', describe(body, 'input')) },
      security: [{}, { token: [] }],
    }),
    responses: {
      [status]: { description: STATUS_CODES[status], ...success },
      ...Object.fromEntries(
        Object.entries(also).map(([other, schema]) => [
          other,
          {
            description: STATUS_CODES[other],
            ...content('application/json', describe(schema, 'output')),
          },
        ]),
      ),
      ...Object.fromEntries(
        problems.map((problem) => [problem, { description: STATUS_CODES[problem], ...PROBLEM }]),
      ),
      default: { description: 'Any other problem', ...PROBLEM },
    },
  };
}

/** What an API is described by, besides its routes. */
export interface ApiDescription {
  /** Whose API it is, and what is to be known of its texts. */
  readonly text: string;
  /** What `/events` sends, by name. */
  readonly events: Readonly<Record<string, z.ZodType>>;
}

/** The document for `/openapi.json`. */
export function openApi(routes: readonly Route[], { text, events }: ApiDescription): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'gossip-peer',
      version: VERSION,
      description: text,
      license: { name: 'MIT' },
    },
    // Beside this description, wherever a proxy shows it.
    servers: [{ url: './' }],
    paths,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'where the peer was started with --http-token',
        },
      },
      schemas: {
        Problem: describe(problemSchema, 'output'),
        ...Object.fromEntries(
          Object.entries(events).map(([name, schema]) => [
            `Event${name.replaceAll(/(?:^|-)./g, (letter) => letter.slice(-1).toUpperCase())}`,
            describe(schema, 'output'),
          ]),
        ),
      },
    },
  };
}
