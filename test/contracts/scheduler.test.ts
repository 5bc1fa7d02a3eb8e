import { describe, it } from '@jest/globals';
import { schedulerCluster, schedulerSuite } from '../../core/testing/index.js';

describe('default-scheduler', () => schedulerSuite({ describe, it }, () => schedulerCluster({ id: 'default-scheduler' })));
