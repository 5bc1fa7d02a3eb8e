import type { ResourceDefinition } from '../registry/resource-definition.js';
import { configMap } from './core/config-map.js';
import { namespace } from './core/namespace.js';

/** Every resource that is served, one sorted line an entry. What is not here is not in discovery. */
export const resourceDefinitions: readonly ResourceDefinition[] = [configMap, namespace];
