import type { ComponentStatus } from '../../../api/generated/types.js';
import { ComponentStatuses } from '../../../api/generated/resources.js';
import { defineResource } from '../../registry/resource-definition.js';

/** Deprecated since v1.19, and empty: what it told of were servers that the API server could ask; here all is one process. */
export const componentStatus = defineResource<ComponentStatus>({
  reference: ComponentStatuses,
  generation: false,
  verbs: ['get', 'list'],
  deprecation: 'v1 ComponentStatus is deprecated in v1.19+',
  row(object) {
    const healthy = object.conditions?.find(({ type }) => type === 'Healthy');
    const status = healthy ? (healthy.status === 'True' ? 'Healthy' : 'Unhealthy') : 'Unknown';
    return [object.metadata.name, status, healthy?.message ?? '', healthy?.error ?? ''];
  },
});
