/** Errors of upstream's engine, recorded as in recorded-answers-fixture.ts: expression, text; `program:` for what is found when planned. */
export const recordedErrors: readonly (readonly [string, string])[] = [
  [
    '1 == 1u && 1u == 1.0 && 1.0 == 1',
    "ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, uint)'\n | 1 == 1u && 1u == 1.0 && 1.0 == 1\n | ..^\nERROR: <input>:1:15: found no matching overload for '_==_' applied to '(uint, double)'\n | 1 == 1u && 1u == 1.0 && 1.0 == 1\n | ..............^\nERROR: <input>:1:29: found no matching overload for '_==_' applied to '(double, int)'\n | 1 == 1u && 1u == 1.0 && 1.0 == 1\n | ............................^",
  ],
  [
    '9007199254740993 == 9007199254740992.0',
    "ERROR: <input>:1:18: found no matching overload for '_==_' applied to '(int, double)'\n | 9007199254740993 == 9007199254740992.0\n | .................^",
  ],
  [
    '[1, 2, 3].existsOne(x, x > 1)',
    "ERROR: <input>:1:20: undeclared reference to 'existsOne' (in container '')\n | [1, 2, 3].existsOne(x, x > 1)\n | ...................^\nERROR: <input>:1:21: undeclared reference to 'x' (in container '')\n | [1, 2, 3].existsOne(x, x > 1)\n | ....................^\nERROR: <input>:1:24: undeclared reference to 'x' (in container '')\n | [1, 2, 3].existsOne(x, x > 1)\n | .......................^",
  ],
  ['timestamp(253402300800)', 'ERROR: <input>:1:11: invalid timestamp argument\n | timestamp(253402300800)\n | ..........^'],
  ["int(dyn('4x'))", "program: type conversion error from 'string' to 'int'"],
  ["dyn([1, 'a']).size()", "ERROR: <input>:1:9: expected type 'int' but found 'string'\n | dyn([1, 'a']).size()\n | ........^"],
  ["'abc'.matches(dyn('('))", 'program: error parsing regexp: missing closing ): `(`'],
  [
    '[[1], [2, [3]]].flatten()',
    "ERROR: <input>:1:7: expected type 'list(int)' but found 'list(dyn)'\n | [[1], [2, [3]]].flatten()\n | ......^\nERROR: <input>:1:11: expected type 'int' but found 'list(int)'\n | [[1], [2, [3]]].flatten()\n | ..........^",
  ],
  [
    '[1, [2, [3, [4]]]].flatten(2)',
    "ERROR: <input>:1:5: expected type 'int' but found 'list(dyn)'\n | [1, [2, [3, [4]]]].flatten(2)\n | ....^\nERROR: <input>:1:9: expected type 'int' but found 'list(dyn)'\n | [1, [2, [3, [4]]]].flatten(2)\n | ........^\nERROR: <input>:1:13: expected type 'int' but found 'list(int)'\n | [1, [2, [3, [4]]]].flatten(2)\n | ............^",
  ],
  [
    '1 +',
    "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 +\n | ...^",
  ],
  [
    '1 + + 2',
    "ERROR: <input>:1:5: Syntax error: extraneous input '+' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 + + 2\n | ....^",
  ],
  ['(1', "ERROR: <input>:1:3: Syntax error: missing ')' at '<EOF>'\n | (1\n | ..^"],
  ['[1, 2', "ERROR: <input>:1:6: Syntax error: mismatched input '<EOF>' expecting {']', ','}\n | [1, 2\n | .....^"],
  ["{'a' 1}", "ERROR: <input>:1:6: Syntax error: missing ':' at '1'\n | {'a' 1}\n | .....^"],
  ["{'a': 1", "ERROR: <input>:1:8: Syntax error: mismatched input '<EOF>' expecting {'}', ','}\n | {'a': 1\n | .......^"],
  ['a b', "ERROR: <input>:1:3: Syntax error: extraneous input 'b' expecting <EOF>\n | a b\n | ..^"],
  ['a.', "ERROR: <input>:1:3: Syntax error: no viable alternative at input '.'\n | a.\n | ..^"],
  ['a.true', "ERROR: <input>:1:3: Syntax error: mismatched input 'true' expecting IDENTIFIER\n | a.true\n | ..^"],
  ['a ? b', "ERROR: <input>:1:6: Syntax error: mismatched input '<EOF>' expecting ':'\n | a ? b\n | .....^"],
  [
    "'abc",
    "ERROR: <input>:1:1: Syntax error: token recognition error at: ''abc'\n | 'abc\n | ^\nERROR: <input>:1:5: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 'abc\n | ....^",
  ],
  [
    '"a',
    "ERROR: <input>:1:1: Syntax error: token recognition error at: '\"a'\n | \"a\n | ^\nERROR: <input>:1:3: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | \"a\n | ..^",
  ],
  [
    '@',
    "ERROR: <input>:1:1: Syntax error: token recognition error at: '@'\n | @\n | ^\nERROR: <input>:1:2: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | @\n | .^",
  ],
  [
    'a & b',
    "ERROR: <input>:1:3: Syntax error: token recognition error at: '& '\n | a & b\n | ..^\nERROR: <input>:1:5: Syntax error: extraneous input 'b' expecting <EOF>\n | a & b\n | ....^",
  ],
  [
    'a = b',
    "ERROR: <input>:1:3: Syntax error: token recognition error at: '= '\n | a = b\n | ..^\nERROR: <input>:1:5: Syntax error: extraneous input 'b' expecting <EOF>\n | a = b\n | ....^",
  ],
  ['[1,,2]', "ERROR: <input>:1:4: Syntax error: mismatched input ',' expecting ']'\n | [1,,2]\n | ...^"],
  [
    'f(1,',
    "ERROR: <input>:1:5: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | f(1,\n | ....^",
  ],
  ['has(a)', 'ERROR: <input>:1:5: invalid argument to has() macro\n | has(a)\n | ....^'],
  ['[1].all(1, true)', 'ERROR: <input>:1:9: argument must be a simple name\n | [1].all(1, true)\n | ........^'],
  [
    '[1].map(@, 1)',
    "ERROR: <input>:1:9: Syntax error: token recognition error at: '@'\n | [1].map(@, 1)\n | ........^\nERROR: <input>:1:10: Syntax error: extraneous input ',' expecting {'[', '{', '(', ')', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | [1].map(@, 1)\n | .........^",
  ],
  [
    'has(x.y, z)',
    "ERROR: <input>:1:4: undeclared reference to 'has' (in container '')\n | has(x.y, z)\n | ...^\nERROR: <input>:1:5: undeclared reference to 'x' (in container '')\n | has(x.y, z)\n | ....^\nERROR: <input>:1:10: undeclared reference to 'z' (in container '')\n | has(x.y, z)\n | .........^",
  ],
  [
    'in',
    "ERROR: <input>:1:1: Syntax error: mismatched input 'in' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | in\n | ^\nERROR: <input>:1:3: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | in\n | ..^",
  ],
  ['for', 'ERROR: <input>:1:1: reserved identifier: for\n | for\n | ^'],
  ['a.b.for + while', 'ERROR: <input>:1:11: reserved identifier: while\n | a.b.for + while\n | ..........^'],
  [
    '1 ++',
    "ERROR: <input>:1:4: Syntax error: mismatched input '+' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 ++\n | ...^\nERROR: <input>:1:5: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 ++\n | ....^",
  ],
  [
    '-',
    "ERROR: <input>:1:2: Syntax error: no viable alternative at input '-'\n | -\n | .^\nERROR: <input>:1:2: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | -\n | .^",
  ],
  [
    '!',
    "ERROR: <input>:1:2: Syntax error: extraneous input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | !\n | .^",
  ],
  [
    'a[',
    "ERROR: <input>:1:3: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', '?', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | a[\n | ..^",
  ],
  ['a[1', "ERROR: <input>:1:4: Syntax error: missing ']' at '<EOF>'\n | a[1\n | ...^"],
  [
    '"\\q"',
    "ERROR: <input>:1:1: Syntax error: token recognition error at: '\"\\q'\n | \"\\q\"\n | ^\nERROR: <input>:1:4: Syntax error: token recognition error at: '\"'\n | \"\\q\"\n | ...^\nERROR: <input>:1:5: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | \"\\q\"\n | ....^",
  ],
  [
    'x{a: }',
    "ERROR: <input>:1:6: Syntax error: mismatched input '}' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | x{a: }\n | .....^",
  ],
  [
    'x{1: 2}',
    "ERROR: <input>:1:3: Syntax error: mismatched input '1' expecting {'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}\n | x{1: 2}\n | ..^",
  ],
  [
    '1 == 2 == ',
    "ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 == 2 == \n | ..........^",
  ],
  [
    'if (true) { 1 }',
    "ERROR: <input>:1:1: reserved identifier: if\n | if (true) { 1 }\n | ^\nERROR: <input>:1:11: Syntax error: mismatched input '{' expecting <EOF>\n | if (true) { 1 }\n | ..........^",
  ],
  ['999999999999999999999', 'ERROR: <input>:1:1: invalid int literal\n | 999999999999999999999\n | ^'],
  ['99999999999999999999u', 'ERROR: <input>:1:1: invalid uint literal\n | 99999999999999999999u\n | ^'],
  ['1e999', 'ERROR: <input>:1:1: invalid double literal\n | 1e999\n | ^'],
  ['a.`b`', "ERROR: <input>:1:3: unsupported syntax: '`'\n | a.`b`\n | ..^"],
  ['x', "ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\n | x\n | ^"],
  ['x.y.z', "ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\n | x.y.z\n | ^"],
  ["1 + 'a'", "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n | 1 + 'a'\n | ..^"],
  ['1 + 1.0', "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, double)'\n | 1 + 1.0\n | ..^"],
  ['f(1)', "ERROR: <input>:1:2: undeclared reference to 'f' (in container '')\n | f(1)\n | .^"],
  ["'a'.f(1)", "ERROR: <input>:1:6: undeclared reference to 'f' (in container '')\n | 'a'.f(1)\n | .....^"],
  [
    "'a'.size(1)",
    "ERROR: <input>:1:9: found no matching overload for 'size' applied to 'string.(int)'\n | 'a'.size(1)\n | ........^",
  ],
  ['!1', "ERROR: <input>:1:1: found no matching overload for '!_' applied to '(int)'\n | !1\n | ^"],
  ["-'a'", "ERROR: <input>:1:1: found no matching overload for '-_' applied to '(string)'\n | -'a'\n | ^"],
  ["[1, 'a']", "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a']\n | ....^"],
  [
    "{'a': 1, 2: 'b'}",
    "ERROR: <input>:1:10: expected type 'string' but found 'int'\n | {'a': 1, 2: 'b'}\n | .........^\nERROR: <input>:1:13: expected type 'int' but found 'string'\n | {'a': 1, 2: 'b'}\n | ............^",
  ],
  ['1 && true', "ERROR: <input>:1:1: expected type 'bool' but found 'int'\n | 1 && true\n | ^"],
  [
    "true ? 1 : 'a'",
    "ERROR: <input>:1:6: found no matching overload for '_?_:_' applied to '(bool, int, string)'\n | true ? 1 : 'a'\n | .....^",
  ],
  [
    '1.exists(x, x)',
    "ERROR: <input>:1:1: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | 1.exists(x, x)\n | ^",
  ],
  [
    "'abc'.all(x, x)",
    "ERROR: <input>:1:1: expression of type 'string' cannot be range of a comprehension (must be list, map, or dynamic)\n | 'abc'.all(x, x)\n | ^",
  ],
  ['[1].all(x, x + 1)', "ERROR: <input>:1:14: expected type 'bool' but found 'int'\n | [1].all(x, x + 1)\n | .............^"],
  ["duration('x')", "ERROR: <input>:1:10: invalid duration argument\n | duration('x')\n | .........^"],
  ["timestamp('2020')", "ERROR: <input>:1:11: invalid timestamp argument\n | timestamp('2020')\n | ..........^"],
  ["'a'.matches('(')", "ERROR: <input>:1:13: invalid matches argument\n | 'a'.matches('(')\n | ............^"],
  [
    "'%d'.format(['a'])",
    "ERROR: <input>:1:14: error during formatting: decimal clause can only be used on integers, was given string\n | '%d'.format(['a'])\n | .............^",
  ],
  ["'%s %s'.format(['a'])", "ERROR: <input>:1:15: index 1 out of range\n | '%s %s'.format(['a'])\n | ..............^"],
  [
    "'%z'.format(['a'])",
    "ERROR: <input>:1:12: could not parse formatting clause: unrecognized formatting clause \"z\"\n | '%z'.format(['a'])\n | ...........^",
  ],
  [
    "'%s'.format(['a', 'b'])",
    "ERROR: <input>:1:12: too many arguments supplied to string.format (expected 1, got 2)\n | '%s'.format(['a', 'b'])\n | ...........^",
  ],
  ['foo{a: 1}', "ERROR: <input>:1:4: undeclared reference to 'foo' (in container '')\n | foo{a: 1}\n | ...^"],
  [
    '[1, 2].exists_one(x, y, z, true)',
    "ERROR: <input>:1:18: undeclared reference to 'exists_one' (in container '')\n | [1, 2].exists_one(x, y, z, true)\n | .................^\nERROR: <input>:1:19: undeclared reference to 'x' (in container '')\n | [1, 2].exists_one(x, y, z, true)\n | ..................^\nERROR: <input>:1:22: undeclared reference to 'y' (in container '')\n | [1, 2].exists_one(x, y, z, true)\n | .....................^\nERROR: <input>:1:25: undeclared reference to 'z' (in container '')\n | [1, 2].exists_one(x, y, z, true)\n | ........................^",
  ],
  ['[1].all(x, x, true)', 'ERROR: <input>:1:12: duplicate variable name: x\n | [1].all(x, x, true)\n | ...........^'],
  [
    '[1].transformMap(k, k, 1)',
    'ERROR: <input>:1:21: duplicate variable name: k\n | [1].transformMap(k, k, 1)\n | ....................^',
  ],
  [
    'optional.of(1).optMap(1, 2)',
    'ERROR: <input>:1:23: optMap() variable name must be a simple identifier\n | optional.of(1).optMap(1, 2)\n | ......................^',
  ],
  [
    "{'a': 1}.map(__result__, 1)",
    "ERROR: <input>:1:14: iteration variable overwrites accumulator variable\n | {'a': 1}.map(__result__, 1)\n | .............^",
  ],
  ["'é' + 1", "ERROR: <input>:1:5: found no matching overload for '_+_' applied to '(string, int)'\n | 'é' + 1\n | .．..^"],
];
