import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PluginHome } from '../support/plugin-package.js';

let packages: PluginHome;
beforeAll(async () => {
  packages = await PluginHome.make();
});
afterAll(() => packages.dispose());

it('k3s plugin init --slot ingress writes a package that builds, keeps its contract and turns red with a fault', async () => {
  const directory = await packages.initialise('my-ingress', 'ingress');
  expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass 1\d\n/) });

  const list = await packages.k3s('plugin', 'list', '--plugin', './my-ingress');
  expect(list.output).toMatch(/^ingress +my-ingress +0\.1\.0 +\.\/my-ingress +not running +- +--plugin$/m);
  const { child, printed, outcome } = packages.serve(['--preset', 'sandbox', '--plugin', './my-ingress']);
  await printed('my-ingress is ready');
  child.kill('SIGTERM');
  expect(await outcome).toMatchObject({ code: 0 });

  const green = await packages.k3s('plugin', 'check', 'my-ingress');
  expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
  await packages.replaceIn(directory, 'routes.js', 'path.startsWith(`${prefix}/`)', 'path.startsWith(prefix)');
  const paths = 'exact paths come before prefixes, longer before shorter, and prefixes end at a slash';
  expect(await packages.ownTest(directory, paths)).toMatchObject({ code: 1, output: expect.stringContaining(`✖ ${paths}`) });
  const red = await packages.k3s('plugin', 'check', 'my-ingress');
  expect(red).toMatchObject({ code: 1, output: expect.stringContaining(`broken  my-ingress: routes: ${paths}: `) });
}, 180_000);
