import type { Node, Pod } from '../../api/generated/types.js';
import { Nodes } from '../../api/generated/resources.js';
import { parseResourceList, podRequests } from '../../api/pod-resources.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { quote } from '../../machinery/field-errors.js';
import { Quantity } from '../../machinery/quantity.js';
import type { ObjectLookup } from './object-lookup.js';
import { isFor, refusal } from './refusal.js';

const osLabel = 'kubernetes.io/os';

/** A pod that runs is not resized to more than its node could ever give. Source: kube-apiserver's plugin of the same name. */
export class PodResizeValidator implements AdmissionPlugin {
  readonly name = 'PodResizeValidator';
  readonly #lookup: ObjectLookup;

  constructor(lookup: ObjectLookup) {
    this.#lookup = lookup;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return attributes.operation === 'UPDATE' && isFor(attributes, '', 'pods', 'resize');
  }

  validate(attributes: AdmissionAttributes): void {
    const pod = attributes.object as unknown as Pod;
    const { nodeName } = pod.spec;
    // The generation rises with every change of the spec.
    if (!nodeName || pod.metadata.generation === attributes.oldObject!.metadata.generation) return;
    const node = this.#lookup.cached(Nodes, '', nodeName);
    if (!node) throw refusal(attributes, `node ${quote(nodeName)} not found`);
    const refuse = (reason: string, text: string): never => {
      const error = refusal(attributes, text);
      error.status.details!.causes = [{ reason }];
      throw error;
    };
    const system = node.metadata.labels?.[osLabel] ?? 'linux';
    if (system !== 'linux') {
      const text = `pod resize is only supported on linux nodes, node ${quote(nodeName)} is ${quote(system)}`;
      refuse('UnsupportedPlatform', text);
    }
    const faults = missingResources(pod, node);
    if (faults.length > 0) refuse('NodeCapacity', `node didn't have enough allocatable resources: ${faults.join('; ')}`);
  }
}

function missingResources(pod: Pod, node: Readonly<Node>): string[] {
  const requests = podRequests(pod);
  const allocatable = parseResourceList(node.status?.allocatable);
  const nothing = Quantity.zero;
  return (['cpu', 'memory'] as const).flatMap(name => {
    const [requested, available] = [requests.get(name) ?? nothing, allocatable.get(name) ?? nothing];
    if (requested.compare(available) <= 0) return [];
    const amount = (quantity: Quantity): number => (name === 'cpu' ? quantity.milliValue() : quantity.value());
    return [`${name}, requested: ${amount(requested)}, allocatable: ${amount(available)}`];
  });
}
