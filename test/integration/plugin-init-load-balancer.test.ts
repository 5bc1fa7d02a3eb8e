import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PluginHome } from '../support/plugin-package.js';

let packages: PluginHome;
beforeAll(async () => {
  packages = await PluginHome.make();
});
afterAll(() => packages.dispose());

it('k3s plugin init --slot load-balancer writes a package that builds, keeps its contract and turns red with a fault', async () => {
  const directory = await packages.initialise('my-balancer', 'load-balancer');
  expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass 1\d\n/) });

  const list = await packages.k3s('plugin', 'list', '--plugin', './my-balancer');
  expect(list.output).toMatch(/^load-balancer +my-balancer +0\.1\.0 +\.\/my-balancer +not running +- +--plugin$/m);
  const { child, printed, outcome } = packages.serve(['--preset', 'sandbox', '--plugin', './my-balancer']);
  await printed('my-balancer is ready');
  child.kill('SIGTERM');
  expect(await outcome).toMatchObject({ code: 0 });

  const flags = ['192.0.2.10', '192.0.2.11', '192.0.2.12'].flatMap(address => ['--my-balancer-addresses', address]);
  const green = await packages.k3s('plugin', 'check', 'my-balancer', ...flags);
  expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
  expect(green.output).toContain('note    my-balancer: a sandbox has no packets');
  const bad = await packages.k3s('plugin', 'check', 'my-balancer', '--my-balancer-addresses', '192.0.2.300');
  expect(bad).toMatchObject({ code: 1, output: expect.stringContaining('"192.0.2.300" is no address') });
  await packages.replaceIn(directory, 'my-balancer.js', '&& !spec.loadBalancerClass', '');
  const foreign = 'one of another loadBalancerClass is left alone';
  expect(await packages.ownTest(directory, foreign)).toMatchObject({ code: 1, output: expect.stringContaining(`✖ ${foreign}`) });
  const red = await packages.k3s('plugin', 'check', 'my-balancer');
  expect(red).toMatchObject({ code: 1, output: expect.stringContaining(`broken  my-balancer: addresses: ${foreign}: `) });
}, 180_000);
