/**
 * The walls between the rooms of the house, as rules: what each room may import, and what code that must replay from its
 * events may use at all. Both are allow-lists: what nobody thought of is refused.
 */
import { builtinModules } from 'node:module';
import { posix, relative, sep } from 'node:path';

/** What of `shared/` computes and does nothing else; of these names everything but those listed. */
const PURE_SHARED = ['address', 'block', 'ed25519', 'errors', 'escape', 'json', 'time', 'work'].map(
  (name) => `shared/${name}.ts`,
);
/** Names that are not pure though their module is. */
const IMPURE_NAMES = { 'shared/ed25519.ts': ['generateKeyPair'] };
/** What of Node computes and does nothing else, by module: the names that may be imported. */
const PURE_NODE = {
  'node:buffer': ['Buffer', 'constants', 'isUtf8'],
  'node:crypto': [
    ...['createHash', 'createHmac', 'hash', 'timingSafeEqual', 'verify', 'sign'],
    ...['createPublicKey', 'createPrivateKey', 'KeyObject'],
  ],
};
/** Packages that compute and do nothing else. */
const PURE_PACKAGES = ['zod'];

/** A room that computes and does nothing else. */
const pure = (...may) => ({ may: [...may, ...PURE_SHARED], node: PURE_NODE, packages: PURE_PACKAGES });
const room = (...may) => ({ may: [...may, 'shared/'] });

const PLATFORM = ['cli', 'core', 'network', 'node', 'storage', 'transports', 'web'].map(
  (name) => `peer/${name}/`,
);

/**
 * The first that fits a file counts. `$1` is the engine that it belongs to. A name that ends with a slash is a folder with
 * all that is in it.
 */
const ROOMS = [
  [/^shared\//, room()],
  [/^miner\//, room('miner/')],
  [/^peer\/core\//, pure('peer/core/')],
  [/^peer\/applications\//, pure('peer/applications/', 'peer/core/')],
  [/^peer\/engines\/([\w-]+)\/protocol\//, pure('peer/engines/$1/protocol/', 'peer/core/')],
  [
    /^peer\/engines\/([\w-]+)\/simulation\//,
    room(
      ...['peer/engines/$1/simulation/', 'peer/engines/$1/protocol/'],
      ...['peer/simulator/', 'peer/applications/', 'peer/core/', 'peer/storage/memory.ts'],
    ),
  ],
  [
    /^peer\/engines\/([\w-]+)\/page\//,
    {
      may: ['peer/engines/$1/page/', 'peer/web/page/', 'shared/escape.ts'],
      // A browser has no part of the program, but what it is sent has its types.
      types: ['peer/engines/$1/face/schemas.ts', 'peer/web/schemas.ts'],
      node: {},
      packages: [],
    },
  ],
  [
    /^peer\/engines\/([\w-]+)\/face\//,
    {
      ...room(
        ...['peer/engines/$1/face/', 'peer/engines/$1/protocol/'],
        ...['peer/applications/', 'peer/cli/', 'peer/core/', 'peer/web/'],
      ),
      types: ['peer/engines/$1/node/', 'peer/transports/'],
    },
  ],
  [/^peer\/engines\/([\w-]+)\/check\//, room('peer/engines/$1/check/', 'peer/core/')],
  [
    /^peer\/engines\/([\w-]+)\//,
    { ...room('peer/engines/$1/', 'peer/applications/', ...PLATFORM), types: ['peer/engines/module.ts'] },
  ],
  [/^peer\/engines\/registry\.ts$/, { ...room('peer/engines/'), types: ['peer/simulator/'] }],
  [
    /^peer\/engines\/module\.ts$/,
    {
      ...room(),
      types: ['peer/cli/', 'peer/core/', 'peer/node/', 'peer/simulator/', 'peer/web/'],
    },
  ],
  [/^peer\/storage\//, room('peer/storage/', 'peer/core/')],
  [/^peer\/transports\//, room('peer/transports/', 'peer/core/')],
  [/^peer\/node\//, room('peer/node/', 'peer/core/', 'peer/storage/', 'peer/transports/')],
  [/^peer\/network\//, room('peer/network/', 'peer/core/', 'peer/storage/', 'peer/web/')],
  [/^peer\/simulator\//, room('peer/simulator/', 'peer/core/', 'peer/web/')],
  [
    /^peer\/web\/page\//,
    { ...room('peer/web/page/'), types: ['peer/web/schemas.ts'], node: {}, packages: ['uplot'] },
  ],
  [/^peer\/web\//, room('peer/web/', 'peer/core/', 'peer/applications/once.ts')],
  [/^peer\/cli\//, room('peer/cli/', 'peer/core/', 'peer/network/', 'peer/storage/', 'peer/web/')],
  [
    /^peer\/commands\//,
    room(
      ...['peer/commands/', 'peer/simulator/', ...PLATFORM],
      ...['peer/engines/registry.ts', 'peer/engines/module.ts'],
    ),
  ],
  [/^peer\/(?:main|program|library)\.ts$/, room('peer/')],
  // A room that has no rule yet may reach for nothing but itself.
  [/^(peer\/[\w-]+\/)/, { may: ['$1'], node: {}, packages: [] }],
  [/^peer\//, { may: [], node: {}, packages: [] }],
];

/** What must replay from its events, and so has no clock, no chance, no timers and no input or output. */
const REPLAYED =
  /^peer\/(?:core|applications|simulator|engines\/[\w-]+\/(?:protocol|simulation))\/(?!campaign)/;

/** What of JavaScript is the same at every replica. */
const PURE_GLOBALS = new Set([
  ...['Array', 'ArrayBuffer', 'BigInt', 'BigInt64Array', 'BigUint64Array', 'Boolean', 'DataView'],
  ...['Error', 'Infinity', 'Int8Array', 'Int16Array', 'Int32Array', 'JSON', 'Map', 'Math', 'NaN', 'Number'],
  ...['Object', 'RangeError', 'RegExp', 'Set', 'String', 'Symbol', 'SyntaxError', 'TypeError'],
  ...['Uint8Array', 'Uint8ClampedArray', 'Uint16Array', 'Uint32Array', 'URIError', 'WeakMap', 'WeakSet'],
  ...['Float64Array', 'Buffer', 'TextDecoder', 'TextEncoder', 'undefined', 'structuredClone'],
  ...['isFinite', 'isNaN', 'parseFloat', 'parseInt'],
]);
/** What reports of the simulator are written with besides: it differs by place, and no run depends on it. */
const REPORT_GLOBALS = new Set(['Intl']);
/** Functions whose results are the same to the last bit wherever they run; so `log` and `sin` are none of them. */
const PURE_MATH = new Set([
  ...['abs', 'ceil', 'clz32', 'floor', 'fround', 'imul', 'max', 'min', 'round', 'sign', 'sqrt', 'trunc'],
]);

const placeOf = (context) => relative(context.cwd, context.filename).split(sep).join('/');

function roomOf(place) {
  for (const [pattern, rules] of ROOMS) {
    const match = pattern.exec(place);
    if (match === null) continue;
    const named = (names = []) => names.map((name) => name.replaceAll('$1', match[1] ?? ''));
    return { ...rules, may: named(rules.may), types: named(rules.types) };
  }
  return undefined;
}

const within = (path, names) =>
  names.some((name) => (name.endsWith('/') ? path.startsWith(name) : path === name));

/** What is wrong with an import of these names, in words; undefined if it is allowed. */
function faultOf(place, { may, types, node, packages }, source, names, isType) {
  if (source.startsWith('.')) {
    const path = posix.join(posix.dirname(place), source).replace(/\.js$/, '.ts');
    if (!within(path, may) && !(isType && within(path, types))) return `${path} is behind a wall`;
    const impure = node === undefined ? [] : (IMPURE_NAMES[path] ?? []);
    const found =
      names === undefined && impure.length > 0 ? impure[0] : names?.find((name) => impure.includes(name));
    return found === undefined ? undefined : `"${found}" of ${path} is not pure`;
  }
  const bare = source.replace(/^node:/, '');
  if (builtinModules.includes(bare) || source.startsWith('node:')) {
    if (bare === source) return `a module of Node is named as "node:${bare}"`;
    if (node === undefined) return undefined;
    const allowed = Object.hasOwn(node, source) ? node[source] : undefined;
    if (allowed === undefined) return `"${source}" does input or output, or may`;
    const found = names === undefined ? '*' : names.find((name) => !allowed.includes(name));
    return found === undefined ? undefined : `"${found}" of "${source}" is not known to be pure`;
  }
  if (packages === undefined || packages.includes(source)) return undefined;
  return `the package "${source}" is not known to be pure`;
}

/** The names that an import takes; undefined for all of them. */
function namesOf({ specifiers }) {
  const names = specifiers.map(({ type, imported, local }) =>
    type === 'ImportSpecifier' || type === 'ExportSpecifier'
      ? ((imported ?? local).name ?? (imported ?? local).value)
      : undefined,
  );
  return names.includes(undefined) ? undefined : names;
}

const imports = {
  meta: { type: 'problem', schema: [], messages: { wall: '{{fault}}.' } },
  create(context) {
    const place = placeOf(context);
    const rules = roomOf(place);
    if (rules === undefined) return {};
    const look = (node, source, names, isType) => {
      const fault =
        typeof source === 'string'
          ? faultOf(place, rules, source, names, isType)
          : rules.node && 'what is imported must be written down';
      if (fault !== undefined) context.report({ node, messageId: 'wall', data: { fault } });
    };
    return {
      ImportDeclaration: (node) => look(node, node.source.value, namesOf(node), node.importKind === 'type'),
      ExportNamedDeclaration: (node) => {
        if (node.source) look(node, node.source.value, namesOf(node), node.exportKind === 'type');
      },
      ExportAllDeclaration: (node) => look(node, node.source.value, undefined, node.exportKind === 'type'),
      ImportExpression: (node) => look(node, node.source.value, undefined, false),
      TSImportType: (node) => look(node, node.source?.value ?? node.argument?.literal?.value, [], true),
      TSExternalModuleReference: (node) => look(node, node.expression.value, undefined, false),
    };
  },
};

const replay = {
  meta: { type: 'problem', schema: [], messages: { impure: '{{what}} may differ when this is replayed.' } },
  create(context) {
    const place = placeOf(context);
    if (!REPLAYED.test(place)) return {};
    const mayUse = (name) =>
      PURE_GLOBALS.has(name) || (place.startsWith('peer/simulator/') && REPORT_GLOBALS.has(name));
    const report = (node, what) => context.report({ node, messageId: 'impure', data: { what } });
    return {
      AwaitExpression: (node) => report(node, 'What happens while something is awaited'),
      'ForOfStatement[await=true]': (node) => report(node, 'What happens while something is awaited'),
      'MetaProperty[meta.name="import"]': (node) => report(node, '"import.meta"'),
      // What these give differs by place.
      'MemberExpression > Identifier.property[name=/^(?:toLocale|localeCompare)/]': (node) =>
        report(node, `"${node.name}"`),
      'Program:exit': () => {
        const scope = context.sourceCode.scopeManager.globalScope;
        const free = [
          ...scope.through,
          ...scope.variables.filter(({ defs }) => defs.length === 0).flatMap(({ references }) => references),
        ];
        for (const { identifier, isValueReference } of free) {
          if (isValueReference === false) continue;
          const { name, parent } = identifier;
          // A question about its type, which asks for no value.
          if (parent?.type === 'TSTypeQuery') continue;
          if (!mayUse(name)) report(identifier, `"${name}"`);
          else if (name === 'Math') {
            const property =
              parent.type === 'MemberExpression' && !parent.computed && parent.object === identifier;
            if (!property || !(PURE_MATH.has(parent.property.name) || /^[A-Z]/.test(parent.property.name)))
              report(parent, `"Math${property ? `.${parent.property.name}` : ''}"`);
          }
        }
      },
    };
  },
};

export const walls = {
  files: ['shared/**/*.ts', 'miner/**/*.ts', 'peer/**/*.ts'],
  plugins: { walls: { rules: { imports, replay } } },
  rules: { 'walls/imports': 'error', 'walls/replay': 'error' },
};
