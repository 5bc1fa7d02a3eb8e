import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../base/logger.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import { LogLinks, removeLogLinks } from './log-links.js';

describe("links to containers' logs", () => {
  let root: string;
  let directory: string;
  let podLogsDir: string;
  let links: LogLinks;
  const recorded: unknown[] = [];
  const ledger = { record: (...entry: unknown[]) => Promise.resolve(void recorded.push(entry)) } as never;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'links-'));
    directory = join(root, 'containers');
    podLogsDir = join(root, 'pods');
    await mkdir(podLogsDir);
    links = new LogLinks({ directory, podLogsDir, ledger, logger: silentLogger });
    await links.start();
  });
  afterEach(() => rm(root, { recursive: true }));

  async function container(id: string, podName = 'web'): Promise<ContainerState> {
    const logPath = join(podLogsDir, `${id}.log`);
    await writeFile(logPath, '');
    const labels = { 'io.kubernetes.pod.name': podName, 'io.kubernetes.pod.namespace': 'prod' };
    return { id, name: 'app', state: 'running', logPath, labels } as unknown as ContainerState;
  }

  it('are named by pod, namespace, container and id, and go with the container', async () => {
    const web = await container('a1b2c3');
    links.put(web);
    links.put({ ...web, state: 'exited' });
    await links.stop();
    expect(await readdir(directory)).toEqual(['web_prod_app-a1b2c3.log']);
    expect(await readlink(join(directory, 'web_prod_app-a1b2c3.log'))).toBe(web.logPath);
    links.drop(web);
    links.drop(web);
    await links.stop();
    expect(await readdir(directory)).toEqual([]);
    expect(recorded).toContainEqual(['log-links', directory, { podLogsDir }]);
  });

  it('are made when there is a log, and no longer than a name may be', async () => {
    const early = { ...(await container('early')), state: 'created' as const };
    const lost = { ...(await container('lost')), logPath: join(podLogsDir, 'none') };
    for (const state of [early, lost, { ...lost, logPath: '' }]) links.put(state);
    const long = await container('0'.repeat(64), 'p'.repeat(200));
    links.put(long);
    await links.stop();
    expect((await readdir(directory)).map(name => [name.length, name.slice(-8)])).toEqual([[255, '0000.log']]);
    // Its id is cut off, and still it is known.
    await links.sweep();
    expect(await readdir(directory)).toHaveLength(1);
    links.put({ ...lost, logPath: early.logPath });
    await links.stop();
    expect(await readdir(directory)).toContain('web_prod_app-lost.log');
  });

  it("of an earlier run go when their container has gone; others' stay", async () => {
    links.put(await container('here'));
    await symlink(join(podLogsDir, 'gone.log'), join(directory, 'web_prod_app-gone.log'));
    await symlink('/elsewhere/x.log', join(directory, 'theirs-x.log'));
    await writeFile(join(directory, 'file.log'), '');
    await links.sweep();
    expect((await readdir(directory)).sort()).toEqual(['file.log', 'theirs-x.log', 'web_prod_app-here.log']);
    await removeLogLinks(directory, podLogsDir);
    expect((await readdir(directory)).sort()).toEqual(['file.log', 'theirs-x.log']);
    await rm(directory, { recursive: true });
    await removeLogLinks(directory, podLogsDir);
  });

  it('that cannot be made disturb nobody', async () => {
    await rm(directory, { recursive: true });
    await writeFile(directory, 'a file');
    links.put(await container('a'));
    await links.stop();
    await links.sweep();
    await expect(removeLogLinks(directory, podLogsDir)).rejects.toThrow('ENOTDIR');
  });
});
