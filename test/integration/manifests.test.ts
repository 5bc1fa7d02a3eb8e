import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContainerModule } from 'inversify';
import { builtInCatalogue, runCluster } from '../../core/cluster/index.js';
import type { RunningCluster } from '../../core/cluster/index.js';
import { ApiTransport, Client, definePlugin, Part, Resources } from '../../core/plugin-api/index.js';
import type { KubeObject, PartDescriptor } from '../../core/plugin-api/index.js';

let directory: string;
let running: RunningCluster | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'manifests-'));
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await rm(directory, { recursive: true });
});

function configMap(name: string, data: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'kube-system' }, data } as KubeObject;
}

const seenAtStart: string[] = [];

function battery(manifests: KubeObject[]): PartDescriptor {
  const load = async (): Promise<{ module: ContainerModule }> => ({
    module: new ContainerModule(({ bind }) => {
      bind(Part).toResolvedValue(
        (transport: ApiTransport) => ({
          async start() {
            const client = new Client(transport, { name: 'system:admin', groups: ['system:masters'] });
            const { entries } = await client.resource(Resources.ConfigMaps, 'kube-system').list();
            seenAtStart.splice(0, Infinity, ...entries.map(entry => entry.name));
          },
        }),
        [ApiTransport],
      );
    }),
  });
  return definePlugin({ id: 'battery', slot: 'metrics', contract: 1, requires: ['apiserver', 'core'], manifests, load });
}

async function start(manifests: KubeObject[], more: string[] = []): Promise<Client> {
  await running?.stop();
  running = await runCluster({
    command: 'server',
    arguments: ['--preset', 'sandbox', '--data-dir', directory, '--slot', 'datastore=sqlite', ...more],
    environment: {},
    catalogue: [...builtInCatalogue(), battery(manifests)],
  });
  return new Client(running.kernel.get<ApiTransport>(ApiTransport), { name: 'system:admin', groups: ['system:masters'] });
}

describe('manifests of plugins', () => {
  it('may bring custom resources and objects of them, in any order', async () => {
    const group = 'battery.example.com';
    const widget = {
      apiVersion: `${group}/v1`,
      kind: 'Widget',
      metadata: { name: 'one' },
      spec: { size: 1 },
    } as unknown as KubeObject;
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const definition = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `widgets.${group}` },
      spec: {
        group,
        scope: 'Cluster',
        names: { plural: 'widgets', kind: 'Widget' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    } as unknown as KubeObject;
    const widgets = { group, version: 'v1', resource: 'widgets', kind: 'Widget', namespaced: false };
    const first = await start([widget, definition], ['--slot', 'metrics=battery']);
    expect((await first.resource<KubeObject>(widgets).get('one')) as object).toMatchObject({ spec: { size: 1 } });
    const second = await start([]);
    await expect(second.resource<KubeObject>(widgets).get('one')).rejects.toMatchObject({ status: { reason: 'NotFound' } });
  });

  it('are there before the plugin starts, follow its descriptor, and go with it', async () => {
    const withBattery = ['--slot', 'metrics=battery'];
    const first = await start([configMap('one', { a: '1' }), configMap('two')], withBattery);
    expect(seenAtStart).toEqual(expect.arrayContaining(['one', 'two']));
    const maps = first.resource(Resources.ConfigMaps, 'kube-system');
    expect((await maps.get('one')).metadata.labels).toEqual({ 'k3s-ts.io/owner': 'battery' });
    // What a user took over stays with the user.
    await maps.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine', namespace: 'kube-system' } });

    const second = await start([configMap('one', { b: '2' }), configMap('three')], withBattery);
    const names = async (client: Client): Promise<string[]> =>
      (await client.resource(Resources.ConfigMaps, 'kube-system').list()).entries.map(entry => entry.name);
    expect((await second.resource(Resources.ConfigMaps, 'kube-system').get('one')).data).toEqual({ b: '2' });
    expect(await names(second)).toEqual(expect.arrayContaining(['one', 'three', 'mine']));
    expect(await names(second)).not.toContain('two');
    await second
      .resource(Resources.ConfigMaps, 'kube-system')
      .patch('three', 'merge', { metadata: { labels: { 'k3s-ts.io/owner': null } } });

    const third = await start([]);
    expect(await names(third)).toEqual(expect.arrayContaining(['three', 'mine']));
    expect(await names(third)).not.toContain('one');
  });
});
