import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../core/base/fake-clock.js';
import { silentLogger } from '../../core/base/logger.js';
import { MetricsNodes, MetricsPods } from '../../core/api/generated/resources.js';
import { Client, Resources } from '../../core/plugin-api/index.js';
import type { KubeObject, MetricsSource, Node, NodeUsage, Pod, ResourceReference } from '../../core/plugin-api/index.js';
import { MetricsGroup } from '../../plugins/metrics/metrics-server/metrics-group.js';
import { metricsServerManifests } from '../../plugins/metrics/metrics-server/metrics-server-manifests.js';
import { MetricsServerPart } from '../../plugins/metrics/metrics-server/metrics-server-part.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';
import { realTool, toolsRunHere } from '../support/kubectl.js';

describe('metrics.k8s.io', () => {
  const clock = new FakeClock();
  const startMs = clock.now();
  const group = new MetricsGroup();
  let server: RunningApiServer;
  let client: Client;
  let part: MetricsServerPart;
  const uids = new Map<string, string>();

  /** Half a core and 64 MiB a container; the second round measures 15 seconds later. */
  const source: MetricsSource = {
    async usage(): Promise<NodeUsage[]> {
      const sample = (cores: number, mebibytes: number) => ({
        timeMs: clock.now(),
        cpuUsageCoreNanos: (clock.now() - startMs) * 1_000_000 * cores,
        memoryWorkingSetBytes: mebibytes * 1024 * 1024,
      });
      const pods = Array.from(uids, ([name, uid]) => ({
        namespace: 'default',
        name,
        uid,
        containers: [
          { name: 'web', ...sample(0.5, 64) },
          { name: 'side', ...sample(0.25, 32) },
        ],
      }));
      return [{ nodeName: 'node-1', node: sample(1.5, 1024), pods }];
    },
  };

  beforeAll(async () => {
    server = await startApiServer({ groups: [group] });
    client = new Client(server.part.transport, { name: 'system:admin', groups: ['system:masters'] });
    for (const manifest of metricsServerManifests) {
      const found = server.part.catalogue.resources().find(({ reference }) => reference.kind === manifest.kind)!;
      await client
        .resource(found.reference as ResourceReference<KubeObject>, manifest.metadata.namespace)
        .patch(manifest.metadata.name!, 'apply', manifest, { fieldManager: 'test' });
    }
    const node = await client.resource(Resources.Nodes).create({
      metadata: { name: 'node-1', labels: { zone: 'a' } },
    } as unknown as Node);
    await client.resource(Resources.Nodes).updateStatus('node-1', {
      ...node,
      status: { capacity: { cpu: '4', memory: '4Gi' }, allocatable: { cpu: '4', memory: '4Gi' } },
    } as unknown as Node);
    await client
      .resource(Resources.ServiceAccounts, 'default')
      .create({ metadata: { name: 'default' } } as unknown as Parameters<ReturnType<typeof serviceAccounts>['create']>[0]);
    for (const name of ['web-1', 'web-2']) {
      const pod = await client.resource(Resources.Pods, 'default').create({
        metadata: { name, labels: { app: name } },
        spec: {
          containers: [
            { name: 'web', image: 'x' },
            { name: 'side', image: 'x' },
          ],
        },
      } as unknown as Pod);
      uids.set(name, pod.metadata.uid!);
    }
    part = new MetricsServerPart({
      group,
      transport: server.part.transport,
      sources: [{ usage: () => Promise.reject(new Error('away')) }, source],
      resolutionMs: 15_000,
      clock,
      logger: silentLogger,
    });
  });
  afterAll(async () => {
    await part.stop();
    await server.stop();
  });
  const serviceAccounts = () => client.resource(Resources.ServiceAccounts, 'default');

  it('says that it is not there yet, then tells rates', async () => {
    await expect(client.resource(MetricsNodes).list()).rejects.toMatchObject({ status: { reason: 'ServiceUnavailable' } });
    part.start();
    await clock.advance(0);
    expect(await client.resource(MetricsPods).objects()).toEqual([]);
    await clock.advance(3000);
    await clock.advance(15_000);
    expect(await client.resource(MetricsNodes).get('node-1')).toMatchObject({
      apiVersion: 'metrics.k8s.io/v1beta1',
      kind: 'NodeMetrics',
      metadata: { name: 'node-1', labels: { zone: 'a' } },
      timestamp: '2026-01-01T00:00:18Z',
      window: '15s',
      usage: { cpu: '1500m', memory: '1Gi' },
    });
    const pods = await client.resource(MetricsPods, 'default').objects({ labelSelector: 'app=web-2' });
    expect(pods).toMatchObject([
      {
        metadata: { name: 'web-2', namespace: 'default' },
        containers: [
          { name: 'web', usage: { cpu: '500m', memory: '64Mi' } },
          { name: 'side', usage: { cpu: '250m', memory: '32Mi' } },
        ],
      },
    ]);
    await expect(client.resource(MetricsPods, 'default').get('none')).rejects.toMatchObject({
      status: { message: 'pods.metrics.k8s.io "none" not found', code: 404 },
    });
    await expect(client.resource(MetricsPods, 'default').delete('web-1')).rejects.toMatchObject({ status: { code: 405 } });
  });

  it('is read by those who may, and by nobody else', async () => {
    const nobody = client.as({ name: 'nobody', groups: ['system:authenticated'] });
    await expect(nobody.resource(MetricsPods, 'default').list()).rejects.toMatchObject({ status: { reason: 'Forbidden' } });
  });

  (toolsRunHere ? it : it.skip)('is what kubectl top shows, and kubectl get as a table, YAML and protobuf', async () => {
    const kubectl = await realTool('kubectl', server.kubeconfig, server.directory);
    const words = (text: string) =>
      text
        .trim()
        .split('\n')
        .map(line => line.trim().split(/\s+/));
    const nodes = await kubectl(['top', 'nodes']);
    expect(nodes.stderr).toBe('');
    expect(words(nodes.stdout)).toEqual([
      ['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)'],
      ['node-1', '1500m', '37%', '1024Mi', '25%'],
    ]);
    expect(words((await kubectl(['top', 'pods', '--containers', '-l', 'app=web-1'])).stdout)).toEqual([
      ['POD', 'NAME', 'CPU(cores)', 'MEMORY(bytes)'],
      ['web-1', 'side', '250m', '32Mi'],
      ['web-1', 'web', '500m', '64Mi'],
    ]);
    expect(words((await kubectl(['top', 'pod', 'web-2'])).stdout)[1]).toEqual(['web-2', '750m', '96Mi']);
    expect(words((await kubectl(['get', 'pods.metrics.k8s.io'])).stdout)[1]).toEqual(['web-1', '750m', '96Mi', '15s']);
    expect((await kubectl(['get', 'nodes.metrics.k8s.io', 'node-1', '-o', 'yaml'])).stdout).toContain('cpu: 1500m');
    const resources = await kubectl(['api-resources', '--api-group=metrics.k8s.io', '-o', 'name']);
    expect(resources.stdout.trim().split('\n')).toEqual(['nodes.metrics.k8s.io', 'pods.metrics.k8s.io']);
    expect((await kubectl(['explain', 'nodes', '--api-version=metrics.k8s.io/v1beta1'])).stdout).toContain('window');
  });

  it('answers protobuf and tables over HTTP', async () => {
    const { decodeProtobuf } = await import('../../core/machinery/codec/protobuf-decode.js');
    const { loadTypes } = await import('../../core/api/schema-data.js');
    const kubectl = await realTool('kubectl', server.kubeconfig, server.directory);
    const raw = await kubectl(['get', '--raw', '/apis/metrics.k8s.io/v1beta1/nodes']);
    const list = JSON.parse(raw.stdout) as { kind: string; metadata: object; items: Record<string, unknown>[] };
    expect(list).toMatchObject({ kind: 'NodeMetricsList', metadata: {} });
    expect(Object.keys(list.items[0]!)).toEqual(['metadata', 'timestamp', 'window', 'usage']);
    const bytes = await httpGet(server, '/apis/metrics.k8s.io/v1beta1/nodes/node-1', 'application/vnd.kubernetes.protobuf');
    const { object } = decodeProtobuf(loadTypes('metrics.k8s.io'), bytes);
    expect(object).toMatchObject({ window: '15s', usage: { cpu: '1500m', memory: '1Gi' } });
  });
});

async function httpGet(server: RunningApiServer, path: string, accept: string): Promise<Buffer> {
  const { request } = await import('node:https');
  const { certPem, keyPem } = server.part.certificates.clients['client-admin']!;
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port: server.part.server.port,
        path,
        headers: { accept },
        ca: server.part.certificates.serverCaPem,
        cert: certPem,
        key: keyPem,
        agent: false,
      },
      response => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks)));
      },
    );
    call.on('error', reject);
    call.end();
  });
}
