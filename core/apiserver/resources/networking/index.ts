import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { ingress } from './ingress.js';

export const networkingDefinitions: readonly ResourceDefinition[] = [ingress];
