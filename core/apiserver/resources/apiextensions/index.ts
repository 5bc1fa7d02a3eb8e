import type { ResourceDefinition } from '../../registry/resource-definition.js';
import type { DefinitionOptions } from './custom-resource-definition.js';
import { customResourceDefinition } from './custom-resource-definition.js';

export function apiextensionsDefinitions(options: DefinitionOptions): readonly ResourceDefinition[] {
  return [customResourceDefinition(options)];
}
