import type { Pod, PriorityClass } from '../../api/generated/types.js';
import { PriorityClasses } from '../../api/generated/resources.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import type { ObjectLookup } from './object-lookup.js';
import { isFor, refusal } from './refusal.js';

interface Resolved {
  readonly name: string;
  readonly value: number;
  readonly preemptionPolicy: string | undefined;
}

const noClass: Resolved = { name: '', value: 0, preemptionPolicy: 'PreemptLowerPriority' };

/** The number behind a pod's priority class, and no more than one default class. */
export class Priority implements AdmissionPlugin {
  readonly name = 'Priority';
  readonly #lookup: ObjectLookup;

  constructor(lookup: ObjectLookup) {
    this.#lookup = lookup;
  }

  handles(attributes: AdmissionAttributes): boolean {
    const { operation } = attributes;
    if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
    return isFor(attributes, '', 'pods') || isFor(attributes, 'scheduling.k8s.io', 'priorityclasses');
  }

  async mutate(attributes: AdmissionAttributes): Promise<void> {
    if (attributes.resource !== 'pods') return;
    const { spec } = attributes.object as unknown as Pod;
    if (attributes.operation === 'UPDATE') {
      // Clients that know nothing of the two send objects without them.
      const old = (attributes.oldObject as unknown as Pod).spec;
      if (old.priority !== undefined) spec.priority ??= old.priority;
      if (old.preemptionPolicy !== undefined) spec.preemptionPolicy ??= old.preemptionPolicy;
      return;
    }
    const { name, value, preemptionPolicy } = await this.#resolve(attributes, spec.priorityClassName);
    if (name) spec.priorityClassName = name;
    if (spec.priority !== undefined && spec.priority !== value) {
      throw refusal(
        attributes,
        `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
      );
    }
    spec.priority = value;
    if (preemptionPolicy === undefined) return;
    if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy) {
      throw refusal(
        attributes,
        `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
      );
    }
    spec.preemptionPolicy = preemptionPolicy;
  }

  validate(attributes: AdmissionAttributes): void {
    if (attributes.resource !== 'priorityclasses') return;
    const candidate = attributes.object as unknown as PriorityClass;
    if (!candidate.globalDefault) return;
    const present = this.#default()?.metadata.name;
    if (present === undefined || (attributes.operation === 'UPDATE' && present === candidate.metadata.name)) return;
    throw refusal(attributes, `PriorityClass ${present} is already marked as default. Only one default can exist`);
  }

  async #resolve(attributes: AdmissionAttributes, wanted: string | undefined): Promise<Resolved> {
    const found = wanted ? await this.#lookup.find(PriorityClasses, '', wanted) : this.#default();
    if (!found) {
      if (wanted) throw refusal(attributes, `no PriorityClass with name ${wanted} was found`);
      return noClass;
    }
    return { name: found.metadata.name!, value: found.value, preemptionPolicy: found.preemptionPolicy };
  }

  /** Of several (two servers may have been asked at once) the lowest. */
  #default(): Readonly<PriorityClass> | undefined {
    let lowest: Readonly<PriorityClass> | undefined;
    for (const candidate of this.#lookup.list(PriorityClasses)) {
      if (candidate.globalDefault && (!lowest || lowest.value > candidate.value)) lowest = candidate;
    }
    return lowest;
  }
}
