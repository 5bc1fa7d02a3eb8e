import type { ControllerDescriptor } from './controller.js';
import { cronjobController } from './cronjob-controller.js';
import { daemonsetController } from './daemonset-controller.js';
import { deploymentController } from './deployment-controller.js';
import { jobController } from './job-controller.js';
import { replicasetController } from './replicaset-controller.js';
import { replicationController } from './replication-controller.js';
import { statefulsetController } from './statefulset-controller.js';
import { ttlAfterFinishedController } from './ttl-after-finished-controller.js';

/** All controllers that a server runs, one sorted line each. */
export const controllers: readonly ControllerDescriptor[] = [
  cronjobController,
  daemonsetController,
  deploymentController,
  jobController,
  replicasetController,
  replicationController,
  statefulsetController,
  ttlAfterFinishedController,
];
