import { setTimeout as sleep } from 'node:timers/promises';
import { firstDifference, same } from './difference.js';
import type { PolicyCase } from './policy-cases.js';
import { policyCases } from './policy-cases.js';
import type { Answer, Call, Server } from './replay.js';
import { comparable, send } from './replay.js';

const namespace = 'policed';
const registration = '/apis/admissionregistration.k8s.io/v1';
const policies = `${registration}/validatingadmissionpolicies`;
const bindings = `${registration}/validatingadmissionpolicybindings`;
const maps = `/api/v1/namespaces/${namespace}/configmaps`;
const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
const events = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const mergePatch = 'application/merge-patch+json';
const group = 'policies.example.com';
/** How long upstream may take to start watching parameters. */
const settleMs = 3000;
const tries = 100;
const betweenTriesMs = 100;

const policyName = (index: number): string => `p${String(index).padStart(3, '0')}.example.com`;
const labelOf = (index: number): Record<string, string> => ({ policed: `c${index}` });

/** Puts the same policies in front of both servers, does the same things and compares what clients are answered. */
export async function comparePolicies({ upstream, ours }: { upstream: Server; ours: Server }): Promise<number> {
  const [expected, given] = await Promise.all([runCases(upstream), runCases(ours)]);
  let differences = 0;
  for (const [name, left] of expected) {
    const right = given.get(name)!;
    if (same(left, right)) continue;
    differences++;
    console.log(`policies, ${name}:`);
    console.log(firstDifference(left, right));
  }
  console.log(`policies: ${expected.size} steps`);
  return differences;
}

async function runCases(server: Server): Promise<Map<string, Answer>> {
  const results = new Map<string, Answer>();
  await prepare(server);
  for (const [index, one] of policyCases.entries()) {
    for (const [what, answer] of await put(server, one, index)) results.set(`${what} of ${one.name}`, comparable(answer));
  }
  await heeded(server);
  for (const [index, { name, isCostly }] of policyCases.entries()) {
    for (const [what, call] of Object.entries(stepsOf(index)).slice(0, isCostly ? 1 : undefined)) {
      results.set(`${what}, ${name}`, settled(await send(server, call)));
    }
  }
  for (const [what, call] of Object.entries(subresourceSteps)) results.set(what, settled(await send(server, call)));
  results.set('metrics', { code: 0, body: await counts(server) });
  await clear(server);
  return results;
}

const counted =
  /^(apiserver_validating_admission_policy_check_total|apiserver_admission_match_condition_evaluation_\w+_(total|count))\{/;

/** What was counted of the policies, but for that which was asked about until it was heeded. */
async function counts(server: Server): Promise<readonly string[]> {
  const { body } = await send(server, { method: 'GET', path: '/metrics', accept: 'text/plain' });
  const lines = (body as string).split('\n').filter(line => counted.test(line) && line.includes('.example.com"'));
  return lines.filter(line => !line.includes(policyName(policyCases.length)) && !line.includes('kind="webhook"')).sort();
}

/** Without what each server makes up. */
function settled(answer: Answer): Answer {
  const text = JSON.stringify(comparable(answer));
  return JSON.parse(text.replace(/made-[a-z0-9]{5}/g, 'made-<suffix>')) as Answer;
}

const definition = (kind: string, plural: string, scope: string): object => ({
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope,
    names: { plural, kind },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
      },
    ],
  },
});

/** What policies look at: parameters and the objects that are changed. */
async function prepare(server: Server): Promise<void> {
  const make = (path: string, body: object): Promise<void> => post(server, path, body);
  await make('/api/v1/namespaces', { metadata: { name: namespace, labels: { team: 'a' } } });
  await make(definitions, definition('Limit', 'limits', 'Namespaced'));
  await make(definitions, definition('Bound', 'bounds', 'Cluster'));
  const [limits, bounds] = [`/apis/${group}/v1/namespaces/${namespace}/limits`, `/apis/${group}/v1/bounds`];
  for (const path of [limits, bounds]) await until(async () => (await send(server, { method: 'GET', path })).code === 200);
  await make(maps, { metadata: { name: 'one', labels: { params: 'yes' } }, data: { x: '1' } });
  await make(maps, { metadata: { name: 'two', labels: { params: 'yes' } }, data: { x: '1' } });
  const metadata = { name: 'd' };
  await make(deployments, { metadata, spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template } });
  await make(`${core}/services`, { metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } });
  await make(`${core}/serviceaccounts`, { metadata: { name: 'a' } });
  const custom = { apiVersion: `${group}/v1` };
  await make(limits, { ...custom, kind: 'Limit', metadata: { name: 'low', labels: { level: 'low' } }, spec: { most: 3 } });
  await make(bounds, { ...custom, kind: 'Bound', metadata: { name: 'wide' }, spec: { ratio: 0.5, whole: 2 } });
  for (const index of policyCases.keys()) await make(maps, { metadata: { name: `there-${index}`, labels: labelOf(index) } });
}

async function post(server: Server, path: string, body: object): Promise<void> {
  const { code, body: answer } = await send(server, { method: 'POST', path, body });
  if (code !== 201) throw new Error(`POST ${path}: ${code}: ${JSON.stringify(answer)}`);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let left = tries; left > 0; left--) {
    if (await holds()) return;
    await sleep(betweenTriesMs);
  }
  throw new Error('the server never came to what was asked of it');
}

async function put(server: Server, { spec, bindings: given }: PolicyCase, index: number): Promise<[string, Answer][]> {
  const name = policyName(index);
  const anything = { resourceRules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }] };
  const { matchConstraints = anything, ...rest } = spec as { matchConstraints?: object };
  const body = {
    metadata: { name },
    spec: { matchConstraints: { objectSelector: { matchLabels: labelOf(index) }, ...matchConstraints }, ...rest },
  };
  const answers: [string, Answer][] = [['policy', await send(server, { method: 'POST', path: policies, body })]];
  for (const [at, binding] of (given ?? [{ validationActions: ['Deny'] }]).entries()) {
    const bound = { metadata: { name: `${name}-${at}` }, spec: { policyName: name, ...binding } };
    answers.push([`binding ${at}`, await send(server, { method: 'POST', path: bindings, body: bound })]);
  }
  return answers;
}

/** Waits until a policy that was put last is heeded, and a little longer for parameters. */
async function heeded(server: Server): Promise<void> {
  const last: PolicyCase = { name: 'the last', spec: { validations: [{ expression: 'false' }] } };
  await put(server, last, policyCases.length);
  const body = { metadata: { name: 'c', labels: labelOf(policyCases.length) } };
  await until(async () => (await send(server, { method: 'POST', path: `${maps}?dryRun=All`, body })).code === 422);
  await sleep(settleMs);
}

const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };

function stepsOf(index: number): Readonly<Record<string, Call>> {
  const metadata = { name: 'c', labels: labelOf(index) };
  const query = '?dryRun=All&fieldManager=me';
  const spec = { replicas: 0, selector: { matchLabels: { a: 'b' } }, template };
  const event = {
    metadata,
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'example.com/c',
    reportingInstance: 'i',
    action: 'a',
    reason: 'r',
    type: 'Normal',
    note: 'n',
    regarding: { namespace },
  };
  const node = { metadata: { ...metadata, name: 'somewhere' } };
  return {
    create: { method: 'POST', path: `${maps}${query}`, body: { metadata } },
    'create without a name': {
      method: 'POST',
      path: `${maps}${query}`,
      body: { metadata: { generateName: 'made-', labels: metadata.labels } },
    },
    update: { method: 'PATCH', path: `${maps}/there-${index}${query}`, body: { data: { x: 'y' } }, type: mergePatch },
    delete: { method: 'DELETE', path: `${maps}/there-${index}?dryRun=All` },
    deploy: { method: 'POST', path: `${deployments}${query}`, body: { metadata, spec } },
    'an event': { method: 'POST', path: `${events}${query}`, body: event },
    'a namespace': { method: 'POST', path: `/api/v1/namespaces${query}`, body: { metadata: { ...metadata, name: 'made' } } },
    'a node': { method: 'POST', path: `/api/v1/nodes${query}`, body: node },
    'as somebody': {
      method: 'POST',
      path: `${maps}${query}`,
      body: { metadata },
      as: 'alice',
      groups: ['system:masters', 'staff'],
    },
    'what configures webhooks': {
      method: 'POST',
      path: `${registration}/validatingwebhookconfigurations${query}`,
      body: { metadata, webhooks: [] },
    },
    'what configures policies': {
      method: 'POST',
      path: `${bindings}${query}`,
      body: { metadata, spec: { policyName: 'none', validationActions: ['Deny'] } },
    },
  };
}

const core = `/api/v1/namespaces/${namespace}`;
const scale = { kind: 'Scale', apiVersion: 'autoscaling/v1', metadata: { name: 'd', namespace }, spec: { replicas: 2 } };

/** What the policy about subresources, and that about deleted Services, are for. */
const subresourceSteps: Readonly<Record<string, Call>> = {
  'a scale': { method: 'PUT', path: `${deployments}/d/scale`, body: scale },
  'a patched scale': { method: 'PATCH', path: `${deployments}/d/scale`, body: { spec: { replicas: 3 } }, type: mergePatch },
  'a status': { method: 'PATCH', path: `${deployments}/d/status`, body: { status: { replicas: 1 } }, type: mergePatch },
  exec: { method: 'GET', path: `${core}/pods/none/exec?command=ls&stdout=true` },
  attach: { method: 'GET', path: `${core}/pods/none/attach?stdout=true` },
  'port forward': { method: 'GET', path: `${core}/pods/none/portforward?ports=80` },
  proxy: { method: 'GET', path: `${core}/services/s/proxy/x` },
  log: { method: 'GET', path: `${core}/pods/none/log` },
  eviction: {
    method: 'POST',
    path: `${core}/pods/none/eviction`,
    body: { kind: 'Eviction', apiVersion: 'policy/v1', metadata: { name: 'none' } },
  },
  binding: {
    method: 'POST',
    path: `${core}/pods/none/binding`,
    body: { kind: 'Binding', apiVersion: 'v1', metadata: { name: 'none' }, target: { name: 'somewhere' } },
  },
  token: {
    method: 'POST',
    path: `${core}/serviceaccounts/a/token`,
    body: { kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', spec: { audiences: ['x'] } },
  },
  'one deleted': { method: 'DELETE', path: `${core}/services/s`, body: { propagationPolicy: 'Orphan' } },
  'all deleted': { method: 'DELETE', path: `${core}/services`, body: { gracePeriodSeconds: 0 } },
};

async function clear(server: Server): Promise<void> {
  for (const path of [bindings, policies]) await send(server, { method: 'DELETE', path });
  for (const name of ['limits', 'bounds']) await send(server, { method: 'DELETE', path: `${definitions}/${name}.${group}` });
  await send(server, { method: 'DELETE', path: maps });
  await send(server, { method: 'DELETE', path: `/api/v1/namespaces/${namespace}` });
}
