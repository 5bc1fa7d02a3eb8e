import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { event } from './event.js';

export const eventsDefinitions: readonly ResourceDefinition[] = [event];
