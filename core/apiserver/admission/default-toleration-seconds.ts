import type { Pod, Toleration } from '../../api/generated/types.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { isFor } from './refusal.js';

const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
const tolerationSeconds = 300;

/** Pods stay for five minutes on a node that fails, unless they say otherwise. */
export class DefaultTolerationSeconds implements AdmissionPlugin {
  readonly name = 'DefaultTolerationSeconds';

  handles(attributes: AdmissionAttributes): boolean {
    return (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') && isFor(attributes, '', 'pods');
  }

  mutate(attributes: AdmissionAttributes): void {
    const { spec } = attributes.object as unknown as Pod;
    const given = spec.tolerations ?? [];
    const covers = ({ key, effect }: Toleration, wanted: string): boolean =>
      (!key || key === wanted) && (!effect || effect === 'NoExecute');
    const missing = keys.filter(key => !given.some(toleration => covers(toleration, key)));
    if (missing.length === 0) return;
    const added = missing.map(key => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }));
    spec.tolerations = [...given, ...added];
  }
}
