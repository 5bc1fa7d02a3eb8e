import { describe, expect, it } from '@jest/globals';
import type { ManagedFieldsEntry } from '../../object.js';
import { memberPath } from './field-set.js';
import { decodeManagedFields, encodeManagedFields, formatManager, managerIdentifier } from './managed-entries.js';
import { parentManagedFields, scaleManagedFields } from './scale-fields.js';
import { keepUnchangedTimes } from './unchanged-times.js';

const entry = (over: Partial<ManagedFieldsEntry>): ManagedFieldsEntry => ({
  manager: 'm',
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-01-01T00:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1: { 'f:spec': { 'f:replicas': {} } },
  ...over,
});

describe('managed fields entries', () => {
  it('are sorted as upstream sorts them', () => {
    const sorted = [
      entry({ operation: 'Apply', manager: 'z' }),
      entry({ manager: 'a', time: '2026-01-01T00:00:00Z' }),
      entry({ manager: 'a', time: '2026-01-01T00:00:00Z', apiVersion: 'v2' }),
      entry({ manager: 'a', time: '2026-01-01T00:00:00Z', apiVersion: 'v2', subresource: 'status' }),
      entry({ manager: 'b', time: '2026-01-01T00:00:00Z' }),
      entry({ manager: 'a', time: '2026-01-01T00:00:01Z', apiVersion: 'v0' }),
    ];
    expect(encodeManagedFields(decodeManagedFields([...sorted].reverse()))).toEqual(sorted);
    expect(encodeManagedFields(decodeManagedFields([]))).toBeUndefined();
  });

  it('are refused when malformed', () => {
    const bad: [over: Partial<ManagedFieldsEntry>, text: string][] = [
      [{ operation: 'Create' }, 'operation must be `Apply` or `Update`'],
      [{ apiVersion: '' }, 'apiVersion must not be empty'],
      [{ fieldsType: undefined }, 'missing fieldsType in managed fields entry 0'],
      [{ fieldsType: 'V2' }, 'invalid fieldsType "V2" in managed fields entry 0'],
      [{ fieldsV1: { x: {} } }, 'key must be 2 characters long:'],
    ];
    for (const [over, text] of bad) expect(() => decodeManagedFields([entry(over)], true)).toThrow(text);
    expect(() => decodeManagedFields([null as unknown as ManagedFieldsEntry])).toThrow('entry 0 is not an object');
  });

  it('name their manager', () => {
    const identity = { manager: 'x"y', apiVersion: 'apps/v1', subresource: 'status' };
    expect(formatManager(managerIdentifier({ ...identity, operation: 'Update' }))).toBe(
      '"x\\"y" with subresource "status" using apps/v1',
    );
    expect(formatManager(managerIdentifier({ ...identity, operation: 'Apply', subresource: '' }))).toBe('"x\\"y"');
  });

  it('keep their times when a write changes nothing else', () => {
    const live = { metadata: { name: 'a', managedFields: [entry({})] } };
    const later = { metadata: { name: 'a', managedFields: [entry({ time: '2026-01-01T00:00:09Z' })] } };
    expect(keepUnchangedTimes(live, later)).toEqual(live);
    const renamed = { metadata: { name: 'b', managedFields: later.metadata.managedFields } };
    expect(keepUnchangedTimes(live, renamed)).toBe(renamed);
    const other = { metadata: { name: 'a', managedFields: [entry({ manager: 'n', time: '2026-01-01T00:00:09Z' })] } };
    expect(keepUnchangedTimes(live, other)).toBe(other);
  });
});

describe('managed fields of scale', () => {
  const options = { apiVersion: 'apps/v1', replicasPaths: { 'apps/v1': memberPath('spec', 'replicas') } };
  const parent = [
    entry({ manager: 'one', apiVersion: 'apps/v1', fieldsV1: { 'f:spec': { 'f:paused': {}, 'f:replicas': {} } } }),
    entry({ manager: 'two', apiVersion: 'apps/v1', fieldsV1: { 'f:spec': { 'f:template': {} } } }),
  ];

  it('are those who own replicas', () => {
    expect(scaleManagedFields(parent, options)).toEqual([entry({ manager: 'one', apiVersion: 'autoscaling/v1' })]);
  });

  it('give replicas to whom the scale says', () => {
    const scale = [entry({ manager: 'hpa', apiVersion: 'autoscaling/v1', subresource: 'scale' })];
    // Without a time, as upstream writes it.
    const { time: _time, ...scaler } = entry({ manager: 'hpa', apiVersion: 'apps/v1', subresource: 'scale' });
    expect(parentManagedFields(parent, scale, options)).toEqual([
      scaler,
      entry({ manager: 'one', apiVersion: 'apps/v1', fieldsV1: { 'f:spec': { 'f:paused': {} } } }),
      parent[1],
    ]);
  });
});
