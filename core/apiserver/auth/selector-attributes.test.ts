import { describe, expect, it } from '@jest/globals';
import { selectorAttributes } from './selector-attributes.js';

describe('selectorAttributes', () => {
  it('takes the name and the terms out of the query of collections only', () => {
    const query = new URLSearchParams({ fieldSelector: 'metadata.name=a,spec.nodeName=n1', labelSelector: 'x in (y)' });
    expect(selectorAttributes('watch', '', query)).toEqual({
      name: 'a',
      fieldSelector: [
        { field: 'metadata.name', operator: '=', value: 'a' },
        { field: 'spec.nodeName', operator: '=', value: 'n1' },
      ],
      labelSelector: [{ key: 'x', operator: 'in', values: ['y'] }],
    });
    expect(selectorAttributes('get', 'b', query)).toEqual({ name: 'b' });
    expect(selectorAttributes('list', '', new URLSearchParams())).toEqual({ name: '' });
  });

  it.each(['metadata.name!=a', 'metadata.name=a%2fb', 'metadata.name=..', 'metadata.name=a/b'])('names nothing: %s', text => {
    expect(selectorAttributes('list', '', new URLSearchParams({ fieldSelector: text })).name).toBe('');
  });

  it('leaves what cannot be read to the handler', () => {
    const query = new URLSearchParams({ fieldSelector: 'a', labelSelector: '((' });
    expect(selectorAttributes('list', '', query)).toEqual({ name: '' });
  });
});
