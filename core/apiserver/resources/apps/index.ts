import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { controllerRevision } from './controller-revision.js';
import { daemonSet } from './daemon-set.js';
import { deployment } from './deployment.js';
import { replicaSet } from './replica-set.js';
import { statefulSet } from './stateful-set.js';

export const appsDefinitions: readonly ResourceDefinition[] = [
  controllerRevision,
  daemonSet,
  deployment,
  replicaSet,
  statefulSet,
];
