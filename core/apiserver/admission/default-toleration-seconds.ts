import type { Pod, Toleration } from '../../api/generated/types.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { isFor } from './refusal.js';

const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'] as const;

/** How long pods stay on a node that is not ready, or not reached. */
export interface TolerationSeconds {
  readonly notReady?: number;
  readonly unreachable?: number;
}

/** Pods stay for five minutes on a node that fails, unless they say otherwise. */
export class DefaultTolerationSeconds implements AdmissionPlugin {
  readonly name = 'DefaultTolerationSeconds';
  readonly #seconds: Readonly<Record<(typeof keys)[number], number>>;

  constructor({ notReady = 300, unreachable = 300 }: TolerationSeconds = {}) {
    this.#seconds = { 'node.kubernetes.io/not-ready': notReady, 'node.kubernetes.io/unreachable': unreachable };
  }

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
    const added = missing.map(key => {
      return { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: this.#seconds[key] };
    });
    spec.tolerations = [...given, ...added];
  }
}
