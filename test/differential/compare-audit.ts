import { readFile, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { auditSettings } from '../../core/cluster/arguments/audit-arguments.js';
import type { AuditSettings } from '../../core/apiserver/audit/audit-settings.js';
import { auditedNamespaces, auditPolicy, auditSteps } from './audit-steps.js';
import { comparable } from './compare-webhooks.js';
import { firstDifference, same } from './difference.js';
import type { Server } from './replay.js';
import { send } from './replay.js';

const logNames = { upstream: 'upstream-audit.log', ours: 'audit.log' } as const;
const idPrefix = 'step-';

interface AuditFiles {
  /** Of upstream's server. */
  readonly flags: readonly string[];
  readonly settings: AuditSettings;
}

/** The policy in a file, and both servers told to write by it. */
export async function auditFiles(directory: string): Promise<AuditFiles> {
  const policyFile = join(directory, 'policy.yaml');
  await writeFile(policyFile, auditPolicy);
  const settings = auditSettings({ policyFile, log: { path: join(directory, logNames.ours) } }, text => {
    throw new Error(text);
  })!;
  const flags = [`--audit-policy-file=${policyFile}`, `--audit-log-path=${join(directory, logNames.upstream)}`];
  return { flags, settings };
}

/** Asks both servers the same and compares what they have written of it. Prints what differs and resolves how much that is. */
export async function compareAudit(
  { upstream, ours }: { readonly upstream: Server; readonly ours: Server },
  directory: string,
): Promise<number> {
  const expected = await runSteps(upstream, join(directory, logNames.upstream));
  const given = await runSteps(ours, join(directory, logNames.ours));
  let differences = 0;
  for (const [index, { name }] of auditSteps.entries()) {
    const [left, right] = [expected.get(`${idPrefix}${index}`) ?? [], given.get(`${idPrefix}${index}`) ?? []];
    if (same(left, right)) continue;
    differences++;
    console.log(`audit, ${name}:`);
    console.log(firstDifference({ code: 0, body: left }, { code: 0, body: right }));
  }
  console.log(`audit: ${auditSteps.length} steps`);
  return differences;
}

async function runSteps(server: Server, log: string): Promise<Map<string, unknown[]>> {
  for (const name of auditedNamespaces) {
    const labels = name === 'strict' ? strictLabels : {};
    const { code } = await send(server, { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name, labels } } });
    if (code !== 201) throw new Error(`namespace ${name}: ${code}`);
    // Upstream's controller may have been faster.
    const account = { metadata: { name: 'default' } };
    await send(server, { method: 'POST', path: `/api/v1/namespaces/${name}/serviceaccounts`, body: account });
  }
  // Without a client certificate.
  const stranger = { ...server, agent: new Agent({ ca: server.agent.options.ca }) };
  for (const [index, step] of auditSteps.entries()) {
    const headers = { 'audit-id': `${idPrefix}${index}`, ...step.headers };
    await send(step.isStranger ? stranger : server, { ...step, headers });
  }
  stranger.agent.destroy();
  const events = new Map<string, unknown[]>();
  for (const line of (await readFile(log, 'utf8')).trimEnd().split('\n')) {
    const event = JSON.parse(line) as Event;
    if (!event.auditID.startsWith(idPrefix)) continue;
    const all = events.get(event.auditID) ?? [];
    events.set(event.auditID, all);
    all.push(shown(event));
  }
  return events;
}

const strictLabels = {
  'pod-security.kubernetes.io/enforce': 'baseline',
  'pod-security.kubernetes.io/audit': 'restricted',
  'pod-security.kubernetes.io/warn': 'restricted',
};

interface Event {
  readonly auditID: string;
  readonly user: { readonly username?: string; readonly extra?: object };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly responseObject?: { readonly columnDefinitions?: readonly { description?: string }[] };
}

/** Without times, and without what each server makes up or calls its administrator. */
function shown(event: Event): unknown {
  const { requestReceivedTimestamp: _received, stageTimestamp: _stage, user, ...rest } = event as Event & Record<string, unknown>;
  const annotations = Object.entries(event.annotations ?? {}).filter(([key]) => !key.startsWith('apiserver.latency.k8s.io/'));
  // They are upstream's prose.
  for (const column of event.responseObject?.columnDefinitions ?? []) delete column.description;
  return withoutTimes({
    ...rest,
    user: { ...user, ...(user.username ? { username: '<administrator>', extra: Object.keys(user.extra ?? {}) } : {}) },
    annotations: Object.fromEntries(annotations.map(([key, value]) => [key, value.replace(/JTI=\S+/, 'JTI=<id>')])),
  });
}

function withoutTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(comparable(value)).replace(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/g, '"<time>"'));
}
