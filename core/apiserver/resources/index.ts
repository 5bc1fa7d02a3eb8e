import type { ResourceDefinition } from '../registry/resource-definition.js';
import type { CoreResourceOptions } from './core/index.js';
import { coreDefinitions } from './core/index.js';

export type ResourceOptions = CoreResourceOptions;

/** Every resource that is served, one group a line. What is not here is not in discovery. */
export function resourceDefinitions(options: ResourceOptions = {}): readonly ResourceDefinition[] {
  return [...coreDefinitions(options)];
}
