import { describe, expect, it } from '@jest/globals';
import { JsonPath } from './json-path.js';

const value = {
  spec: {
    host: 'a',
    ports: [
      { name: 'web', port: 80 },
      { name: 'dns', port: 53 },
    ],
    'a.b': 1,
  },
  metadata: { labels: { 'x.y/z': 'v' } },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Other', status: 'False' },
    ],
  },
};

describe('JsonPath', () => {
  it.each([
    ['.spec.host', ['a']],
    ['$.spec.host', ['a']],
    ['spec.host', ['a']],
    ['.spec.none.deeper', []],
    ['.spec.ports[0].name', ['web']],
    ['.spec.ports[-1].name', ['dns']],
    ['.spec.ports[7].name', []],
    ['.spec.ports[*].port', [80, 53]],
    ['.spec.ports[0:1].port', [80]],
    ['.spec.ports[0,1].port', [80, 53]],
    ['.spec["a.b"]', [1]],
    ['.spec.a\\.b', [1]],
    [".metadata.labels['x.y/z']", ['v']],
    ['.metadata.labels.x\\.y/z', ['v']],
    ['.status.conditions[?(@.type=="Ready")].status', ['True']],
    [".status.conditions[?(@.type=='Ready')].status", ['True']],
    ['.spec.ports[?(@.port > 60)].name', ['web']],
    ['.spec.ports[?(@.port<=53)].name', ['dns']],
    ['.spec.ports[?(@.none)].name', []],
    ['.spec.ports[?(@.name!="web")].name', ['dns']],
    ['..port', [80, 53]],
    ['.spec.host.deeper', []],
    ['.constructor', []],
  ])('%s', (path, found) => {
    expect(new JsonPath(path).find(value)).toEqual(found);
  });

  it.each(['.spec.ports[', '.spec.ports[a]', '.a[?(@.b', '.a b', '.a[?(@.b=="c")'])('refuses %s', path => {
    expect(() => new JsonPath(path)).toThrow(expect.objectContaining({ code: 'JSON_PATH_SYNTAX' }));
  });
});
