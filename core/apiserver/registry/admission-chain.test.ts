import { describe, expect, it } from '@jest/globals';
import type { AdmissionPlugin } from '../../contracts/admission.js';
import { attributesOf } from '../admission/testing/admission-fixture.js';
import { runAdmission } from './admission-chain.js';

describe('admission', () => {
  const noting = (name: string, calls: string[], asks = false): AdmissionPlugin => ({
    name,
    mutate({ rounds }) {
      calls.push(`${name}${rounds!.isSecond ? ' again' : ''}`);
      expect(rounds!.notes.get(name)).toBe(rounds!.isSecond ? 'kept' : undefined);
      rounds!.notes.set(name, 'kept');
      if (asks) rounds!.askForSecond();
    },
    validate: ({ rounds }) => void calls.push(`${name} checks${rounds ? ' in a round' : ''}`),
  });

  it('mutates a second time where a plugin asks for it, and no oftener', async () => {
    const calls: string[] = [];
    await runAdmission([noting('a', calls), noting('b', calls, true)], 'mutate', attributesOf({ resource: 'pods' }));
    expect(calls).toEqual(['a', 'b', 'a again', 'b again']);
  });

  it('runs once where nobody asks, and leaves out who does not care', async () => {
    const calls: string[] = [];
    const plugins = [noting('a', calls), { ...noting('b', calls), handles: () => false }];
    await runAdmission(plugins, 'mutate', attributesOf({ resource: 'pods' }));
    await runAdmission(plugins, 'validate', attributesOf({ resource: 'pods' }));
    expect(calls).toEqual(['a', 'a checks']);
  });
});
