import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { PluginHome } from '../support/plugin-package.js';

let packages: PluginHome;
beforeAll(async () => {
  packages = await PluginHome.make();
}, 60_000);
afterAll(() => packages.dispose());

it('k3s plugin init --slot metrics: builds, keeps its contract, takes the place of ours, and turns red with a fault', async () => {
  const directory = await packages.initialise('my-metrics', 'metrics');
  expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass \d\d\n/) });

  const { child, printed, outcome } = packages.serve(['--preset', 'sandbox', '--plugin', './my-metrics']);
  await printed('my-metrics is ready');
  child.kill('SIGTERM');
  const { code, output, errors } = await outcome;
  expect(code).toBe(0);
  expect(output + errors).not.toContain('metrics-server');

  const green = await packages.k3s('plugin', 'check', 'my-metrics');
  expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
  await packages.replaceIn(
    directory,
    'rates.js',
    'sample.cpuUsageCoreNanos - before.sample.cpuUsageCoreNanos)',
    'sample.cpuUsageCoreNanos)',
  );
  const red = await packages.k3s('plugin', 'check', 'my-metrics');
  const broken = 'broken  my-metrics: figures: CPU is what was used between two measurements, memory what is used now: ';
  expect(red).toMatchObject({ code: 1, output: expect.stringContaining(broken) });
}, 180_000);
