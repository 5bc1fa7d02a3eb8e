import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { podDisruptionBudget } from './pod-disruption-budget.js';

export const policyDefinitions: readonly ResourceDefinition[] = [podDisruptionBudget];
