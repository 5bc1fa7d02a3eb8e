export type ProbeType = 'startup' | 'liveness' | 'readiness';
export type ProbeResult = 'success' | 'failure' | 'unknown';

/** The last decided result of each container's probes. */
export class ProbeResults {
  readonly #results = new Map<string, Partial<Record<ProbeType, ProbeResult>>>();

  get(type: ProbeType, containerId: string): ProbeResult | undefined {
    return this.#results.get(containerId)?.[type];
  }

  /** True when it is another one than before. */
  set(type: ProbeType, containerId: string, result: ProbeResult): boolean {
    const known = this.#results.get(containerId);
    if (known?.[type] === result) return false;
    this.#results.set(containerId, { ...known, [type]: result });
    return true;
  }

  remove(containerId: string): void {
    this.#results.delete(containerId);
  }
}
