import { describe, expect, it } from '@jest/globals';
import { applyJsonPatch } from './json-patch.js';
import { applyMergePatch } from './merge-patch.js';
import { patchedText } from './patched-text.js';

const document = {
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'a', labels: { z: '1', a: '<2>' } },
  spec: { z: 1, a: [{ y: 1, b: 2 }] },
};

describe('the text of a patched document', () => {
  it('sorts what a JSON patch went through and leaves the rest', () => {
    const patch = [{ op: 'replace', path: '/spec/a', value: { q: 1, c: 2 } }];
    expect(patchedText(applyJsonPatch(document, patch), document, patch)).toBe(
      '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"z":"1","a":"\\u003c2\\u003e"}},"spec":{"a":{"q":1,"c":2},"z":1}}',
    );
  });

  it('sorts what a merge patch went through and brought', () => {
    const patch = { spec: { n: { z: 1, a: 2 } } };
    expect(patchedText(applyMergePatch(document, patch), document, patch)).toBe(
      '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"z":"1","a":"\\u003c2\\u003e"}},"spec":{"a":[{"y":1,"b":2}],"n":{"a":2,"z":1},"z":1}}',
    );
  });
});
