import type { ObjectMeta, PodSpec } from '../../../api/generated/types.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { validateLabelValue } from '../../../machinery/names.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { localPath } from './checks.js';
import { isHugePage, isHugePageDivisible } from './resource-names.js';
import { hostSysctlError } from './sysctls.js';
import { everyContainer } from './pod-containers.js';

/**
 * What the rules of pods let through that they would refuse in a new object: mostly because the stored object has it already.
 * Source: GetValidationOptionsFromPodSpecAndMeta with the feature gates of 1.36 as they are by default.
 */
export interface PodValidationOptions {
  /** A pod, not a template of one. */
  readonly resourceIsPod: boolean;
  readonly invalidDeletionCost: boolean;
  readonly invalidSelectorValues: boolean;
  readonly indivisibleHugePages: boolean;
  readonly invalidSpreadSelectors: boolean;
  readonly invalidSpreadLabelKeys: boolean;
  readonly nonLocalTokenPaths: boolean;
  readonly hostSysctls: boolean;
  readonly anySelinuxChangePolicy: boolean;
  readonly invalidNodeAffinityValues: boolean;
  readonly initContainerRestartOnResize: boolean;
  readonly userNamespacesWithDevices: boolean;
  readonly userNamespacesWithHostNetwork: boolean;
  readonly tolerationComparison: boolean;
}

const forNew: PodValidationOptions = {
  resourceIsPod: false,
  invalidDeletionCost: false,
  invalidSelectorValues: false,
  indivisibleHugePages: false,
  invalidSpreadSelectors: false,
  invalidSpreadLabelKeys: false,
  nonLocalTokenPaths: false,
  hostSysctls: false,
  anySelinuxChangePolicy: false,
  invalidNodeAffinityValues: false,
  initContainerRestartOnResize: false,
  userNamespacesWithDevices: false,
  userNamespacesWithHostNetwork: false,
  tolerationComparison: false,
};
const forNewPod: PodValidationOptions = { ...forNew, resourceIsPod: true };

/** For a pod; `old` is what is stored. */
export function podOptions(old?: { spec: PodSpec; metadata: Partial<ObjectMeta> }): PodValidationOptions {
  return old ? { ...podTemplateOptions(old), resourceIsPod: true } : forNewPod;
}

/** For a template of pods; `old` is the stored one. */
export function podTemplateOptions(old?: { spec: PodSpec; metadata?: Partial<ObjectMeta> }): PodValidationOptions {
  if (!old) return forNew;
  const { spec } = old;
  const security = spec.securityContext;
  const userNamespace = spec.hostUsers === false;
  return {
    resourceIsPod: false,
    invalidDeletionCost: deletionCostError(old.metadata?.annotations),
    invalidSelectorValues: invalidAffinitySelector(spec),
    indivisibleHugePages: indivisibleHugePages(spec),
    invalidSpreadSelectors: (spec.topologySpreadConstraints ?? []).some(
      constraint => !valid(errors => validateLabelSelector(constraint.labelSelector, fieldPath('labelSelector'), errors)),
    ),
    invalidSpreadLabelKeys: (spec.topologySpreadConstraints ?? []).some(
      ({ matchLabelKeys, labelSelector }) =>
        !!matchLabelKeys?.length &&
        (!labelSelector ||
          matchLabelKeys.some(key => (labelSelector.matchExpressions ?? []).some(expression => expression.key === key))),
    ),
    nonLocalTokenPaths: (spec.volumes ?? []).some(volume =>
      (volume.projected?.sources ?? []).some(
        ({ serviceAccountToken: token }) => token && !valid(errors => localPath(errors, fieldPath('path'), token.path)),
      ),
    ),
    hostSysctls: (security?.sysctls ?? []).some(sysctl => hostSysctlError(sysctl.name, spec) !== undefined),
    anySelinuxChangePolicy: security?.seLinuxChangePolicy !== undefined,
    invalidNodeAffinityValues: (
      spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
    ).some(term =>
      (term.matchExpressions ?? []).some(({ values }) => (values ?? []).some(value => validateLabelValue(value).length > 0)),
    ),
    initContainerRestartOnResize: (spec.initContainers ?? []).some(
      container =>
        container.restartPolicy !== 'Always' &&
        (container.resizePolicy ?? []).some(policy => policy.restartPolicy === 'RestartContainer'),
    ),
    userNamespacesWithDevices: userNamespace && everyContainer(spec).some(({ container }) => !!container.volumeDevices?.length),
    userNamespacesWithHostNetwork: userNamespace && spec.hostNetwork === true,
    tolerationComparison: (spec.tolerations ?? []).some(({ operator }) => operator === 'Lt' || operator === 'Gt'),
  };
}

function valid(check: (errors: FieldErrors) => void): boolean {
  const errors = new FieldErrors();
  check(errors);
  return errors.empty;
}

function invalidAffinitySelector(spec: PodSpec): boolean {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const terms = [podAffinity, podAntiAffinity].flatMap(affinity => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(term => term.podAffinityTerm),
  ]);
  return terms.some(
    term =>
      !valid(errors => {
        validateLabelSelector(term.labelSelector, fieldPath('labelSelector'), errors);
        validateLabelSelector(term.namespaceSelector, fieldPath('namespaceSelector'), errors);
      }),
  );
}

function indivisibleHugePages(spec: PodSpec): boolean {
  return everyContainer(spec).some(({ container: { resources } }) =>
    [resources?.limits, resources?.requests].some(list =>
      Object.entries(list ?? {}).some(([name, amount]) => isHugePage(name) && !isHugePageDivisible(name, parseQuantity(amount))),
    ),
  );
}

/** Whether the annotation that weighs a pod's deletion is no 32-bit integer. */
export function deletionCostError(annotations: Readonly<Record<string, string>> | undefined): boolean {
  const cost = annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  if (cost === undefined) return false;
  return !/^(?:0|-[0-9]+|[1-9][0-9]*)$/.test(cost) || Number(cost) > 0x7fffffff || Number(cost) < -0x80000000;
}
