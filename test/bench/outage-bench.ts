import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RealNode, nodeAddress } from '../support/real-node.js';
import type { BenchResult } from './bench-result.js';

const application = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: k3s.local/box:1
          command: [sh, -c, 'echo hello > /srv/index.html; exec httpd -f -p 8080 -h /srv']
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8088, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - host: web.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 8088}}}}]}
`;

const seconds = 60;
const perSecond = 100;

/**
 * New connections through Ingress, ClusterIP and DNS (UDP, asked once) while the server is restarted three times and killed once, and
 * an Ingress changes. Needs root; nothing may be lost.
 */
export async function run(): Promise<BenchResult[]> {
  const node = new RealNode('k3s-outage');
  try {
    await node.start();
    await node.kubectl(['apply', '-f', '-'], { input: application });
    const rolled = await node.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s'], { timeoutMs: 70_000 });
    if (rolled.code !== 0) throw new Error(rolled.stderr);
    await node.kubectl([
      'wait',
      `--for=jsonpath={.status.loadBalancer.ingress[0].ip}=${nodeAddress}`,
      'ingress/web',
      '--timeout=20s',
    ]);
    const { stdout: clusterIp } = await node.kubectl(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
    const asker = fileURLToPath(new URL('./outage-asker.js', import.meta.url));
    const [program, ...words] = [
      ...node.inside,
      process.execPath,
      asker,
      nodeAddress,
      clusterIp,
      String(seconds),
      String(perSecond),
    ];
    const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = once(child, 'close');
    for (const signal of ['SIGTERM', 'SIGTERM', 'SIGTERM', 'SIGKILL'] as const) {
      await new Promise(resolve => setTimeout(resolve, 10_000));
      await node.stop(signal);
      await node.launch();
      await node.kubectl(['annotate', '--overwrite', 'ingress/web', `changed=${Date.now()}`]);
    }
    await ended;
    const counts = JSON.parse(output) as Record<string, { answered: number; lost: number }>;
    return Object.entries(counts).flatMap(([way, { answered, lost }]) => [
      { name: `restarts under load: ${way}, answered`, value: answered, unit: 'of 6000' },
      { name: `restarts under load: ${way}, lost`, value: lost, unit: 'requests', budget: 0, must: 0 },
    ]);
  } finally {
    await node.remove();
  }
}
