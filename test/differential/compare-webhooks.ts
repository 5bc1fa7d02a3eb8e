import { WebhookServer } from '../support/webhook-server.js';
import type { Judge, ReviewedRequest, Verdict } from '../support/webhook-server.js';
import { firstDifference, same } from './difference.js';
import type { Server } from './replay.js';
import { send } from './replay.js';
import { conditionedWebhooks } from './webhook-conditions.js';
import { webhookAnswers, webhookSteps } from './webhook-steps.js';
import type { WebhookName, WebhookStep } from './webhook-steps.js';

const namespace = 'hooked';
const registration = '/apis/admissionregistration.k8s.io/v1';
/** How long a server may take to heed a configuration. */
const settleMs = 1500;
const mergePatch = 'application/merge-patch+json';

const labelOf = (index: number): object => ({ condition: `c${index}` });

/**
 * Puts the same webhooks in front of both servers, does the same things and compares what clients are answered and what the webhooks are
 * told. Prints what differs and resolves how much that is.
 */
export async function compareWebhooks({ upstream, ours }: { upstream: Server; ours: Server }): Promise<number> {
  const webhooks = await WebhookServer.start();
  let differences = 0;
  try {
    const expected = await runSteps(upstream, webhooks);
    const given = await runSteps(ours, webhooks);
    for (const [name, left] of expected) {
      const right = given.get(name);
      if (same(left, right)) continue;
      differences++;
      console.log(`webhooks, ${name}:`);
      console.log(firstDifference({ code: 0, body: left }, { code: 0, body: right }));
    }
    console.log(`webhooks: ${expected.size} steps`);
  } finally {
    await webhooks.stop();
  }
  return differences;
}

async function runSteps(server: Server, webhooks: WebhookServer): Promise<Map<string, unknown>> {
  let verdicts: WebhookStep['verdicts'] = {};
  let told: [WebhookName, ReviewedRequest][] = [];
  const judge =
    (name: WebhookName): Judge =>
    request => {
      told.push([name, request]);
      return verdicts?.[name]?.(request) ?? ({} satisfies Verdict);
    };
  for (const name of ['first', 'second', 'last'] as const) webhooks.judge(`/${name}`, judge(name));
  const hook = (name: WebhookName, more: object = {}): object => ({
    name: `${name}.hook.example.com`,
    clientConfig: { url: webhooks.url(`/${name}`), caBundle: webhooks.caBundle },
    rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...more,
  });
  const post = async (path: string, body: object): Promise<void> => {
    const { code, body: answer } = await send(server, { method: 'POST', path, body });
    if (code !== 201) throw new Error(`POST ${path}: ${code}: ${JSON.stringify(answer)}`);
  };
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const spec = { replicas: 0, selector: { matchLabels: { a: 'b' } }, template };
  await post('/api/v1/namespaces', { metadata: { name: namespace } });
  await post(`/apis/apps/v1/namespaces/${namespace}/deployments`, { metadata: { name: 'd' }, spec });
  await post(`/api/v1/namespaces/${namespace}/services`, { metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } });
  await post(`${registration}/mutatingwebhookconfigurations`, {
    metadata: { name: 'hooks' },
    webhooks: [hook('first', { reinvocationPolicy: 'IfNeeded' }), hook('second')],
  });
  await post(`${registration}/validatingwebhookconfigurations`, { metadata: { name: 'hooks' }, webhooks: [hook('last')] });
  const conditioned = conditionedWebhooks.map(({ expressions, failurePolicy = 'Fail' }, index) => ({
    ...hook('last'),
    name: `condition-${index}.hook.example.com`,
    objectSelector: { matchLabels: labelOf(index) },
    matchConditions: expressions.map((expression, at) => ({ name: `c${at}`, expression })),
    failurePolicy,
  }));
  for (const index of conditioned.keys()) {
    await post(`/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name: `there-${index}`, labels: labelOf(index) } });
  }
  await post(`${registration}/validatingwebhookconfigurations`, { metadata: { name: 'conditions' }, webhooks: conditioned });
  await new Promise(resolve => setTimeout(resolve, settleMs));
  const results = new Map<string, unknown>();
  const run = async ({ name, method, path, body, type }: WebhookStep): Promise<void> => {
    told = [];
    const at = path.replaceAll('{namespace}', namespace);
    const { code, warnings, body: answer } = await send(server, { method, path: at, body, ...(type ? { type } : {}) });
    results.set(name, comparable({ code, warnings, answer, told }));
  };
  try {
    for (const step of webhookSteps) {
      verdicts = step.verdicts ?? {};
      await run(step);
    }
    verdicts = {};
    for (const [name, [body, status = 200, headers = {}]] of Object.entries(webhookAnswers)) {
      webhooks.answer('/last', (_request, response) => void response.writeHead(status, headers).end(body));
      const path = '/api/v1/namespaces/{namespace}/configmaps?dryRun=All';
      await run({ name: `an answer: ${name}`, method: 'POST', path, body: { metadata: { name: 'answered' } } });
    }
    webhooks.judge('/last', judge('last'));
    for (const [index, { expressions }] of conditionedWebhooks.entries()) {
      const labels = labelOf(index);
      const maps = '/api/v1/namespaces/{namespace}/configmaps';
      const query = '?dryRun=All&fieldManager=me';
      const steps: Readonly<Record<string, Omit<WebhookStep, 'name'>>> = {
        create: { method: 'POST', path: `${maps}${query}`, body: { metadata: { name: 'c', labels } } },
        update: { method: 'PATCH', path: `${maps}/there-${index}${query}`, body: { data: { x: 'y' } }, type: mergePatch },
        delete: { method: 'DELETE', path: `${maps}/there-${index}?dryRun=All` },
        deploy: {
          method: 'POST',
          path: `/apis/apps/v1/namespaces/{namespace}/deployments${query}`,
          body: { metadata: { name: 'c', labels }, spec },
        },
      };
      for (const [what, step] of Object.entries(steps)) await run({ ...step, name: `${what} where ${expressions.join('; ')}` });
    }
  } finally {
    for (const at of ['mutatingwebhookconfigurations/hooks', 'validatingwebhookconfigurations/hooks']) {
      await send(server, { method: 'DELETE', path: `${registration}/${at}` });
    }
    await send(server, { method: 'DELETE', path: `${registration}/validatingwebhookconfigurations/conditions` });
  }
  return results;
}

const madeUp = new Set(['uid', 'resourceVersion', 'creationTimestamp', 'time', 'userInfo']);

/** Without what each server makes up. */
export function comparable(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map(inner => comparable(inner));
  if (madeUp.has(key)) return value === null ? null : '<made up>';
  if (typeof value === 'string') {
    return value
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uid>')
      .replace(/127\.0\.0\.1:\d+/g, '<address>')
      .replace(/^made-[a-z0-9]{5}$/, 'made-<suffix>');
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, comparable(inner, name)]));
}
