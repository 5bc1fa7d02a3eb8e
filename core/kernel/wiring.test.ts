import { describe, expect, it } from '@jest/globals';
import type { PartDescriptor } from '../plugin-api/descriptor.js';
import { fakePart, fakeSlots } from './fake-parts.js';
import { planWiring } from './wiring.js';
import type { CatalogueEntry, PartSelection, WiringPlan } from './wiring.js';

const store = fakePart('memory', 'store');

function plan(catalogue: CatalogueEntry[], selection?: PartSelection[], sides = { server: true, node: true }): WiringPlan {
  const chosen = selection ?? catalogue.map(({ descriptor }) => ({ id: descriptor.id, by: 'preset test' }));
  return planWiring({ slots: fakeSlots, catalogue, selection: chosen, sides });
}

function failure(action: () => unknown): { code: string; message: string; errors?: { code: string; message: string }[] } {
  try {
    action();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('nothing was thrown');
}

const options: PartDescriptor['options'] = {
  path: { default: 'here', format: String },
  limits: { size: { default: 1, format: 'nat' } },
};

describe('wiring', () => {
  it('orders parts by what they require', () => {
    const loop = fakePart('loop', 'loops', {}, { requires: ['api'], after: ['network'] });
    const api = fakePart('api', 'api', {}, { requires: ['store'] });
    const result = plan([loop, api, store]);
    expect(result.parts.map(part => [part.descriptor.id, part.wave, part.dependencies])).toEqual([
      ['memory', 0, []],
      ['api', 1, ['memory']],
      ['loop', 2, ['api']],
    ]);
  });

  it('makes vital what a vital part requires, not what it only follows', () => {
    const needed = fakePart('needed', 'loops', {}, { vital: false });
    const api = fakePart('api', 'api', {}, { requires: ['store', 'loops'], after: ['network'] });
    const network = fakePart('net', 'network');
    const vital = plan([needed, api, network, store]).parts.filter(part => part.vital);
    expect(vital.map(part => part.descriptor.id).sort()).toEqual(['api', 'memory', 'needed']);
  });

  it('refuses an unknown plugin and names the nearest', () => {
    const error = failure(() =>
      plan(
        [store],
        [
          { id: 'memroy', by: '--plugin' },
          { id: 'memory', by: 'preset test' },
        ],
      ),
    );
    expect(error.code).toBe('PLUGIN_UNKNOWN');
    expect(error.message).toBe('--plugin: unknown plugin "memroy" (did you mean "memory"?)');
  });

  it('finds plugins by alias, and refuses a name of two', () => {
    const aliased = fakePart('sqlite', 'store', {}, { aliases: ['kine'] });
    expect(plan([aliased], [{ id: 'kine', by: 'x' }]).parts[0]!.descriptor.id).toBe('sqlite');
    const error = failure(() => plan([aliased, fakePart('kine', 'loops')]));
    expect(error.errors![0]).toMatchObject({
      code: 'PLUGIN_DUPLICATE',
      message: 'the name "kine" belongs to two plugins: kine (test) and sqlite (test)',
    });
  });

  it('refuses two holders of a slot, naming both and who chose them', () => {
    const error = failure(() => plan([store, fakePart('other', 'store')]));
    expect(error.code).toBe('SLOT_TAKEN');
    expect(error.message).toContain('memory (test) by preset test and other (test) by preset test');
    expect(error).toMatchObject({ mend: 'choose one: --slot store=memory or --slot store=other' });
  });

  it('refuses an empty slot that must be filled, and says who could', () => {
    const error = failure(() => plan([store], []));
    expect(error).toMatchObject({ code: 'SLOT_EMPTY', message: expect.stringContaining('it can be filled by memory') });
    expect(plan([store], [], { server: false, node: true }).parts).toEqual([]);
  });

  it('refuses a missing requirement, naming both parties', () => {
    const error = failure(() => plan([store, fakePart('loop', 'loops', {}, { requires: ['network'] })]));
    expect(error.code).toBe('REQUIREMENT_MISSING');
    expect(error.message).toContain('loop (test) requires the slot network, which is empty; no plugin for it is installed');
  });

  it('refuses a slot that does not exist, as home or requirement', () => {
    const error = failure(() => plan([store, fakePart('a', 'loosp'), fakePart('b', 'loops', {}, { requires: ['stor'] })]));
    expect(error.errors!.map(each => each.code)).toEqual(['SLOT_UNKNOWN', 'SLOT_UNKNOWN']);
    expect(error.errors![0]!.message).toContain('"loosp" (did you mean "loops"?)');
    expect(error.errors![1]!.message).toContain('"stor" (did you mean "store"?)');
  });

  it('refuses a circle and shows it', () => {
    const api = fakePart('api', 'api', {}, { requires: ['store', 'loops'] });
    const loop = fakePart('loop', 'loops', {}, { requires: ['api'] });
    const error = failure(() => plan([store, api, loop]));
    expect(error.code).toBe('DEPENDENCY_CYCLE');
    expect(error.message).toContain('api -> loop -> api');
  });

  it('refuses a part that requires its own slot', () => {
    const error = failure(() => plan([store, fakePart('api', 'api', {}, { requires: ['api'] })]));
    expect(error).toMatchObject({
      code: 'DEPENDENCY_CYCLE',
      message: 'plugin api (test) requires the slot api, which it fills itself',
      mend: 'take api out of its "requires" and "after"',
    });
  });

  it('refuses another contract version, naming both', () => {
    const error = failure(() => plan([store, fakePart('net', 'network', {}, { contract: 1 })]));
    expect(error.code).toBe('CONTRACT_MISMATCH');
    expect(error.message).toContain('net (test) speaks network@1, this k3s speaks network@2');
  });

  it('refuses two providers of one contract, but not of an open slot', () => {
    const token = Symbol.for('k3s/transport@1');
    const first = fakePart('first', 'loops', {}, { provides: [token, Symbol.for('k3s/loops@1')] });
    const second = fakePart('second', 'loops', {}, { provides: [token, Symbol.for('k3s/loops@1')] });
    const error = failure(() => plan([store, first, second]));
    expect(error.code).toBe('DUPLICATE_PROVIDER');
    expect(error.message).toBe('k3s/transport@1 is provided twice, by first (test) and second (test)');
  });

  it('refuses a plugin of the other side and one chosen twice', () => {
    const sides = { server: true, node: false };
    expect(failure(() => plan([store, fakePart('net', 'network')], undefined, sides)).code).toBe('PLUGIN_WRONG_SIDE');
    const twice = [
      { id: 'memory', by: 'preset test' },
      { id: 'memory', by: '--plugin' },
    ];
    expect(failure(() => plan([store], twice)).message).toContain('by preset test and by --plugin');
  });

  it('checks options against the schema of the plugin', () => {
    const entry = fakePart('memory', 'store', {}, { options });
    const resolved = (given: Record<string, unknown>) => plan([entry], [{ id: 'memory', by: 'config.yaml', options: given }]);
    expect(resolved({ limits: { size: 7 } }).parts[0]!.options).toEqual({ path: 'here', limits: { size: 7 } });
    expect(failure(() => resolved({ paht: 'x' })).message).toBe(
      'config.yaml: unknown option "paht" (did you mean "path"?) for plugin memory, which knows path, limits',
    );
    expect(failure(() => resolved({ limits: { sise: 1 } })).message).toContain('"limits.sise" (did you mean "size"?)');
    const bad = failure(() => resolved({ limits: { size: -1 } }));
    expect(bad.code).toBe('OPTION_INVALID');
    const noNumber = failure(() =>
      plan(
        [fakePart('memory', 'store', {}, { options: { size: { default: 1, format: Number } } })],
        [{ id: 'memory', by: 'config.yaml', options: { size: 'large' } }],
      ),
    );
    expect(noNumber).toMatchObject({ message: 'config.yaml: option of plugin memory is not valid: size: must be a number' });
    const noFormat = failure(() =>
      plan([fakePart('memory', 'store', {}, { options: { size: { default: 1, format: 'natural' as 'nat' } } })]),
    );
    expect(noFormat).toMatchObject({
      code: 'OPTION_INVALID',
      message: `the options schema of plugin memory is not valid: 'size' uses an unknown format type: natural`,
    });
    expect(bad.message).toContain('config.yaml: option of plugin memory is not valid: limits.size');
    const hostile = JSON.parse('{"__proto__": {"path": "x"}}') as Record<string, unknown>;
    expect(failure(() => resolved(hostile)).code).toBe('OPTION_UNKNOWN');
  });

  it('reports all faults at once', () => {
    const selection = [
      { id: 'a', by: 'x' },
      { id: 'b', by: 'x' },
    ];
    expect(failure(() => plan([store], selection)).errors!.map(each => each.code)).toEqual([
      'PLUGIN_UNKNOWN',
      'PLUGIN_UNKNOWN',
      'SLOT_EMPTY',
    ]);
  });
});
