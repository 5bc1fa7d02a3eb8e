import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { nodeAddress } from './real-node.js';
import type { RealNode } from './real-node.js';

const hostOf = (change: number): string => `change-${change}.example.com`;

const service = (name: string): string => `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: web}, ports: [{port: 8088, targetPort: 8080}]}
`;

const application = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: k3s.local/box:1
          command: [sh, -c, 'echo hello > /srv/index.html; exec httpd -f -p 8080 -h /srv']
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
${service('web')}---
${service('web-too')}---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: ${JSON.stringify(rules(0))}}
`;

/** The route that is asked for leads through another Service each time, and each time another host is there beside it. */
function rules(change: number): object[] {
  const rule = (host: string, name: string): object => ({
    host,
    http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name, port: { number: 8088 } } } }] },
  });
  return [rule('web.example.com', change % 2 === 0 ? 'web' : 'web-too'), rule(hostOf(change), 'web')];
}

export interface Outage {
  readonly seconds: number;
  /** New connections through each of Ingress, ClusterIP and DNS. */
  readonly perSecond: number;
  /** How the server is ended, one after the other; each time it is started again. */
  readonly signals: readonly NodeJS.Signals[];
  readonly pauseMs: number;
}

export type OutageCounts = Readonly<
  Record<'ingress' | 'clusterIp' | 'dns', { readonly answered: number; readonly lost: number }>
>;

/**
 * New connections (DNS by UDP, asked once) while the server is ended and started again and a route of the Ingress changes after each
 * start. Throws when a change does not take effect, or when the asking was over before.
 */
export async function countOutage(node: RealNode, { seconds, perSecond, signals, pauseMs }: Outage): Promise<OutageCounts> {
  const k = async (words: readonly string[], input?: string): Promise<string> => {
    const result = await node.kubectl(words, { timeoutMs: 70_000, ...(input === undefined ? {} : { input }) });
    if (result.code !== 0) throw new Error(`kubectl ${words.join(' ')}: ${result.stderr}`);
    return result.stdout;
  };
  await k(['apply', '-f', '-'], application);
  await k(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  const address = `{.status.loadBalancer.ingress[0].ip}=${nodeAddress}`;
  await k(['wait', `--for=jsonpath=${address}`, 'ingress/web', '--timeout=20s']);
  const clusterIp = await k(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
  await answers(node, hostOf(0));

  const asker = fileURLToPath(new URL('../bench/outage-asker.js', import.meta.url));
  const numbers = [seconds, perSecond].map(String);
  const [program, ...words] = [...node.inside, process.execPath, asker, nodeAddress, clusterIp, ...numbers];
  const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const beganMs = performance.now();
  const ended = once(child, 'close');
  try {
    for (const [index, signal] of signals.entries()) {
      await new Promise(resolve => setTimeout(resolve, pauseMs));
      await node.stop(signal);
      await node.launch();
      await k(['patch', 'ingress/web', '--type=merge', '-p', JSON.stringify({ spec: { rules: rules(index + 1) } })]);
      await answers(node, hostOf(index + 1));
    }
    if (performance.now() - beganMs > seconds * 1000) throw new Error('the asking was over before the last restart');
    await ended;
  } finally {
    child.kill();
  }
  return JSON.parse(output) as OutageCounts;
}

async function answers(node: RealNode, host: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; ;) {
    try {
      await node.page(`http://${nodeAddress}/`, host);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${host} is not answered`, { cause: error });
    }
  }
}
