import tseslint from 'typescript-eslint';

/** Rooms import downwards only (see README, "Architecture"): each entry names what a room must not reach for. */
const rooms = [
  { room: 'shared', forbidden: ['**/peer/**', '**/miner/**'] },
  { room: 'miner', forbidden: ['**/peer/**'] },
  { room: 'peer', forbidden: ['**/miner/**'] },
  {
    room: 'peer/core',
    // What every room may need, and that needs none.
    forbidden: ['../*', '!../../shared/**'],
  },
  {
    room: 'peer/storage',
    forbidden: ['**/engines/**', '**/transports/**', '**/node/**', '**/commands/**', '**/mining/**'],
  },
  {
    room: 'peer/transports',
    forbidden: ['**/engines/**', '**/storage/**', '**/node/**', '**/commands/**', '**/mining/**'],
  },
  {
    room: 'peer/simulator',
    forbidden: ['**/transports/**', '**/node/**', '**/commands/**', '**/mining/server*'],
  },
  { room: 'peer/network', forbidden: ['**/node/**', '**/commands/**', '**/engines/pow/**'] },
  {
    room: 'peer/web',
    // It shows what an engine says of itself, and knows nothing of how it works.
    forbidden: ['**/node/**', '**/commands/**', '**/engines/*/*', '!**/engines/*/interface.ts'],
  },
  {
    room: 'peer/engines',
    // An engine is a deterministic state machine: sockets, files, timers and clocks live outside of it.
    forbidden: [
      '**/transports/**',
      '**/node/**',
      '**/commands/**',
      '**/mining/**',
      '**/simulator/**',
      '**/web/**',
      '**/shared/log*',
      'node:dgram',
      'node:net',
      'node:fs',
      'node:fs/*',
      'node:http',
      'node:timers',
      'node:timers/*',
      'node:os',
      'node:child_process',
      'node:worker_threads',
    ],
  },
];

const impureGlobals = [
  'Date',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'performance',
  'process',
  'fetch',
];

/** Chance, and what versions of the JavaScript engine may compute differently in the last bit. */
const impureMath = [
  'random',
  'log',
  'log2',
  'log1p',
  'exp',
  'expm1',
  'sin',
  'cos',
  'tan',
  'atan',
  'atan2',
  'cbrt',
].map((property) => ({ object: 'Math', property }));

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'test/output/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['vitest.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      // Index signatures hold what came from outside; the brackets say so (see noPropertyAccessFromIndexSignature).
      '@typescript-eslint/dot-notation': 'off',
      eqeqeq: 'error',
      'prefer-const': 'error',
    },
  },
  ...rooms.map(({ room, forbidden }) => ({
    files: [`${room}/**/*.ts`],
    rules: { 'no-restricted-imports': ['error', { patterns: forbidden }] },
  })),
  {
    // A simulation must replay from its seed as an engine does from its events, and an application must do the same at
    // every replica; a campaign of many runs on real cores.
    files: ['core', 'engines', 'applications', 'simulator'].map((room) => `peer/${room}/**/*.ts`),
    ignores: ['peer/simulator/campaign*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...impureGlobals],
      'no-restricted-properties': ['error', ...impureMath],
      'no-restricted-syntax': [
        'error',
        { selector: 'AwaitExpression', message: 'An engine never awaits: time and I/O come in as events.' },
        {
          selector: "ImportDeclaration[source.value='node:crypto'] ImportSpecifier[imported.name=/^random/]",
          message: 'Entropy is handed to the constructor.',
        },
      ],
    },
  },
);
