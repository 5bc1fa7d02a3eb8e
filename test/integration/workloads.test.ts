import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestCluster } from '../../core/testing/index.js';
import { startCluster } from '../../core/testing/index.js';
import type { Tool } from '../support/kubectl.js';
import { realTool, toolsRunHere } from '../support/kubectl.js';

const chart = fileURLToPath(new URL('../../../test/support/charts/demo', import.meta.url));

(toolsRunHere ? describe : describe.skip)('the real kubectl and helm on a whole cluster with a simulated node', () => {
  let cluster: TestCluster;
  let home: string;
  let kubectl: Tool;
  let helm: Tool;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'k3s-tools-'));
    cluster = await startCluster();
    kubectl = await realTool('kubectl', cluster.kubeconfigFile, home);
    helm = await realTool('helm', cluster.kubeconfigFile, home);
  });

  afterAll(async () => {
    await cluster.stop();
    await rm(home, { recursive: true, force: true });
  });

  async function run(tool: Tool, text: string): Promise<string> {
    const result = await tool(text.split(' '), { timeoutMs: 60_000 });
    if (result.code !== 0) throw new Error(`${text}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }
  const k = (text: string): Promise<string> => run(kubectl, text);

  it('has a node that is ready', async () => {
    await k('wait --for=condition=Ready node --all --timeout=20s');
    expect(await k('get nodes --no-headers')).toMatch(/\bReady\b/);
  });

  it('rolls a deployment out, on, back and up', async () => {
    await k('create deployment web --image=example.com/web:1 --replicas=3');
    expect(await k('rollout status deployment web --timeout=30s')).toContain('successfully rolled out');
    await k('set image deployment/web web=example.com/web:2');
    await k('rollout status deployment web --timeout=30s');
    expect(await k('get pods -l app=web -o jsonpath={.items[*].spec.containers[0].image}')).toBe(
      Array(3).fill('example.com/web:2').join(' '),
    );
    await k('rollout undo deployment web');
    await k('rollout status deployment web --timeout=30s');
    expect(await k('get deployment web -o jsonpath={.spec.template.spec.containers[0].image}')).toBe('example.com/web:1');
    await k('scale deployment web --replicas=5');
    await k('wait --for=jsonpath={.status.readyReplicas}=5 deployment/web --timeout=30s');
    expect(await k('get events --field-selector involvedObject.name=web')).toContain('ScalingReplicaSet');
  });

  it('tells the history of a rollout, restarts it and goes back to a revision', async () => {
    await k('create deployment past --image=example.com/web:1');
    await k('rollout status deployment past --timeout=30s');
    await k('annotate deployment past kubernetes.io/change-cause=first');
    await k('set image deployment/past web=example.com/web:2');
    await k('rollout status deployment past --timeout=30s');
    expect(await k('rollout history deployment past')).toMatch(/^1\s+first\n2\s+first$/m);
    expect(await k('rollout history deployment past --revision=1')).toContain('example.com/web:1');
    await k('rollout restart deployment past');
    await k('rollout status deployment past --timeout=30s');
    const restarted = 'get deployment past -o jsonpath={.spec.template.metadata.annotations}';
    expect(await k(restarted)).toContain('kubectl.kubernetes.io/restartedAt');
    await k('rollout pause deployment past');
    expect((await kubectl(['rollout', 'restart', 'deployment', 'past'])).stderr).toContain('paused');
    await k('rollout resume deployment past');
    await k('rollout undo deployment past --to-revision=1');
    await k('rollout status deployment past --timeout=30s');
    expect(await k('get deployment past -o jsonpath={.spec.template.spec.containers[0].image}')).toBe('example.com/web:1');
    expect(await k('rollout history deployment past')).toMatch(/^2\s.*\n3\s.*\n4\s/m);
    await k('delete deployment past');
  });

  it('autoscales', async () => {
    await k('autoscale deployment web --min=5 --max=6 --cpu=50%');
    await k('wait --for=condition=AbleToScale hpa/web --timeout=40s');
    expect(await k('get hpa web --no-headers')).toMatch(/^web\s+Deployment\/web\s+cpu: \S+\/50%\s+5\s+6\s+5\s/);
    await k('delete hpa web');
  });

  it('taints nodes, and takes the taint back', async () => {
    expect(await k('taint nodes --all key=value:NoSchedule')).toContain('tainted');
    expect(JSON.parse(await k('get nodes -o jsonpath={.items[0].spec.taints}'))).toEqual([
      { effect: 'NoSchedule', key: 'key', value: 'value' },
    ]);
    expect(await k('taint nodes --all key=value:NoSchedule-')).toContain('untainted');
    expect(await k('get nodes -o jsonpath={.items[0].spec.taints}')).toBe('');
  });

  it('shows what nodes and pods use', async () => {
    const top = async (what: string): Promise<string> => {
      for (let attempt = 0; attempt < 60; attempt++) {
        const result = await kubectl(['top', what, '--no-headers']);
        if (result.code === 0 && result.stdout) return result.stdout;
        expect(result.stderr).toMatch(/metrics not available yet|Metrics not available|No resources found/);
        await new Promise(resolve => setTimeout(resolve, 1000));
      }
      throw new Error(`nothing to see of ${what}`);
    };
    expect(await top('nodes')).toMatch(/^\S+\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%/);
    expect(await top('pods')).toMatch(/^web-\S+\s+\d+m\s+\d+Mi/m);
  });

  it('shows what an apply would change', async () => {
    const changed = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 7}\n';
    const differs = await kubectl(['diff', '-f', '-'], { input: changed });
    expect(differs.code).toBe(1);
    expect(differs.stdout).toMatch(/^-  replicas: 5\n\+  replicas: 7$/m);
    const fresh = await kubectl(['diff', '-f', '-'], {
      input: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fresh}\ndata: {a: b}\n',
    });
    expect(fresh).toMatchObject({ code: 1, stdout: expect.stringContaining('+  name: fresh') });
    expect((await kubectl(['get', 'configmap', 'fresh'])).code).toBe(1);
    const same = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 5}\n';
    expect(await kubectl(['diff', '-f', '-'], { input: same })).toMatchObject({ code: 0, stdout: '' });
  });

  it('lists its resources', async () => {
    const lines = (await k('api-resources --no-headers')).trim().split('\n');
    expect(lines).toContainEqual(expect.stringMatching(/^deployments\s+deploy\s+apps\/v1\s+true\s+Deployment$/));
    expect(lines).toContainEqual(expect.stringMatching(/^servicecidrs\s+networking.k8s.io\/v1\s+false\s+ServiceCIDR$/));
    expect(await k('api-resources --verbs=list --namespaced=false -o name')).toMatch(/^nodes$/m);
  });

  it('keeps a namespace to its pod security level', async () => {
    await k('create namespace strict');
    await k('label namespace strict pod-security.kubernetes.io/enforce=restricted');
    const deployed = await kubectl(['-n', 'strict', 'create', 'deployment', 'web', '--image=example.com/web:1']);
    expect(deployed.stderr).toContain('Warning: would violate PodSecurity "restricted:latest"');
    const refused = await kubectl(['-n', 'strict', 'run', 'web', '--image=example.com/web:1']);
    expect(refused.stderr).toContain('pods "web" is forbidden: violates PodSecurity "restricted:latest"');
    await k('wait -n strict --for=condition=ReplicaFailure deployment/web --timeout=20s');
    await k('delete namespace strict --timeout=40s');
  });

  it('fills the secret of a service account and describes its token', async () => {
    await k('create serviceaccount robot');
    const input = `apiVersion: v1
kind: Secret
metadata: {name: robot, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
`;
    expect(await kubectl(['apply', '-f', '-'], { input })).toMatchObject({ code: 0 });
    await k('wait --for=jsonpath={.data.token} secret/robot --timeout=20s');
    expect(await k('describe secret robot')).toMatch(/^token:\s+ey/m);
    const token = Buffer.from(await k('get secret robot -o jsonpath={.data.token}'), 'base64').toString();
    // Without the certificate of the kubeconfig, which would win.
    const whoAmI = ['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}', '--token', token, '--kubeconfig=/dev/null'];
    const server = [
      '--server',
      (await k('config view -o jsonpath={.clusters[0].cluster.server}')).trim(),
      '--insecure-skip-tls-verify',
    ];
    expect(await kubectl([...whoAmI, ...server])).toMatchObject({ code: 0, stdout: 'system:serviceaccount:default:robot' });
    await k('delete serviceaccount robot');
    await k('wait --for=delete secret/robot --timeout=20s');
    expect((await kubectl([...whoAmI, ...server])).code).not.toBe(0);
  });

  it('gives a service addresses and endpoints', async () => {
    await k('expose deployment web --port=80');
    expect(await k('get service web -o jsonpath={.spec.clusterIP}')).toMatch(/^10\.43\./);
    await k('wait --for=jsonpath={.subsets[0].addresses[4].ip} endpoints/web --timeout=20s');
    expect(await k('get service kubernetes -o jsonpath={.spec.clusterIP}')).toBe('10.43.0.1');
  });

  it('drains a node and takes it back', async () => {
    const node = (await k('get nodes -o jsonpath={.items[0].metadata.name}')).trim();
    expect(await k(`drain ${node} --ignore-daemonsets --force --timeout=40s`)).toContain(`node/${node} drained`);
    await k(`uncordon ${node}`);
    await k('wait --for=jsonpath={.status.readyReplicas}=5 deployment/web --timeout=30s');
  });

  it('completes jobs and says what failed', async () => {
    await k('create job good --image=example.com/tool:1 -- true');
    await k('wait --for=condition=complete job/good --timeout=20s');
    await k('create job bad --image=fail/none:1 -- true');
    const reason = 'get pods -l job-name=bad -o jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}';
    let seen = '';
    for (let attempt = 0; attempt < 50 && !/ErrImagePull|ImagePullBackOff/.test(seen); attempt++) seen = await k(reason);
    expect(seen).toMatch(/ErrImagePull|ImagePullBackOff/);
  });

  it('runs stateful sets in order and daemon sets on every node', async () => {
    const sets = `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "example.com/db:1"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "example.com/agent:1"}]}
`;
    const applied = await kubectl(['apply', '-f', '-'], { input: sets });
    expect(applied).toMatchObject({ code: 0 });
    await k('rollout status statefulset db --timeout=30s');
    await k('rollout status daemonset agent --timeout=30s');
    expect((await k('get pods -l app=db -o name')).trim().split('\n')).toEqual(['pod/db-0', 'pod/db-1']);
  });

  it('empties a namespace and lets it go', async () => {
    await k('create namespace gone');
    await k('-n gone create deployment web --image=example.com/web:1');
    await k('-n gone create configmap left --from-literal=a=b');
    await k('delete namespace gone --timeout=40s');
    expect((await kubectl(['get', 'namespace', 'gone'])).stderr).toContain('not found');
  });

  it('installs, upgrades, rolls back and uninstalls a chart with a hook', async () => {
    await run(helm, `install demo ${chart} --wait --timeout 40s`);
    expect(await k('get deployment demo -o jsonpath={.status.readyReplicas}')).toBe('2');
    expect(await k('get job demo-hook -o jsonpath={.status.succeeded}')).toBe('1');
    await run(helm, `upgrade demo ${chart} --set replicas=4 --wait --timeout 40s`);
    expect(await k('get deployment demo -o jsonpath={.status.readyReplicas}')).toBe('4');
    await run(helm, 'rollback demo 1 --wait --timeout 40s');
    expect(await k('get deployment demo -o jsonpath={.spec.replicas}')).toBe('2');
    await run(helm, 'uninstall demo --wait --timeout 40s');
    expect((await kubectl(['get', 'deployment', 'demo'])).stderr).toContain('not found');
  });

  it('answers what somebody may do, also on behalf of others', async () => {
    await k('create serviceaccount reader');
    await k('create rolebinding reader --clusterrole=view --serviceaccount=default:reader');
    expect(await k('auth can-i list pods --as=system:serviceaccount:default:reader')).toBe('yes\n');
    const denied = await kubectl(['auth', 'can-i', 'delete', 'pods', '--as=system:serviceaccount:default:reader']);
    expect(denied).toMatchObject({ code: 1, stdout: 'no\n' });
    expect((await k('create token reader')).trim().split('.')).toHaveLength(3);
  });
});
