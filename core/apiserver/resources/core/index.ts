import type { PodConnector } from '../../../contracts/pod-connector.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { configMap } from './config-map.js';
import { namespace } from './namespace.js';
import { podDefinition } from './pod.js';

/** What the kinds of the core group need from other parts; each may be absent, and what needs it then answers 503. */
export interface CoreResourceOptions {
  readonly podConnector?: PodConnector | undefined;
}

/** The resources of the core group. */
export function coreDefinitions(options: CoreResourceOptions = {}): readonly ResourceDefinition[] {
  return [configMap, namespace, podDefinition({ connector: options.podConnector })];
}
