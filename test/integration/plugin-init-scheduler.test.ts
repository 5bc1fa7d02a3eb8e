import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PluginHome } from '../support/plugin-package.js';

let packages: PluginHome;
beforeAll(async () => {
  packages = await PluginHome.make();
}, 60_000);
afterAll(() => packages.dispose());

it('k3s plugin init --slot scheduler: builds, keeps its contract, takes the place of ours, and turns red with a fault', async () => {
  const directory = await packages.initialise('my-scheduler', 'scheduler');
  expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass \d\d\n/) });

  const { child, printed, outcome } = packages.serve(['--preset', 'sandbox', '--plugin', './my-scheduler']);
  await printed('my-scheduler is ready');
  child.kill('SIGTERM');
  const { code, output, errors } = await outcome;
  expect(code).toBe(0);
  expect(output + errors).not.toContain('default-scheduler');

  const green = await packages.k3s('plugin', 'check', 'my-scheduler');
  expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
  await packages.replaceIn(directory, 'fit.js', "reasons.push('node(s) were unschedulable')", 'void 0');
  await packages.replaceIn(directory, 'fit.js', 'if (taint)', 'if (false)');
  const red = await packages.k3s('plugin', 'check', 'my-scheduler');
  const broken = 'broken  my-scheduler: rules: taints and cordons keep pods away that do not tolerate them: ';
  expect(red).toMatchObject({ code: 1, output: expect.stringContaining(broken) });
}, 180_000);
