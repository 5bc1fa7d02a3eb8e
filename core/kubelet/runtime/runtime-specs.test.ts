import { describe, expect, it } from '@jest/globals';
import type { Container, Pod } from '../../api/generated/types.js';
import { containerSpec } from './runtime-specs.js';

describe('containerSpec', () => {
  it("has the keys of the container's control group beside its limits", () => {
    const container: Container = { name: 'c', image: 'i', resources: { limits: { memory: '64Mi' } } };
    const pod = { metadata: { name: 'p', uid: 'u' }, spec: { containers: [container] } } as unknown as Pod;
    const { resources } = containerSpec({
      pod,
      container,
      restartCount: 0,
      imageId: 'sha256:1',
      image: undefined,
      environment: new Map(),
      mounts: [],
      targetContainerId: undefined,
      rootDir: '/nowhere',
      memoryBytes: 1024 ** 3,
      devices: undefined,
      cgroupKeys: { 'memory.oom.group': '1' },
    });
    expect(resources).toMatchObject({ memoryLimitBytes: 64 * 1024 ** 2, unified: { 'memory.oom.group': '1' } });
  });
});
