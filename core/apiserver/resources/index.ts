import type { ResourceDefinition } from '../registry/resource-definition.js';
import { configMap } from './core/config-map.js';
import { namespace } from './core/namespace.js';
import { discoveryDefinitions } from './discovery/index.js';
import { networkingDefinitions } from './networking/index.js';

/** Every resource that is served, one sorted line an entry. What is not here is not in discovery. */
export const resourceDefinitions: readonly ResourceDefinition[] = [
  configMap,
  ...discoveryDefinitions,
  namespace,
  ...networkingDefinitions,
];
