import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { endpointSlice } from './endpoint-slice.js';

export const discoveryDefinitions: readonly ResourceDefinition[] = [endpointSlice];
