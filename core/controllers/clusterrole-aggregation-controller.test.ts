import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ClusterRoles } from '../api/generated/resources.js';
import type { ClusterRole } from '../api/generated/types.js';
import { clusterroleAggregationController } from './clusterrole-aggregation-controller.js';
import { ControllerHarness } from './testing/harness.js';

describe('cluster role aggregation', () => {
  let harness: ControllerHarness;
  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.start(clusterroleAggregationController.create);
  });
  afterEach(() => harness.stop());

  it('gathers the rules of selected roles, by name, and follows them', async () => {
    const roles = harness.resource(ClusterRoles);
    const create = (name: string, resource: string) =>
      roles.create({
        metadata: { name, labels: { 'example.com/to-admin': 'true' } },
        rules: [{ verbs: ['get'], apiGroups: [''], resources: [resource] }],
      } as unknown as ClusterRole);
    const resources = async () => (await roles.get('admin')).rules?.flatMap(rule => rule.resources);
    await roles.create({
      metadata: { name: 'admin' },
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { 'example.com/to-admin': 'true' } }] },
    } as unknown as ClusterRole);
    await create('b', 'pods');
    await create('a', 'nodes');
    await harness.settle();
    expect(await resources()).toEqual(['nodes', 'pods']);
    await roles.delete('b');
    await harness.settle();
    expect(await resources()).toEqual(['nodes']);
    const patch = harness.transport.actions.filter(action => action.verb === 'patch').at(-1)!;
    expect(patch.object).toMatchObject({ kind: 'ClusterRole', metadata: { name: 'admin' } });
    const writes = harness.transport.writes().length;
    await harness.advance(60_000);
    expect(harness.transport.writes()).toHaveLength(writes);
  });
});
