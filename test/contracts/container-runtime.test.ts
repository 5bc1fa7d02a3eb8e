import { describe, it } from '@jest/globals';
import { SystemClock } from '../../core/base/clock.js';
import { containerRuntimeSuite } from '../../core/testing/container-runtime-suite.js';
import { SimulatedRuntime } from '../../plugins/container-runtime/simulated/simulated-runtime.js';

const image = 'k3s.local/box:1';

// containerd runs the same suite in test/e2e/containerd-runtime.test.ts.
describe('simulated container runtime', () => {
  const runtime = new SimulatedRuntime({ clock: new SystemClock(), nodeName: 'suite', clusterCidrs: ['10.42.0.0/16'] });
  containerRuntimeSuite(
    {
      describe,
      it: (name, body) =>
        it(name, async () => {
          await runtime.pullImage(image, {});
          await body();
        }),
    },
    () => ({ runtime, image, otherImage: 'k3s.local/other:1', logDirectory: '/nowhere', cgroupRoot: '' }),
  );
});
