import { describe, expect, it } from '@jest/globals';
import { assertDescriptor } from './check-descriptor.js';

const sound = {
  id: 'shop',
  slot: 'controllers',
  contract: 1,
  requires: ['core'],
  options: { doors: { default: [] }, limits: { size: { doc: 'how big', default: 1, format: 'nat' } } },
  flags: {
    'shop-doors': { option: 'doors', kind: 'list', summary: 'doors' },
    size: { option: 'limits.size', kind: 'number', summary: '' },
  },
  arguments: { flag: 'shop-doors', name: 'the shop', table: {} },
  commands: { shop: { summary: 'sells', load: () => undefined } },
  manifests: [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }],
  deadlinesMs: { start: 200 },
  provides: [Symbol.for('k3s/shop@1')],
  homepage: 'of no concern to us',
  load: () => undefined,
};
const flag = (more: object) => ({ flags: { 'a-flag': { option: 'doors', kind: 'list', summary: '', ...more } } });

describe('the check of a descriptor', () => {
  it('takes a sound one', () => {
    expect(() => assertDescriptor(sound)).not.toThrow();
    expect(() => assertDescriptor({ id: 'least', slot: 'core', contract: 1, load() {} })).not.toThrow();
  });

  it.each<[string, object]>([
    ['needs an "id" in kebab-case', { id: undefined }],
    ['cannot be called "none": that is the empty slot', { id: 'none' }],
    ['needs a "slot"', { slot: undefined }],
    ['needs "contract", the major version of its slot', { contract: '1' }],
    ['needs "load", a function that imports its module', { load: './module.js' }],
    ['has an unknown field "require" (did you mean "requires"?)', { require: ['core'] }],
    ['has an unknown field "Slots" (did you mean "slot"?)', { Slots: 'core' }],
    ['"side" is none of server, node, both', { side: 'client' }],
    ['"vital" is not a boolean', { vital: 'yes' }],
    ['"summary" is not a text', { summary: ['a'] }],
    ['"dataplane" is not a text', { dataplane: new URL('file:///x') }],
    ['"requires" is not a list of names', { requires: 'core' }],
    ['"provides" is not a list of tokens', { provides: ['k3s/shop@1'] }],
    ['"options" is not an object', { options: [] }],
    ['"deadlinesMs.start" is no number above 0', { deadlinesMs: { start: '1s' } }],
    ['"manifests" is not a list of objects', { manifests: {} }],
    ['has an object among its "manifests" without apiVersion, kind or metadata.name', { manifests: [{ kind: 'Namespace' }] }],
    ['has an object among its "manifests" without apiVersion, kind or metadata.name', { manifests: [null] }],
    ['"options.size" has no "default"', { options: { size: { doc: 'how big', format: 'nat' } } }],
    ['"options.limits.size" has no "default"', { options: { limits: { size: { format: 'nat' } } } }],
    ['"options.size" is not an object with a "default"', { options: { size: 3 } }],
    ['"flags.--a" is not in kebab-case, without dashes before it', { flags: { '--a': {} } }],
    ['"flags.a" is not an object', { flags: { a: 'b' } }],
    ['"flags.a-flag" needs a "kind": string, boolean, number or list', flag({ kind: 'array' })],
    ['"flags.a-flag" needs a "summary"', flag({ summary: undefined })],
    ['"flags.a-flag" needs an "option", which it sets', flag({ option: undefined })],
    ['"flags.a-flag" sets the option "door", which its "options" lack', flag({ option: 'door' })],
    ['"flags.a-flag" sets the option "limits", which its "options" lack', flag({ option: 'limits' })],
    ['"flags.a-flag": only a list can be "whole: true"', flag({ option: 'limits.size', kind: 'number', whole: true })],
    ['"flags.a-flag": "environment" is no name of a variable', flag({ environment: 'A-B' })],
    ['"flags.a-flag": "command" is neither server nor agent', flag({ command: 'start' })],
    ['"arguments.flag" names none of its "flags" of the kind list', { arguments: { flag: 'size', name: 'x', table: {} } }],
    ['"arguments" needs a "name", as messages have it', { arguments: { flag: 'shop-doors', table: {} } }],
    ['"arguments" needs a "table" of rules by argument', { arguments: { flag: 'shop-doors', name: 'x' } }],
    ['"commands.a b" is not in kebab-case', { commands: { 'a b': {} } }],
    ['"commands.a" is not an object', { commands: { a: () => 0 } }],
    ['"commands.a" needs a "summary"', { commands: { a: {} } }],
    ['"commands.a" needs "load", a function that imports it', { commands: { a: { summary: '', run: () => 0 } } }],
    ['"commands.a": "usage" is not a text', { commands: { a: { summary: '', usage: 1, load() {} } } }],
  ])('refuses one that %s', (problem, fault) => {
    expect(() => assertDescriptor({ ...sound, arguments: undefined, ...fault })).toThrow(
      expect.objectContaining({ code: 'PLUGIN_INVALID', message: expect.stringContaining(problem), mend: expect.any(String) }),
    );
  });
});
