import { describe, expect, it } from '@jest/globals';
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from './generated/types.js';
import {
  nodeSelectorMatches,
  nodeSelectorTermMatches,
  preferredNodeAffinityScore,
  requiredNodeAffinityMatches,
} from './node-affinity.js';

const labels = { zone: 'a', cores: '8', empty: '' };
const node = { metadata: { name: 'n1', labels } } as unknown as Node;

describe('nodeSelectorTermMatches', () => {
  const expression = (key: string, operator: string, values?: string[]): NodeSelectorTerm => ({
    matchExpressions: [{ key, operator, values }],
  });
  const field = (operator: string, values: string[], key = 'metadata.name'): NodeSelectorTerm => ({
    matchFields: [{ key, operator, values }],
  });
  const cases: [string, NodeSelectorTerm, boolean][] = [
    ['nothing in it', {}, false],
    ['In', expression('zone', 'In', ['b', 'a']), true],
    ['In, another value', expression('zone', 'In', ['b']), false],
    ['In, no label', expression('x', 'In', ['b']), false],
    ['In, no values', expression('zone', 'In', []), false],
    ['NotIn', expression('zone', 'NotIn', ['b']), true],
    ['NotIn, no label', expression('x', 'NotIn', ['b']), true],
    ['NotIn, its value', expression('zone', 'NotIn', ['a']), false],
    ['Exists with an empty value', expression('empty', 'Exists'), true],
    ['Exists, no label', expression('x', 'Exists'), false],
    ['Exists with values is not valid', expression('zone', 'Exists', ['a']), false],
    ['DoesNotExist', expression('x', 'DoesNotExist'), true],
    ['DoesNotExist, a label', expression('zone', 'DoesNotExist'), false],
    ['Gt', expression('cores', 'Gt', ['4']), true],
    ['Gt, equal', expression('cores', 'Gt', ['8']), false],
    ['Lt', expression('cores', 'Lt', ['10']), true],
    ['Gt of a word', expression('zone', 'Gt', ['1']), false],
    ['Lt with a word', expression('cores', 'Lt', ['many']), false],
    ['Lt with two values', expression('cores', 'Lt', ['10', '11']), false],
    ['an unknown operator', expression('zone', 'Like', ['a']), false],
    ['labels of objects do not count', expression('constructor', 'Exists'), false],
    ['the name', field('In', ['n1']), true],
    ['another name', field('In', ['n2']), false],
    ['not another name', field('NotIn', ['n2']), true],
    ['names, two of them', field('In', ['n1', 'n2']), false],
    ['another field', field('In', ['n1'], 'metadata.uid'), false],
    ['both', { ...expression('zone', 'In', ['a']), ...field('In', ['n2']) }, false],
  ];
  it.each(cases)('%s', (_name, term, expected) => expect(nodeSelectorTermMatches(term, labels, 'n1')).toBe(expected));
});

describe('node affinity', () => {
  const inZone = (zone: string): NodeSelectorTerm => ({ matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] });
  const pod = (spec: object): Pod => ({ metadata: { name: 'p' }, spec: { containers: [], ...spec } }) as unknown as Pod;

  it('takes any term, and no node without terms', () => {
    expect(nodeSelectorMatches({ nodeSelectorTerms: [inZone('b'), inZone('a')] }, labels)).toBe(true);
    expect(nodeSelectorMatches({ nodeSelectorTerms: [] }, labels)).toBe(false);
  });

  it('wants selector and affinity both', () => {
    const affinity = (zone: string) => ({
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [inZone(zone)] } },
    });
    expect(requiredNodeAffinityMatches(pod({}), node)).toBe(true);
    expect(requiredNodeAffinityMatches(pod({ nodeSelector: { zone: 'a' } }), node)).toBe(true);
    expect(requiredNodeAffinityMatches(pod({ nodeSelector: { zone: 'a' }, affinity: affinity('b') }), node)).toBe(false);
    expect(requiredNodeAffinityMatches(pod({ nodeSelector: { zone: 'b' }, affinity: affinity('a') }), node)).toBe(false);
    expect(requiredNodeAffinityMatches(pod({ nodeSelector: { constructor: 'x' } }), node)).toBe(false);
  });

  it('adds up the weights of what is preferred', () => {
    const requirement: NodeSelectorRequirement = { key: 'cores', operator: 'Gt', values: ['4'] };
    const terms = [
      { weight: 10, preference: inZone('a') },
      { weight: 5, preference: { matchExpressions: [requirement] } },
      { weight: 3, preference: inZone('b') },
      { weight: 1, preference: {} },
    ];
    expect(preferredNodeAffinityScore(terms, node)).toBe(15);
  });
});
