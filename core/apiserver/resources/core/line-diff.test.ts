import { describe, expect, it } from '@jest/globals';
import { internalDiff, unifiedDiff } from './line-diff.js';

const letters = (text: string): string[] => [...text];
const numbers = (change: Readonly<Record<number, string>> = {}): string[] =>
  Array.from({ length: 20 }, (_, index) => change[index] ?? String(index));
/** So many lines that those which are often there no longer count. */
const blocks = Array.from({ length: 80 }, (_, index) => ['{', `name ${index}`, '}']).flat();

// The expected texts are those of Python's difflib.unified_diff, which upstream's library is a port of.
describe('a unified diff', () => {
  it.each<[string, string[], string[], string]>([
    ['one line', letters('abcdefgh'), letters('abcDefgh'), '@@ -1,7 +1,7 @@\n a\n b\n c\n-d\n+D\n e\n f\n g\n'],
    ['the longest run before a common beginning', letters('ab'), letters('acab'), '@@ -1,2 +1,4 @@\n+a\n+c\n a\n b\n'],
    ['an end', letters('abc'), letters('abcd'), '@@ -1,3 +1,4 @@\n a\n b\n c\n+d\n'],
    ['nothing left', letters('ab'), [], '@@ -1,2 +0,0 @@\n-a\n-b\n'],
    [
      'both ends',
      numbers(),
      numbers({ 0: 'x', 19: 'y' }),
      '@@ -1,4 +1,4 @@\n-0\n+x\n 1\n 2\n 3\n@@ -17,4 +17,4 @@\n 16\n 17\n 18\n-19\n+y\n',
    ],
    [
      'what lies near each other',
      numbers(),
      numbers({ 5: 'x', 12: 'x' }),
      '@@ -3,14 +3,14 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n 9\n 10\n 11\n-12\n+x\n 13\n 14\n 15\n',
    ],
    [
      'what lies a line too far apart',
      numbers(),
      numbers({ 5: 'x', 13: 'x' }),
      '@@ -3,7 +3,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n@@ -11,7 +11,7 @@\n 10\n 11\n 12\n-13\n+x\n 14\n 15\n 16\n',
    ],
    ['no change', letters('ab'), letters('ab'), ''],
    [
      'a block among many alike',
      blocks,
      blocks.toSpliced(120, 0, '{', 'new', '}'),
      '@@ -119,6 +119,9 @@\n name 39\n }\n {\n+new\n+}\n+{\n name 40\n }\n {\n',
    ],
    [
      'lines that are often there',
      blocks,
      ['}', '{', '}', '{', ...blocks.slice(9), '{'],
      '@@ -1,12 +1,7 @@\n-{\n-name 0\n-}\n-{\n-name 1\n-}\n-{\n-name 2\n-}\n+}\n+{\n+}\n+{\n {\n name 3\n }\n@@ -238,3 +233,4 @@\n {\n name 79\n }\n+{\n',
    ],
  ])('shows %s', (_name, before, after, expected) => {
    expect(unifiedDiff(before, after)).toBe(expected);
  });

  it('of two values shows the fields of the type that upstream holds them in', () => {
    const [before, after] = [
      { type: 'InternalIP', address: '192.0.2.1' },
      { type: 'InternalIP', address: '192.0.2.2' },
    ];
    expect(internalDiff('core.NodeAddress', before, after)).toBe(
      '@@ -1,4 +1,4 @@\n {\n  "Type": "InternalIP",\n- "Address": "192.0.2.1"\n+ "Address": "192.0.2.2"\n }\n',
    );
  });
});
