import type {
  CronJob,
  Deployment,
  EphemeralContainer,
  Namespace,
  Pod,
  PodSpec,
  PodTemplate,
} from '../../../api/generated/types.js';
import { Namespaces, Pods } from '../../../api/generated/resources.js';
import { controllerOf } from '../../../api/owners.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../../contracts/admission.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { quote } from '../../../machinery/field-errors.js';
import type { KubeObject, ObjectMeta } from '../../../machinery/object.js';
import { semanticEqual } from '../../../machinery/object.js';
import { forbidden, internalError, invalid } from '../../../machinery/status-error.js';
import type { ObjectLookup } from '../object-lookup.js';
import { detailText, reasonText, violations } from './evaluate.js';
import type { LevelVersion } from './policy.js';
import { compareLevels, isSameLevel, levelText, policyOf } from './policy.js';

const ignoredSubresources = new Set(['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status']);
const maximumPodsToCheck = 3000;
const auditPrefix = 'pod-security.kubernetes.io/';

interface Template {
  readonly metadata: ObjectMeta;
  readonly spec: PodSpec;
}

type TemplateOf = (object: KubeObject) => { readonly metadata?: ObjectMeta; readonly spec?: PodSpec } | undefined;
const specTemplate: TemplateOf = object => (object as Deployment).spec?.template;

/** Where kinds that make pods keep what they make them of. */
const templates: Readonly<Record<string, TemplateOf>> = {
  '/replicationcontrollers': specTemplate,
  '/podtemplates': object => (object as PodTemplate).template,
  'apps/replicasets': specTemplate,
  'apps/deployments': specTemplate,
  'apps/statefulsets': specTemplate,
  'apps/daemonsets': specTemplate,
  'batch/jobs': specTemplate,
  'batch/cronjobs': object => (object as CronJob).spec?.jobTemplate?.spec?.template,
};

/**
 * The Pod Security Standards: a namespace's labels say which level its pods must keep to, and about which one people are warned.
 * Without labels everything goes. Source: KEP-2579; k8s.io/pod-security-admission.
 */
export class PodSecurity implements AdmissionPlugin {
  readonly name = 'PodSecurity';
  readonly #lookup: ObjectLookup;

  constructor(lookup: ObjectLookup) {
    this.#lookup = lookup;
  }

  handles({ operation, group, resource, subresource }: AdmissionAttributes): boolean {
    if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
    if (group === '' && resource === 'pods') return !ignoredSubresources.has(subresource);
    return subresource === '' && ((group === '' && resource === 'namespaces') || `${group}/${resource}` in templates);
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { group, resource, object } = attributes;
    if (resource === 'namespaces') return this.#validateNamespace(attributes);
    const namespace = await this.#lookup.find(Namespaces, '', attributes.namespace);
    if (!namespace) {
      // What only holds a template is never refused.
      if (resource !== 'pods') return;
      throw internalError(new Error(`failed to lookup namespace ${quote(attributes.namespace)}`));
    }
    const { policy, errors } = policyOf(namespace.metadata.labels);
    const { enforce, audit, warn } = policy;
    const isOpen = errors.empty && warn.level === 'privileged' && audit.level === 'privileged';
    if (resource === 'pods') {
      const pod = object as unknown as Pod;
      if (isOpen && enforce.level === 'privileged')
        return attributes.annotate?.(`${auditPrefix}enforce-policy`, 'privileged:latest');
      if (attributes.operation === 'UPDATE' && !isSignificantUpdate(pod, attributes.oldObject as unknown as Pod)) return;
      attributes.annotate?.(`${auditPrefix}enforce-policy`, levelText(enforce));
      auditViolations(attributes, audit, errors, pod);
      refuseViolations(attributes, enforce, pod);
      return warnOfViolations(attributes, warn, pod);
    }
    if (isOpen) return;
    const { metadata, spec } = templates[`${group}/${resource}`]!(object!) ?? {};
    if (!spec) return;
    const template = { metadata: metadata ?? {}, spec };
    auditViolations(attributes, audit, errors, template);
    warnOfViolations(attributes, warn, template);
  }

  #validateNamespace(attributes: AdmissionAttributes): void {
    const { metadata } = attributes.object as unknown as Namespace;
    const { policy, errors } = policyOf(metadata.labels);
    const fail = (): never => {
      throw invalid('', 'Namespace', attributes.name, errors);
    };
    if (attributes.operation === 'CREATE') return errors.empty ? undefined : fail();
    const before = policyOf(attributes.oldObject!.metadata.labels);
    // Faults that were there before stay as they are.
    if (!errors.empty && !semanticEqual([...errors.list], [...before.errors.list])) fail();
    const [next, old] = [policy.enforce, before.policy.enforce];
    if (isSameLevel(next, old) || next.level === 'privileged') return;
    if (next.minor === old.minor && compareLevels(next.level, old.level) < 1) return;
    for (const text of this.#existingPods(metadata.name!, next)) attributes.warn(text);
  }

  /** What pods that run already do against a namespace's new level: nothing happens to them, but who set it should know. */
  #existingPods(namespace: string, enforce: LevelVersion): string[] {
    const pods = prioritized(this.#lookup.list(Pods, namespace));
    const byReason = new Map<string, string[]>();
    for (const pod of pods.slice(0, maximumPodsToCheck)) {
      const found = violations(enforce, pod.metadata, pod.spec);
      if (found.length === 0) continue;
      const reason = reasonText(found);
      byReason.set(reason, [...(byReason.get(reason) ?? []), pod.metadata.name!]);
    }
    const texts = Array.from(byReason, ([reason, names]) => {
      const others = names.length - 1;
      const more = others === 0 ? '' : ` (and ${others} other ${others === 1 ? 'pod' : 'pods'})`;
      return `${names.sort()[0]}${more}: ${reason}`;
    });
    const head: string[] = [];
    if (pods.length > maximumPodsToCheck) {
      head.push(
        `new PodSecurity enforce level only checked against the first ${maximumPodsToCheck} of ${pods.length} existing pods`,
      );
    }
    if (texts.length > 0) {
      head.push(
        `existing pods in namespace ${quote(namespace)} violate the new PodSecurity enforce level ${quote(levelText(enforce))}`,
      );
    }
    return [...head, ...texts.sort()];
  }
}

function refuseViolations(attributes: AdmissionAttributes, level: LevelVersion, { metadata, spec }: Template): void {
  const found = violations(level, metadata, spec);
  if (found.length === 0) return;
  const { group, resource, name } = attributes;
  throw forbidden({ group, resource, name }, `violates PodSecurity ${quote(levelText(level))}: ${detailText(found)}`);
}

function auditViolations(
  { annotate }: AdmissionAttributes,
  level: LevelVersion,
  errors: FieldErrors,
  { metadata, spec }: Template,
): void {
  if (!annotate) return;
  if (!errors.empty) annotate(`${auditPrefix}error`, `Failed to parse policy: ${aggregateText(errors)}`);
  const found = violations(level, metadata, spec);
  if (found.length === 0) return;
  annotate(`${auditPrefix}audit-violations`, `would violate PodSecurity ${quote(levelText(level))}: ${detailText(found)}`);
}

/** As Go prints the errors of a list: each once. */
function aggregateText({ list }: FieldErrors): string {
  const texts = [...new Set(list.map(({ field, body }) => `${field}: ${body}`))];
  return texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
}

function warnOfViolations(attributes: AdmissionAttributes, level: LevelVersion, { metadata, spec }: Template): void {
  const found = violations(level, metadata, spec);
  if (found.length > 0) attributes.warn(`would violate PodSecurity ${quote(levelText(level))}: ${detailText(found)}`);
}

/** Of what can change in a pod only images and new containers matter. */
function isSignificantUpdate({ spec }: Pod, { spec: old }: Pod): boolean {
  const differs = (
    next: readonly { readonly image?: string }[] = [],
    before: readonly { readonly image?: string }[] = [],
  ): boolean => next.length !== before.length || next.some(({ image }, index) => image !== before[index]!.image);
  if (differs(spec.containers, old.containers) || differs(spec.initContainers, old.initContainers)) return true;
  const imagesBefore = new Map((old.ephemeralContainers ?? []).map(({ name, image }: EphemeralContainer) => [name, image]));
  return (spec.ephemeralContainers ?? []).some(({ name, image }) => !imagesBefore.has(name) || imagesBefore.get(name) !== image);
}

/** One pod of each controller first: those of one template are alike. */
function prioritized(pods: Iterable<Readonly<Pod>>): Readonly<Pod>[] {
  const first: Readonly<Pod>[] = [];
  const rest: Readonly<Pod>[] = [];
  const seen = new Set<string>();
  for (const pod of pods) {
    const uid = controllerOf(pod)?.uid;
    if (uid !== undefined && seen.has(uid)) rest.push(pod);
    else first.push(pod);
    if (uid !== undefined) seen.add(uid);
  }
  return [...first, ...rest];
}
