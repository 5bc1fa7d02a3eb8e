import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';
import type { Tool } from '../support/kubectl.js';
import { realTool, toolsRunHere } from '../support/kubectl.js';

(toolsRunHere ? describe : describe.skip)('the real kubectl on configmaps and namespaces', () => {
  let server: RunningApiServer;
  let kubectl: Tool;

  beforeAll(async () => {
    server = await startApiServer();
    kubectl = await realTool('kubectl', server.kubeconfig, server.directory);
  });

  afterAll(() => server.stop());

  async function succeed(...argumentList: string[]): Promise<string> {
    const result = await kubectl(argumentList);
    if (result.code !== 0) throw new Error(`kubectl ${argumentList.join(' ')}: ${result.stderr}`);
    return result.stdout;
  }

  it('lists namespaces as a table', async () => {
    const lines = (await succeed('get', 'namespaces')).trim().split('\n');
    expect(lines[0]).toMatch(/^NAME\s+STATUS\s+AGE$/);
    expect(lines.slice(1).map(line => line.split(/\s+/)[0])).toEqual([
      'default',
      'kube-node-lease',
      'kube-public',
      'kube-system',
    ]);
  });

  it('creates by protobuf, labels, annotates, patches and deletes', async () => {
    await succeed('create', 'configmap', 'one', '--from-literal=a=1');
    await succeed('label', 'configmap', 'one', 'tier=front');
    await succeed('annotate', 'configmap', 'one', 'note=x');
    await succeed('patch', 'configmap', 'one', '--type=merge', '-p', '{"data":{"b":"2"}}');
    await succeed('patch', 'configmap', 'one', '--type=json', '-p', '[{"op":"remove","path":"/data/a"}]');
    const object = JSON.parse(await succeed('get', 'configmap', 'one', '-o', 'json')) as Record<string, unknown>;
    expect(object).toMatchObject({ data: { b: '2' }, metadata: { labels: { tier: 'front' }, annotations: { note: 'x' } } });
    expect(await succeed('get', 'configmap', '-l', 'tier=front', '-o', 'name')).toBe('configmap/one\n');
    await succeed('delete', 'configmap', 'one');
    const gone = await kubectl(['get', 'configmap', 'one']);
    expect(gone).toMatchObject({ code: 1, stderr: 'Error from server (NotFound): configmaps "one" not found\n' });
  });

  it('applies on the client and on the server, and tells conflicts', async () => {
    const manifest = (value: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\ndata: {k: ${value}}\n`;
    expect((await kubectl(['apply', '-f', '-'], { input: manifest('v') })).stdout).toBe('configmap/two created\n');
    expect((await kubectl(['apply', '-f', '-'], { input: manifest('v') })).stdout).toBe('configmap/two unchanged\n');
    expect((await kubectl(['apply', '-f', '-'], { input: manifest('w') })).stdout).toBe('configmap/two configured\n');
    const conflict = await kubectl(['apply', '--server-side', '--field-manager=other', '-f', '-'], { input: manifest('x') });
    expect(conflict.code).toBe(1);
    expect(conflict.stderr).toContain('conflict with "kubectl-client-side-apply" using v1: .data.k');
  });

  it('refuses a bad name in the words of upstream', async () => {
    const bad = await kubectl(['create', 'configmap', 'Bad_Name']);
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain(
      'ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain',
    );
  });

  it('warns about and refuses unknown fields', async () => {
    const manifest = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: three}\ndate: {}\n';
    const strict = await kubectl(['create', '--validate=strict', '-f', '-'], { input: manifest });
    expect(strict.stderr).toContain('unknown field "date"');
    const warned = await kubectl(['create', '--validate=warn', '-f', '-'], { input: manifest });
    expect(warned).toMatchObject({ code: 0, stderr: 'Warning: unknown field "date"\n' });
  });

  it('explains fields', async () => {
    expect(await succeed('explain', 'configmap.data')).toContain('FIELD: data <map[string]string>');
  });

  it('watches changes', async () => {
    const watching = kubectl(['get', 'configmap', '-w', '--request-timeout=4s', '-o', 'name'], { timeoutMs: 20_000 });
    await new Promise(resolve => setTimeout(resolve, 1500));
    await succeed('create', 'configmap', 'seen');
    expect((await watching).stdout).toContain('configmap/seen');
  });
});
