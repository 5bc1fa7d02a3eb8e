import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.js';

export const autoscalingDefinitions: readonly ResourceDefinition[] = [horizontalPodAutoscaler];
