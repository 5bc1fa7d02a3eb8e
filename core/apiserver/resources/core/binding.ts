import type { Binding, Pod } from '../../../api/generated/types.js';
import { Bindings, Pods } from '../../../api/generated/resources.js';
import { serviceUnavailable } from '../../../machinery/status-error.js';
import { defineResource } from '../../registry/resource-definition.js';
import { bindPod } from './pod-binding.js';

/** The old way to bind a pod; answers as the pod's own subresource does. */
export const binding = defineResource<Binding>({
  reference: Bindings,
  generation: false,
  verbs: ['create'],
  async evaluate(object, context) {
    const pods = context.stores.get<Pod>(Pods);
    if (!pods) throw serviceUnavailable('pods are not served');
    const { name } = object.metadata;
    const answer: unknown = await bindPod(object, name, pods, { ...context, name });
    return answer as Binding;
  },
});
