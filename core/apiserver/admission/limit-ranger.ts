import type {
  Container,
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  Pod,
  ResourceRequirements,
} from '../../api/generated/types.js';
import { LimitRanges } from '../../api/generated/resources.js';
import type { ResourceQuantities } from '../../api/pod-resources.js';
import { parseResourceList, podLimits, podRequests } from '../../api/pod-resources.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import type { Quantity } from '../../machinery/quantity.js';
import { parseQuantity } from '../../machinery/quantity.js';
import type { ObjectLookup } from './object-lookup.js';
import { isFor, refusal } from './refusal.js';

const annotation = 'kubernetes.io/limit-ranger';
/** Above this a thousandth does not fit an int64, and upstream compares whole units. */
const maximumMilliValue = Number((2n ** 63n - 1n) / 1000n);

/** Default requests and limits of containers, and the bounds that a namespace's LimitRanges set. */
export class LimitRanger implements AdmissionPlugin {
  readonly name = 'LimitRanger';
  readonly #lookup: ObjectLookup;

  constructor(lookup: ObjectLookup) {
    this.#lookup = lookup;
  }

  handles(attributes: AdmissionAttributes): boolean {
    const { operation, namespace, oldObject } = attributes;
    const wanted =
      operation === 'CREATE'
        ? isFor(attributes, '', 'pods') || isFor(attributes, '', 'persistentvolumeclaims')
        : operation === 'UPDATE' && (isFor(attributes, '', 'pods', 'resize') || isFor(attributes, '', 'persistentvolumeclaims'));
    return wanted && oldObject?.metadata.deletionTimestamp === undefined && this.#lookup.hasAny(LimitRanges, namespace);
  }

  mutate(attributes: AdmissionAttributes): void {
    if (attributes.resource !== 'pods') return;
    for (const range of this.#ranges(attributes)) setDefaults(attributes.object as unknown as Pod, range);
  }

  validate(attributes: AdmissionAttributes): void {
    for (const range of this.#ranges(attributes)) {
      const faults =
        attributes.resource === 'pods'
          ? podFaults(attributes.object as unknown as Pod, range)
          : claimFaults(attributes.object as unknown as PersistentVolumeClaim, range);
      if (faults.length === 0) continue;
      const distinct = [...new Set(faults)];
      throw refusal(attributes, distinct.length === 1 ? distinct[0]! : `[${distinct.join(', ')}]`);
    }
  }

  #ranges({ namespace }: AdmissionAttributes): Iterable<Readonly<LimitRange>> {
    return this.#lookup.list(LimitRanges, namespace);
  }
}

function setDefaults(pod: Pod, range: Readonly<LimitRange>): void {
  const requests: Record<string, string> = {};
  const limits: Record<string, string> = {};
  for (const item of range.spec.limits ?? []) {
    if (item.type !== 'Container') continue;
    Object.assign(requests, item.defaultRequest);
    Object.assign(limits, item.default);
  }
  const notes: string[] = [];
  const fill = (containers: readonly Container[] | undefined, what: string): void => {
    for (const container of containers ?? []) {
      container.resources ??= {};
      for (const [field, defaults] of [
        ['requests', requests],
        ['limits', limits],
      ] as const) {
        const missing = Object.keys(defaults).filter(name => container.resources?.[field]?.[name] === undefined);
        if (missing.length === 0) continue;
        missing.sort();
        const set = { ...container.resources[field] };
        for (const name of missing) set[name] = defaults[name]!;
        container.resources[field] = set;
        notes.push(`${missing.join(', ')} ${field.slice(0, -1)} for ${what} ${container.name}`);
      }
    }
  };
  fill(pod.spec.containers, 'container');
  fill(pod.spec.initContainers, 'init container');
  if (notes.length > 0) {
    const text = `LimitRanger plugin set: ${notes.join('; ')}`;
    pod.metadata.annotations = { ...pod.metadata.annotations, [annotation]: text };
  }
}

function podFaults(pod: Pod, range: Readonly<LimitRange>): string[] {
  const faults: string[] = [];
  for (const item of range.spec.limits ?? []) {
    if (item.type === 'Container') {
      for (const { resources } of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])])
        checkAll(item, amountsOf(resources), faults);
    } else if (item.type === 'Pod') {
      const options = { excludeOverhead: true };
      checkAll(item, { requests: podRequests(pod, options), limits: podLimits(pod, options) }, faults);
    }
  }
  return faults;
}

function claimFaults(claim: PersistentVolumeClaim, range: Readonly<LimitRange>): string[] {
  const faults: string[] = [];
  const requests = parseResourceList(claim.spec.resources?.requests);
  for (const item of range.spec.limits ?? []) {
    if (item.type !== 'PersistentVolumeClaim') continue;
    // Claims have no limits: only what they ask for counts.
    for (const [name, bound] of Object.entries(item.min ?? {}))
      push(faults, minimumFault(item.type, name, parseQuantity(bound), { requests, limits: new Map() }));
    for (const [name, bound] of Object.entries(item.max ?? {}))
      push(faults, maximumRequestFault(item.type, name, parseQuantity(bound), requests));
  }
  return faults;
}

interface Amounts {
  readonly requests: ResourceQuantities;
  readonly limits: ResourceQuantities;
}

function amountsOf(resources: ResourceRequirements | undefined): Amounts {
  return { requests: parseResourceList(resources?.requests), limits: parseResourceList(resources?.limits) };
}

function checkAll(item: LimitRangeItem, amounts: Amounts, faults: string[]): void {
  for (const [name, bound] of Object.entries(item.min ?? {}))
    push(faults, minimumFault(item.type, name, parseQuantity(bound), amounts));
  for (const [name, bound] of Object.entries(item.max ?? {}))
    push(faults, maximumFault(item.type, name, parseQuantity(bound), amounts));
  for (const [name, bound] of Object.entries(item.maxLimitRequestRatio ?? {}))
    push(faults, ratioFault(item.type, name, parseQuantity(bound), amounts));
}

function push(faults: string[], fault: string | undefined): void {
  if (fault !== undefined) faults.push(fault);
}

function minimumFault(type: string, name: string, bound: Quantity, { requests, limits }: Amounts): string | undefined {
  const head = `minimum ${name} usage per ${type} is ${bound}`;
  const [request, limit] = [requests.get(name), limits.get(name)];
  if (!request) return `${head}.  No request is specified`;
  if (request.compare(bound) < 0) return `${head}, but request is ${request}`;
  if (limit && limit.compare(bound) < 0) return `${head}, but limit is ${limit}`;
  return undefined;
}

function maximumRequestFault(type: string, name: string, bound: Quantity, requests: ResourceQuantities): string | undefined {
  const head = `maximum ${name} usage per ${type} is ${bound}`;
  const request = requests.get(name);
  if (!request) return `${head}.  No request is specified`;
  return request.compare(bound) > 0 ? `${head}, but request is ${request}` : undefined;
}

function maximumFault(type: string, name: string, bound: Quantity, { requests, limits }: Amounts): string | undefined {
  const head = `maximum ${name} usage per ${type} is ${bound}`;
  const [request, limit] = [requests.get(name), limits.get(name)];
  if (!limit) return `${head}.  No limit is specified`;
  if (limit.compare(bound) > 0) return `${head}, but limit is ${limit}`;
  if (request && request.compare(bound) > 0) return `${head}, but request is ${request}`;
  return undefined;
}

function ratioFault(type: string, name: string, bound: Quantity, { requests, limits }: Amounts): string | undefined {
  const head = `${name} max limit to request ratio per ${type} is ${bound}`;
  const [request, limit] = [requests.get(name), limits.get(name)];
  if (!request || request.isZero) return `${head}, but no request is specified or request is 0`;
  if (!limit || limit.isZero) return `${head}, but no limit is specified or limit is 0`;
  const fine = Math.max(request.value(), limit.value()) <= maximumMilliValue;
  const ratio = fine ? limit.milliValue() / request.milliValue() : limit.value() / request.value();
  const wanted = bound.value() <= maximumMilliValue ? bound.milliValue() / 1000 : bound.value();
  return ratio > wanted ? `${head}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
}
