import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { formatRecord, silentLogger, SinkLogger } from '../../base/logger.js';
import { PluginMetrics } from './plugin-metrics.js';
import { PluginRoutes } from './plugin-routes.js';

describe('HTTP routes of plugins', () => {
  const routes = (...names: unknown[]) => names.map(name => ({ name: name as string, handle: () => ({}) }));
  const make = (all: ReturnType<typeof routes>): PluginRoutes => new PluginRoutes(all, new FakeClock(), silentLogger);

  it.each([
    [routes('shop', 'shop'), 'two plugins serve HTTP routes below /plugins/shop'],
    [routes('../shop'), 'need a name in kebab-case and "handle", not "../shop"'],
    [routes(undefined), 'not "undefined"'],
    [[{ name: 'shop', handle: 3 as never }], 'not "shop"'],
  ])('are refused %#', (all, text) => {
    expect(() => make(all)).toThrow(expect.objectContaining({ code: 'ROUTES_INVALID', message: expect.stringContaining(text) }));
  });

  it('have paths of their own', () => {
    expect(make(routes('shop', 'other')).paths).toEqual(['/plugins/shop', '/plugins/other']);
  });
});

it('metrics of plugins: what throws or is no text is left out and warned about once', () => {
  const lines: string[] = [];
  const logger = new SinkLogger(record => lines.push(formatRecord(record)), 'debug');
  const metrics = new PluginMetrics(
    [
      { text: () => '# HELP a b\na{c="d e"} 1' },
      {
        text() {
          throw new Error('no luck');
        },
      },
      { text: () => 3 as never },
      { text: () => 'good 1\nno line of metrics at all\n' },
      { text: () => 'b 2 1700000000\nc NaN\n' },
      { text: () => '' },
    ],
    logger,
  );
  for (let time = 0; time < 2; time++) expect(metrics.text()).toBe('# HELP a b\na{c="d e"} 1\nb 2 1700000000\nc NaN\n');
  expect(lines).toHaveLength(3);
  expect(lines.join('\n')).toMatch(/no luck[^]*it is a number[^]*is no line of metrics/);
});
