import { afterAll, beforeAll } from '@jest/globals';
import { ingressSuite } from '../../core/testing/ingress-suite.js';
import { faults } from './ingress-faults.js';
import { describeRestartableFaults } from './restartable-faults.js';
import { TemplateCopies } from './template-copies.js';

const copies = new TemplateCopies('ingress');
beforeAll(() => copies.make());
afterAll(() => copies.dispose());

describeRestartableFaults({
  slot: 'ingress',
  faults,
  flagsFor: async fault => ['--plugin', await copies.with(fault)],
  suite: ingressSuite,
});
