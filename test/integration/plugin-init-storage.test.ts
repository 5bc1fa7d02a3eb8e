import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PluginHome } from '../support/plugin-package.js';

let packages: PluginHome;
beforeAll(async () => {
  packages = await PluginHome.make();
});
afterAll(() => packages.dispose());

it('k3s plugin init --slot storage writes a package that builds, keeps its contract and turns red with a fault', async () => {
  const directory = await packages.initialise('my-storage', 'storage');
  expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass 20\n/) });

  const list = await packages.k3s('plugin', 'list', '--plugin', './my-storage', '--slot', 'storage=my-storage');
  expect(list.output).toMatch(/^storage +my-storage +0\.1\.0 +\.\/my-storage +not running +- +--(plugin|slot.*)$/m);
  expect(list.output).not.toMatch(/^storage +local-storage/m);
  const { child, printed, outcome } = packages.serve(['--preset', 'sandbox', '--plugin', './my-storage']);
  await printed('my-storage is ready');
  child.kill('SIGTERM');
  expect(await outcome).toMatchObject({ code: 0 });

  const green = await packages.k3s('plugin', 'check', 'my-storage', '--my-storage-path', `${packages.directory}/shared`);
  expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
  expect(green.output).toContain('note    my-storage: data was looked at only in volumes that are folders');
  const bad = await packages.k3s('plugin', 'check', 'my-storage', '--my-storage-path', '../shared');
  expect(bad).toMatchObject({ code: 1, output: expect.stringContaining('"../shared" must be an absolute path') });
  await packages.replaceIn(directory, 'my-storage.js', "spec.persistentVolumeReclaimPolicy === 'Delete'", 'true');
  const retain = 'with Retain the volume and its data stay, also where that was said later';
  expect(await packages.ownTest(directory, retain)).toMatchObject({ code: 1, output: expect.stringContaining(`✖ ${retain}`) });
}, 180_000);
