import { describe, expect, it } from '@jest/globals';
import {
  AdmissionPlugin,
  ApiGroup,
  Cni,
  ContainerRuntime,
  contractToken,
  Datastore,
  ExposedMetrics,
  HttpRoutes,
  MetricsSource,
  SchedulerPlugin,
  slots,
} from './index.js';

describe('slots', () => {
  it('have the tokens that their contracts export', () => {
    const tokens: Readonly<Record<string, symbol>> = {
      admission: AdmissionPlugin,
      'api-groups': ApiGroup,
      cni: Cni,
      'container-runtime': ContainerRuntime,
      datastore: Datastore,
      'exposed-metrics': ExposedMetrics,
      'http-routes': HttpRoutes,
      'metrics-sources': MetricsSource,
      'scheduler-plugins': SchedulerPlugin,
    };
    for (const [id, token] of Object.entries(tokens)) {
      expect(contractToken(slots.find(slot => slot.id === id)!)).toBe(token);
    }
  });
});
