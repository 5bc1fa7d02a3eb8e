import type { PodConnector } from '../../../contracts/pod-connector.js';
import type { ServiceAllocator } from '../../../contracts/service-allocator.js';
import type { TokenIssuer } from '../../../contracts/token-issuer.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { binding } from './binding.js';
import { componentStatus } from './component-status.js';
import { configMap } from './config-map.js';
import { endpoints } from './endpoints.js';
import { event } from './event.js';
import { limitRange } from './limit-range.js';
import { namespace } from './namespace.js';
import { nodeDefinition } from './node.js';
import { persistentVolumeClaim } from './persistent-volume-claim.js';
import { persistentVolume } from './persistent-volume.js';
import { podTemplate } from './pod-template.js';
import { podDefinition } from './pod.js';
import { replicationController } from './replication-controller.js';
import { resourceQuota } from './resource-quota.js';
import { secret } from './secret.js';
import { serviceAccountDefinition } from './service-account.js';
import { serviceDefinition } from './service.js';

/** What the kinds of the core group need from other parts; each may be absent, and what needs it then answers 503. */
export interface CoreResourceOptions {
  readonly podConnector?: PodConnector | undefined;
  readonly tokenIssuer?: TokenIssuer | undefined;
  readonly serviceAllocator?: ServiceAllocator | undefined;
}

/** The resources of the core group. */
export function coreDefinitions(options: CoreResourceOptions = {}): readonly ResourceDefinition[] {
  const { podConnector: connector, tokenIssuer, serviceAllocator: allocator } = options;
  return [
    binding,
    componentStatus,
    configMap,
    endpoints,
    event,
    limitRange,
    namespace,
    nodeDefinition({ connector }),
    persistentVolume,
    persistentVolumeClaim,
    podDefinition({ connector }),
    podTemplate,
    replicationController,
    resourceQuota,
    secret,
    serviceAccountDefinition({ tokenIssuer }),
    serviceDefinition({ allocator, connector }),
  ];
}
