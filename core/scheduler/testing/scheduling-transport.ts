import { FakeTransport } from '../../client/testing/fake-transport.js';
import type { PatchRequest } from '../../contracts/api-transport.js';
import { cloneJson } from '../../machinery/object.js';

interface WithConditions {
  status?: { conditions?: { type: string }[] };
}

/** The transport for tests, with as much of strategic merge patches as conditions need. */
export class SchedulingTransport extends FakeTransport {
  override async patch<T>(request: PatchRequest<T>): Promise<T> {
    if (request.type !== 'strategic') return super.patch(request);
    const patch = cloneJson(request.patch) as WithConditions;
    const changed = patch.status?.conditions;
    if (changed) {
      const known = (await this.get<WithConditions>({ ...request, subresource: undefined } as never)).status?.conditions ?? [];
      const kept = known.filter(({ type }) => !changed.some(condition => condition.type === type));
      patch.status!.conditions = [...kept, ...changed];
    }
    return super.patch({ ...request, type: 'merge', patch });
  }
}
