import { describe, expect, it } from '@jest/globals';
import { normalizePath, RouteTable } from './route-table.js';
import type { EntryPoint, IngressRoutes, PathType } from './state.js';

type PathRow = [path: string, type: PathType, service: string];

function ingress(name: string, host: string, paths: PathRow[], more: Partial<IngressRoutes> = {}): IngressRoutes {
  return {
    kind: 'ingress',
    namespace: 'default',
    name,
    tlsOnly: false,
    created: '2026-01-01T00:00:00Z',
    rules: [{ host, paths: paths.map(([path, type, service]) => ({ path, type, backend: { service, port: 80 } })) }],
    ...more,
  };
}

const table = new RouteTable([
  ingress('a', 'a.test', [
    ['/', 'Prefix', 'root'],
    ['/foo', 'Prefix', 'foo'],
    ['/foo', 'Exact', 'foo-exact'],
    ['/foo/bar/', 'Prefix', 'bar'],
    ['/only', 'Exact', 'only'],
    ['/spec', 'ImplementationSpecific', 'spec'],
  ]),
  ingress('wild', '*.b.test', [['/', 'Prefix', 'wild']]),
  ingress('exact', 'x.b.test', [['/x', 'Prefix', 'x']]),
  ingress('any', '', [['/any', 'Prefix', 'any']]),
  ingress('secure', 's.test', [['/', 'Prefix', 'secure']], { tlsOnly: true }),
  ingress('plain', 'p.test', [['/', 'Prefix', 'plain']], { entryPoints: ['web'] }),
  ingress('young', 'twice.test', [['/', 'Prefix', 'young']], { created: '2026-02-01T00:00:00Z' }),
  ingress('old', 'twice.test', [['/', 'Prefix', 'old']]),
  ingress('rest', 'rest.test', [], { rules: [], defaultBackend: { service: 'fallback', port: 'http' } }),
]);

describe('routes', () => {
  const cases: [host: string, path: string, service: string | undefined, entryPoint?: EntryPoint][] = [
    ['a.test', '/', 'root'],
    ['A.Test:8080', '/', 'root'],
    ['a.test.', '/', 'root'],
    ['a.test', '/foo', 'foo-exact'],
    ['a.test', '/foo/', 'foo'],
    ['a.test', '/foo/x', 'foo'],
    ['a.test', '/foobar', 'root'],
    ['a.test', '/foo/bar', 'bar'],
    ['a.test', '/foo/bar/baz', 'bar'],
    ['a.test', '/foo/barbaz', 'foo'],
    ['a.test', '/only', 'only'],
    ['a.test', '/only/', 'root'],
    ['a.test', '/FOO', 'root'],
    ['a.test', '/spec/x', 'spec'],
    ['y.b.test', '/', 'wild'],
    ['y.z.b.test', '/', 'fallback'],
    ['b.test', '/', 'fallback'],
    ['x.b.test', '/x', 'x'],
    ['x.b.test', '/y', 'wild'],
    ['c.test', '/any/thing', 'any'],
    ['[::1]:80', '/any', 'any'],
    ['c.test', '/other', 'fallback'],
    ['s.test', '/', 'fallback', 'web'],
    ['s.test', '/', 'secure', 'websecure'],
    ['p.test', '/', 'plain', 'web'],
    ['p.test', '/', 'fallback', 'websecure'],
    ['twice.test', '/', 'old'],
  ];
  it.each(cases)('%s%s goes to %s', (host, path, service, entryPoint = 'web') => {
    expect(table.match(entryPoint, host, path)?.backend.service).toBe(service);
  });

  it('are none where nobody asks for the rest', () => {
    expect(new RouteTable([]).match('web', 'a.test', '/')).toBeUndefined();
  });

  it('cannot be gone round by another spelling of a path', () => {
    const spellings: [string, string | undefined][] = [
      ['/a/b', '/a/b'],
      ['/a/../b', '/b'],
      ['/a/%2e%2E/b', '/b'],
      ['/a/./b/', '/a/b/'],
      ['//a///b', '/a/b'],
      ['/../..', '/'],
      ['/a/..', '/'],
      ['/.well-known/x', '/.well-known/x'],
      ['*', undefined],
      ['http://a.test/', undefined],
    ];
    for (const [given, expected] of spellings) expect([given, normalizePath(given)]).toEqual([given, expected]);
  });
});
