import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { priorityClass } from './priority-class.js';

export const schedulingDefinitions: readonly ResourceDefinition[] = [priorityClass];
