/**
 * The small faults that are put into a source file, one at a time: what a tired programmer may write, and a test should
 * notice. They are found in the syntax alone.
 */
import { createHash } from 'node:crypto';

import ts from 'typescript';

/** One small fault in one file. */
export interface Mutant {
  /** Follows from the file, the declaration, the kind and the lines, not from where in the file they stand. */
  readonly id: string;
  readonly file: string;
  /** The declaration that it is in, such as `Chain.extend`. */
  readonly scope: string;
  readonly operator: string;
  readonly line: number;
  /** The lines that change, as they are and as they become. */
  readonly before: string;
  readonly after: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

interface Edit {
  readonly operator: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

const S = ts.SyntaxKind;

/** Operators that take each other's place. */
const SWAPPED = new Map<ts.SyntaxKind, readonly [operator: string, ...others: string[]]>([
  [S.LessThanToken, ['boundary', '<=']],
  [S.LessThanEqualsToken, ['boundary', '<']],
  [S.GreaterThanToken, ['boundary', '>=']],
  [S.GreaterThanEqualsToken, ['boundary', '>']],
  [S.EqualsEqualsEqualsToken, ['comparison', '!==']],
  [S.ExclamationEqualsEqualsToken, ['comparison', '===']],
  [S.AmpersandAmpersandToken, ['logic', '||']],
  [S.BarBarToken, ['logic', '&&']],
  [S.PlusToken, ['arithmetic', '-']],
  [S.MinusToken, ['arithmetic', '+']],
  [S.AsteriskToken, ['arithmetic', '/']],
  [S.SlashToken, ['arithmetic', '*']],
  [S.PercentToken, ['arithmetic', '*']],
  [S.PlusEqualsToken, ['arithmetic', '-=']],
  [S.MinusEqualsToken, ['arithmetic', '+=']],
  [S.AmpersandToken, ['bits', '|']],
  [S.BarToken, ['bits', '&']],
  [S.CaretToken, ['bits', '|']],
  [S.LessThanLessThanToken, ['bits', '>>']],
  [S.GreaterThanGreaterThanToken, ['bits', '<<']],
  [S.GreaterThanGreaterThanGreaterThanToken, ['bits', '>>']],
]);

/** The other way round, beside the boundary. */
const OPPOSITE = new Map<ts.SyntaxKind, string>([
  [S.LessThanToken, '>='],
  [S.LessThanEqualsToken, '>'],
  [S.GreaterThanToken, '<='],
  [S.GreaterThanEqualsToken, '<'],
]);

/** Methods that are easily taken for each other. */
const CONFUSED = new Map([
  ['min', 'max'],
  ['max', 'min'],
  ['some', 'every'],
  ['every', 'some'],
  ['startsWith', 'endsWith'],
  ['endsWith', 'startsWith'],
  ['push', 'unshift'],
  ['shift', 'pop'],
]);

/** Methods that give back what they were called on, only less of it or in another order. */
const LEFT_OUT = new Set([
  'filter',
  'slice',
  'subarray',
  'sort',
  'toSorted',
  'reverse',
  'toReversed',
  'trim',
]);

/** What speaks to people: its words may change without a test. */
const SPEAKS =
  /^(?:console|warn|info|error|debug|verbose|log|describe|summary|InvalidArgumentError)$|Error$|[lL]og$/;

function isType(node: ts.Node): boolean {
  return (
    ts.isTypeNode(node) ||
    ts.isImportDeclaration(node) ||
    ts.isExportDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node)
  );
}

function speaks(node: ts.Node): boolean {
  if (!ts.isCallExpression(node) && !ts.isNewExpression(node)) return false;
  return node.expression
    .getText()
    .split(/[^\w]+/)
    .some((name) => SPEAKS.test(name));
}

/** Assignments may mostly change places; calls have effects. */
function isCall(node: ts.Statement): boolean {
  if (!ts.isExpressionStatement(node)) return false;
  const { expression } = node;
  return ts.isCallExpression(ts.isAwaitExpression(expression) ? expression.expression : expression);
}

/** Who is told figures knows them by their names: in which order is nothing to notice. */
function isMeasured(node: ts.Node): boolean {
  for (let at = node; !ts.isSourceFile(at); at = at.parent)
    if (ts.isMethodDeclaration(at)) return at.name.getText() === 'measure';
  return false;
}

function isText(node: ts.Expression): boolean {
  return (
    ts.isStringLiteralLike(node) ||
    ts.isTemplateExpression(node) ||
    (ts.isBinaryExpression(node) && (isText(node.left) || isText(node.right)))
  );
}

/** The edits that begin at this very node. */
function* editsAt(node: ts.Node, inLimits: boolean): Generator<Edit> {
  const replace = (operator: string, target: ts.Node, replacement: string): Edit => ({
    operator,
    start: target.getStart(),
    end: target.getEnd(),
    replacement,
  });

  if (ts.isBinaryExpression(node)) {
    const { operatorToken, left, right } = node;
    const { kind } = operatorToken;
    if (kind === S.QuestionQuestionToken) yield replace('default', node, right.getText());
    if (kind === S.PlusToken && isText(node)) return;
    const [operator = '', ...others] = SWAPPED.get(kind) ?? [];
    for (const other of others) yield replace(operator, operatorToken, other);
    const opposite = OPPOSITE.get(kind);
    if (opposite !== undefined) yield replace('comparison', operatorToken, opposite);
    if (kind === S.AmpersandAmpersandToken || kind === S.BarBarToken) {
      yield replace('logic', node, left.getText());
      yield replace('logic', node, right.getText());
    }
  } else if (ts.isPrefixUnaryExpression(node)) {
    const { operator, operand } = node;
    if (operator === S.PlusPlusToken || operator === S.MinusMinusToken)
      yield replace('arithmetic', node, `${operator === S.PlusPlusToken ? '--' : '++'}${operand.getText()}`);
    else yield replace('negation', node, operand.getText());
  } else if (ts.isPostfixUnaryExpression(node)) {
    const other = node.operator === S.PlusPlusToken ? '--' : '++';
    yield replace('arithmetic', node, `${node.operand.getText()}${other}`);
  } else if (ts.isNumericLiteral(node) || ts.isBigIntLiteral(node)) {
    // What a limit is, was chosen: a test that repeats the number says nothing.
    if (inLimits || (ts.isPropertyAssignment(node.parent) && node.parent.name === node)) return;
    const one = ts.isBigIntLiteral(node) ? '1n' : '1';
    yield replace('constant', node, `(${node.getText()} + ${one})`);
    if (!/^0n?$/.test(node.getText())) yield replace('constant', node, `(${node.getText()} - ${one})`);
  } else if (node.kind === S.TrueKeyword) {
    yield replace('constant', node, 'false');
  } else if (node.kind === S.FalseKeyword) {
    yield replace('constant', node, 'true');
  } else if (ts.isIfStatement(node)) {
    for (const value of ['true', 'false']) yield replace('condition', node.expression, value);
  } else if (ts.isConditionalExpression(node)) {
    for (const value of ['true', 'false']) yield replace('condition', node.condition, value);
  } else if (ts.isWhileStatement(node)) {
    yield replace('condition', node.expression, 'false');
  } else if (ts.isForStatement(node) && node.condition !== undefined) {
    yield replace('condition', node.condition, 'false');
  } else if (ts.isArrayLiteralExpression(node) && node.elements.length > 0) {
    if (ts.isBinaryExpression(node.parent) && node.parent.left === node) return;
    yield replace('list', node, '[]');
    const texts = node.elements.map((element) => element.getText());
    if (texts.length > 1) {
      yield replace('list', node, `[${texts.slice(0, -1).join(', ')}]`);
      yield replace('list', node, `[${texts.slice(1).join(', ')}]`);
    }
  } else if (ts.isTemplateExpression(node)) {
    // A sentence is for people.
    if (node.templateSpans.at(-1)?.literal.text.endsWith('.') === true) return;
    for (const { expression } of node.templateSpans) yield replace('text', expression, "''");
  } else if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { name, expression: receiver } = node.expression;
    const other = CONFUSED.get(name.text);
    if (other !== undefined) yield replace('method', name, other);
    if (LEFT_OUT.has(name.text) && !ts.isExpressionStatement(node.parent))
      yield replace('method', node, receiver.getText());
  } else if (ts.isExpressionStatement(node)) {
    const { expression } = node;
    if (expression.getText().startsWith('super(') || ts.isStringLiteral(expression)) return;
    yield replace('statement', node, ';');
    if (ts.isAwaitExpression(expression))
      yield replace('await', node, `void ${expression.expression.getText()};`);
  } else if (ts.isReturnStatement(node) && node.expression === undefined) {
    yield replace('statement', node, ';');
  } else if (ts.isThrowStatement(node) || ts.isContinueStatement(node)) {
    yield replace('statement', node, ';');
  } else if (ts.isBlock(node) || ts.isSourceFile(node)) {
    if (isMeasured(node)) return;
    for (const [index, first] of node.statements.entries()) {
      const second = node.statements[index + 1];
      if (second === undefined || !isCall(first) || !isCall(second)) continue;
      const between = node.getSourceFile().text.slice(first.getEnd(), second.getStart());
      yield {
        operator: 'order',
        start: first.getStart(),
        end: second.getEnd(),
        replacement: `${second.getText()}${between}${first.getText()}`,
      };
    }
  }
}

function* edits(node: ts.Node, inLimits: boolean): Generator<Edit> {
  if (isType(node) || speaks(node)) return;
  yield* editsAt(node, inLimits);
  if (ts.isThrowStatement(node)) return;
  const children: ts.Node[] = [];
  node.forEachChild((child) => {
    children.push(child);
  });
  for (const child of children) yield* edits(child, inLimits);
}

function scopeOf(node: ts.Node): string {
  const names: string[] = [];
  for (let at = node; !ts.isSourceFile(at); at = at.parent) {
    if (ts.isConstructorDeclaration(at)) names.unshift('constructor');
    else if (
      ts.isFunctionDeclaration(at) ||
      ts.isClassDeclaration(at) ||
      ts.isMethodDeclaration(at) ||
      ts.isAccessor(at) ||
      ts.isPropertyDeclaration(at) ||
      ts.isVariableDeclaration(at)
    )
      names.unshift(at.name?.getText() ?? '');
  }
  return names.join('.');
}

function nodeAt(source: ts.SourceFile, start: number, end: number): ts.Node {
  let found: ts.Node = source;
  const look = (node: ts.Node): void => {
    if (node.getStart() > start || node.getEnd() < end) return;
    found = node;
    node.forEachChild(look);
  };
  source.forEachChild(look);
  return found;
}

const squeezed = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** The source with the mutant in it. */
export function mutated(text: string, { start, end, replacement }: Edit | Mutant): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

/** All mutants of a file, in the order of the source. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const seen = new Map<string, number>();
  return [...edits(source, /\blimits\.ts$/.test(file))].map((edit) => {
    const { operator, start, end, replacement } = edit;
    const lineStart = text.lastIndexOf('\n', start - 1) + 1;
    const newline = text.indexOf('\n', end);
    const lineEnd = newline < 0 ? text.length : newline;
    const before = squeezed(text.slice(lineStart, lineEnd));
    const after = squeezed(text.slice(lineStart, start) + replacement + text.slice(end, lineEnd));
    const scope = scopeOf(nodeAt(source, start, end));
    const key = JSON.stringify([file, scope, operator, before, after]);
    const nth = (seen.get(key) ?? 0) + 1;
    seen.set(key, nth);
    const id = createHash('sha256').update(`${key}${nth}`).digest('hex').slice(0, 10);
    const line = source.getLineAndCharacterOfPosition(start).line + 1;
    return { id, file, scope, operator, line, before, after, start, end, replacement };
  });
}
