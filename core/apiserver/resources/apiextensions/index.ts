import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { customResourceDefinition } from './custom-resource-definition.js';

export const apiextensionsDefinitions: readonly ResourceDefinition[] = [customResourceDefinition];
