import type { Node } from '../../api/generated/types.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { isFor } from './refusal.js';

const key = 'node.kubernetes.io/not-ready';
const effect = 'NoSchedule';

/** A new node is not ready: no pod may get there before its conditions are known. */
export class TaintNodesByCondition implements AdmissionPlugin {
  readonly name = 'TaintNodesByCondition';

  handles(attributes: AdmissionAttributes): boolean {
    return attributes.operation === 'CREATE' && isFor(attributes, '', 'nodes');
  }

  mutate(attributes: AdmissionAttributes): void {
    const node = attributes.object as unknown as Node;
    node.spec ??= {};
    const taints = node.spec.taints ?? [];
    if (taints.some(taint => taint.key === key && taint.effect === effect)) return;
    node.spec.taints = [...taints, { key, effect }];
  }
}
