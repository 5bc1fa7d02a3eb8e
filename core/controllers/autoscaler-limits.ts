import type { HPAScalingRules, HorizontalPodAutoscalerBehavior } from '../api/generated/types.js';

/** What keeps an autoscaler from doing at once what metrics ask for. Source: pkg/controller/podautoscaler. */
const defaultDownWindowSeconds = 300;
const upFactor = 2;
const upMinimum = 4;

interface Sample {
  readonly atMs: number;
  readonly replicas: number;
}

/** The past of one autoscaler: what was recommended, and what was done. */
export class ScaleHistory {
  #recommendations: Sample[] = [];
  #ups: Sample[] = [];
  #downs: Sample[] = [];

  /** The size found at the beginning counts as a recommendation. */
  begin(replicas: number, nowMs: number): void {
    if (this.#recommendations.length === 0) this.#recommendations.push({ atMs: nowMs, replicas });
  }

  recommend(replicas: number, nowMs: number, keepSeconds: number): void {
    this.#recommendations = since(this.#recommendations, nowMs, keepSeconds);
    this.#recommendations.push({ atMs: nowMs, replicas });
  }

  recommendedSince(nowMs: number, seconds: number): number[] {
    return this.#recommendations.filter(({ atMs }) => atMs > nowMs - seconds * 1000).map(({ replicas }) => replicas);
  }

  scaled(from: number, to: number, nowMs: number, behavior: HorizontalPodAutoscalerBehavior): void {
    const rules = to > from ? behavior.scaleUp : behavior.scaleDown;
    const longest = Math.max(0, ...(rules?.policies ?? []).map(policy => policy.periodSeconds));
    const event = { atMs: nowMs, replicas: Math.abs(to - from) };
    if (to > from) this.#ups = [...since(this.#ups, nowMs, longest), event];
    else this.#downs = [...since(this.#downs, nowMs, longest), event];
  }

  /** How many there were `seconds` ago, as far as this autoscaler changed the number. */
  replicasBefore(current: number, seconds: number, nowMs: number): number {
    const sum = (samples: readonly Sample[]): number =>
      samples.reduce((total, { atMs, replicas }) => (atMs > nowMs - seconds * 1000 ? total + replicas : total), 0);
    return current - sum(this.#ups) + sum(this.#downs);
  }
}

function since(samples: readonly Sample[], nowMs: number, seconds: number): Sample[] {
  return samples.filter(({ atMs }) => atMs >= nowMs - seconds * 1000);
}

export interface LimitInput {
  readonly current: number;
  readonly desired: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly behavior: HorizontalPodAutoscalerBehavior | undefined;
  readonly nowMs: number;
}

export interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

export interface LimitedScale {
  readonly replicas: number;
  readonly ableToScale: Verdict;
  readonly scalingLimited: Verdict;
}

interface Bound {
  readonly replicas: number;
  readonly reason: string;
  readonly message: string;
}

const withinRange = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' };
const tooFast = (direction: string, reason: string): Omit<Bound, 'replicas'> => ({
  reason,
  message: `the desired replica count is ${direction} faster than the maximum scale rate`,
});
const tooMany = { reason: 'TooManyReplicas', message: 'the desired replica count is more than the maximum replica count' };
const tooFew = { reason: 'TooFewReplicas', message: 'the desired replica count is less than the minimum replica count' };
const upStabilized = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
};
const downStabilized = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
};
const ready = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };

/** The size to go to now: first as steady as the windows ask for, then no faster and no further than allowed. */
export function limitScale(input: LimitInput, history: ScaleHistory): LimitedScale {
  const { behavior, desired } = input;
  const stabilized = behavior ? stabilize(input, behavior, history) : stabilizeDown(input, history);
  const stabilization = input.desired >= input.current && behavior ? upStabilized : downStabilized;
  const limited = behavior ? limitByRules(input, behavior, stabilized, history) : limitPlainly(input, stabilized);
  return {
    replicas: limited.replicas,
    ableToScale: { status: 'True', ...(stabilized === desired ? ready : stabilization) },
    scalingLimited: {
      status: limited.replicas === stabilized ? 'False' : 'True',
      reason: limited.reason,
      message: limited.message,
    },
  };
}

function stabilizeDown({ desired, nowMs }: LimitInput, history: ScaleHistory): number {
  const highest = Math.max(desired, ...history.recommendedSince(nowMs, defaultDownWindowSeconds));
  history.recommend(desired, nowMs, defaultDownWindowSeconds);
  return highest;
}

function stabilize(input: LimitInput, behavior: HorizontalPodAutoscalerBehavior, history: ScaleHistory): number {
  const { current, desired, nowMs } = input;
  const upSeconds = behavior.scaleUp?.stabilizationWindowSeconds ?? 0;
  const downSeconds = behavior.scaleDown?.stabilizationWindowSeconds ?? defaultDownWindowSeconds;
  const lowest = Math.min(desired, ...history.recommendedSince(nowMs, upSeconds));
  const highest = Math.max(desired, ...history.recommendedSince(nowMs, downSeconds));
  history.recommend(desired, nowMs, Math.max(upSeconds, downSeconds));
  return Math.min(Math.max(current, lowest), highest);
}

function limitPlainly({ current, minimum, maximum }: LimitInput, desired: number): Bound {
  const fastest = Math.max(upFactor * current, upMinimum);
  if (desired < minimum) return { replicas: minimum, ...tooFew };
  if (desired > Math.min(maximum, fastest)) {
    return maximum > fastest
      ? { replicas: fastest, ...tooFast('increasing', 'ScaleUpLimit') }
      : { replicas: maximum, ...tooMany };
  }
  return { replicas: desired, ...withinRange };
}

function limitByRules(
  { current, minimum, maximum, nowMs }: LimitInput,
  behavior: HorizontalPodAutoscalerBehavior,
  desired: number,
  history: ScaleHistory,
): Bound {
  if (desired > current) {
    const limit = Math.max(current, limitOf(behavior.scaleUp, 'up', { current, nowMs, history }));
    if (desired > Math.min(maximum, limit)) {
      return maximum > limit ? { replicas: limit, ...tooFast('increasing', 'ScaleUpLimit') } : { replicas: maximum, ...tooMany };
    }
  } else if (desired < current) {
    const limit = Math.min(current, limitOf(behavior.scaleDown, 'down', { current, nowMs, history }));
    if (desired < Math.max(minimum, limit)) {
      return minimum < limit ? { replicas: limit, ...tooFast('decreasing', 'ScaleDownLimit') } : { replicas: minimum, ...tooFew };
    }
  }
  return { replicas: desired, ...withinRange };
}

/** The size that the policies allow at most (up) or at least (down); by default the one that allows most change. */
function limitOf(
  rules: HPAScalingRules | undefined,
  direction: 'up' | 'down',
  { current, nowMs, history }: { current: number; nowMs: number; history: ScaleHistory },
): number {
  const { selectPolicy = 'Max', policies = [] } = rules ?? {};
  if (selectPolicy === 'Disabled') return current;
  const sign = direction === 'up' ? 1 : -1;
  const proposals = policies.map(({ type, value, periodSeconds }) => {
    const before = history.replicasBefore(current, periodSeconds, nowMs);
    if (type === 'Pods') return before + sign * value;
    const scaled = before * (1 + (sign * value) / 100);
    // Rounded towards more change upwards, so that one replica can grow at all.
    return direction === 'up' ? Math.ceil(scaled) : Math.trunc(scaled);
  });
  const largest = (selectPolicy === 'Min') !== (direction === 'up');
  return largest ? Math.max(...proposals) : Math.min(...proposals);
}
