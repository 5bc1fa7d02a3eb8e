import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { apiService } from './api-service.js';

export const apiregistrationDefinitions: readonly ResourceDefinition[] = [apiService];
