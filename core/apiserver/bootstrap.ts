import type { Logger } from '../base/logger.js';
import { errorText } from '../base/errors.js';
import { generatedData } from '../api/schema-data.js';
import type { ApiTransport, CallerIdentity } from '../contracts/api-transport.js';
import type { KubeObject } from '../machinery/object.js';
import { cloneJson, jsonEqual } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ApiServer } from './api-server.js';

/** The API server's own identity for what it writes by itself. */
export const apiServerIdentity: CallerIdentity = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

interface BootstrapRbac {
  readonly clusterRoles: readonly KubeObject[];
  readonly clusterRoleBindings: readonly KubeObject[];
  readonly roles: readonly KubeObject[];
  readonly roleBindings: readonly KubeObject[];
}

type DefaultObjects = Readonly<Record<string, readonly KubeObject[]>>;

const autoUpdate = 'rbac.authorization.kubernetes.io/autoupdate';
const rbacGroup = 'rbac.authorization.k8s.io';

/** What every cluster begins with. Namespaces first, since everything else lies in them. */
const plainDefaults = ['namespaces', 'priorityclasses.scheduling.k8s.io', 'servicecidrs.networking.k8s.io'] as const;

/** Creates what a fresh cluster has, and brings the bootstrap roles up to this version. Safe to run at every start. */
export async function bootstrap(server: ApiServer, logger: Logger): Promise<void> {
  const defaults = generatedData<DefaultObjects>('default-objects');
  for (const key of plainDefaults) {
    const dot = key.indexOf('.');
    const [resource, group] = dot < 0 ? [key, ''] : [key.slice(0, dot), key.slice(dot + 1)];
    await Promise.all((defaults[key] ?? []).map(object => createMissing(server, group, resource, object)));
  }
  const rbac = generatedData<BootstrapRbac>('bootstrap-rbac');
  const tasks: Promise<void>[] = [];
  for (const [resource, objects] of [
    ['clusterroles', rbac.clusterRoles],
    ['clusterrolebindings', rbac.clusterRoleBindings],
    ['roles', rbac.roles],
    ['rolebindings', rbac.roleBindings],
  ] as const) {
    for (const object of objects) tasks.push(reconcile(server, resource, object, logger));
  }
  await Promise.all(tasks);
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

interface RbacObject extends KubeObject {
  rules?: unknown[] | null;
  subjects?: unknown[] | null;
  aggregationRule?: unknown;
}

/** Adds what a newer version's role or binding has; takes nothing away. Users opt out by the annotation. */
async function reconcile(server: ApiServer, resource: string, wanted: RbacObject, logger: Logger): Promise<void> {
  const endpoint = server.endpoint(rbacGroup, 'v1', resource);
  if (!endpoint) return;
  const { reference } = endpoint.served.definition;
  const { namespace = '', name = '' } = wanted.metadata;
  const entry = endpoint.served.store.cache.get(namespace, name);
  if (!entry) return create(server.transport, reference, wanted);
  const existing = entry.object as RbacObject;
  if (existing.metadata.annotations?.[autoUpdate] === 'false') return;
  const next = cloneJson(existing);
  next.metadata.labels = { ...wanted.metadata.labels, ...existing.metadata.labels };
  next.metadata.annotations = { ...wanted.metadata.annotations, ...existing.metadata.annotations };
  for (const field of ['rules', 'subjects'] as const) {
    if (existing.aggregationRule && field === 'rules') continue;
    const missing = (wanted[field] ?? []).filter(item => !(existing[field] ?? []).some(other => jsonEqual(item, other)));
    if (missing.length) next[field] = [...(existing[field] ?? []), ...missing];
  }
  if (jsonEqual(next, existing)) return;
  try {
    await server.transport.update({
      caller: apiServerIdentity,
      resource: reference,
      namespace,
      name,
      object: next,
      userAgent: 'kube-apiserver',
    });
  } catch (error) {
    logger.warn('a bootstrap role could not be brought up to date and is tried again at the next start', {
      name,
      error: errorText(error),
    });
  }
}

function versionOf(object: KubeObject): string {
  return object.apiVersion.split('/').at(-1)!;
}
