import type { Container, Pod } from '../../api/generated/types.js';
import type { ProbeType } from './probe-results.js';

export interface ProbeCount {
  readonly labels: Readonly<Record<string, string>>;
  readonly count: number;
}

const types = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' } as const;

/** How often containers were probed, with what result. */
export class ProbeCounts {
  readonly #pods = new Map<string, Map<string, { readonly labels: ProbeCount['labels']; count: number }>>();

  add({ metadata }: Pod, container: Container, type: ProbeType, result: 'successful' | 'failed' | 'unknown'): void {
    const { name: pod = '', namespace = '', uid = '' } = metadata;
    let counts = this.#pods.get(uid);
    if (!counts) this.#pods.set(uid, (counts = new Map()));
    const key = `${container.name}/${type}/${result}`;
    const known = counts.get(key);
    if (known) known.count++;
    else {
      const labels = { container: container.name, namespace, pod, pod_uid: uid, probe_type: types[type], result };
      counts.set(key, { labels, count: 1 });
    }
  }

  forget(podUid: string): void {
    this.#pods.delete(podUid);
  }

  *all(): Iterable<ProbeCount> {
    for (const counts of this.#pods.values()) yield* counts.values();
  }
}
