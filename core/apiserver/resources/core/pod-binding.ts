import type { Binding, ObjectMeta, Pod, PodCondition, PodStatus } from '../../../api/generated/types.js';
import { FieldErrors, fieldPath, quote } from '../../../machinery/field-errors.js';
import type { KubeObject } from '../../../machinery/object.js';
import { cloneJson } from '../../../machinery/object.js';
import { badRequest, conflict, StatusError } from '../../../machinery/status-error.js';
import { formatTime } from '../../../machinery/time.js';
import type { RequestContext } from '../../registry/resource-definition.js';
import type { ResourceStore, WriteCall } from '../../registry/resource-store.js';
import type { StoredObject } from '../../storage/stored-object.js';

/** The answer of subresources that only say that it is done. */
export function successStatus(): KubeObject {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } as KubeObject;
}

/** A write that the server does by itself for a request; its fields have no new owner. */
export function ownWrite(context: RequestContext, name: string, trusted: boolean): WriteCall {
  const { caller, namespace, dryRun } = context;
  return {
    caller,
    namespace,
    name,
    dryRun,
    fieldManager: '',
    ownsManagedFields: true,
    trusted,
    warn: text => context.warn(text),
  };
}

/** Sets a condition; its time is kept when its status stays. Source: UpdatePodCondition. */
export function setPodCondition(
  status: PodStatus,
  condition: Omit<PodCondition, 'lastProbeTime' | 'lastTransitionTime'>,
  nowMs: number,
): void {
  const conditions = (status.conditions ??= []);
  const index = conditions.findIndex(({ type }) => type === condition.type);
  const old = conditions[index];
  const lastTransitionTime = old?.status === condition.status ? old.lastTransitionTime : formatTime(nowMs);
  const next: PodCondition = { ...condition, lastProbeTime: null, lastTransitionTime };
  if (index < 0) conditions.push(next);
  else conditions[index] = next;
}

/** Puts a pod on the node that the binding names. Source: BindingREST. */
export async function bindPod(
  body: Binding,
  name: string,
  store: ResourceStore<Pod>,
  context: RequestContext,
): Promise<KubeObject> {
  const { metadata, target } = body;
  if (name !== metadata.name) throw badRequest('name in URL does not match name in Binding object');
  const errors = new FieldErrors();
  if (target?.kind && target.kind !== 'Node') errors.notSupported(fieldPath('target', 'kind'), target.kind, ['Node', '<empty>']);
  if (!target?.name) errors.required(fieldPath('target', 'name'));
  if (!errors.empty) {
    const texts = errors.list.map(({ field, body: text }) => `${field}: ${text}`);
    throw new StatusError(500, '', texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`);
  }
  await store.update(ownWrite(context, name, true), old => {
    if (!old) throw new Error('a missing pod is told before');
    const draft = cloneJson(old.exact) as Pod;
    const fail = (text: string): never => {
      throw conflict({ group: '', resource: 'pods/binding', name }, text);
    };
    checkPreconditions(metadata, old, store, name);
    if (draft.metadata.deletionTimestamp !== undefined) fail(`pod ${name} is being deleted, cannot be assigned to a host`);
    if (draft.spec.nodeName) fail(`pod ${name} is already assigned to node ${quote(draft.spec.nodeName)}`);
    if (draft.spec.schedulingGates?.length) fail(`pod ${name} has non-empty .spec.schedulingGates`);
    draft.spec.nodeName = target.name!;
    draft.status ??= {};
    delete draft.status.nominatedNodeName;
    merge(draft.metadata, 'annotations', metadata.annotations);
    merge(draft.metadata, 'labels', metadata.labels);
    setPodCondition(draft.status, { type: 'PodScheduled', status: 'True' }, context.nowMs);
    delete draft.metadata.resourceVersion;
    return draft;
  });
  return successStatus();
}

/** Worded as upstream's storage words it. */
function checkPreconditions(wanted: ObjectMeta, old: StoredObject<Pod>, store: ResourceStore<Pod>, name: string): void {
  const { uid, resourceVersion } = wanted;
  let text = '';
  if (uid && uid !== old.uid) text = `UID in precondition: ${uid}, UID in object meta: ${old.uid}`;
  else if (resourceVersion && resourceVersion !== old.resourceVersion) {
    text = `ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${old.resourceVersion}`;
  }
  if (!text) return;
  const key = store.cache.key(old.namespace, name);
  const reason = `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: ${text}`;
  throw conflict(store.subject(name), reason);
}

function merge(metadata: ObjectMeta, field: 'annotations' | 'labels', more: Readonly<Record<string, string>> | undefined): void {
  if (more && Object.keys(more).length) metadata[field] = { ...metadata[field], ...more };
}
