import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { lease } from './lease.js';

export const coordinationDefinitions: readonly ResourceDefinition[] = [lease];
