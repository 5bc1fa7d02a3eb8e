import { describe, expect, it } from '@jest/globals';
import { duplicateKeysText, parseYaml, parseYamlDocuments, parseYamlStrict, toYaml } from './yaml.js';

describe('parseYaml', () => {
  it.each<[string, unknown]>([
    ['', null],
    [
      'a: yes\nb: 0777\nc: 1_000\nd: 2020-01-01\ne: 1e3\nf: ~\ng:',
      { a: true, b: 511, c: 1000, d: '2020-01-01', e: 1000, f: null, g: null },
    ],
    ['y: 1\n2: x\n1.5: z', { true: 1, 2: 'x', '1.5': 'z' }],
    [
      'a: 1:30\nb: "1"\nc: !!str 1\nd: !!int "1"\ne: !foo bar\nf: 0o17\ng: -0b11',
      { a: '1:30', b: '1', c: '1', d: 1, e: 'bar', f: 15, g: -3 },
    ],
    ['a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\ne: *x', { a: { b: 1, c: 2 }, d: { b: 3, c: 2 }, e: { b: 1, c: 2 } }],
    ['a: |\n  x\n  y\nb: >-\n  x\n  y\n', { a: 'x\ny\n', b: 'x y' }],
    ['---\na: 1\n---\nb: 2', { a: 1 }],
    ['a: 1e500', { a: '1e500' }],
  ])('%j', async (text, expected) => expect(await parseYaml(text)).toEqual(expected));

  it('keeps __proto__ as data', async () => {
    expect(JSON.stringify(await parseYaml('__proto__: {x: 1}'))).toBe('{"__proto__":{"x":1}}');
  });

  it('finds duplicate keys and keeps the last', async () => {
    const { value, duplicates } = await parseYamlStrict('a: 1\nb:\n  c: 1\n  c: 2\na: 3\n');
    expect(value).toEqual({ a: 3, b: { c: 2 } });
    expect(duplicateKeysText(duplicates)).toBe(
      'yaml: unmarshal errors:\n  line 4: key "c" already set in map\n  line 5: key "a" already set in map',
    );
  });

  it('reads all documents', async () => {
    expect(await parseYamlDocuments('---\na: 1\n---\n---\n# nothing\n---\nb: 2\n')).toEqual([{ a: 1 }, { b: 2 }]);
  });

  it.each([
    ['a: *x', "yaml: unknown anchor 'x' referenced"],
    ['a: &x [*x]', "yaml: anchor 'x' value contains itself"],
    ['null: a', 'unsupported map key'],
    ['? [1,2]\n: x', 'yaml: invalid map key'],
    ['<<: 1', 'yaml: map merge requires map or sequence of maps as the value'],
    ['a: .inf', 'json: unsupported value: +Inf'],
    ['a: !!int 1.5', 'yaml: cannot decode !!float `1.5` as a !!int'],
    ['a: [1, 2', 'yaml: line 1: '],
    ['['.repeat(20000), 'yaml: '],
  ])('refuses %j', async (text, message) => {
    await expect(parseYaml(text)).rejects.toMatchObject({ code: 'BadRequest', message: expect.stringContaining(message) });
  });

  it('refuses texts that grow through aliases', async () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 10; i++) {
      const [name, before] = ['abcdefghij'[i]!, 'abcdefghij'[i - 1]!];
      lines.push(`${name}: &${name} [${Array.from({ length: 10 }, () => `*${before}`).join(', ')}]`);
    }
    await expect(parseYaml(lines.join('\n'))).rejects.toThrow('yaml: document contains excessive aliasing');
  });
});

describe('toYaml', () => {
  it('writes as upstream does', async () => {
    const value = {
      b: [{ x: 1, y: [1, 2] }, 'z', []],
      a: 'true',
      m: 'multi\nline\n',
      n: null,
      e: {},
      s: 'a: b',
      d: '2020-01-01',
      item10: 1,
      item2: 1.5,
    };
    expect(await toYaml(value)).toBe(
      'a: "true"\nb:\n- x: 1\n  "y":\n  - 1\n  - 2\n- z\n- []\nd: "2020-01-01"\ne: {}\nitem2: 1.5\nitem10: 1\nm: |\n  multi\n  line\n"n": null\ns: \'a: b\'\n',
    );
  });

  it('is read back as it was', async () => {
    const texts = [
      '',
      ' ',
      'a b',
      '- x',
      '#a',
      'a #b',
      'a:',
      'x\n\n',
      '\nx',
      ' lead\nx',
      'tail \nx',
      '"',
      "'",
      '{',
      '*a',
      '@',
      '`',
      '|',
      '---',
      '12:30',
      '0x1',
      'null',
      '\t',
      '\u0001',
      '\u2028',
      '😀',
      '~',
      '<<',
      '=',
      '?',
      ':a',
      'a\\b',
      'é',
    ];
    const value: Record<string, unknown> = { list: texts, nested: [[[texts]], { a: texts }] };
    for (const text of texts) value[`${text}!`] = { [text]: text };
    expect(await parseYaml(await toYaml(value))).toEqual(value);
  });
});
