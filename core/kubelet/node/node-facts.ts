import type { RuntimeFeatures, RuntimeHandler } from '../../contracts/container-runtime.js';

/** What pods learn of their node. */
export interface NodeFacts {
  readonly hostIps: readonly string[];
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly runtimeName: string;
  readonly runtimeFeatures: RuntimeFeatures;
  readonly runtimeHandlers: readonly RuntimeHandler[];
  /** Undefined: the network takes pods. */
  readonly networkProblem: string | undefined;
}
