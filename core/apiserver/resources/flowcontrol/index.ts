import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { flowSchema } from './flow-schema.js';
import { priorityLevelConfiguration } from './priority-level-configuration.js';

export const flowControlDefinitions: readonly ResourceDefinition[] = [flowSchema, priorityLevelConfiguration];
