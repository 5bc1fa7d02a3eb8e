import { CodedError, errorText } from '../base/errors.js';
import { Deployments, ReplicaSets } from '../api/generated/resources.js';
import type { Deployment, DeploymentStatus, Pod, ReplicaSet } from '../api/generated/types.js';
import { podTemplateHash } from '../api/hash.js';
import { selectorWithLabel } from '../api/labels.js';
import { findCondition, withCondition, withoutCondition } from '../api/objects.js';
import { controllerOf, controllerReference } from '../api/owners.js';
import { isPodFinished } from '../api/pods.js';
import { nowTime, parseTime } from '../api/time.js';
import { cloneJson, jsonEqual } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext } from './controller.js';
import * as model from './deployment-model.js';
import type { SplitSets } from './deployment-model.js';
import { isNamespaceTerminating } from './pod-control.js';

const longestName = 253;

/**
 * One round of work on one deployment. `deployment` is a copy of its own that is written to: conditions and annotations gather in
 * it until the status is written. Source: pkg/controller/deployment (sync, rolling, recreate, rollback, progress).
 */
export class DeploymentRollout {
  readonly #context: ControllerContext;
  readonly #deployment: Deployment;
  readonly #sets: readonly ReplicaSet[];
  /** Scaled in this round: what the informer will show. */
  readonly #written = new Map<string, ReplicaSet>();
  /** When to look again though nothing changes, for a progress deadline. */
  lookAgainAfterMs: number | undefined;

  constructor(context: ControllerContext, deployment: Deployment, sets: readonly ReplicaSet[]) {
    this.#context = context;
    this.#deployment = cloneJson(deployment);
    this.#deployment.status ??= {};
    this.#sets = sets;
  }

  get #desired(): number {
    return model.desiredOf(this.#deployment);
  }

  async run(podsOf: (set: ReplicaSet) => readonly Pod[]): Promise<void> {
    const deployment = this.#deployment;
    if (deployment.metadata.deletionTimestamp) return this.#writeCounts(await this.#split(false));
    await this.#checkPaused();
    if (deployment.spec.paused) return this.#resize();
    const rollbackTo = deployment.metadata.annotations?.[model.rollbackAnnotation];
    if (rollbackTo && /^\d+$/.test(rollbackTo)) return this.#rollBack(Number(rollbackTo));
    const split = await this.#split(false);
    if (model.isScalingEvent(deployment, all(split))) return this.#resize();
    const { type } = deployment.spec.strategy;
    if (type === 'Recreate') return this.#recreate(podsOf);
    if (type === 'RollingUpdate') return this.#roll();
    throw new CodedError('UNKNOWN_STRATEGY', `unexpected deployment strategy type: ${type}`);
  }

  async #roll(): Promise<void> {
    const split = await this.#split(true);
    const current = split.current!;
    let scaled = false;
    if (model.replicasOf(current) !== this.#desired) {
      const wanted =
        model.replicasOf(current) > this.#desired ? this.#desired : model.newSetReplicas(this.#deployment, all(split), current);
      scaled = await this.#scale(current, wanted);
    }
    if (!scaled) scaled = await this.#shrinkOld(split);
    if (!scaled && model.isComplete(this.#deployment, this.#deployment.status)) await this.#cleanUp(split.old);
    await this.#writeProgress(split);
  }

  /** Removes old pods: first those that do not work anyway, then as many as may be unavailable. */
  async #shrinkOld({ current, old }: SplitSets): Promise<boolean> {
    let active = model.activeSets(old).sort(model.compareCreation);
    if (active.length === 0) return false;
    const minimum = this.#desired - model.maxUnavailable(this.#deployment);
    const newUnavailable = model.replicasOf(current!) - (current!.status?.availableReplicas ?? 0);
    const most = model.sumReplicas([...old, current!]) - minimum - newUnavailable;
    if (most <= 0) return false;
    let cleaned = 0;
    for (const set of active) {
      const broken = model.replicasOf(set) - (set.status?.availableReplicas ?? 0);
      const count = Math.min(most - cleaned, broken);
      if (count <= 0) continue;
      await this.#scale(set, model.replicasOf(set) - count);
      cleaned += count;
    }
    active = active.map(set => this.#latest(set));
    const spare = model.sumStatus([...active, current!], 'availableReplicas') - minimum;
    let shrunk = 0;
    for (const set of active) {
      const count = Math.min(model.replicasOf(set), spare - shrunk);
      if (count <= 0) continue;
      await this.#scale(set, model.replicasOf(set) - count);
      shrunk += count;
    }
    return cleaned + shrunk > 0;
  }

  async #recreate(podsOf: (set: ReplicaSet) => readonly Pod[]): Promise<void> {
    let split = await this.#split(false);
    let scaledDown = false;
    for (const set of model.activeSets(split.old)) scaledDown = (await this.#scale(set, 0)) || scaledDown;
    const oldRuns =
      model.sumStatus(split.old, 'replicas') > 0 || split.old.some(set => podsOf(set).some(pod => !isPodFinished(pod)));
    if (scaledDown || oldRuns) return this.#writeProgress(split);
    if (!split.current) split = await this.#split(true);
    await this.#scale(split.current!, this.#desired);
    if (model.isComplete(this.#deployment, this.#deployment.status)) await this.#cleanUp(split.old);
    await this.#writeProgress(split);
  }

  /** Scaling events and paused deployments: sizes change in proportion, nothing rolls on. */
  async #resize(): Promise<void> {
    const split = await this.#split(false);
    await this.#scaleProportionally(split);
    if (this.#deployment.spec.paused && !this.#deployment.metadata.annotations?.[model.rollbackAnnotation]) {
      await this.#cleanUp(split.old);
    }
    await this.#writeCounts(split);
  }

  async #scaleProportionally(split: SplitSets): Promise<void> {
    const deployment = this.#deployment;
    const only = model.activeOrLatest(split);
    if (only) {
      await this.#scale(only, this.#desired);
      return;
    }
    if (model.isSaturated(deployment, split.current)) {
      for (const set of model.activeSets(split.old)) await this.#scale(set, 0);
      return;
    }
    if (!model.isRollingUpdate(deployment)) return;
    const active = model.activeSets(all(split));
    const allowed = this.#desired > 0 ? this.#desired + model.maxSurge(deployment) : 0;
    const toAdd = allowed - model.sumReplicas(active);
    // The largest first; of equal ones the newer grow first and the older shrink first.
    active.sort((a, b) => model.replicasOf(b) - model.replicasOf(a) || model.compareCreation(a, b) * (toAdd > 0 ? -1 : 1));
    let added = 0;
    const sizes = active.map(set => {
      const share = toAdd === 0 ? 0 : model.proportion(set, deployment, toAdd, added);
      added += share;
      return model.replicasOf(set) + share;
    });
    if (sizes.length > 0) sizes[0] = Math.max(0, sizes[0]! + toAdd - added);
    for (const [index, set] of active.entries()) await this.#scale(set, sizes[index]!, true);
  }

  /** True when the size changed. With `annotate`, also what the set was sized for is written when only that changed. */
  async #scale(known: ReplicaSet, replicas: number, annotate = false): Promise<boolean> {
    const set = this.#latest(known);
    const before = model.replicasOf(set);
    if (before === replicas && !annotate) return false;
    const draft = cloneJson(set);
    draft.spec.replicas = replicas;
    if (!model.setReplicasAnnotations(draft, this.#deployment) && before === replicas) return false;
    const { namespace, name } = set.metadata;
    const written = await this.#context.client.resource(ReplicaSets, namespace).update(name, draft);
    this.#written.set(name, written);
    if (before === replicas) return false;
    const direction = before < replicas ? 'up' : 'down';
    const text = `Scaled ${direction} replica set ${name} from ${before} to ${replicas}`;
    this.#context.recorder.event(this.#deployment, 'Normal', 'ScalingReplicaSet', text);
    return true;
  }

  #latest(set: ReplicaSet): ReplicaSet {
    return this.#written.get(set.metadata.name) ?? set;
  }

  async #cleanUp(old: readonly ReplicaSet[]): Promise<void> {
    if (!model.hasRevisionHistoryLimit(this.#deployment)) return;
    const living = old.filter(set => !set.metadata.deletionTimestamp).sort(model.compareRevision);
    const surplus = living.length - this.#deployment.spec.revisionHistoryLimit!;
    for (const set of living.slice(0, Math.max(0, surplus))) {
      const { namespace, name, generation } = set.metadata;
      if (set.status?.replicas || model.replicasOf(set) !== 0) continue;
      if ((generation ?? 0) > (set.status?.observedGeneration ?? 0)) continue;
      try {
        await this.#context.client.resource(ReplicaSets, namespace).delete(name);
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
      }
    }
  }

  /** The new set and the old ones, with revisions brought up to date; the new one is created where it is wanted and missing. */
  async #split(create: boolean): Promise<SplitSets> {
    const known = model.splitSets(
      this.#deployment,
      this.#sets.map(set => this.#latest(set)),
    );
    const revision = known.old.map(model.revisionOf).reduce((most, each) => (each > most ? each : most), 0n) + 1n;
    if (known.current) return { current: await this.#adoptRevision(known.current, revision), old: known.old };
    return create ? { current: await this.#createSet(known.old, revision), old: known.old } : known;
  }

  async #adoptRevision(set: ReplicaSet, revision: bigint): Promise<ReplicaSet> {
    const deployment = this.#deployment;
    const { namespace, name } = set.metadata;
    const draft = cloneJson(set);
    const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
    const annotated = model.setNewSetAnnotations(draft, deployment, revision, false);
    if (annotated || (set.spec.minReadySeconds ?? 0) !== minReadySeconds) {
      draft.spec.minReadySeconds = minReadySeconds;
      const written = await this.#context.client.resource(ReplicaSets, namespace).update(name, draft);
      this.#written.set(name, written);
      return written;
    }
    let changed = model.setDeploymentRevision(deployment, draft.metadata.annotations?.[model.revisionAnnotation] ?? '');
    if (model.hasProgressDeadline(deployment) && !findCondition(deployment.status.conditions, 'Progressing')) {
      const message = `Found new replica set "${name}"`;
      this.#progress('True', 'FoundNewReplicaSet', message);
      changed = true;
    }
    if (changed) await this.#writeStatus(deployment.status);
    return set;
  }

  async #createSet(old: readonly ReplicaSet[], revision: bigint): Promise<ReplicaSet> {
    const deployment = this.#deployment;
    const { name, namespace } = deployment.metadata;
    const hash = podTemplateHash(deployment.spec.template, deployment.status.collisionCount);
    const template = cloneJson(deployment.spec.template);
    template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, [model.templateHashLabel]: hash } };
    const draft = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${name.slice(0, longestName - hash.length - 1)}-${hash}`,
        namespace,
        ownerReferences: [controllerReference(deployment, Deployments)],
        labels: { ...template.metadata.labels },
        annotations: {},
      },
      spec: {
        replicas: 0,
        ...(deployment.spec.minReadySeconds ? { minReadySeconds: deployment.spec.minReadySeconds } : {}),
        selector: selectorWithLabel(deployment.spec.selector, model.templateHashLabel, hash),
        template,
      },
    } as unknown as ReplicaSet;
    draft.spec.replicas = model.newSetReplicas(deployment, [...old, draft], draft);
    model.setNewSetAnnotations(draft, deployment, revision, true);
    const { created, existed } = await this.#createOrFind(draft);
    this.#written.set(created.metadata.name, created);
    if (!existed && draft.spec.replicas > 0) {
      const text = `Scaled up replica set ${created.metadata.name} from 0 to ${draft.spec.replicas}`;
      this.#context.recorder.event(deployment, 'Normal', 'ScalingReplicaSet', text);
    }
    let changed = model.setDeploymentRevision(deployment, String(revision));
    if (!existed && model.hasProgressDeadline(deployment)) {
      changed = this.#progress('True', 'NewReplicaSetCreated', `Created new replica set "${created.metadata.name}"`) || changed;
    }
    if (changed) await this.#writeStatus(deployment.status);
    return created;
  }

  async #createOrFind(draft: ReplicaSet): Promise<{ created: ReplicaSet; existed: boolean }> {
    const deployment = this.#deployment;
    const sets = this.#context.client.resource(ReplicaSets, draft.metadata.namespace);
    try {
      return { created: await sets.create(draft), existed: false };
    } catch (error) {
      if (isStatusError(error, 'AlreadyExists')) {
        const found = await sets.get(draft.metadata.name);
        const ours = controllerOf(found)?.uid === deployment.metadata.uid;
        // An informer that lags: this is the set that an earlier round created.
        if (ours && model.equalIgnoringHash(found.spec.template, deployment.spec.template))
          return { created: found, existed: true };
        deployment.status.collisionCount = (deployment.status.collisionCount ?? 0) + 1;
        await this.#writeStatus(deployment.status);
        throw error;
      }
      if (isNamespaceTerminating(error)) throw error;
      const message = `Failed to create new replica set "${draft.metadata.name}": ${errorText(error)}`;
      if (model.hasProgressDeadline(deployment) && this.#progress('False', 'ReplicaSetCreateError', message)) {
        await this.#writeStatus(deployment.status);
      }
      this.#context.recorder.event(deployment, 'Warning', 'ReplicaSetCreateError', message);
      throw error;
    }
  }

  async #checkPaused(): Promise<void> {
    const deployment = this.#deployment;
    if (!model.hasProgressDeadline(deployment)) return;
    const reason = findCondition(deployment.status.conditions, 'Progressing')?.reason;
    // Lack of progress once reported is not hidden by a pause.
    if (reason === 'ProgressDeadlineExceeded') return;
    const marked = reason === 'DeploymentPaused';
    if (Boolean(deployment.spec.paused) === marked) return;
    if (marked) this.#progress('Unknown', 'DeploymentResumed', 'Deployment is resumed');
    else this.#progress('Unknown', 'DeploymentPaused', 'Deployment is paused');
    await this.#writeStatus(deployment.status);
  }

  async #rollBack(revision: number): Promise<void> {
    const deployment = this.#deployment;
    const sets = all(await this.#split(true));
    const previous = [...sets].sort(model.compareRevision).at(-2);
    const wanted = revision !== 0 ? BigInt(revision) : previous ? model.revisionOf(previous) : 0n;
    const target = wanted === 0n ? undefined : sets.find(set => model.revisionOf(set) === wanted);
    const warn = (reason: string, text: string): void => this.#context.recorder.event(deployment, 'Warning', reason, text);
    let done = false;
    if (!target) {
      const text = wanted === 0n ? 'Unable to find last revision.' : 'Unable to find the revision to rollback to.';
      warn('DeploymentRollbackRevisionNotFound', text);
    } else if (model.equalIgnoringHash(target.spec.template, deployment.spec.template)) {
      const text = `The rollback revision contains the same template as current deployment "${deployment.metadata.name}"`;
      warn('DeploymentRollbackTemplateUnchanged', text);
    } else {
      deployment.spec.template = model.withoutHash(target.spec.template);
      deployment.metadata.annotations = model.rolledBackAnnotations(deployment, target);
      done = true;
    }
    delete deployment.metadata.annotations?.[model.rollbackAnnotation];
    const { namespace, name } = deployment.metadata;
    await this.#context.client.resource(Deployments, namespace).update(name, deployment);
    if (!done) return;
    const text = `Rolled back deployment "${name}" to revision ${wanted}`;
    this.#context.recorder.event(deployment, 'Normal', 'DeploymentRollback', text);
  }

  #progress(status: 'True' | 'False' | 'Unknown', reason: string, message: string): boolean {
    const now = nowTime(this.#context.clock);
    return model.setCondition(this.#deployment.status, { type: 'Progressing', status, reason, message }, now);
  }

  #latestSplit({ current, old }: SplitSets): SplitSets {
    return { current: current && this.#latest(current), old: old.map(set => this.#latest(set)) };
  }

  async #writeCounts(split: SplitSets): Promise<void> {
    const status = model.statusOf(this.#deployment, this.#latestSplit(split), nowTime(this.#context.clock));
    if (!jsonEqual(status, this.#deployment.status)) await this.#writeStatus(status);
  }

  /** The status during a rollout: counts, whether it makes progress, and what keeps pods from being created. */
  async #writeProgress(split: SplitSets): Promise<void> {
    const deployment = this.#deployment;
    const latest = this.#latestSplit(split);
    const now = nowTime(this.#context.clock);
    const status = model.statusOf(deployment, latest, now);
    const known = findCondition(deployment.status.conditions, 'Progressing');
    if (!model.hasProgressDeadline(deployment)) status.conditions = withoutCondition(status.conditions, 'Progressing');
    const settled = (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && known?.reason === 'NewReplicaSetAvailable';
    if (model.hasProgressDeadline(deployment) && !settled) {
      const what = latest.current ? `ReplicaSet "${latest.current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
      const set = (ok: 'True' | 'False', reason: string, message: string, refresh = false): void =>
        void model.setCondition(status, { type: 'Progressing', status: ok, reason, message }, now, refresh);
      if (model.isComplete(deployment, status)) {
        set('True', 'NewReplicaSetAvailable', `${what} has successfully progressed.`);
      } else if (model.isProgressing(deployment, status)) {
        set('True', 'ReplicaSetUpdated', `${what} is progressing.`, true);
      } else if (model.isTimedOut(deployment, status, this.#context.clock.now())) {
        set('False', 'ProgressDeadlineExceeded', `${what} has timed out progressing.`);
      }
    }
    const failure = [latest.current, ...latest.old]
      .map(set => findCondition(set?.status?.conditions, 'ReplicaFailure'))
      .find(condition => condition !== undefined);
    if (failure) {
      const before = findCondition(status.conditions, 'ReplicaFailure');
      if (before?.status !== failure.status || before.reason !== failure.reason) {
        status.conditions = withCondition(status.conditions, { ...failure, lastUpdateTime: failure.lastTransitionTime });
      }
    } else status.conditions = withoutCondition(status.conditions, 'ReplicaFailure');
    if (!jsonEqual(status, deployment.status)) await this.#writeStatus(status);
    else this.#planDeadline(status);
  }

  /** Nothing will happen that tells a stuck deployment from a slow one: only time does. */
  #planDeadline(status: DeploymentStatus): void {
    const deployment = this.#deployment;
    const condition = findCondition(status.conditions, 'Progressing');
    if (!model.hasProgressDeadline(deployment) || !condition || condition.reason === 'ProgressDeadlineExceeded') return;
    if (model.isComplete(deployment, status)) return;
    const dueMs = (parseTime(condition.lastUpdateTime) ?? 0) + deployment.spec.progressDeadlineSeconds! * 1000;
    // A second on top, as the times of conditions are whole seconds.
    this.lookAgainAfterMs = Math.max(0, dueMs - this.#context.clock.now()) + 1000;
  }

  async #writeStatus(status: DeploymentStatus): Promise<void> {
    const deployment = this.#deployment;
    deployment.status = cloneJson(status);
    const { namespace, name } = deployment.metadata;
    const written = await this.#context.client.resource(Deployments, namespace).updateStatus(name, deployment);
    // The next write of this round must build on this one.
    deployment.metadata.resourceVersion = written.metadata.resourceVersion;
  }
}

function all({ current, old }: SplitSets): ReplicaSet[] {
  return current ? [...old, current] : [...old];
}
