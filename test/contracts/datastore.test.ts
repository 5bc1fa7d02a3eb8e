import { describe, it } from '@jest/globals';
import { datastoreSuite } from '../../core/testing/datastore-suite.js';
import { memoryStore, sqliteStore } from './datastore-stores.js';

describe('memory datastore', () => datastoreSuite({ describe, it }, memoryStore));
describe('sqlite datastore', () => datastoreSuite({ describe, it }, sqliteStore));
