// Runs in the node's network: creates pods one after another and prints how many milliseconds each took to Running, as JSON.
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';

const [kubeconfig = '', image = '', count = '20'] = process.argv.slice(2);
const text = readFileSync(kubeconfig, 'utf8');
const field = (name: string): string => Buffer.from(new RegExp(`${name}: (\\S+)`).exec(text)![1]!, 'base64').toString();
const agent = new Agent({
  keepAlive: true,
  ca: field('certificate-authority-data'),
  cert: field('client-certificate-data'),
  key: field('client-key-data'),
});
const server = /server: (\S+)/.exec(text)![1]!;
const path = '/api/v1/namespaces/default/pods';

const running = new Map<string, () => void>();
const watch = request(`${server}${path}?watch=true`, { agent }, response => {
  let rest = '';
  response.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const { object } = JSON.parse(line) as { object: { metadata: { name: string }; status: { phase?: string } } };
      if (object.status.phase === 'Running') running.get(object.metadata.name)?.();
    }
  });
});
watch.end();
await new Promise(resolve => watch.once('response', resolve));

const times: number[] = [];
// The first one waits for the image to be imported: it does not count.
for (let at = -1; at < Number(count); at++) {
  const name = `start-${at + 1}`;
  const container = { name: 'main', image, command: ['sh', '-c', 'trap exit TERM; sleep 600 & wait'] };
  const body = JSON.stringify({ metadata: { name }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } });
  const runs = new Promise<void>(resolve => running.set(name, resolve));
  const beganMs = performance.now();
  await send('POST', path, body);
  await runs;
  if (at >= 0) times.push(performance.now() - beganMs);
  await send('DELETE', `${path}/${name}`);
}
console.log(JSON.stringify(times));
watch.destroy();
agent.destroy();

function send(method: string, target: string, body?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(`${server}${target}`, { method, agent, headers: { 'Content-Type': 'application/json' } }, response => {
      response.resume();
      response.on('end', () =>
        (response.statusCode ?? 500) < 300 ? resolve() : reject(new Error(`${method} ${target}: ${response.statusCode}`)),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
