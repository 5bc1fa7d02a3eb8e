import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mayUseNamespaces } from '../../core/host/testing/network-namespace.js';
import { PluginHome } from '../support/plugin-package.js';

let packages: PluginHome;
beforeAll(async () => {
  packages = await PluginHome.make();
});
afterAll(() => packages.dispose());

describe('k3s plugin init for a pod network', () => {
  it('writes one that builds, keeps its contract, runs, and turns red with a fault', async () => {
    const directory = await packages.initialise('my-network', 'cni');
    expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass 1\d\n/) });

    const data = join(packages.home, 'data');
    const server = packages.serve(['--preset', 'sandbox', '--plugin', './my-network', '--data-dir', data]);
    await server.printed('pod network configured');
    expect(await readdir(join(data, 'agent/etc/cni/net.d'))).toEqual(['10-my-network.conflist']);
    server.child.kill('SIGTERM');
    expect(await server.outcome).toMatchObject({ code: 0 });

    const green = await packages.k3s('plugin', 'check', 'my-network');
    expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
    await packages.replaceIn(directory, 'cni-program.js', `'0.4.0', '1.0.0']`, `'0.4.0']`);
    const version = 'hold the plugins that the configuration names, of its version';
    expect(await packages.ownTest(directory, version)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`✖ ${version}`),
    });
    const red = await packages.k3s('plugin', 'check', 'my-network');
    expect(red).toMatchObject({ code: 1, output: expect.stringContaining(`broken  my-network: its folders: ${version}: `) });
  }, 120_000);

  (mayUseNamespaces() ? it : it.skip)(
    'and wires pods where root checks it in a network namespace (needs root)',
    async () => {
      const alone = await PluginHome.make({ ownNetwork: true });
      try {
        const directory = await alone.initialise('my-bridge', 'cni');
        const green = await alone.k3s('plugin', 'check', 'my-bridge');
        expect(green.output).not.toContain('note ');
        expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
        await alone.replaceIn(directory, 'cni-program.js', 'owner === ownerOf(wish)', 'owner === ""');
        const left = 'what pods leave is given to others, and a pod too many is told';
        const red = await alone.k3s('plugin', 'check', 'my-bridge');
        expect(red).toMatchObject({ code: 1, output: expect.stringContaining(`broken  my-bridge: pods: ${left}: `) });
      } finally {
        await alone.dispose();
      }
    },
    120_000,
  );
});
