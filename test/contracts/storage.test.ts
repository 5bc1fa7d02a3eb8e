import { describe, it } from '@jest/globals';
import { storageCluster, storageSuite } from '../../core/testing/index.js';

describe('local-storage', () => storageSuite({ describe, it }, () => storageCluster({ id: 'local-storage' })));
