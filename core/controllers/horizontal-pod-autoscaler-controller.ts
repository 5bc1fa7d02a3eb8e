import { CodedError, errorText } from '../base/errors.js';
import { HorizontalPodAutoscalers, Pods } from '../api/generated/resources.js';
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricStatus,
  Pod,
  Scale,
} from '../api/generated/types.js';
import { nonZero, withoutUndefined } from '../api/objects.js';
import type { ResourceReference } from '../api/resource-reference.js';
import { formatTime, nowTime } from '../api/time.js';
import type { ResourceClient } from '../client/client.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import { parseLabelSelector } from '../machinery/label-selector.js';
import type { LabelSelector } from '../machinery/label-selector.js';
import { jsonEqual, parseApiVersion, produce } from '../machinery/object.js';
import { Quantity } from '../machinery/quantity.js';
import { isStatusError } from '../machinery/status-error.js';
import { evaluateMetric } from './autoscaler-evaluation.js';
import type { MetricError } from './autoscaler-evaluation.js';
import { ScaleHistory, limitScale } from './autoscaler-limits.js';
import type { Verdict } from './autoscaler-limits.js';
import { ApiMetricsSource } from './autoscaler-metrics.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

const everyMs = 15_000;
const defaultTolerance = 0.1;
const conflictTries = 5;

/** One reconciliation: the status grows in `draft` and is written once. */
interface Round {
  readonly autoscaler: HorizontalPodAutoscaler;
  readonly key: string;
  conditions: HorizontalPodAutoscalerCondition[];
}

interface Target {
  readonly client: ResourceClient<Scale>;
  readonly scale: Scale;
}

interface Desire {
  readonly replicas: number;
  readonly metric: string;
  readonly statuses: MetricStatus[];
  /** Some metrics failed, but the others ask for more. */
  readonly error: unknown;
}

/** Sizes workloads by metrics, every 15 seconds. Source: pkg/controller/podautoscaler. */
class HorizontalPodAutoscalerController extends Reconciler {
  readonly #autoscalers: Informer<HorizontalPodAutoscaler>;
  readonly #pods: Informer<Pod>;
  readonly #histories = new Map<string, ScaleHistory>();
  /** What each autoscaler selects, so that no two steer the same pods. */
  readonly #selectors = new Map<string, LabelSelector>();

  constructor(context: ControllerContext) {
    super(context, { name: 'horizontal-pod-autoscaler-controller' });
    this.#autoscalers = context.informers.informer(HorizontalPodAutoscalers);
    this.#pods = context.informers.informer(Pods);
  }

  protected override register(): void {
    this.watch(this.#autoscalers, {
      added: entry => this.queue.addAfter(keyOf(entry), everyMs),
      updated: (_previous, entry) => this.queue.addAfter(keyOf(entry), everyMs),
      deleted: entry => this.queue.add(keyOf(entry)),
    });
    this.watch(this.#pods);
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const autoscaler = this.#autoscalers.get(namespace, name);
    if (!autoscaler) {
      this.#histories.delete(key);
      this.#selectors.delete(key);
      return;
    }
    try {
      await this.#reconcile(key, autoscaler);
    } catch (error) {
      // Its events and conditions have told the user; the next look comes as always.
      this.context.logger.debug('the autoscaler did not finish its round', { key, error });
    } finally {
      this.queue.addAfter(key, everyMs);
    }
  }

  async #reconcile(key: string, autoscaler: HorizontalPodAutoscaler): Promise<void> {
    const round: Round = { autoscaler, key, conditions: [...(autoscaler.status?.conditions ?? [])] };
    const { spec, status } = autoscaler;
    let target: Target;
    try {
      target = await this.#scaleOf(autoscaler);
    } catch (error) {
      this.#event(round, 'Warning', 'FailedGetScale', errorText(error));
      this.#condition(round, 'AbleToScale', {
        status: 'False',
        reason: 'FailedGetScale',
        message: `the HPA controller was unable to get the target's current scale: ${errorText(error)}`,
      });
      await this.#write(round, status ?? { desiredReplicas: 0 });
      throw error;
    }
    this.#condition(round, 'AbleToScale', {
      status: 'True',
      reason: 'SucceededGetScale',
      message: "the HPA controller was able to get the target's current scale",
    });
    const current = target.scale.spec.replicas ?? 0;
    const minimum = spec.minReplicas ?? 1;
    const history = this.#history(key);
    history.begin(current, this.context.clock.now());

    let desired = current;
    let reason = '';
    let statuses: MetricStatus[] = [];
    let partial: unknown;
    if (current === 0) {
      this.#condition(round, 'ScalingActive', {
        status: 'False',
        reason: 'ScalingDisabled',
        message: 'scaling is disabled since the replica count of the target is zero',
      });
    } else if (current > spec.maxReplicas) {
      [desired, reason] = [spec.maxReplicas, 'Current number of replicas above Spec.MaxReplicas'];
    } else if (current < minimum) {
      [desired, reason] = [minimum, 'Current number of replicas below Spec.MinReplicas'];
    } else {
      const wish = await this.#desire(round, target.scale);
      ({ statuses, error: partial } = wish);
      const input = { current, desired: wish.replicas, minimum, maximum: spec.maxReplicas, behavior: spec.behavior };
      const limited = limitScale({ ...input, nowMs: this.context.clock.now() }, history);
      this.#condition(round, 'AbleToScale', limited.ableToScale);
      this.#condition(round, 'ScalingLimited', limited.scalingLimited);
      desired = limited.replicas;
      if (wish.replicas > current) reason = `${wish.metric} above target`;
      else if (wish.replicas < current) reason = 'All metrics below target';
    }
    const rescale = desired !== current;
    if (rescale) await this.#rescale(round, target, { current, desired, reason, statuses });
    await this.#write(round, {
      currentReplicas: nonZero(current),
      desiredReplicas: desired,
      lastScaleTime: rescale ? nowTime(this.context.clock) : status?.lastScaleTime,
      currentMetrics: statuses.length > 0 ? statuses : undefined,
    });
    if (partial !== undefined) throw partial;
  }

  /** The scale of the target, whatever version of its kind has one. */
  async #scaleOf({ metadata, spec }: HorizontalPodAutoscaler): Promise<Target> {
    const { apiVersion = '', kind, name } = spec.scaleTargetRef;
    const { group } = parseApiVersion(apiVersion) ?? { group: '' };
    const candidates = this.context.environment.catalogue
      .resources()
      .filter(({ reference }) => reference.kind === kind && reference.group === group);
    let first: unknown;
    for (const { reference } of candidates) {
      const resource = reference as ResourceReference<unknown>;
      const client = this.context.client.resource(resource, metadata.namespace).subresource<Scale>('scale');
      try {
        return { client, scale: await client.get(name) };
      } catch (error) {
        first ??= error;
      }
    }
    throw first ?? new CodedError('NO_SUCH_KIND', `no matches for kind "${kind}" in group "${group}"`);
  }

  #history(key: string): ScaleHistory {
    let history = this.#histories.get(key);
    if (!history) this.#histories.set(key, (history = new ScaleHistory()));
    return history;
  }

  /** The most that any of the metrics asks for. */
  async #desire(round: Round, scale: Scale): Promise<Desire> {
    const { autoscaler } = round;
    const { namespace } = autoscaler.metadata;
    const current = scale.spec.replicas ?? 0;
    let failed: unknown;
    let failure: Verdict | undefined;
    let failures = 0;
    let best: { replicas: number; metric: string } | undefined;
    const statuses: MetricStatus[] = [];
    const specs = autoscaler.spec.metrics ?? [];
    try {
      const selector = this.#selector(round, scale.status?.selector ?? '');
      const matches = parseLabelSelector(selector);
      const pods: Pod[] = [];
      for (const entry of this.#pods.entries(namespace)) if (matches.matches(entry.labels)) pods.push(entry.object);
      const { environment, client, clock } = this.context;
      for (const metric of specs) {
        try {
          const found = await evaluateMetric(metric, {
            source: environment.metrics ?? new ApiMetricsSource(client, environment.catalogue),
            pods,
            selector,
            namespace: namespace ?? '',
            currentReplicas: current,
            statusReplicas: scale.status?.replicas ?? 0,
            tolerances: tolerancesOf(autoscaler),
            nowMs: clock.now(),
          });
          statuses.push(found.status);
          if (!best || found.replicas > best.replicas) best = { replicas: found.replicas, metric: found.name };
        } catch (error) {
          failures++;
          const { reason, prefix, message: text } = error as MetricError;
          this.#event(round, 'Warning', reason, text);
          failed ??= new CodedError('INVALID_METRIC', `${prefix}${text}`);
          failure ??= { status: 'False', reason, message: `the HPA was unable to compute the replica count: ${text}` };
        }
      }
    } catch (error) {
      return this.#failed(round, current, statuses, error);
    }
    const summary =
      failed === undefined
        ? ''
        : `invalid metrics (${failures} invalid out of ${specs.length}), first error is: ${errorText(failed)}`;
    // A metric that cannot be read could have asked for more: nobody is sent home without it.
    if (!best || (failure && best.replicas < current)) {
      if (failure) this.#condition(round, 'ScalingActive', failure);
      return this.#failed(round, current, statuses, new CodedError('INVALID_METRICS', summary || 'no metrics are given'));
    }
    this.#condition(round, 'ScalingActive', {
      status: 'True',
      reason: 'ValidMetricFound',
      message: `the HPA was able to successfully calculate a replica count from ${best.metric}`,
    });
    return { ...best, statuses, error: summary ? new CodedError('INVALID_METRICS', summary) : undefined };
  }

  /** Writes what is known, tells why nothing is done, and throws. */
  async #failed(round: Round, current: number, statuses: MetricStatus[], error: unknown): Promise<never> {
    const { status } = round.autoscaler;
    await this.#write(round, {
      currentReplicas: nonZero(current),
      desiredReplicas: status?.desiredReplicas ?? 0,
      lastScaleTime: status?.lastScaleTime,
      currentMetrics: statuses.length > 0 ? statuses : undefined,
    });
    this.#event(round, 'Warning', 'FailedComputeMetricsReplicas', errorText(error));
    throw error;
  }

  /** Checks that the selector selects, and no pod that another autoscaler steers. */
  #selector(round: Round, selector: string): string {
    const { key, autoscaler } = round;
    const refuse = (reason: string, text: string, message = text, event = reason): never => {
      this.#event(round, 'Warning', event, text);
      this.#condition(round, 'ScalingActive', { status: 'False', reason, message });
      throw new CodedError('INVALID_SELECTOR', text);
    };
    if (!selector) {
      return refuse(
        'InvalidSelector',
        'selector is required',
        "the HPA target's scale is missing a selector",
        'SelectorRequired',
      );
    }
    let parsed: LabelSelector;
    try {
      parsed = parseLabelSelector(selector);
    } catch (error) {
      const text = `couldn't convert selector into a corresponding internal selector object: ${errorText(error)}`;
      return refuse('InvalidSelector', text);
    }
    this.#selectors.set(key, parsed);
    const rivals = new Set<string>();
    for (const { labels } of this.#pods.entries(autoscaler.metadata.namespace)) {
      if (!parsed.matches(labels)) continue;
      for (const [other, selects] of this.#selectors) {
        if (splitObjectKey(other).namespace === autoscaler.metadata.namespace && selects.matches(labels)) rivals.add(other);
      }
    }
    if (rivals.size > 1) {
      const text = `pods by selector ${selector} are controlled by multiple HPAs: [${[...rivals].sort().join(' ')}]`;
      return refuse('AmbiguousSelector', text);
    }
    return selector;
  }

  async #rescale(
    round: Round,
    target: Target,
    change: { current: number; desired: number; reason: string; statuses: MetricStatus[] },
  ): Promise<void> {
    const { current, desired, reason, statuses } = change;
    const { autoscaler, key } = round;
    const { name } = autoscaler.spec.scaleTargetRef;
    try {
      for (let scale = target.scale, tries = 1; ; tries++) {
        try {
          await target.client.update(
            name,
            produce(scale, draft => void (draft.spec = { ...draft.spec, replicas: desired })),
          );
          break;
        } catch (error) {
          if (!isStatusError(error, 'Conflict') || tries >= conflictTries) throw error;
          scale = await target.client.get(name);
        }
      }
    } catch (error) {
      const text = errorText(error);
      this.#event(round, 'Warning', 'FailedRescale', `New size: ${desired}; reason: ${reason}; error: ${text}`);
      const message = `the HPA controller was unable to update the target scale: ${text}`;
      this.#condition(round, 'AbleToScale', { status: 'False', reason: 'FailedUpdateScale', message });
      await this.#write(round, {
        currentReplicas: nonZero(current),
        desiredReplicas: autoscaler.status?.desiredReplicas ?? 0,
        lastScaleTime: autoscaler.status?.lastScaleTime,
        currentMetrics: statuses.length > 0 ? statuses : undefined,
      });
      throw error;
    }
    const message = `the HPA controller was able to update the target scale to ${desired}`;
    this.#condition(round, 'AbleToScale', { status: 'True', reason: 'SucceededRescale', message });
    this.#event(round, 'Normal', 'SuccessfulRescale', `New size: ${desired}; reason: ${reason}`);
    const { behavior } = autoscaler.spec;
    if (behavior) this.#history(key).scaled(current, desired, this.context.clock.now(), behavior);
  }

  #condition(round: Round, type: string, { status, reason, message }: Verdict): void {
    const known = round.conditions.find(condition => condition.type === type);
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : formatTime(this.context.clock.now());
    const condition = { type, status, lastTransitionTime, reason, message };
    round.conditions = known
      ? round.conditions.map(other => (other === known ? condition : other))
      : [...round.conditions, condition];
  }

  async #write(round: Round, wanted: HorizontalPodAutoscalerStatus): Promise<void> {
    const { autoscaler } = round;
    const status = withoutUndefined({ ...wanted, conditions: round.conditions });
    // The server writes `currentMetrics: null` where there are none.
    const known = { ...autoscaler.status, currentMetrics: autoscaler.status?.currentMetrics ?? undefined };
    if (jsonEqual(known, status)) return;
    const { namespace, name } = autoscaler.metadata;
    try {
      await this.context.client.resource(HorizontalPodAutoscalers, namespace).updateStatus(
        name,
        produce(autoscaler, draft => void (draft.status = status)),
      );
    } catch (error) {
      this.#event(round, 'Warning', 'FailedUpdateStatus', errorText(error));
      throw error;
    }
  }

  #event({ autoscaler }: Round, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.context.recorder.event(autoscaler, type, reason, message);
  }
}

function tolerancesOf({ spec: { behavior } }: HorizontalPodAutoscaler): { down: number; up: number } {
  const of = (text: string | undefined): number => (text === undefined ? defaultTolerance : Quantity.parse(text).toNumber());
  return { down: of(behavior?.scaleDown?.tolerance), up: of(behavior?.scaleUp?.tolerance) };
}

export const horizontalPodAutoscalerController: ControllerDescriptor = {
  name: 'horizontal-pod-autoscaler-controller',
  serviceAccount: 'horizontal-pod-autoscaler',
  component: 'horizontal-pod-autoscaler',
  create: context => new HorizontalPodAutoscalerController(context),
};
