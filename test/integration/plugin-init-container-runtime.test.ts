import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { realTool } from '../support/kubectl.js';
import { PluginHome } from '../support/plugin-package.js';

let packages: PluginHome;
beforeAll(async () => {
  packages = await PluginHome.make();
});
afterAll(() => packages.dispose());

describe('k3s plugin init for a container runtime', () => {
  it('writes one that builds, keeps its contract, runs a pod, and turns red with a fault', async () => {
    const directory = await packages.initialise('my-runtime', 'container-runtime');
    expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass [23]\d\n/) });

    const data = join(packages.home, 'data');
    const { child, printed, outcome } = packages.serve(['--preset', 'sandbox', '--plugin', './my-runtime', '--data-dir', data]);
    await printed('metrics-server is ready');
    const kubectl = await realTool('kubectl', join(data, 'k3s.yaml'), packages.home);
    const command = ['--command', '--', 'sh', '-c', 'echo from process $$$$; sleep 1000'];
    expect((await kubectl(['run', 'shell', '--image=busybox', ...command])).stderr).toBe('');
    expect((await kubectl(['wait', '--for=condition=Ready', 'pod/shell', '--timeout=30s'])).stderr).toBe('');
    expect((await kubectl(['logs', 'shell'])).stdout).toMatch(/^from process \d+\n$/);
    expect((await kubectl(['exec', 'shell', '--', 'echo', 'inside'])).stdout).toBe('inside\n');
    expect((await kubectl(['get', 'nodes', '-o', 'jsonpath={..containerRuntimeVersion}'])).stdout).toBe('my-runtime://0.1.0');
    child.kill('SIGTERM');
    expect(await outcome).toMatchObject({ code: 0 });

    const green = await packages.k3s('plugin', 'check', 'my-runtime');
    expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
    expect(green.output).toContain('note    my-runtime: keeps nothing over a stop');

    await packages.replaceIn(directory, 'container.js', 'return code ??', 'return (code && 1) ??');
    const code = 'a container is created, runs, ends with its code and leaves its log';
    expect(await packages.ownTest(directory, code)).toMatchObject({ code: 1, output: expect.stringContaining(`✖ ${code}`) });
    const red = await packages.k3s('plugin', 'check', 'my-runtime');
    expect(red).toMatchObject({ code: 1, output: expect.stringContaining(`broken  my-runtime: containers: ${code}: `) });
  }, 180_000);
});
