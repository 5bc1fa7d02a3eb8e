import type { Logger } from '../base/logger.js';
import { errorText } from '../base/errors.js';
import { generatedData } from '../api/schema-data.js';
import type { ApiTransport, CallerIdentity } from '../contracts/api-transport.js';
import type { KubeObject } from '../machinery/object.js';
import { cloneJson } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ApiServer } from './api-server.js';
import type { BootstrapPolicyData, BootstrapResource, BootstrapStep } from './auth/bootstrap-policy.js';
import { bootstrapPolicy, reconcileBootstrapRoles } from './auth/bootstrap-policy.js';
import type { ClusterRole } from './auth/rbac-types.js';
import type { ResourceStore } from './registry/resource-store.js';

/** The API server's own identity for what it writes by itself. */
export const apiServerIdentity: CallerIdentity = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

type DefaultObjects = Readonly<Record<string, readonly KubeObject[]>>;

const rbacGroup = 'rbac.authorization.k8s.io';

/** What every cluster begins with. Namespaces first, since everything else lies in them. */
const plainDefaults = ['namespaces', 'priorityclasses.scheduling.k8s.io'] as const;

export const systemNamespaces: readonly string[] = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

/** Creates those that are missing. */
export async function ensureSystemNamespaces(server: ApiServer): Promise<void> {
  const { namespaces = [] } = generatedData<DefaultObjects>('default-objects');
  await Promise.all(namespaces.map(object => createMissing(server, '', 'namespaces', object)));
}

/** Creates what a fresh cluster has, and brings the bootstrap roles up to this version. Safe to run at every start. */
export async function bootstrap(server: ApiServer, logger: Logger): Promise<void> {
  const defaults = generatedData<DefaultObjects>('default-objects');
  for (const key of plainDefaults) {
    const dot = key.indexOf('.');
    const [resource, group] = dot < 0 ? [key, ''] : [key.slice(0, dot), key.slice(dot + 1)];
    const failed = await Promise.allSettled((defaults[key] ?? []).map(object => createMissing(server, group, resource, object)));
    for (const result of failed) if (result.status === 'rejected') tolerateRefusal(result.reason, logger);
  }
  const policy = bootstrapPolicy(generatedData<BootstrapPolicyData>('bootstrap-rbac'));
  const stored = (resource: BootstrapResource): ResourceStore | undefined =>
    server.endpoint(rbacGroup, 'v1', resource)?.served.store;
  const steps = reconcileBootstrapRoles(
    policy,
    (resource, namespace, name) => stored(resource)?.cache.get(namespace, name)?.object as ClusterRole | undefined,
  );
  const failures: { name: string; error: unknown }[] = [];
  const attempt = (step: BootstrapStep): Promise<void> =>
    write(server, step).catch((error: unknown) => void failures.push({ name: step.object.metadata.name ?? '', error }));
  await Promise.all(steps.filter(step => stored(step.resource)).map(attempt));
  // The server is of use without them. A full disk fails them all for one reason.
  for (const text of new Set(failures.map(({ error }) => errorText(error)))) {
    const names = failures.filter(({ error }) => errorText(error) === text).map(({ name }) => name);
    logger.warn('bootstrap roles could not be brought up to date and are tried again at the next start', {
      count: names.length,
      names: names.slice(0, 3).join(', ') + (names.length > 3 ? ', ...' : ''),
      error: text,
    });
  }
}

/** A webhook that refuses everything is taken away by a server that runs. */
function tolerateRefusal(error: unknown, logger: Logger): void {
  if (!isStatusError(error) || isStatusError(error, 'ServiceUnavailable')) throw error;
  logger.warn('an object that every cluster has was refused and is tried again at the next start', { error: errorText(error) });
}

/** One step of the bootstrap policy. */
async function write(server: ApiServer, { resource, operation, object }: BootstrapStep): Promise<void> {
  const { reference } = server.endpoint(rbacGroup, 'v1', resource)!.served.definition;
  const { namespace, name = '', uid } = object.metadata;
  const call = { caller: apiServerIdentity, resource: reference, namespace, userAgent: 'kube-apiserver' };
  if (operation === 'update') await server.transport.update({ ...call, name, object: object as KubeObject });
  else {
    if (operation === 'recreate') await server.transport.delete({ ...call, name, options: { preconditions: { uid } } });
    await create(server.transport, reference, object as KubeObject);
  }
}

async function createMissing(server: ApiServer, group: string, resource: string, object: KubeObject): Promise<void> {
  const endpoint = server.endpoint(group, versionOf(object), resource);
  if (!endpoint || endpoint.served.store.cache.get(object.metadata.namespace ?? '', object.metadata.name!)) return;
  await create(server.transport, endpoint.served.definition.reference, object);
}

async function create(
  transport: ApiTransport,
  reference: Parameters<ApiTransport['create']>[0]['resource'],
  object: KubeObject,
): Promise<void> {
  try {
    await transport.create({
      caller: apiServerIdentity,
      resource: reference,
      namespace: object.metadata.namespace,
      object: cloneJson(object),
      userAgent: 'kube-apiserver',
    });
  } catch (error) {
    // Another server was faster.
    if (!isStatusError(error, 'AlreadyExists')) throw error;
  }
}

function versionOf(object: KubeObject): string {
  return object.apiVersion.split('/').at(-1)!;
}
