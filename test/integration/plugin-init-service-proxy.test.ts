import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mayUseNamespaces } from '../../core/host/testing/network-namespace.js';
import { PluginHome } from '../support/plugin-package.js';

let packages: PluginHome;
beforeAll(async () => {
  // As root it changes routes; without, node ports are carried on this machine.
  packages = await PluginHome.make({ ownNetwork: mayUseNamespaces() });
});
afterAll(() => packages.dispose());

describe('k3s plugin init for a service proxy', () => {
  it('writes one that builds, keeps its contract, runs, and turns red with a fault', async () => {
    const directory = await packages.initialise('my-proxy', 'service-proxy');
    expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass 1\d\n/) });

    const server = packages.serve(['--preset', 'sandbox', '--plugin', './my-proxy']);
    await server.printed('metrics-server is ready');
    server.child.kill('SIGTERM');
    expect(await server.outcome).toMatchObject({ code: 0 });
    const list = await packages.k3s('plugin', 'list', '--plugin', './my-proxy');
    expect(list.output).toMatch(/^service-proxy +my-proxy +0\.1\.0 +\.\/my-proxy /m);

    const green = await packages.k3s('plugin', 'check', 'my-proxy');
    expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
    expect(green.output.includes('only node ports were tried')).toBe(!mayUseNamespaces());
    await packages.replaceIn(directory, 'service-plan.js', `'ClientIP'`, `'Nobody'`);
    const affinity = 'keep a client at its endpoint by sessionAffinity';
    expect(await packages.ownTest(directory, affinity)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`✖ ${affinity}`),
    });
  }, 240_000);
});
