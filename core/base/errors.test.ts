import { expect, test } from '@jest/globals';
import { errorText } from './errors.js';

test('a chain of causes is one line', () => {
  const error = new Error('the sandbox was not made', { cause: new Error('the disk is full') });
  expect(errorText(error)).toBe('the sandbox was not made: the disk is full');
});

test('a cause that repeats its effect is left out', () => {
  const error = new Error('no such image', {
    cause: new Error('5 NOT_FOUND: no such image', { cause: new Error('no such image') }),
  });
  expect(errorText(error)).toBe('no such image');
});

test('each of several errors is told', () => {
  expect(errorText(new AggregateError([new Error('a'), new TypeError('b')], 'both failed'))).toBe('both failed: a; b');
});

test('a circle of causes ends', () => {
  const error = new Error('first');
  error.cause = error;
  expect(errorText(error)).toBe('first');
});

test('what is no error is told as text', () => {
  expect(errorText('plain')).toBe('plain');
  expect(errorText(new TypeError(''))).toBe('TypeError');
});
