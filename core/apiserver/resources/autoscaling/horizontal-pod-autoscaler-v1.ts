import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerV1 } from '../../../api/generated/types.js';
import { HorizontalPodAutoscalersV1 } from '../../../api/generated/resources.js';
import type { StatusSubresource } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { cloneJson } from '../../../machinery/object.js';
import { statusResetFields } from '../status-subresource.js';
import { autoscalerAsV1, autoscalerFromV1 } from './autoscaler-conversion.js';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.js';

const stored = horizontalPodAutoscaler as unknown as ResourceDefinition<HorizontalPodAutoscaler>;
const storedStatus = stored.subresources!['status'] as StatusSubresource<HorizontalPodAutoscaler>;

/** The same objects with CPU as the one metric; the rest is kept in annotations. Source: pkg/apis/autoscaling/v1. */
export const horizontalPodAutoscalerV1 = defineResource<HorizontalPodAutoscalerV1>({
  reference: HorizontalPodAutoscalersV1,
  viewOf: {
    reference: stored.reference,
    toView: autoscalerAsV1,
    fromView(view, known) {
      const object = cloneJson(autoscalerFromV1(view, known as HorizontalPodAutoscaler | undefined)) as HorizontalPodAutoscaler;
      // What is stored gets the defaults of its own version, after it was checked.
      stored.defaults!(object);
      return object;
    },
  },
  generation: false,
  resetFields: statusResetFields,
  defaults(object) {
    object.spec.minReplicas ??= 1;
    // What annotations say of other metrics decides whether CPU has a default.
    asStored(object, () => undefined);
  },
  prepareForCreate: (object, context) => asStored(object, draft => void stored.prepareForCreate!(draft, context)),
  prepareForUpdate: (object, old, context) =>
    asStored(object, draft => void stored.prepareForUpdate!(draft, autoscalerFromV1(old), context)),
  validate: (object, errors, context) => stored.validate!(autoscalerFromV1(object), errors, context),
  validateUpdate: (object, old, errors, context) =>
    stored.validateUpdate!(autoscalerFromV1(object), autoscalerFromV1(old), errors, context),
  row: (object, context) => stored.row!(autoscalerFromV1(object), context),
  subresources: {
    status: {
      type: 'update',
      prepareForUpdate: (object, old, context) =>
        asStored(object, draft => void storedStatus.prepareForUpdate!(draft, autoscalerFromV1(old), context)),
      validateUpdate: (object, old, errors, context) =>
        storedStatus.validateUpdate!(autoscalerFromV1(object), autoscalerFromV1(old), errors, context),
    },
  },
});

/** Changes a draft in the form that is stored. */
function asStored(object: HorizontalPodAutoscalerV1, change: (draft: HorizontalPodAutoscaler) => void): void {
  const draft = cloneJson(autoscalerFromV1(object)) as HorizontalPodAutoscaler;
  change(draft);
  Object.assign(object, autoscalerAsV1(draft));
}
