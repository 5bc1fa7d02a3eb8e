import { containerRuntimeSuite } from '../../core/testing/container-runtime-suite.js';
import type { TestRunner } from '../../core/testing/test-runner.js';
import { ContainerdNode } from '../support/containerd-node.js';
import { serveCases } from '../support/remote-cases.js';
import { containerdCases } from './containerd-cases.js';

/** The process that talks to containerd, in the network namespace that it was started in. */
const node = new ContainerdNode(process.env['K3S_TEST_DIRECTORY']!);

const define = (runner: TestRunner): void => {
  runner.describe('contract', () => containerRuntimeSuite(runner, () => node.subject));
  runner.describe('containerd', () => containerdCases(runner, () => node));
};

await serveCases(define, { setUp: () => node.start(), cleanUp: () => node.remove() });
