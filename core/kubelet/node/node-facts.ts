/** What pods learn of their node. */
export interface NodeFacts {
  readonly hostIps: readonly string[];
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly runtimeName: string;
  /** Undefined: the network takes pods. */
  readonly networkProblem: string | undefined;
}
