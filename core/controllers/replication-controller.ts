import { ReplicationControllers } from '../api/generated/resources.js';
import type { ReplicationController } from '../api/generated/types.js';
import { selectorMatcher } from '../api/labels.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { ReplicaManager } from './replica-manager.js';

export const replicationController: ControllerDescriptor = {
  name: 'replicationcontroller-controller',
  serviceAccount: 'replication-controller',
  component: 'replication-controller',
  create: (context: ControllerContext) =>
    new ReplicaManager<ReplicationController>(context, {
      name: 'replicationcontroller-controller',
      resource: ReplicationControllers,
      matcher: controller => selectorMatcher(controller.spec.selector && { matchLabels: controller.spec.selector }),
      reportsTerminating: false,
    }),
};
