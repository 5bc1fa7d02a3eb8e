import type { Eviction, Pod, PodDisruptionBudget } from '../../../api/generated/types.js';
import { isPodFinished, isPodReady } from '../../../api/pods.js';
import { PodDisruptionBudgets } from '../../../api/generated/resources.js';
import { withCondition, withoutUndefined } from '../../../api/objects.js';
import type { DeleteOptions } from '../../../contracts/api-transport.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import type { LabelSelector } from '../../../machinery/label-selector.js';
import { labelSelectorFromObject } from '../../../machinery/label-selector.js';
import type { KubeObject } from '../../../machinery/object.js';
import { cloneJson } from '../../../machinery/object.js';
import { badRequest, forbidden, invalid, isStatusError, StatusError, tooManyRequests } from '../../../machinery/status-error.js';
import { formatTime } from '../../../machinery/time.js';
import type { RequestContext } from '../../registry/resource-definition.js';
import type { ResourceStore } from '../../registry/resource-store.js';
import { ownWrite, setPodCondition, successStatus } from './pod-binding.js';

const maximumDisruptedPods = 2000;
const maximumTries = 20;
const refusal = "Cannot evict pod as it would violate the pod's disruption budget.";

/** Deletes a pod where its disruption budget allows. Source: EvictionREST, KEP-85. */
export async function evictPod(
  body: Eviction,
  name: string,
  store: ResourceStore<Pod>,
  context: RequestContext,
): Promise<KubeObject> {
  if (name !== body.metadata.name) throw badRequest('name in URL does not match name in Eviction object');
  const { deleteOptions } = body;
  if (deleteOptions?.ignoreStoreReadErrorWithClusterBreakingPotential) {
    const errors = new FieldErrors();
    const path = fieldPath('deleteOptions', 'ignoreStoreReadErrorWithClusterBreakingPotential');
    errors.invalid(path, true, 'can not be set for pod eviction, try after removing the option');
    throw invalid('policy', 'Eviction', name, errors);
  }
  const eviction: EvictionCall = {
    name,
    store,
    context: deleteOptions?.dryRun?.length ? { ...context, dryRun: true } : context,
    options: withoutUndefined({
      gracePeriodSeconds: deleteOptions?.gracePeriodSeconds,
      propagationPolicy: deleteOptions?.propagationPolicy,
      orphanDependents: deleteOptions?.orphanDependents,
      preconditions: deleteOptions?.preconditions,
    }) as DeleteOptions,
  };
  const pinned = eviction.options.preconditions?.resourceVersion !== undefined;
  const pod = await deleteUnprotected(eviction, pinned);
  if (!pod) return successStatus();
  const budgets = budgetsOf(pod, context);
  if (budgets.length > 1) {
    throw new StatusError(
      500,
      '',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  }
  const [budget] = budgets;
  if (!budget) {
    await remove(eviction, eviction.options);
    return successStatus();
  }
  if (!isUnhealthyAllowed(pod, budget)) {
    await takeDisruption(budget, eviction);
    await remove(eviction, eviction.options);
    return successStatus();
  }
  try {
    await remove(eviction, withVersion(eviction.options, pod));
  } catch (error) {
    // It may have become healthy meanwhile.
    if (isStatusError(error, 'Conflict') && !pinned) throw stillProcessed(budget.metadata.name);
    throw error;
  }
  return successStatus();
}

interface EvictionCall {
  readonly name: string;
  readonly store: ResourceStore<Pod>;
  readonly context: RequestContext;
  readonly options: DeleteOptions;
}

const withVersion = (options: DeleteOptions, pod: Readonly<Pod>): DeleteOptions => ({
  ...options,
  preconditions: { ...options.preconditions, resourceVersion: pod.metadata.resourceVersion! },
});

/** Deletes pods that no budget counts: finished, pending and going ones. The pod itself when it is none of them. */
async function deleteUnprotected(eviction: EvictionCall, pinned: boolean): Promise<Readonly<Pod> | undefined> {
  const { store, context, name, options } = eviction;
  for (let tries = 1; ; tries++) {
    const pod = (await store.get(context.namespace, name)).object as Readonly<Pod>;
    const going = pod.metadata.deletionTimestamp !== undefined || isPodFinished(pod);
    if (!going && pod.status?.phase !== 'Pending') return pod;
    try {
      // A pending pod may start to run meanwhile, and then counts.
      await remove(eviction, going || pinned ? options : withVersion(options, pod));
      return undefined;
    } catch (error) {
      if (pinned || tries >= maximumTries || !isStatusError(error, 'Conflict')) throw error;
    }
  }
}

async function remove({ store, context, name }: EvictionCall, options: DeleteOptions): Promise<void> {
  let { preconditions } = options;
  if (!context.dryRun) {
    const { entry } = await store.update(ownWrite(context, name, true), old => {
      const draft = cloneJson(old!.exact) as Pod;
      checkPreconditions(old!, preconditions, store, name);
      setPodCondition(
        (draft.status ??= {}),
        { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' },
        context.nowMs,
      );
      delete draft.metadata.resourceVersion;
      return draft;
    });
    if (preconditions?.resourceVersion !== undefined)
      preconditions = { ...preconditions, resourceVersion: entry.resourceVersion };
  }
  await store.delete(ownWrite(context, name, false), { ...options, ...(preconditions ? { preconditions } : {}) });
}

function checkPreconditions(
  old: { readonly uid: string; readonly resourceVersion: string },
  preconditions: DeleteOptions['preconditions'],
  store: ResourceStore<Pod>,
  name: string,
): void {
  const { uid, resourceVersion } = preconditions ?? {};
  const { group } = store.definition.reference;
  const fail = (text: string): never => {
    throw new StatusError(409, 'Conflict', `Operation cannot be fulfilled on Pod "${name}": ${text}`, {
      name,
      kind: 'Pod',
      ...(group ? { group } : {}),
    });
  };
  if (uid && uid !== old.uid) {
    fail(
      `the UID in the precondition (${uid}) does not match the UID in record (${old.uid}). The object might have been deleted and then recreated`,
    );
  }
  if (resourceVersion && resourceVersion !== old.resourceVersion) {
    fail(
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${old.resourceVersion}). The object might have been modified`,
    );
  }
}

function budgetsOf(pod: Readonly<Pod>, context: RequestContext): Readonly<PodDisruptionBudget>[] {
  const store = context.stores.get<PodDisruptionBudget>(PodDisruptionBudgets);
  if (!store) return [];
  const budgets: Readonly<PodDisruptionBudget>[] = [];
  for (const { object } of store.select({ namespace: context.namespace })) {
    if (selectorOf(object)?.matches(pod.metadata.labels)) budgets.push(object);
  }
  return budgets;
}

/** Undefined for a selector that does not parse; upstream lets it count for nothing. */
function selectorOf(budget: Readonly<PodDisruptionBudget>): LabelSelector | undefined {
  try {
    return labelSelectorFromObject(budget.spec?.selector);
  } catch {
    // Such a budget is refused on create; an old one protects nothing.
    return undefined;
  }
}

function isUnhealthyAllowed(pod: Readonly<Pod>, { spec, status }: Readonly<PodDisruptionBudget>): boolean {
  if (isPodReady(pod)) return false;
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  return (status?.currentHealthy ?? 0) >= (status?.desiredHealthy ?? 0) && (status?.desiredHealthy ?? 0) > 0;
}

const stillProcessed = (budget: string): StatusError =>
  tooManyRequests(refusal, 10, [
    { reason: 'DisruptionBudget', message: `The disruption budget ${budget} is still being processed by the server.` },
  ]);

/** Counts one disruption in the budget, or throws why it may not happen now. */
async function takeDisruption(
  { metadata: { name } }: Readonly<PodDisruptionBudget>,
  { name: podName, context }: EvictionCall,
): Promise<void> {
  const store = context.stores.get<PodDisruptionBudget>(PodDisruptionBudgets)!;
  await store.update(ownWrite(context, name, true), old => {
    const draft = cloneJson(old!.exact) as PodDisruptionBudget;
    checkBudget(draft);
    const { status } = draft;
    status.disruptionsAllowed--;
    status.disruptedPods = { ...status.disruptedPods, [podName]: formatTime(context.nowMs) };
    if (status.disruptionsAllowed === 0) {
      status.conditions = withCondition(status.conditions, {
        type: 'DisruptionAllowed',
        status: 'False',
        observedGeneration: status.observedGeneration ?? 0,
        lastTransitionTime: formatTime(context.nowMs),
        reason: 'InsufficientPods',
        message: '',
      });
    }
    delete draft.metadata.resourceVersion;
    return draft;
  });
}

function checkBudget({ metadata, status }: PodDisruptionBudget): void {
  const { name } = metadata;
  const subject = { group: 'policy', resource: 'poddisruptionbudget', name };
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) throw stillProcessed(name);
  if (status.disruptionsAllowed < 0) throw forbidden(subject, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > maximumDisruptedPods) {
    throw forbidden(subject, 'DisruptedPods map too big - too many evictions not confirmed by PDB controller');
  }
  if (status.disruptionsAllowed > 0) return;
  const condition = status.conditions?.find(({ type }) => type === 'DisruptionAllowed');
  const refused = condition?.status === 'False' && condition.message ? condition : undefined;
  let message = `The disruption budget ${name} does not allow evicting pods currently`;
  if (refused?.reason === 'SyncFailed') message += ` because it failed sync: ${refused.message}`;
  else if (status.currentHealthy <= status.desiredHealthy) {
    message = `The disruption budget ${name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`;
  } else if (refused) message += ` (${refused.reason}): ${refused.message}`;
  throw tooManyRequests(refusal, 0, [{ reason: 'DisruptionBudget', message }]);
}
