import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { runtimeClass } from './runtime-class.js';

export const nodeDefinitions: readonly ResourceDefinition[] = [runtimeClass];
