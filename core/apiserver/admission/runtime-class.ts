import type { Pod, RuntimeClass, Toleration } from '../../api/generated/types.js';
import { RuntimeClasses } from '../../api/generated/resources.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { cloneJson, semanticEqual } from '../../machinery/object.js';
import { StatusError } from '../../machinery/status-error.js';
import type { ObjectLookup } from './object-lookup.js';
import { isFor, refusal } from './refusal.js';

const mismatch = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

/** What a pod's RuntimeClass costs, and where it can run. Source: KEP-688, KEP-585. */
export class RuntimeClassAdmission implements AdmissionPlugin {
  readonly name = 'RuntimeClass';
  readonly #lookup: ObjectLookup;

  constructor(lookup: ObjectLookup) {
    this.#lookup = lookup;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return attributes.operation === 'CREATE' && isFor(attributes, '', 'pods');
  }

  async mutate(attributes: AdmissionAttributes): Promise<void> {
    const found = await this.#classOf(attributes);
    if (!found) return;
    const { spec } = attributes.object as unknown as Pod;
    if (found.overhead) {
      const fixed = found.overhead.podFixed;
      if (Object.keys(spec.overhead ?? {}).length > 0 && !semanticEqual(fixed, spec.overhead))
        throw refusal(attributes, mismatch);
      if (fixed) spec.overhead = cloneJson(fixed);
    }
    if (!found.scheduling) return;
    const selector = { ...spec.nodeSelector };
    for (const [key, value] of Object.entries(found.scheduling.nodeSelector ?? {})) {
      const own = selector[key];
      if (own !== undefined && own !== value) {
        throw refusal(
          attributes,
          `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
        );
      }
      selector[key] = value;
    }
    if (Object.keys(selector).length > 0) spec.nodeSelector = selector;
    const tolerations = mergeTolerations([...(spec.tolerations ?? []), ...cloneJson(found.scheduling.tolerations ?? [])]);
    if (tolerations.length > 0) spec.tolerations = tolerations;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const fixed = (await this.#classOf(attributes))?.overhead;
    const { overhead } = (attributes.object as unknown as Pod).spec;
    if (fixed) {
      if (!semanticEqual(fixed.podFixed, overhead)) throw refusal(attributes, mismatch);
    } else if (overhead !== undefined) {
      throw refusal(attributes, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
    }
  }

  async #classOf(attributes: AdmissionAttributes): Promise<Readonly<RuntimeClass> | undefined> {
    const name = (attributes.object as unknown as Pod).spec.runtimeClassName;
    if (name === undefined) return undefined;
    // Upstream's client refuses to ask for it.
    if (name === '') throw new StatusError(500, '', 'resource name may not be empty');
    const found = await this.#lookup.find(RuntimeClasses, '', name);
    if (!found) throw refusal(attributes, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
    return found;
  }
}

/** Without those that another one covers. */
function mergeTolerations(all: readonly Toleration[]): Toleration[] {
  const merged: Toleration[] = [];
  for (const [index, toleration] of all.entries()) {
    if (merged.some(kept => isSuperset(kept, toleration))) continue;
    const rest = all.slice(index + 1);
    if (rest.some(other => !semanticEqual(toleration, other) && isSuperset(other, toleration))) continue;
    merged.push(toleration);
  }
  return merged;
}

function isSuperset(wide: Toleration, narrow: Toleration): boolean {
  if (semanticEqual(wide, narrow)) return true;
  if ((narrow.key ?? '') !== (wide.key ?? '') && (wide.key || wide.operator !== 'Exists')) return false;
  if (wide.effect && narrow.effect !== wide.effect) return false;
  if (wide.effect === 'NoExecute' && wide.tolerationSeconds !== undefined) {
    if (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > wide.tolerationSeconds) return false;
  }
  if (wide.operator === 'Exists') return true;
  if (wide.operator && wide.operator !== 'Equal') return false;
  return narrow.operator === 'Equal' && (narrow.value ?? '') === (wide.value ?? '');
}
