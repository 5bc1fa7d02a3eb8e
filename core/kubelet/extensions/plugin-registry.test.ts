import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { until } from '../../testing/until.js';
import { PluginRegistry } from './plugin-registry.js';
import type { PluginHandler } from './plugin-registry.js';
import { SocketWatcher } from './socket-watcher.js';
import { FakePlugin } from './testing/fake-plugin.js';

describe('plugins in the registry', () => {
  const clock = new FakeClock();
  let directory: string;
  let seen: string[];
  let plugins: FakePlugin[];
  let failing: string | undefined;
  let registry: PluginRegistry;
  let watcher: SocketWatcher;

  const handler: PluginHandler = {
    validate: ({ versions }) => {
      if (!versions.includes('v1')) throw new Error('no version that is known');
    },
    register: async ({ name, endpoint }) => {
      if (failing !== undefined) throw new Error(failing);
      seen.push(`+${name} ${endpoint.slice(directory.length)}`);
    },
    deregister: ({ name, endpoint }) => void seen.push(`-${name} ${endpoint.slice(directory.length)}`),
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'registry-'));
    seen = [];
    plugins = [];
    failing = undefined;
    registry = new PluginRegistry({ clock, logger: silentLogger }, { Sort: handler });
    watcher = new SocketWatcher({ directory: join(directory, 'r'), listener: registry, logger: silentLogger });
  });

  afterEach(async () => {
    await watcher.stop();
    await registry.stop();
    for (const plugin of plugins) await plugin.stop();
    await rm(directory, { recursive: true });
  });

  async function plug(path: string, info: ConstructorParameters<typeof FakePlugin>[1] = {}): Promise<FakePlugin> {
    const plugin = new FakePlugin(join(directory, path), { type: 'Sort', name: 'one', supportedVersions: ['v1'], ...info });
    plugins.push(plugin);
    await plugin.listen();
    return plugin;
  }

  const untilSeen = (...lines: string[]): Promise<unknown> =>
    until(lines.join(), () => JSON.stringify(seen) === JSON.stringify(lines));

  it('are taken up when they were there before, when they come, and from folders that come', async () => {
    const before = await plug('r/a/one.sock');
    await watcher.start();
    await untilSeen('+one /r/a/one.sock');
    await until('an answer', () => before.told.length > 0);
    expect(before.told).toEqual([{ pluginRegistered: true }]);
    await plug('r/two.sock', { name: 'two', endpoint: '' });
    await untilSeen('+one /r/a/one.sock', '+two /r/two.sock');
    await mkdir(join(directory, 'r/b'));
    await plug('r/b/three.sock', { name: 'three', endpoint: join(directory, 'elsewhere.sock') });
    await untilSeen('+one /r/a/one.sock', '+two /r/two.sock', '+three /elsewhere.sock');
  });

  it('are let go when their sockets go, and taken up again when these are made anew', async () => {
    await watcher.start();
    const first = await plug('r/one.sock');
    await until('an answer', () => first.told.length > 0);
    await first.stop();
    await untilSeen('+one /r/one.sock', '-one /r/one.sock');
    const second = await plug('r/one.sock');
    await until('an answer', () => second.told.length > 0);
    // In the place of the one before, at once.
    const third = new FakePlugin(join(directory, 'r/.new'), { type: 'Sort', name: 'one', supportedVersions: ['v1'] });
    plugins.push(third);
    await third.listen();
    seen = [];
    await rename(join(directory, 'r/.new'), join(directory, 'r/one.sock'));
    await until('an answer', () => third.told.length > 0);
    expect(seen).toEqual(['-one /r/one.sock', '+one /r/one.sock']);
  });

  it('are let go when their folder is moved away', async () => {
    await watcher.start();
    const plugin = await plug('r/a/b/one.sock');
    await until('an answer', () => plugin.told.length > 0);
    await rename(join(directory, 'r/a'), join(directory, 'away'));
    await untilSeen('+one /r/a/b/one.sock', '-one /r/a/b/one.sock');
  });

  it('are sockets whose names begin with no dot', async () => {
    await watcher.start();
    await writeFile(join(directory, 'r/file.sock'), '');
    const hidden = await plug('r/.hidden.sock');
    const plugin = await plug('r/one.sock');
    await until('an answer', () => plugin.told.length > 0);
    expect(seen).toEqual(['+one /r/one.sock']);
    expect(hidden.told).toEqual([]);
  });

  it.each([
    [
      'of a type that nobody knows',
      { type: 'Other' },
      /^RegisterPlugin error -- no handler registered for plugin type: Other at socket \S+\/one\.sock$/,
    ],
    ['that the handler refuses', { supportedVersions: ['v9'] }, /^RegisterPlugin error -- no version that is known$/],
  ])('%s are told why not', async (_name, info, message) => {
    await watcher.start();
    const plugin = await plug('r/one.sock', info);
    await until('an answer', () => plugin.told.length > 0);
    expect(plugin.told).toEqual([{ error: expect.stringMatching(message) }]);
    expect(seen).toEqual([]);
  });

  it('that cannot be worked with are tried again, as long as they are there', async () => {
    failing = 'not today';
    await watcher.start();
    const plugin = await plug('r/one.sock');
    await until('an answer', () => plugin.told.length === 1);
    expect(plugin.told).toEqual([{ error: 'RegisterPlugin error -- not today' }]);
    failing = undefined;
    await until('a second try', async () => {
      await clock.advance(500);
      return plugin.told.length === 2;
    });
    expect(seen).toEqual(['+one /r/one.sock']);
  });

  it('that do not hear that they were taken up are let go', async () => {
    await watcher.start();
    const plugin = await plug('r/one.sock', { deaf: true });
    await untilSeen('+one /r/one.sock', '-one /r/one.sock');
    expect(plugin.told).toEqual([{ pluginRegistered: true }]);
  });

  it('stay as they are when the kubelet stops', async () => {
    await watcher.start();
    const plugin = await plug('r/one.sock');
    await until('an answer', () => plugin.told.length > 0);
    await watcher.stop();
    await registry.stop();
    expect(seen).toEqual(['+one /r/one.sock']);
  });
});
