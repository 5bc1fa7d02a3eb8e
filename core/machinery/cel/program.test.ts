import { describe, expect, it } from '@jest/globals';

import { bindJson } from './bind-value.js';
import { dynType, intType, objectType, stringType } from './cel-type.js';
import { formatValue } from './format-value.js';
import { kubernetesEnvironment } from './kubernetes-environment.js';
import type { AuthorizationDecision, ResourceQuestion } from './libraries/authorizer.js';
import { AuthorizerValue, authorizerType } from './libraries/authorizer.js';
import { jsonPatchLibrary } from './libraries/urls.js';
import { bindMacro } from './macros.js';
import type { CelProgram, EvaluationOptions } from './program.js';
import { compile } from './program.js';
import type { RecordedAnswer } from './recorded-answers-fixture.js';
import { languageAnswers, libraryAnswers } from './recorded-answers-fixture.js';
import { edgeAnswers } from './recorded-edges-fixture.js';
import { recordedErrors } from './recorded-errors-fixture.js';
import type { CelValue } from './values.js';
import { ObjectValue } from './values.js';
import type { Environment } from './environment.js';

function programOf(expression: string, environment: Environment = kubernetesEnvironment()): CelProgram {
  const compiled = compile(environment, expression);
  if ('errors' in compiled) throw new Error(compiled.errors);
  return compiled.program;
}

function evaluate(
  expression: string,
  variables: Record<string, CelValue> = {},
  options: EvaluationOptions & { environment?: Environment } = {},
): string {
  const result = programOf(expression, options.environment).evaluate(new Map(Object.entries(variables)), options);
  return 'error' in result ? `error: ${result.error}` : formatValue(result.value);
}

describe.each<[string, readonly RecordedAnswer[]]>([
  ['the language', languageAnswers],
  ['the libraries', libraryAnswers],
  ['what does not fit', edgeAnswers],
])('%s as upstream', (_, answers) => {
  it.each(answers)('%s', (expression, answer, cost, least, most) => {
    const compiled = compile(kubernetesEnvironment(), expression);
    if ('errors' in compiled) throw new Error(compiled.errors);
    const result = compiled.program.evaluate(new Map());
    const text = 'error' in result ? `error: ${result.error}` : formatValue(result.value);
    expect({ text, cost: result.cost }).toEqual({ text: answer, cost });
    const { min, max } = compiled.estimatedCost;
    expect([min, max > 2 ** 60 ? Infinity : max]).toEqual([least, most]);
  });
});

describe('errors as upstream', () => {
  it.each(recordedErrors)('%s', (expression, text) => {
    const compiled = compile(kubernetesEnvironment(), expression);
    const found = 'errors' in compiled ? compiled : { errors: '', stage: '' };
    expect(found.stage === 'program' ? `program: ${found.errors}` : found.errors).toBe(text);
  });
});

describe('limits', () => {
  it('refuses an expression with too many characters', () => {
    const compiled = compile(kubernetesEnvironment(), `'${'a'.repeat(100_000)}'`);
    expect('errors' in compiled && compiled.errors).toBe(
      'ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100002, limit 100000',
    );
  });

  it.each<[string, string, string]>([
    ['parentheses', `${'('.repeat(250)}1${')'.repeat(250)}`, 'expression recursion limit exceeded: 250'],
    ['a long sum', `1${' + 1'.repeat(251)}`, 'max recursion depth exceeded'],
    ['unclosed brackets', '['.repeat(300), 'expression recursion limit exceeded: 250'],
  ])('refuses %s nested too deeply', (_, expression, message) => {
    const compiled = compile(kubernetesEnvironment(), expression);
    expect('errors' in compiled && compiled.errors).toContain(`ERROR: <input>:-1:0: ${message}`);
  });

  it('takes a long chain of conditions, which is a balanced tree', () => {
    expect(evaluate(Array.from({ length: 2000 }, () => 'true').join(' && '))).toBe('true');
  });

  it('stops at the cost limit, and says that this was the reason', () => {
    const program = programOf('lists.range(1000).all(x, x < 2000)');
    const stopped = program.evaluate(new Map(), { costLimit: 2000 });
    expect(stopped).toMatchObject({ isOverLimit: true, error: 'operation cancelled: actual cost limit exceeded' });
    expect(stopped.cost).toBeGreaterThan(2000);
    expect(program.evaluate(new Map())).toMatchObject({ value: true });
  });

  it('stops a comprehension in a comprehension at the limit of one call', () => {
    const expression = 'lists.range(10000).all(x, lists.range(10000).all(y, x * y >= 0))';
    expect(programOf(expression).evaluate(new Map())).toMatchObject({ isOverLimit: true });
  });

  it('does not let a range fill the memory', () => {
    const expression = 'lists.range(1000000000).size()';
    expect(programOf(expression).evaluate(new Map())).toMatchObject({ isOverLimit: true });
    expect(evaluate(expression, {}, { costLimit: Infinity })).toBe('error: lists.range(1000000000) is longer than 1000000');
  });

  it('stops before a call that is too dear, not after it', () => {
    const environment = kubernetesEnvironment().extend({ variables: { list: dynType } });
    const list = bindJson(Array.from({ length: 300_000 }, (_, index) => ({ index })));
    const result = programOf('dyn(list).distinct()', environment).evaluate(new Map([['list', list]]));
    expect(result).toMatchObject({ isOverLimit: true });
  });

  it('does not let texts fill the memory', () => {
    const environment = kubernetesEnvironment().extend({ variables: { s: stringType } });
    const s = 'a'.repeat(3_000_000);
    expect(evaluate("s.replace('', s)", { s }, { environment })).toBe('error: replace: the result may be too long');
    expect(evaluate("s.split('').join(s)", { s }, { environment, costLimit: 1e9 })).toBe(
      'error: join: the result may be too long',
    );
    const many = `'${'%s'.repeat(300)}'.format([${Array.from({ length: 300 }, () => 's').join()}])`;
    expect(evaluate(many, { s }, { environment })).toBe('error: internal error: Invalid string length');
  });

  it('refuses chains of optMap that double until nothing is left', () => {
    const compiled = compile(kubernetesEnvironment(), `optional.of(1)${'.optMap(x, x)'.repeat(30)}`);
    expect('errors' in compiled && compiled.errors).toContain('optMap() is called on too large an expression');
  });

  it('matches patterns in linear time', () => {
    expect(evaluate(`'${'a'.repeat(5000)}!'.matches('^(a+)+$')`)).toBe('false');
  });
});

describe('variables', () => {
  const environment = kubernetesEnvironment().extend({ variables: { x: intType, 'a.b': intType, any: dynType } });

  it('come from a map or a source that finds them when they are read', () => {
    const asked: string[] = [];
    const program = programOf('x > 1 || any == 1', environment);
    const find = (name: string): CelValue => {
      asked.push(name);
      return 2n;
    };
    expect(program.evaluate({ find })).toMatchObject({ value: true });
    expect(asked).toEqual(['x']);
  });

  it('may have dots in their names, and be hidden by those of a comprehension', () => {
    expect(evaluate('a.b + .x', { 'a.b': 1n, x: 2n }, { environment })).toBe('3');
    expect(evaluate('[5].map(x, x + 1)', { x: 2n }, { environment })).toBe('[6]');
    expect(evaluate('[5].map(y, [6].map(y, y + x))[0][0]', { x: 2n }, { environment })).toBe('8');
  });

  it('without a value are an error that || may absorb', () => {
    expect(evaluate('x > 1', {}, { environment })).toBe('error: no such attribute(s): x');
    expect(evaluate('x > 1 || true', {}, { environment })).toBe('true');
  });

  it('are not kept from one evaluation to the next', () => {
    const program = programOf('[1].map(i, i + x)', environment);
    const results = [1n, 2n].map(x => program.evaluate(new Map([['x', x]])));
    expect(results.map(result => ('value' in result ? formatValue(result.value) : ''))).toEqual(['[2]', '[3]']);
  });
});

describe('extensions', () => {
  it('leave the environment that they extend as it is', () => {
    const extended = kubernetesEnvironment().extend({ libraries: [jsonPatchLibrary], macros: [bindMacro] });
    expect(evaluate("jsonpatch.escapeKey('a/b~c')", {}, { environment: extended })).toBe('"a~1b~0c"');
    expect(evaluate('cel.bind(n, 2, n * n)', {}, { environment: extended })).toBe('4');
    expect(evaluate('cel.bind(l, [], l + [1] + l)', {}, { environment: extended })).toBe('[1]');
    expect(() => evaluate("jsonpatch.escapeKey('a')")).toThrow("undeclared reference to 'jsonpatch'");
    expect(() => evaluate('cel.bind(n, 2, n * n)')).toThrow("undeclared reference to 'cel'");
  });

  it('take names in backquotes where that is allowed', () => {
    const environment = kubernetesEnvironment().extend({ escapedIdentifiers: true });
    expect(evaluate("{'a-b': 1}.`a-b`", {}, { environment })).toBe('1');
  });

  it('let lists have elements of different types where that is allowed', () => {
    const environment = kubernetesEnvironment().extend({ homogeneousLiterals: false });
    expect(evaluate("[1, 'a', null]", {}, { environment })).toBe('[1, "a", null]');
  });
});

describe('objects written out', () => {
  class Point extends ObjectValue {
    readonly type = objectType('Point');

    constructor(readonly fields: ReadonlyMap<string, CelValue>) {
      super();
    }

    override field(name: string): CelValue | undefined {
      return this.fields.get(name);
    }

    equals(other: CelValue): boolean {
      return other instanceof Point && other.fields.get('x') === this.fields.get('x');
    }

    toString(): string {
      return [...this.fields.keys()].join();
    }
  }
  const environment = kubernetesEnvironment().extend({
    provider: {
      hasType: name => name === 'Point',
      fieldType: (_, field) => ({ x: intType, y: intType })[field],
      create: (_, fields) => new Point(fields),
    },
  });

  it.each([
    ['Point{x: 1, y: 2}.x', '1'],
    ['Point{x: 1 / 0}.x', 'error: division by zero'],
    ['Point{x: 1} == Point{x: 1, y: 3}', 'true'],
    ['has(Point{x: 1}.x) && !has(Point{x: 1}.y)', 'true'],
    ['Point{x: 1}.y', 'error: no such key: y'],
    ['Point{?x: optional.of(1), ?y: optional.none()}', 'x'],
    ["Point{?x: dyn('a')}", "error: cannot initialize optional entry 'x' from non-optional value a"],
    ['[Point{x: 1}].map(p, p.x)', '[1]'],
  ])('%s', (expression, answer) => {
    expect(evaluate(expression, {}, { environment })).toBe(answer);
  });

  it.each([
    ['Point{z: 1}', "undefined field 'z'"],
    ["Point{x: 'a'}", "expected type of field 'x' is 'int' but provided type is 'string'"],
    ['Point{?x: 1}', "expected type 'optional_type(int)' but found 'int'"],
    ['int{x: 1}', "'int' is not a message type"],
    ['Line{x: 1}', "undeclared reference to 'Line' (in container '')"],
  ])('%s is refused', (expression, message) => {
    expect(() => evaluate(expression, {}, { environment })).toThrow(message);
  });

  it('cost what upstream asks for a structure', () => {
    expect(programOf('Point{x: 1}', environment).evaluate(new Map()).cost).toBe(40);
  });
});

describe('the authorizer', () => {
  const environment = kubernetesEnvironment().extend({ variables: { authorizer: authorizerType } });
  const questions: unknown[] = [];
  const answer = (question: unknown, allowed: boolean): AuthorizationDecision => {
    questions.push(question);
    return { allowed, reason: 'because' };
  };
  const authorizer = new AuthorizerValue({
    checkPath: question => {
      if (question.path === '/broken') throw new Error('no answer');
      return answer(question, question.verb === 'get');
    },
    checkResource: question => answer(question, question.namespace === 'mine'),
  });
  const ask = (expression: string): string => evaluate(expression, { authorizer }, { environment });

  it('is asked about paths and resources', () => {
    expect(ask("authorizer.path('/healthz').check('get').allowed()")).toBe('true');
    expect(questions.pop()).toEqual({ subject: 'request', verb: 'get', path: '/healthz' });
    const check = "authorizer.group('apps').resource('deployments').subresource('scale').namespace('mine').name('n')";
    expect(ask(`${check}.labelSelector('a=b').fieldSelector('c=d').check('update').reason()`)).toBe('"because"');
    const { labelSelector, ...question } = questions.pop() as ResourceQuestion;
    expect(String(labelSelector)).toBe('a=b');
    expect(question).toEqual({
      subject: 'request',
      verb: 'update',
      group: 'apps',
      resource: 'deployments',
      subresource: 'scale',
      namespace: 'mine',
      name: 'n',
      fieldSelector: [{ field: 'c', operator: '=', value: 'd' }],
    });
  });

  it('is asked about service accounts', () => {
    expect(ask("authorizer.serviceAccount('ns', 'sa').group('').resource('pods').check('get').allowed()")).toBe('false');
    expect(questions.pop()).toMatchObject({ subject: { serviceAccount: { namespace: 'ns', name: 'sa' } } });
    expect(ask("authorizer.serviceAccount('Ns', 'sa').path('/').check('get').allowed()")).toBe(
      'error: Invalid service account namespace',
    );
    expect(ask("authorizer.serviceAccount('ns', 's_a').path('/').check('get').allowed()")).toBe(
      'error: Invalid service account name',
    );
  });

  it('hands on selectors that are none, and failures of who decides', () => {
    expect(ask("authorizer.group('').resource('pods').labelSelector('!!').check('get').allowed()")).toBe('false');
    expect((questions.pop() as ResourceQuestion).labelSelector).toBeInstanceOf(Error);
    expect(ask("authorizer.path('/broken').check('get').errored()")).toBe('true');
    expect(ask("authorizer.path('/broken').check('get').error()")).toBe('"no answer"');
    expect(ask("authorizer.path(' ').check('get').allowed()")).toBe('error: path must not be empty');
    expect(ask("authorizer.group('').resource('').check('get').allowed()")).toBe('error: resource must not be empty');
  });

  it('costs so much that an expression can ask twice', () => {
    const once = "authorizer.path('/').check('get').allowed()";
    const cost = (expression: string) =>
      programOf(expression, environment).evaluate(new Map<string, CelValue>([['authorizer', authorizer]])).cost;
    expect(cost(once)).toBe(350_003);
    expect(ask([once, once].join(' && '))).toBe('true');
    expect(ask([once, once, once].join(' && '))).toBe('error: operation cancelled: actual cost limit exceeded');
  });
});
