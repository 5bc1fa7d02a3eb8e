import { describe, expect, it } from '@jest/globals';
import { FieldErrors, fieldPath } from './field-errors.js';
import {
  LabelSelector,
  labelSelectorFromMap,
  labelSelectorFromObject,
  parseLabelSelector,
  validateLabelSelector,
} from './label-selector.js';

describe('parseLabelSelector', () => {
  it.each([
    ['', ''],
    ['a=b', 'a=b'],
    ['a==b', 'a==b'],
    ['c!=d,a=b', 'a=b,c!=d'],
    ['a in (y, x)', 'a in (x,y)'],
    ['a=b,c!=d,e in (x,y),!f,g', 'a=b,c!=d,e in (x,y),!f,g'],
    ['a in ()', 'a in ()'],
    ['a in (x,,y)', 'a in (,x,y)'],
    ['in in (in)', 'in in (in)'],
    ['a>1,b<2', 'a>1,b<2'],
    ['a=', 'a='],
  ])('%j is %j', (text, canonical) => expect(parseLabelSelector(text).toString()).toBe(canonical));

  it.each([
    [',a', "found ',', expected: !, identifier, or 'end of string'"],
    ['a,', "found '', expected: identifier after ','"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a in x', "unable to parse requirement: found 'x' expected: '('"],
    ['a=b c', "found 'c', expected: ',' or 'end of string'"],
    ['a=!b', "unable to parse requirement: found '!', expected: identifier"],
    ['!', "unable to parse requirement: found '', expected: identifier"],
    ['a>x', "for 'Gt', 'Lt' operators, the value must be an integer"],
    ['-a=b', 'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of'],
    ['a=-b', 'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be'],
  ])('refuses %j', (text, message) => expect(() => parseLabelSelector(text)).toThrow(message));
});

describe('matching', () => {
  const labels = { app: 'web', tier: 'front', n: '5', ['__proto__x']: '' };
  it.each([
    ['app=web', true],
    ['app!=web', false],
    ['app in (db,web)', true],
    ['app notin (db)', true],
    ['missing notin (db)', true],
    ['missing!=x', true],
    ['missing=x', false],
    ['!missing,app', true],
    ['toString', false],
    ['n>4', true],
    ['n<5', false],
    ['app>1', false],
  ])('%s: %s', (text, expected) => expect(parseLabelSelector(text).matches(labels)).toBe(expected));

  it('selects nothing without a selector and everything with an empty one', () => {
    expect(labelSelectorFromObject(undefined).matches(labels)).toBe(false);
    expect(labelSelectorFromObject({}).matches(labels)).toBe(true);
    expect(labelSelectorFromMap(undefined)).toBe(LabelSelector.everything);
  });

  it('reads objects', () => {
    const selector = labelSelectorFromObject({
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'In', values: ['front'] }],
    });
    expect(selector.matches(labels)).toBe(true);
    expect(selector.exactValue('app')).toBe('web');
    expect(selector.toString()).toBe('app=web,tier in (front)');
    expect(() => labelSelectorFromObject({ matchExpressions: [{ key: 'a', operator: 'Near' }] })).toThrow(
      '"Near" is not a valid label selector operator',
    );
  });

  it('validates objects field by field', () => {
    const errors = new FieldErrors();
    const selector = {
      matchLabels: { 'a/b/c': 'x' },
      matchExpressions: [
        { key: 'k', operator: 'In' },
        { key: 'k', operator: 'X' },
      ],
    };
    validateLabelSelector(selector, fieldPath('spec', 'selector'), errors);
    expect(errors.list.map(error => error.field)).toEqual([
      'spec.selector.matchLabels',
      'spec.selector.matchExpressions[0].values',
      'spec.selector.matchExpressions[1].operator',
    ]);
    expect(errors.list[1]!.body).toBe("Required value: must be specified when `operator` is 'In' or 'NotIn'");
  });
});
