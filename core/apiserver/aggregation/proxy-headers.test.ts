import { describe, expect, it } from '@jest/globals';
import { isIdentity, userHeaders } from './proxy-headers.js';

describe('headers for extension servers', () => {
  it('name the user, whatever characters the names have', () => {
    const user = {
      name: 'jürgen',
      uid: 'u',
      groups: ['a', 'b'],
      extra: { 'example.com/Scopes %': ['x', 'y'], none: [], ä: ['1'] },
    };
    expect(userHeaders(user)).toEqual({
      'x-remote-user': Buffer.from('jürgen').toString('latin1'),
      'x-remote-uid': 'u',
      'x-remote-group': ['a', 'b'],
      'x-remote-extra-example.com%2FScopes%20%25': ['x', 'y'],
      'x-remote-extra-%C3%A4': ['1'],
    });
    expect(userHeaders({ name: 'x', groups: [] })).toEqual({ 'x-remote-user': 'x' });
  });

  it.each(['authorization', 'impersonate-user', 'x-remote-group', 'x-remote-extra-a'])('%s is no business of theirs', name => {
    expect(isIdentity(name)).toBe(true);
  });

  it('others are passed on', () => expect(isIdentity('cookie')).toBe(false));
});
