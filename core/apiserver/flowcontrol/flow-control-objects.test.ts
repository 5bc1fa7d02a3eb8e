import { describe, expect, it } from '@jest/globals';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/generated/types.js';
import { autoUpdateAnnotation, defaultFlowControl } from './default-flow-control.js';
import { revision } from './flow-control-objects.js';

describe('what becomes of an object that every cluster begins with', () => {
  const { levels, schemas } = defaultFlowControl();
  const level = (name: string): PriorityLevelConfiguration => levels.find(({ metadata }) => metadata.name === name)!;
  const schema = (name: string): FlowSchema => schemas.find(({ metadata }) => metadata.name === name)!;
  const changed = { ...schema('probes').spec, matchingPrecedence: 3 };
  const stored = (object: FlowSchema, annotation: string | undefined, generation: number, spec = object.spec): FlowSchema => ({
    ...object,
    metadata: {
      ...object.metadata,
      generation,
      annotations: annotation === undefined ? {} : { [autoUpdateAnnotation]: annotation },
    },
    spec,
  });
  const said = (object: FlowSchema | undefined): string | undefined => object?.metadata.annotations?.[autoUpdateAnnotation];

  it.each<[string, string | undefined, number, boolean, string | undefined, boolean]>([
    // annotation and generation, whether its spec was changed -> annotation, whether its spec is put right
    ['is left as it is', 'true', 1, false, undefined, false],
    ['is brought up to date', 'true', 7, true, 'true', true],
    ['stays with the administrator', 'false', 1, true, undefined, false],
    ['is taken over while nobody changed it', undefined, 1, true, 'true', true],
    ['is taken over with a word that is none', 'maybe', 1, false, 'true', false],
    ['is given to the administrator once changed', undefined, 2, true, 'false', false],
    ['keeps another spelling', 'T', 2, false, undefined, false],
  ])('that is suggested: %s', (_title, annotation, generation, isChanged, expected, isPutRight) => {
    const wanted = schema('probes');
    const revised = revision(stored(wanted, annotation, generation, isChanged ? changed : wanted.spec), wanted);
    expect(said(revised)).toBe(expected);
    if (revised) expect(revised.spec).toEqual(isPutRight || !isChanged ? wanted.spec : changed);
  });

  it('that is mandatory: is put right whatever it says', () => {
    const wanted = schema('catch-all');
    expect(revision(stored(wanted, 'true', 5), wanted)).toBeUndefined();
    const revised = revision(stored(wanted, 'false', 5, changed), wanted);
    expect([said(revised), revised!.spec]).toEqual(['true', wanted.spec]);
  });

  it('leaves the shares of exempt requests to the administrator', () => {
    const wanted = level('exempt');
    const exempt = (fields: PriorityLevelConfiguration['spec']['exempt']): PriorityLevelConfiguration => ({
      ...wanted,
      spec: { ...wanted.spec, exempt: fields },
    });
    expect(revision(exempt({ nominalConcurrencyShares: 50, lendablePercent: 20 }), wanted)).toBeUndefined();
    expect(revision(exempt(undefined), wanted)?.spec).toEqual(wanted.spec);
  });
});
