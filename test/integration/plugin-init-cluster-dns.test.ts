import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PluginHome } from '../support/plugin-package.js';

let packages: PluginHome;
beforeAll(async () => {
  packages = await PluginHome.make();
}, 60_000);
afterAll(() => packages.dispose());

it('k3s plugin init --slot cluster-dns: builds, keeps its contract, takes the place of ours, and turns red with a fault', async () => {
  const directory = await packages.initialise('my-dns', 'cluster-dns');
  expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass \d\d\n/) });

  const { child, printed, outcome } = packages.serve(['--preset', 'sandbox', '--plugin', './my-dns']);
  await printed('my-dns is ready');
  child.kill('SIGTERM');
  const { code, output, errors } = await outcome;
  expect(code).toBe(0);
  expect(output + errors).not.toContain('coredns');

  const green = await packages.k3s('plugin', 'check', 'my-dns');
  expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
  expect(green.output).not.toContain('names outside');
  await packages.replaceIn(directory, 'zone.js', "spec.clusterIP !== 'None' && hostname === undefined", 'true');
  const headless = 'a headless Service is all endpoints that are ready, of each family, and each by its hostname';
  expect(await packages.ownTest(directory, headless)).toMatchObject({
    code: 1,
    output: expect.stringContaining(`✖ ${headless}`),
  });
}, 180_000);
