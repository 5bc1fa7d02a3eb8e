import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';
import type { Tool, ToolOptions, ToolResult } from '../support/kubectl.js';
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

  it('checks a list by the schema, which the server cannot do, and creates what is in it', async () => {
    const list = (field: string): string =>
      `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: listed}, ${field}: {a: b}}\n`;
    const refused = await kubectl(['create', '-f', '-'], { input: list('date') });
    expect(refused.stderr).toContain('ValidationError(ConfigMap): unknown field "date" in io.k8s.api.core.v1.ConfigMap');
    expect(await kubectl(['create', '-f', '-'], { input: list('data') })).toMatchObject({
      code: 0,
      stdout: 'configmap/listed created\n',
      stderr: '',
    });
    await succeed('delete', 'configmap', 'listed');
  });

  it('explains fields', async () => {
    expect(await succeed('explain', 'configmap.data')).toContain('FIELD: data <map[string]string>');
  });

  it('watches changes, from the list on and without a gap', async () => {
    await succeed('create', 'configmap', 'there');
    let listed: (() => void) | undefined;
    const isListed = new Promise<void>(resolve => (listed = resolve));
    const watching = kubectl(['get', 'configmaps', '--watch', '--output-watch-events', '--no-headers'], {
      isEnough: output => {
        if (/^ADDED +there /m.test(output)) listed!();
        return /^DELETED +seen /m.test(output);
      },
    });
    await isListed;
    await succeed('create', 'configmap', 'seen');
    await succeed('patch', 'configmap', 'seen', '--type=merge', '-p', '{"data":{"a":"1","b":"2"}}');
    await succeed('delete', 'configmap', 'seen');
    const events = (await watching).stdout.split('\n').filter(line => / seen /.test(line));
    expect(events.map(line => line.split(/ +/).slice(0, 3))).toEqual([
      ['ADDED', 'seen', '0'],
      ['MODIFIED', 'seen', '2'],
      ['DELETED', 'seen', '2'],
    ]);
  });
});

const pod = `
metadata: {labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 5
  nodeSelector: {disk: fast}
  securityContext: {runAsUser: 1000, fsGroup: 1000}
  initContainers:
    - {name: wait, image: example.com/wait:1, command: [sh, -c, 'true']}
  containers:
    - name: web
      image: example.com/web:1
      args: [--level=info]
      ports: [{name: http, containerPort: 8080}]
      env:
        - {name: PLAIN, value: text}
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: one, optional: true}}}
      resources: {requests: {cpu: 10m, memory: 8Mi}, limits: {memory: 32Mi}}
      readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 2}
      livenessProbe: {tcpSocket: {port: 8080}}
      volumeMounts: [{name: texts, mountPath: /texts, readOnly: true}]
  volumes:
    - {name: texts, configMap: {name: texts, optional: true}}
  tolerations: [{key: slow, operator: Exists, effect: NoSchedule}]
`;

function indented(text: string, by: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(by));
}

const deployment = (image: string): string => `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:${indented(pod.replace('example.com/web:1', image), 4)}`;

(toolsRunHere ? describe : describe.skip)('the real kubectl on workloads', () => {
  let server: RunningApiServer;
  let kubectl: Tool;

  beforeAll(async () => {
    server = await startApiServer();
    kubectl = await realTool('kubectl', server.kubeconfig, server.directory);
    // What a controller makes in a whole cluster, and pods are refused without.
    await kubectl(['create', 'serviceaccount', 'default']);
  });

  afterAll(() => server.stop());

  async function succeed(argumentList: readonly string[], options: ToolOptions = {}): Promise<string> {
    const result = await kubectl(argumentList, options);
    expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: '' });
    return result.stdout;
  }

  it('creates a whole Deployment and a whole Pod', async () => {
    expect(await succeed(['create', '-f', '-'], { input: deployment('example.com/web:1') })).toBe(
      'deployment.apps/web created\n',
    );
    const alone = `apiVersion: v1\nkind: Pod${pod.replace('metadata: {', 'metadata: {name: alone, ')}`;
    expect(await succeed(['create', '-f', '-'], { input: alone })).toBe('pod/alone created\n');
    const found = JSON.parse(await succeed(['get', 'pod', 'alone', '-o', 'json'])) as { spec: Record<string, unknown> };
    expect(found.spec).toMatchObject({
      nodeSelector: { disk: 'fast' },
      terminationGracePeriodSeconds: 5,
      restartPolicy: 'Always',
    });
    const again = await kubectl(['create', '-f', '-'], { input: alone });
    expect(again).toMatchObject({ code: 1 });
    expect(again.stderr).toContain('Error from server (AlreadyExists): error when creating "STDIN": pods "alone" already exists');
  });

  it('describes them', async () => {
    const text = await succeed(['describe', 'deployment', 'web']);
    for (const line of [
      /^Name: +web$/m,
      /^Selector: +app=web$/m,
      /^Replicas: +3 desired \| 0 updated \| 0 total \| 0 available \| 0 unavailable$/m,
      /^RollingUpdateStrategy: +0 max unavailable, 1 max surge$/m,
      /^ +Image: +example\.com\/web:1$/m,
      /^ +Liveness: +tcp-socket :8080 delay=0s timeout=1s period=10s #success=1 #failure=3$/m,
      /^ +POD: +\(v1:metadata\.name\)$/m,
      /^ +Optional: +true$/m,
      /^Events: +<none>$/m,
    ])
      expect(text).toMatch(line);
    const described = await succeed(['describe', 'pod', 'alone']);
    for (const line of [
      /^Priority: +0$/m,
      /^Service Account: +default$/m,
      /^Status: +Pending$/m,
      /^QoS Class: +Burstable$/m,
      /^Node-Selectors: +disk=fast$/m,
      /^Tolerations: +node\.kubernetes\.io\/not-ready:NoExecute op=Exists for 300s$/m,
      /^ +slow:NoSchedule op=Exists$/m,
      /^ +KEY: +<set to the key 'one' in secret 'keys'> +Optional: true$/m,
    ])
      expect(described).toMatch(line);
  });

  it('replaces a Deployment, and refuses to go back to one that was changed meanwhile', async () => {
    const before = await succeed(['get', 'deployment', 'web', '-o', 'yaml']);
    expect(await succeed(['replace', '-f', '-'], { input: deployment('example.com/web:2') })).toBe(
      'deployment.apps/web replaced\n',
    );
    expect(await succeed(['get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}'])).toBe(
      'example.com/web:2',
    );
    const late = await kubectl(['replace', '-f', '-'], { input: before });
    expect(late.code).toBe(1);
    expect(late.stderr).toContain('the object has been modified; please apply your changes to the latest version and try again');
    const absent = await kubectl(['replace', '-f', '-'], {
      input: deployment('example.com/web:2').replace('name: web', 'name: none'),
    });
    expect(absent.stderr).toContain('deployments.apps "none" not found');
  });

  it('edits in an editor, and shows the reason there when the edit is refused', async () => {
    const shown = join(server.directory, 'shown');
    const editor = join(server.directory, 'editor');
    const edit = async (script: string): Promise<ToolResult> => {
      await writeFile(editor, `#!/bin/sh\ncp "$1" ${shown}\nexec sed -i '${script}' "$1"\n`, { mode: 0o755 });
      return kubectl(['edit', 'deployment', 'web'], { environment: { KUBE_EDITOR: editor, TMPDIR: server.directory } });
    };
    expect(await edit('s/replicas: 3/replicas: 5/')).toMatchObject({ code: 0, stdout: 'deployment.apps/web edited\n' });
    expect(await succeed(['get', 'deployment', 'web', '-o', 'jsonpath={.spec.replicas}'])).toBe('5');
    expect(await edit('s/nothing/like-this/')).toMatchObject({ code: 0, stderr: 'Edit cancelled, no changes made.\n' });
    expect(await edit('s/replicas: 5/replicas: -1/')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('error: deployments.apps "web" is invalid\n'),
    });
    expect(await readFile(shown, 'utf8')).toContain(
      '# deployments.apps "web" was not valid:\n# * spec.replicas: Invalid value: -1: must be greater than or equal to 0\n',
    );
    expect(await succeed(['get', 'deployment', 'web', '-o', 'jsonpath={.spec.replicas}'])).toBe('5');
  });

  it('explains a field of a workload with its description and those of its fields', async () => {
    const text = await succeed(['explain', 'deployment.spec.strategy']);
    expect(text).toMatch(
      /^GROUP: +apps\nKIND: +Deployment\nVERSION: +v1\n\nFIELD: strategy <DeploymentStrategy>\s+DESCRIPTION:\n( {4}\w.*\n)+\s+FIELDS:\n/,
    );
    expect(text).toMatch(/^ {2}rollingUpdate\t<RollingUpdateDeployment>\n {4}\w/m);
    expect(text).toMatch(/^ {2}type\t<string>\n {2}enum: Recreate, RollingUpdate\n {4}\w/m);
    for (const path of ['deployment.spec', 'pod.spec.containers', 'job.spec'])
      expect(await succeed(['explain', path])).not.toContain('<no description>');
  });
});
