import { ReplicaSets } from '../api/generated/resources.js';
import type { ReplicaSet } from '../api/generated/types.js';
import { selectorMatcher } from '../api/labels.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { ReplicaManager } from './replica-manager.js';

export const replicasetController: ControllerDescriptor = {
  name: 'replicaset-controller',
  create: (context: ControllerContext) =>
    new ReplicaManager<ReplicaSet>(context, {
      name: 'replicaset-controller',
      resource: ReplicaSets,
      matcher: set => selectorMatcher(set.spec.selector),
      reportsTerminating: true,
    }),
};
