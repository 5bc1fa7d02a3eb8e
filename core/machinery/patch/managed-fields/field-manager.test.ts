import { describe, expect, it } from '@jest/globals';
import { deepFreeze, produce } from '../../object.js';
import type { KubeObject, ManagedFieldsEntry } from '../../object.js';
import { StatusError } from '../../status-error.js';
import { excludeFields } from './field-filter.js';
import { FieldManager, isApplyConflict } from './field-manager.js';
import { lastAppliedAnnotation } from './last-applied.js';
import { deducedMergeType } from './merge-type.js';
import { kindType } from './test-types.js';

interface Thing extends KubeObject {
  spec: Record<string, unknown>;
  status?: Record<string, unknown>;
}

const startMs = Date.UTC(2026, 0, 1);
const time = (seconds: number): string => `2026-01-01T00:00:${String(seconds).padStart(2, '0')}Z`;
const at = (seconds: number): number => startMs + seconds * 1000;

const deployments = new FieldManager({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  type: kindType('apps', 'Deployment'),
  resetFields: { 'apps/v1': excludeFields('status') },
});
const deploymentStatus = new FieldManager({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  type: kindType('apps', 'Deployment'),
  subresource: 'status',
  resetFields: { 'apps/v1': excludeFields('spec') },
});

function deployment(spec: Record<string, unknown>, metadata: Record<string, unknown> = {}): Thing {
  return deepFreeze({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec,
  });
}

const basicSpec = {
  replicas: 1,
  selector: { matchLabels: { app: 'web' } },
  template: {
    metadata: { labels: { app: 'web' } },
    spec: {
      containers: [
        {
          name: 'nginx',
          image: 'nginx:1',
          ports: [{ containerPort: 80, protocol: 'TCP' }],
          env: [{ name: 'A', value: '1' }],
        },
      ],
    },
  },
};

/** As if it had been stored. */
function stored(object: object): Thing {
  return deepFreeze(
    produce(object as Thing, draft => {
      draft.metadata.uid ??= '1';
      draft.metadata.resourceVersion = '1';
    }),
  );
}

function created(spec: Record<string, unknown> = basicSpec, manager = 'kubectl-create'): Thing {
  return stored(deployments.updateManagedFields(undefined, deployment(spec), { manager, nowMs: at(0) }));
}

function applied(
  live: Thing | undefined,
  config: object,
  manager = 'applier',
  options: { force?: boolean; seconds?: number } = {},
): Thing {
  return stored(
    deployments.apply(live, config as Record<string, unknown>, {
      manager,
      force: options.force,
      nowMs: at(options.seconds ?? 1),
    }),
  );
}

function entries(object: object): readonly ManagedFieldsEntry[] {
  return (object as KubeObject).metadata.managedFields ?? [];
}

function fields(object: object, manager: string, operation?: string): unknown {
  return entries(object).find(entry => entry.manager === manager && (!operation || entry.operation === operation))?.fieldsV1;
}

function failure(run: () => unknown): StatusError {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('FieldManager.updateManagedFields', () => {
  it('tracks a created object as kube-apiserver does', () => {
    expect(entries(created())).toEqual([
      {
        manager: 'kubectl-create',
        operation: 'Update',
        apiVersion: 'apps/v1',
        time: time(0),
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:spec': {
            'f:replicas': {},
            'f:selector': {},
            'f:template': {
              'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
              'f:spec': {
                'f:containers': {
                  'k:{"name":"nginx"}': {
                    '.': {},
                    'f:env': { '.': {}, 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
                    'f:image': {},
                    'f:name': {},
                    'f:ports': {
                      '.': {},
                      'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {}, 'f:protocol': {} },
                    },
                    'f:resources': {},
                  },
                },
              },
            },
          },
        },
      },
    ]);
  });

  it('writes members in upstream order', () => {
    const text = JSON.stringify(fields(created({ ...basicSpec, paused: true, minReadySeconds: 3 }), 'kubectl-create'));
    const order = ['minReadySeconds', 'paused', 'replicas', 'selector', 'template'].map(name => text.indexOf(`"f:${name}"`));
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it('gives changed fields to who changed them', () => {
    const live = created();
    const next = produce(live, draft => {
      draft.spec['replicas'] = 3;
      draft.metadata.labels = { a: 'b' };
    });
    const result = deployments.updateManagedFields(live, next, { manager: 'kubectl-edit', nowMs: at(5) });
    expect(entries(result).map(entry => [entry.manager, entry.time])).toEqual([
      ['kubectl-create', time(0)],
      ['kubectl-edit', time(5)],
    ]);
    expect(fields(result, 'kubectl-edit')).toEqual({
      'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
      'f:spec': { 'f:replicas': {} },
    });
    expect(fields(result, 'kubectl-create')).not.toHaveProperty(['f:spec', 'f:replicas']);
  });

  it('changes nothing when nothing was changed', () => {
    const live = created();
    const result = deployments.updateManagedFields(
      live,
      produce(live, () => {}),
      { manager: 'other', nowMs: at(9) },
    );
    expect(result).toEqual(live);
    expect(entries(result)[0]).toBe(entries(live)[0]);
  });

  it('takes removed fields from everyone', () => {
    const live = created();
    const next = produce(live, draft => void delete draft.spec['replicas']);
    const result = deployments.updateManagedFields(live, next, { manager: 'other', nowMs: at(9) });
    expect(entries(result)).toHaveLength(1);
    expect(fields(result, 'kubectl-create')).not.toHaveProperty(['f:spec', 'f:replicas']);
  });

  it('does not count what metadata the server sets', () => {
    const live = created();
    const next = produce(live, draft => {
      draft.metadata.generation = 2;
      draft.metadata.resourceVersion = '7';
      draft.metadata.creationTimestamp = time(1);
    });
    expect(entries(deployments.updateManagedFields(live, next, { manager: 'other', nowMs: at(9) }))).toEqual(entries(live));
  });

  it('keeps the status and the rest apart', () => {
    const live = created();
    const next = produce(live, draft => {
      draft.status = { readyReplicas: 1, conditions: [{ type: 'Available', status: 'True' }] };
      draft.spec['paused'] = true;
    });
    const result = deploymentStatus.updateManagedFields(live, next, { manager: 'controller', nowMs: at(3) });
    expect(entries(result).at(-1)).toEqual({
      manager: 'controller',
      operation: 'Update',
      apiVersion: 'apps/v1',
      time: time(3),
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:status': {
          'f:conditions': {
            '.': {},
            'k:{"type":"Available"}': {
              '.': {},
              'f:lastTransitionTime': {},
              'f:lastUpdateTime': {},
              'f:status': {},
              'f:type': {},
            },
          },
          'f:readyReplicas': {},
        },
      },
      subresource: 'status',
    });
    expect(
      deployments.updateManagedFields(
        live,
        produce(live, draft => (draft.status = { replicas: 2 })),
        { manager: 'x', nowMs: 1 },
      ),
    ).toMatchObject({
      metadata: { managedFields: entries(live) },
    });
  });

  it('takes managed fields that a writer sends, and lets it reset them', () => {
    const live = created();
    const renamed = produce(live, draft => (draft.metadata.managedFields![0]!.manager = 'renamed'));
    expect(entries(deployments.updateManagedFields(live, renamed, { manager: 'x', nowMs: 1 }))[0]!.manager).toBe('renamed');
    const broken = produce(live, draft => (draft.metadata.managedFields![0]!.fieldsV1 = { x: {} }));
    expect(entries(deployments.updateManagedFields(live, broken, { manager: 'x', nowMs: 1 }))).toEqual(entries(live));
    const without = produce(live, draft => void delete draft.metadata.managedFields);
    expect(entries(deployments.updateManagedFields(live, without, { manager: 'x', nowMs: 1 }))).toEqual(entries(live));
    for (const reset of [[], [{}]]) {
      const cleared = produce(live, draft => (draft.metadata.managedFields = reset));
      const result = deployments.updateManagedFields(live, cleared, { manager: 'x', nowMs: 1 });
      expect(result.metadata).not.toHaveProperty('managedFields');
      // From now on nothing is tracked until the first apply.
      const edited = produce(result, draft => (draft.spec['replicas'] = 9));
      expect(entries(deployments.updateManagedFields(result, edited, { manager: 'x', nowMs: 1 }))).toEqual([]);
    }
    const bySubresource = produce(live, draft => (draft.metadata.managedFields = []));
    expect(entries(deploymentStatus.updateManagedFields(live, bySubresource, { manager: 'x', nowMs: 1 }))).toEqual(entries(live));
  });

  it('merges the oldest updaters when there are more than ten', () => {
    let live = created();
    for (let i = 1; i <= 12; i++) {
      const next = produce(live, draft => (draft.metadata.labels = { ...draft.metadata.labels, [`l${i}`]: 'x' }));
      live = stored(deployments.updateManagedFields(live, next, { manager: `m${i}`, nowMs: at(i) }));
    }
    expect(entries(live).map(entry => entry.manager)).toEqual([
      'ancient-changes',
      'm4',
      'm5',
      'm6',
      'm7',
      'm8',
      'm9',
      'm10',
      'm11',
      'm12',
    ]);
    expect(fields(live, 'ancient-changes')).toMatchObject({
      'f:metadata': { 'f:labels': { 'f:l1': {}, 'f:l2': {}, 'f:l3': {} } },
    });
    expect(entries(live)[0]!.time).toBe(time(3));
  });

  it('fits what was owned in parts to a type that has become atomic', () => {
    const live = produce(created(), draft => {
      (draft.metadata.managedFields![0]!.fieldsV1!['f:spec'] as Record<string, unknown>)['f:selector'] = {
        'f:matchLabels': { '.': {}, 'f:app': {} },
      };
    });
    const next = produce(live, draft => (draft.spec['selector'] = { matchLabels: { app: 'other' } }));
    const result = deployments.updateManagedFields(live, next, { manager: 'x', nowMs: at(1) });
    expect(fields(result, 'x')).toEqual({ 'f:spec': { 'f:selector': {} } });
    expect(fields(result, 'kubectl-create')).not.toHaveProperty(['f:spec', 'f:selector']);
    const config = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { paused: true } };
    expect(fields(deployments.apply(live, config, { manager: 'x', nowMs: 1 }), 'kubectl-create')).toHaveProperty(
      ['f:spec', 'f:selector'],
      {},
    );
  });

  it('loses managed fields rather than failing', () => {
    const live = created();
    const odd = produce(live, draft => (draft.metadata.finalizers = [{ not: 'a string' }] as unknown as string[]));
    const result = deployments.updateManagedFields(live, odd, { manager: 'x', nowMs: 1 });
    expect(result.metadata).not.toHaveProperty('managedFields');
    expect(result.spec).toBe(odd.spec);
  });

  it('copes with items that come twice', () => {
    const live = created();
    const twice = produce(live, draft => {
      const [container] = (draft.spec as typeof basicSpec).template.spec.containers;
      container!.env.push({ name: 'A', value: '2' });
    });
    const result = stored(deployments.updateManagedFields(live, twice, { manager: 'x', nowMs: at(1) }));
    const path = ['f:spec', 'f:template', 'f:spec', 'f:containers', 'k:{"name":"nginx"}', 'f:env', 'k:{"name":"A"}'];
    expect(fields(result, 'x')).toHaveProperty(path, {});
    const once = deployments.updateManagedFields(result, live, { manager: 'y', nowMs: at(2) });
    expect(fields(once, 'y')).toHaveProperty(path, { '.': {}, 'f:name': {}, 'f:value': {} });
  });

  it('keeps __proto__ as data', () => {
    const live = created();
    const next = produce(
      live,
      draft => (draft.metadata.labels = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>),
    );
    const result = deployments.updateManagedFields(live, next, { manager: 'x', nowMs: 1 });
    expect(fields(result, 'x')).toEqual({ 'f:metadata': { 'f:labels': { '.': {}, 'f:__proto__': {}, 'f:constructor': {} } } });
  });
});

describe('FieldManager.apply', () => {
  const config = (spec: Record<string, unknown>, metadata: Record<string, unknown> = {}): Thing => deployment(spec, metadata);

  it('creates', () => {
    const result = applied(undefined, config(basicSpec));
    expect(result.spec).toEqual(basicSpec);
    expect(entries(result)).toHaveLength(1);
    expect(entries(result)[0]).toMatchObject({ manager: 'applier', operation: 'Apply', apiVersion: 'apps/v1', time: time(1) });
    expect(fields(result, 'applier')).toMatchObject({
      'f:spec': { 'f:template': { 'f:metadata': { 'f:labels': { 'f:app': {} } } } },
    });
    expect(fields(result, 'applier')).not.toHaveProperty(['f:metadata']);
  });

  it('reports a conflict in the words of kube-apiserver', () => {
    const live = created(basicSpec, 'kubectl-edit');
    const error = failure(() => applied(live, config({ replicas: 5 })));
    expect(error.status).toMatchObject({
      code: 409,
      reason: 'Conflict',
      message: 'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas',
      details: {
        causes: [
          { reason: 'FieldManagerConflict', message: 'conflict with "kubectl-edit" using apps/v1', field: '.spec.replicas' },
        ],
      },
    });
    expect(isApplyConflict(error)).toBe(true);
    const several = failure(() =>
      applied(live, config({ replicas: 5, template: { spec: { containers: [{ name: 'nginx', image: 'nginx:2' }] } } })),
    );
    expect(several.message).toBe(
      'Apply failed with 2 conflicts: conflicts with "kubectl-edit" using apps/v1:\n' +
        '- .spec.replicas\n- .spec.template.spec.containers[name="nginx"].image',
    );
    const other = applied(undefined, config(basicSpec), 'first');
    expect(failure(() => applied(other, config({ replicas: 5 }), 'second')).message).toBe(
      'Apply failed with 1 conflict: conflict with "first": .spec.replicas',
    );
  });

  it('shares fields that are applied with the same value, and takes them by force', () => {
    const live = created(basicSpec, 'kubectl-edit');
    const shared = applied(live, config({ replicas: 1 }));
    expect(fields(shared, 'applier')).toEqual({ 'f:spec': { 'f:replicas': {} } });
    expect(fields(shared, 'kubectl-edit')).toHaveProperty(['f:spec', 'f:replicas']);
    const forced = applied(live, config({ replicas: 5 }), 'applier', { force: true });
    expect(forced.spec['replicas']).toBe(5);
    expect(fields(forced, 'kubectl-edit')).not.toHaveProperty(['f:spec', 'f:replicas']);
  });

  it('removes what is no longer applied unless someone else owns it', () => {
    const first = applied(undefined, config({ ...basicSpec, paused: true }, { labels: { a: '1', b: '2' } }), 'one');
    const both = applied(first, config({ paused: true }, { labels: { b: '2', c: '3' } }), 'two');
    const result = applied(both, config({ selector: basicSpec.selector, template: basicSpec.template }), 'one');
    expect(result.metadata.labels).toEqual({ b: '2', c: '3' });
    expect(result.spec).toEqual({ selector: basicSpec.selector, template: basicSpec.template, paused: true });
    const { spec: _, ...nothing } = config({});
    const gone = applied(result, nothing, 'two');
    expect(gone.spec).toEqual({ selector: basicSpec.selector, template: basicSpec.template });
    expect(entries(gone).map(entry => entry.manager)).toEqual(['one']);
  });

  it('removes items of lists, and leaves those of others in their order', () => {
    const container = (name: string): object => ({ name, image: 'i' });
    const containers = (object: Thing): string[] =>
      (object.spec as { template: { spec: { containers: { name: string }[] } } }).template.spec.containers.map(each => each.name);
    const spec = (...names: string[]): Record<string, unknown> => ({ template: { spec: { containers: names.map(container) } } });
    const first = applied(undefined, config(spec('a', 'b')), 'one');
    const second = applied(first, config(spec('c', 'b')), 'two');
    expect(containers(second)).toEqual(['a', 'c', 'b']);
    expect(containers(applied(second, config(spec('a')), 'one'))).toEqual(['a', 'c', 'b']);
    expect(containers(applied(second, config(spec('b')), 'two'))).toEqual(['a', 'b']);
    const third = applied(second, config(spec('b')), 'two');
    expect(containers(applied(third, config(spec('a')), 'one'))).toEqual(['a', 'b']);
  });

  it('tells list items apart by default values of keys', () => {
    const port = (extra: object): Record<string, unknown> => ({
      template: { spec: { containers: [{ name: 'a', ports: [{ containerPort: 53, ...extra }] }] } },
    });
    const first = applied(undefined, config(port({})), 'one');
    const second = applied(first, config(port({ protocol: 'UDP' })), 'two');
    const { ports } = (second.spec as { template: { spec: { containers: [{ ports: object[] }] } } }).template.spec.containers[0];
    expect(ports).toEqual([{ containerPort: 53 }, { containerPort: 53, protocol: 'UDP' }]);
    expect(JSON.stringify(fields(second, 'one'))).toContain('k:{\\"containerPort\\":53,\\"protocol\\":\\"TCP\\"}');
  });

  it('treats atomic parts as one', () => {
    const first = applied(undefined, config({ ...basicSpec }), 'one');
    const error = failure(() => applied(first, config({ selector: { matchLabels: { app: 'other' } } }), 'two'));
    expect(error.message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.selector');
    const forced = applied(first, config({ selector: { matchLabels: { x: 'y' } } }), 'two', { force: true });
    expect(forced.spec['selector']).toEqual({ matchLabels: { x: 'y' } });
  });

  it('keeps times and object when nothing changes', () => {
    const first = applied(undefined, config(basicSpec));
    const again = applied(first, config(basicSpec), 'applier', { seconds: 30 });
    expect(again).toEqual(first);
    const changed = applied(first, config({ ...basicSpec, replicas: 2 }), 'applier', { seconds: 30 });
    expect(entries(changed)[0]!.time).toBe(time(30));
  });

  it('tracks what was there before the first apply', () => {
    const live = produce(created(), draft => void delete draft.metadata.managedFields);
    const result = applied(live, config({ replicas: 1 }));
    expect(entries(result).map(entry => [entry.manager, entry.operation])).toEqual([
      ['applier', 'Apply'],
      ['before-first-apply', 'Update'],
    ]);
    expect(failure(() => applied(live, config({ replicas: 2 }))).message).toBe(
      'Apply failed with 1 conflict: conflict with "before-first-apply" using apps/v1: .spec.replicas',
    );
  });

  it('takes kubectl from client-side to server-side apply', () => {
    const lastApplied = JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { replicas: 1 },
    });
    const start = deployment(basicSpec, { annotations: { [lastAppliedAnnotation]: lastApplied } });
    const live = stored(
      deployments.updateManagedFields(undefined, start, { manager: 'kubectl-client-side-apply', nowMs: at(0) }),
    );
    expect(failure(() => applied(live, config({ replicas: 5 }), 'other')).httpStatus).toBe(409);
    const result = applied(live, config({ replicas: 5 }), 'kubectl');
    expect(result.spec['replicas']).toBe(5);
    expect(result.metadata.annotations).toEqual({
      [lastAppliedAnnotation]:
        '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},"spec":{"replicas":5}}\n',
    });
    // What has changed since then is not client-side apply's any more.
    const edited = stored(
      deployments.updateManagedFields(
        live,
        produce(live, draft => (draft.spec['replicas'] = 3)),
        { manager: 'edit', nowMs: at(2) },
      ),
    );
    expect(failure(() => applied(edited, config({ replicas: 5 }), 'kubectl')).message).toContain('conflict with "edit"');
  });

  it('refuses what it must not take', () => {
    expect(failure(() => applied(undefined, { ...config({}), kind: 'Pod' })).status).toMatchObject({
      code: 400,
      message: 'invalid object type: apps/v1, Kind=Pod',
    });
    expect(failure(() => applied(undefined, { ...config({}), apiVersion: 'v1' })).message).toBe(
      'invalid object type: /v1, Kind=Deployment',
    );
    expect(failure(() => applied(undefined, config({}, { managedFields: [] }))).status).toMatchObject({
      code: 400,
      message: 'metadata.managedFields must be nil',
    });
    const typed = 'failed to create typed patch object (default/web; apps/v1, Kind=Deployment): ';
    const refused: [spec: Record<string, unknown>, text: string][] = [
      [{ template: { spec: { foo: 1 } } }, '.spec.template.spec.foo: field not declared in schema'],
      [{ replicas: 'x' }, '.spec.replicas: expected numeric (int or float), got string'],
      [
        { template: { spec: { containers: [{ image: 'x', name: 'a' }, { name: 'a' }] } } },
        '.spec.template.spec.containers: duplicate entries for key [name="a"]',
      ],
      [{ template: { spec: { containers: 'x' } } }, '.spec.template.spec.containers: expected list, got &{x}'],
    ];
    for (const [spec, text] of refused) {
      expect(failure(() => applied(undefined, config(spec))).status).toMatchObject({ code: 500, message: typed + text });
    }
  });

  it('forgets managers of versions that are no longer served, and converts those of others', () => {
    const type = kindType('apps', 'Deployment');
    const manager = new FieldManager({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      type,
      version: apiVersion => (apiVersion === 'apps/v1beta2' ? { type, convert: object => object } : undefined),
    });
    const live = produce(created(), draft => {
      const [entry] = draft.metadata.managedFields!;
      draft.metadata.managedFields = [
        { ...entry!, apiVersion: 'apps/v1beta2', manager: 'old' },
        { ...entry!, apiVersion: 'extensions/v1beta1', manager: 'older' },
      ];
    });
    const result = manager.apply(live, config({ replicas: 5 }) as unknown as Record<string, unknown>, {
      manager: 'a',
      force: true,
      nowMs: 1,
    });
    expect(entries(result).map(entry => entry.manager)).toEqual(['a', 'old']);
    expect(fields(result, 'old')).not.toHaveProperty(['f:spec', 'f:replicas']);
  });

  it('merges objects without a schema member by member, and takes lists as one', () => {
    const manager = new FieldManager({ apiVersion: 'a.b/v1', kind: 'Thing', type: deducedMergeType });
    const thing = (spec: object): Record<string, unknown> =>
      deepFreeze({ apiVersion: 'a.b/v1', kind: 'Thing', metadata: { name: 'x' }, spec });
    const first = stored(manager.apply(undefined, thing({ a: { b: 1 }, l: [1, 2] }), { manager: 'one', nowMs: 1 }));
    expect(fields(first, 'one')).toEqual({ 'f:spec': { '.': {}, 'f:a': { '.': {}, 'f:b': {} }, 'f:l': {} } });
    const second = stored(manager.apply(first, thing({ a: { c: 2 } }), { manager: 'two', nowMs: 1 }));
    expect(second.spec).toEqual({ a: { b: 1, c: 2 }, l: [1, 2] });
    expect(failure(() => manager.apply(second, thing({ l: [1] }), { manager: 'two', nowMs: 1 })).message).toBe(
      'Apply failed with 1 conflict: conflict with "one": .spec.l',
    );
    expect((stored(manager.apply(second, thing({ l: [1, 2] }), { manager: 'one', nowMs: 1 })) as Thing).spec).toEqual({
      a: { c: 2 },
      l: [1, 2],
    });
  });
});
