import type { PodConnector } from '../../../contracts/pod-connector.js';
import type { TokenIssuer } from '../../../contracts/token-issuer.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { configMap } from './config-map.js';
import { namespace } from './namespace.js';
import { nodeDefinition } from './node.js';
import { podDefinition } from './pod.js';
import { secret } from './secret.js';
import { serviceAccountDefinition } from './service-account.js';

/** What the kinds of the core group need from other parts; each may be absent, and what needs it then answers 503. */
export interface CoreResourceOptions {
  readonly podConnector?: PodConnector | undefined;
  readonly tokenIssuer?: TokenIssuer | undefined;
}

/** The resources of the core group. */
export function coreDefinitions({
  podConnector: connector,
  tokenIssuer,
}: CoreResourceOptions = {}): readonly ResourceDefinition[] {
  return [
    configMap,
    namespace,
    nodeDefinition({ connector }),
    podDefinition({ connector }),
    secret,
    serviceAccountDefinition({ tokenIssuer }),
  ];
}
