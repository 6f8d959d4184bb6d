/** The small faults themselves, and how they are recognised when the file around them has changed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { ROOT } from '../support/processes.ts';
import { AREAS, filesOf } from './areas.ts';
import { mutantsOf, mutated } from './operators.ts';
import { entryOf, readSurvivors } from './survivors.ts';

/** What becomes of a line, by operator. */
function mutations(text: string, file = 'a.ts'): string[] {
  return mutantsOf(file, text).map(({ operator, after }) => `${operator}: ${after}`);
}

describe('a mutant', () => {
  it.each<[string, string[]]>([
    ['f(a < b);', ['statement: ;', 'boundary: f(a <= b);', 'comparison: f(a >= b);']],
    ['f(a === b);', ['statement: ;', 'comparison: f(a !== b);']],
    ['x = a + b;', ['statement: ;', 'arithmetic: x = a - b;']],
    ["x = a + 'text';", ['statement: ;']],
    ['x = a && b;', ['statement: ;', 'logic: x = a || b;', 'logic: x = a;', 'logic: x = b;']],
    ['x = a ?? b;', ['statement: ;', 'default: x = b;']],
    ['x = !a;', ['statement: ;', 'negation: x = a;']],
    ['x = a & b;', ['statement: ;', 'bits: x = a | b;']],
    ['x++;', ['statement: ;', 'arithmetic: x--;']],
    ['x = 5;', ['statement: ;', 'constant: x = (5 + 1);', 'constant: x = (5 - 1);']],
    ['x = 0n;', ['statement: ;', 'constant: x = (0n + 1n);']],
    ['x = true;', ['statement: ;', 'constant: x = false;']],
    ['x = a ? b : c;', ['statement: ;', 'condition: x = true ? b : c;', 'condition: x = false ? b : c;']],
    ['while (a) b();', ['condition: while (false) b();', 'statement: while (a) ;']],
    ['x = [a, b];', ['statement: ;', 'list: x = [];', 'list: x = [a];', 'list: x = [b];']],
    ['x = `${a}/${b}`;', ['statement: ;', "text: x = `${''}/${b}`;", "text: x = `${a}/${''}`;"]],
    ['x = Math.min(a, b);', ['statement: ;', 'method: x = Math.max(a, b);']],
    ['x = a.filter(b);', ['statement: ;', 'method: x = a;']],
    [
      'async () => { await a(); };',
      ['statement: ;', 'statement: async () => { ; };', 'await: async () => { void a(); };'],
    ],
    [
      '() => { if (a) return; };',
      [
        'statement: ;',
        'condition: () => { if (true) return; };',
        'condition: () => { if (false) return; };',
        'statement: () => { if (a) ; };',
      ],
    ],
    ['a();\nb();', ['order: b(); a();', 'statement: ;', 'statement: ;']],
  ])('of %s', (text, expected) => {
    expect(mutations(text)).toEqual(expected);
  });

  it.each([
    ['types', 'interface A { b: 1 | 2 }\ntype C = [1, 2];'],
    ['imports', "import { a } from './a.ts';\nexport { b } from './b.ts';"],
    ['keys of objects', 'const a = { 1: b };'],
  ])('is none of %s', (_, text) => {
    expect(mutations(text)).toEqual([]);
  });

  it('leaves alone what is said to people, not whether it is said', () => {
    expect(mutations('throw new UserError(`${a} is above ${5 + 1}`);')).toEqual(['statement: ;']);
    expect(mutations('log.info(`${a} of ${2}`);')).toEqual(['statement: ;']);
    expect(mutations('const RULE = `At most ${a}.`;')).toEqual([]);
  });

  it('leaves the order alone in which figures are told', () => {
    expect(mutations('class A { measure() { a(); b(); } }').filter((one) => one.startsWith('order'))).toEqual(
      [],
    );
    expect(
      mutations('class A { other() { a(); b(); } }').filter((one) => one.startsWith('order')),
    ).toHaveLength(1);
  });

  it('leaves the limits alone, and what is reckoned with them', () => {
    expect(mutations('const A = 2 * B;', 'peer/x/limits.ts')).toEqual(['arithmetic: const A = 2 / B;']);
  });

  it('is one change of the text', () => {
    const text = 'const a = b < c;\n';
    expect(mutantsOf('a.ts', text).map((mutant) => mutated(text, mutant))).toEqual([
      'const a = b <= c;\n',
      'const a = b >= c;\n',
    ]);
  });
});

describe('the identity of a mutant', () => {
  const ids = (text: string, file = 'a.ts'): string[] => mutantsOf(file, text).map(({ id }) => id);
  const text = 'function f() {\n  return a < b;\n}\n';

  it('stays as other code comes and goes, and with the layout', () => {
    expect(ids(`// A remark.\nfunction g() {}\n${text.replaceAll('  ', '    ')}`)).toEqual(ids(text));
  });

  it('is another one in another file, function or line', () => {
    for (const other of [ids(text, 'b.ts'), ids(text.replace(' f', ' g')), ids(text.replace('b;', 'c;'))])
      expect(other.filter((id) => ids(text).includes(id))).toEqual([]);
  });

  it('tells equal lines apart', () => {
    const twice = ids('function f() {\n  x = !y;\n  x = !y;\n}\n');
    expect(new Set(twice).size).toBe(twice.length);
  });
});

describe('the list of explained survivors', () => {
  it('has no mutant that is gone, none twice, and none outside of the areas', () => {
    const survivors = readSurvivors();
    const files = new Set(AREAS.flatMap((area) => filesOf(ROOT, area)));
    const now = new Map(
      [...new Set(survivors.map(({ file }) => file))]
        .filter((file) => files.has(file))
        .flatMap((file) => mutantsOf(file, readFileSync(join(ROOT, file), 'utf8')))
        .map((mutant) => [mutant.id, entryOf(mutant)]),
    );
    // An entry that is gone has lost its line: look at what became of it, and remove it.
    expect(survivors.map(({ reason: _, ...entry }) => entry)).toEqual(survivors.map(({ id }) => now.get(id)));
    expect(new Set(survivors.map(({ id }) => id)).size).toBe(survivors.length);
  });
});
