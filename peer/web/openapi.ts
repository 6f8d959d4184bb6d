/** The description of the API, made of the same schemas that validate it. */
import { STATUS_CODES } from 'node:http';

import { z } from 'zod';

import type { Route } from './routes.ts';
import { eventSchemas, problemSchema } from './schemas.ts';
import { VERSION } from './views.ts';

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
  const { summary, parameters = {}, query, body, status = 200, gives, problems = [] } = route;
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
  const success =
    typeof gives === 'string'
      ? content(gives, { type: 'string' })
      : content('application/json', describe(gives, 'output'));
  return {
    summary,
    ...(inPath.length + inQuery.length > 0 && { parameters: [...inPath, ...inQuery] }),
    ...(body && {
      requestBody: { required: true, ...content('application/json', describe(body, 'input')) },
      security: [{}, { token: [] }],
    }),
    responses: {
      [status]: { description: STATUS_CODES[status], ...success },
      ...Object.fromEntries(
        problems.map((problem) => [problem, { description: STATUS_CODES[problem], ...PROBLEM }]),
      ),
      default: { description: 'Any other problem', ...PROBLEM },
    },
  };
}

/** The document for `/openapi.json`. */
export function openApi(routes: readonly Route[]): Json {
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
      description:
        'A peer of a proof-of-work class network: what it knows, and a box for words. Texts that came from the ' +
        'network (names, messages, nonces, words) are plain text.',
      license: { name: 'MIT' },
    },
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
          Object.entries(eventSchemas).map(([name, schema]) => [
            `Event${name.charAt(0).toUpperCase()}${name.slice(1)}`,
            describe(schema, 'output'),
          ]),
        ),
      },
    },
  };
}
