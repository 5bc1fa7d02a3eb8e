import { describe, it } from '@jest/globals';
import { metricsCluster, metricsSuite } from '../../core/testing/index.js';

describe('metrics-server', () => metricsSuite({ describe, it }, () => metricsCluster({ id: 'metrics-server' })));
