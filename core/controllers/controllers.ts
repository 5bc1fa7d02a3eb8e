import type { ControllerDescriptor } from './controller.js';
import { certificateSigningController } from './certificate-controllers.js';
import { certificateApprovingController } from './certificate-controllers.js';
import { certificateCleanerController } from './certificate-controllers.js';
import { clusterroleAggregationController } from './clusterrole-aggregation-controller.js';
import { cronjobController } from './cronjob-controller.js';
import { daemonsetController } from './daemonset-controller.js';
import { deploymentController } from './deployment-controller.js';
import { deviceTaintEvictionController } from './device-taint-eviction-controller.js';
import { disruptionController } from './disruption-controller.js';
import { endpointsController } from './endpoints-controller.js';
import { endpointsliceController } from './endpointslice-controller.js';
import { endpointsliceMirroringController } from './endpointslice-mirroring-controller.js';
import { ephemeralVolumeController } from './ephemeral-volume-controller.js';
import { garbageCollectorController } from './garbage-collector-controller.js';
import { horizontalPodAutoscalerController } from './horizontal-pod-autoscaler-controller.js';
import { jobController } from './job-controller.js';
import { legacyTokenCleanerController } from './legacy-token-cleaner-controller.js';
import { namespaceController } from './namespace-controller.js';
import { nodeIpamController } from './node-ipam-controller.js';
import { nodeLifecycleController } from './node-lifecycle-controller.js';
import { persistentVolumeController } from './persistent-volume-controller.js';
import { podGcController } from './pod-gc-controller.js';
import { replicasetController } from './replicaset-controller.js';
import { replicationController } from './replication-controller.js';
import { resourceQuotaController } from './resource-quota-controller.js';
import { resourceclaimController } from './resourceclaim-controller.js';
import { rootCaPublisherController } from './root-ca-publisher-controller.js';
import { serviceAccountController } from './service-account-controller.js';
import { serviceAccountTokenController } from './service-account-token-controller.js';
import { serviceCidrController } from './service-cidr-controller.js';
import { statefulsetController } from './statefulset-controller.js';
import { taintEvictionController } from './taint-eviction-controller.js';
import { ttlAfterFinishedController } from './ttl-after-finished-controller.js';
import { ttlController } from './ttl-controller.js';
import { validatingAdmissionPolicyStatusController } from './validating-admission-policy-status-controller.js';
import { attributesClassProtectionController } from './volume-protection-controllers.js';
import { claimProtectionController } from './volume-protection-controllers.js';
import { volumeProtectionController } from './volume-protection-controllers.js';

/** All controllers that a server runs, one sorted line each. */
export const controllers: readonly ControllerDescriptor[] = [
  certificateApprovingController,
  certificateCleanerController,
  certificateSigningController,
  clusterroleAggregationController,
  cronjobController,
  daemonsetController,
  deploymentController,
  deviceTaintEvictionController,
  disruptionController,
  endpointsController,
  endpointsliceController,
  endpointsliceMirroringController,
  ephemeralVolumeController,
  garbageCollectorController,
  horizontalPodAutoscalerController,
  jobController,
  legacyTokenCleanerController,
  namespaceController,
  nodeIpamController,
  nodeLifecycleController,
  persistentVolumeController,
  volumeProtectionController,
  claimProtectionController,
  podGcController,
  replicasetController,
  replicationController,
  resourceclaimController,
  resourceQuotaController,
  rootCaPublisherController,
  serviceCidrController,
  serviceAccountController,
  serviceAccountTokenController,
  statefulsetController,
  taintEvictionController,
  ttlAfterFinishedController,
  ttlController,
  validatingAdmissionPolicyStatusController,
  attributesClassProtectionController,
];
