import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.js';
import { horizontalPodAutoscalerV1 } from './horizontal-pod-autoscaler-v1.js';

export const autoscalingDefinitions: readonly ResourceDefinition[] = [horizontalPodAutoscaler, horizontalPodAutoscalerV1];
