import type { ConfigMap } from '../../core/api/generated/types.js';
import { WebhookServer } from '../support/webhook-server.js';
import { comparable } from './compare-webhooks.js';
import { firstDifference, same } from './difference.js';
import type { MutatingPolicyCase } from './mutating-policy-cases.js';
import { deploymentBody, mutatingPolicyCases } from './mutating-policy-cases.js';
import type { Server } from './replay.js';
import { send } from './replay.js';

const namespace = 'mutated';
const registration = '/apis/admissionregistration.k8s.io/v1';
const mergePatch = 'application/merge-patch+json';
/** How long upstream may take to heed policies, and to know a custom resource: it looks every five seconds. */
const settleMs = 7000;
/** Upstream walks maps in a random order; so often it is asked again where it differs. */
const mostAsked = 8;

const definition = {
  metadata: { name: 'mutables.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'mutables', singular: 'mutable', kind: 'Mutable', listKind: 'MutableList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  host: { type: 'string' },
                  size: { type: 'integer', default: 1 },
                  either: { 'x-kubernetes-int-or-string': true },
                  list: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: { name: { type: 'string' }, value: { type: 'string', default: 'none' } },
                    },
                  },
                  plain: { type: 'array', items: { type: 'string' } },
                  whole: {
                    type: 'object',
                    'x-kubernetes-map-type': 'atomic',
                    properties: { a: { type: 'string' } },
                  },
                  free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                },
              },
            },
          },
        },
      },
    ],
  },
};

/** Puts the same mutating policies before both servers and compares what they make of the same requests. Resolves how many differ. */
export async function compareMutatingPolicies({ upstream, ours }: { upstream: Server; ours: Server }): Promise<number> {
  let differences = 0;
  const webhooks = await WebhookServer.start();
  webhooks.judge('/append', ({ object }) => ({
    patch: [{ op: 'add', path: '/data/x', value: `${(object as ConfigMap).data!['x'] ?? ''}h` }],
  }));
  try {
    await Promise.all([setUp(upstream, webhooks), setUp(ours, webhooks)]);
    await new Promise(resolve => setTimeout(resolve, settleMs));
    for (const [index, each] of mutatingPolicyCases.entries()) {
      const given = await ask(ours, each, index);
      let expected = await ask(upstream, each, index);
      for (let asked = 1; asked < mostAsked && !same(expected, given); asked++) expected = await ask(upstream, each, index);
      if (same(expected, given)) continue;
      differences++;
      console.log(`mutating policies, ${each.name}:`);
      console.log(firstDifference({ code: 0, body: expected }, { code: 0, body: given }));
    }
    const [expected, given] = [await counts(upstream), await counts(ours)];
    if (!same(expected, given)) {
      differences++;
      console.log('mutating policies, metrics:');
      console.log(firstDifference({ code: 0, body: expected }, { code: 0, body: given }));
    }
    console.log(`mutating policies: ${mutatingPolicyCases.length} cases`);
  } finally {
    await Promise.all([tearDown(upstream), tearDown(ours)]);
    await webhooks.stop();
  }
  return differences;
}

const counted =
  /^apiserver_(?:mutating_admission_policy_check_total|admission_match_condition_evaluation_errors_total)\{.*"case-/;

/** What is counted of policies, but not how often: upstream may have been asked again. */
async function counts(server: Server): Promise<readonly string[]> {
  const { body } = await send(server, { method: 'GET', path: '/metrics', accept: 'text/plain' });
  return (body as string)
    .split('\n')
    .filter(line => counted.test(line))
    .sort();
}

const nameOf = (index: number): string => `case-${index}`;
const labelsOf = (index: number): object => ({ case: nameOf(index) });

/** The same with the name of a case in it. */
function named<T>(value: T, index: number): T {
  return JSON.parse(JSON.stringify(value).replaceAll('{name}', nameOf(index))) as T;
}

async function setUp(server: Server, webhooks: WebhookServer): Promise<void> {
  const post = async (path: string, body: object): Promise<void> => {
    const { code, body: answer } = await send(server, { method: 'POST', path, body });
    if (code !== 201) throw new Error(`POST ${path}: ${code}: ${JSON.stringify(answer)}`);
  };
  const within = `/api/v1/namespaces/${namespace}`;
  await post('/api/v1/namespaces', { metadata: { name: namespace } });
  // Upstream's may have it from its controller by now.
  await send(server, { method: 'POST', path: `${within}/serviceaccounts`, body: { metadata: { name: 'default' } } });
  await post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
  for (const value of ['one', 'two']) {
    const metadata = { name: value === 'one' ? 'params' : 'more-params', labels: { params: 'yes' } };
    await post(`${within}/configmaps`, { metadata, data: { value } });
  }
  for (const [index, { update, send: sent }] of mutatingPolicyCases.entries()) {
    const metadata = { name: nameOf(index), labels: labelsOf(index) };
    if (update) await post(`${within}/configmaps`, { metadata, data: { a: 'b' } });
    if (!sent) continue;
    const { name } = metadata;
    await post(`/apis/apps/v1/namespaces/${namespace}/deployments`, { metadata: { name }, ...deploymentBody });
    await post(`${within}/serviceaccounts`, { metadata: { name } });
  }
  for (const [index, each] of mutatingPolicyCases.entries()) {
    const metadata = { name: nameOf(index) };
    await post(`${registration}/mutatingadmissionpolicies`, { metadata, spec: specOf(each, index) });
    const spec = { policyName: metadata.name, ...each.binding };
    await post(`${registration}/mutatingadmissionpolicybindings`, { metadata, spec });
  }
  const hooks = mutatingPolicyCases.flatMap(({ hook }, index) => (hook ? [hookOf(hook, index, webhooks)] : []));
  await post(`${registration}/mutatingwebhookconfigurations`, { metadata: { name: 'behind-policies' }, webhooks: hooks });
}

function hookOf(reinvocationPolicy: string, index: number, webhooks: WebhookServer): object {
  return {
    name: `${nameOf(index)}.hook.example.com`,
    clientConfig: { url: webhooks.url('/append'), caBundle: webhooks.caBundle },
    rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
    objectSelector: { matchLabels: labelsOf(index) },
    reinvocationPolicy,
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
}

function specOf({ spec, send: sent }: MutatingPolicyCase, index: number): object {
  const given = named(spec, index) as { matchConstraints?: object };
  const any = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] };
  return {
    reinvocationPolicy: 'Never',
    ...given,
    matchConstraints: {
      resourceRules: [any],
      ...(sent ? {} : { objectSelector: { matchLabels: labelsOf(index) } }),
      ...given.matchConstraints,
    },
  };
}

async function ask(server: Server, each: MutatingPolicyCase, index: number): Promise<unknown> {
  const metadata = { name: nameOf(index), labels: labelsOf(index) };
  const query = '?dryRun=All&fieldManager=me';
  const maps = '/api/v1/namespaces/{namespace}/configmaps';
  let request: { method: string; path: string; body?: unknown; type?: string };
  if (each.send) request = named(each.send, index);
  else if (each.update) {
    request = { method: 'PATCH', path: `${maps}/${metadata.name}${query}`, body: each.update, type: mergePatch };
  } else {
    const { at, body } = each.create ?? { at: maps, body: { data: { a: 'b' } } };
    request = { method: 'POST', path: `${at}${query}`, body: { metadata, ...body, ...kindOf(at) } };
  }
  const { method, path, body, type } = request;
  const at = path.replaceAll('{namespace}', namespace);
  const { code, warnings, body: answer } = await send(server, { method, path: at, body, ...(type ? { type } : {}) });
  // A token is never the same.
  if ((answer as { kind?: string } | undefined)?.kind === 'TokenRequest') delete (answer as { status?: object }).status;
  const wide = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
  const shown = JSON.stringify(comparable({ code, warnings, answer }), wide);
  return JSON.parse(shown.replace(/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access-<suffix>'));
}

/** Custom resources have to say what they are. */
function kindOf(at: string): object {
  return at.startsWith('/apis/example.com/') ? { apiVersion: 'example.com/v1', kind: 'Mutable' } : {};
}

async function tearDown(server: Server): Promise<void> {
  for (const at of ['mutatingadmissionpolicybindings', 'mutatingadmissionpolicies', 'mutatingwebhookconfigurations']) {
    await send(server, { method: 'DELETE', path: `${registration}/${at}` });
  }
}
