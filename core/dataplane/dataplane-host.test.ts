import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, stat, utimes, cp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SystemClock } from '../base/clock.js';
import { deferred } from '../base/deferred.js';
import { SinkLogger } from '../base/logger.js';
import type { Channel } from './channel.js';
import { killDataplane } from './child-process.js';
import { isAlive, processStartTime, readRecord } from './child-record.js';
import { DataplaneHost } from './dataplane-host.js';
import type { DataplaneHostOptions } from './dataplane-host.js';

const probe = new URL('./testing/probe-module.js', import.meta.url).href;
const clock = new SystemClock();

let directory: string;
let hosts: DataplaneHost[];
let messages: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dataplane-'));
  hosts = [];
  messages = [];
});
afterEach(async () => {
  for (const host of hosts) await host.stop();
  await killDataplane(directory);
  await rm(directory, { recursive: true });
});

async function startHost(options: Partial<DataplaneHostOptions> = {}): Promise<DataplaneHost> {
  const logger = new SinkLogger(record => void messages.push(record.message), 'debug');
  const host = new DataplaneHost({ directory, modules: new Map([['probe', probe]]), mode: 'child', clock, logger, ...options });
  hosts.push(host);
  await host.start();
  await host.ready();
  return host;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}

interface Answer {
  readonly pid: number;
  readonly changes: number;
  readonly entries: Record<string, unknown>;
}

async function ask(port: number, path = '/'): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
  return (await response.json()) as Answer;
}

function publish(host: DataplaneHost, entries: Map<string, unknown>, onReport?: (report: unknown) => void): Channel {
  return host.channel({ name: 'probe', snapshot: () => entries, ...(onReport && { onReport }) });
}

async function until<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; ; tries++) {
    if (tries > 1000) throw new Error(`not within 10 s; log: ${messages.join(' | ')}`);
    const result = await attempt().catch(() => undefined);
    if (result !== undefined) return result;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

describe('the dataplane process', () => {
  it('serves what is published, within its memory, from files that only the owner reads', async () => {
    const port = await freePort();
    const host = await startHost();
    const reported = deferred<unknown>();
    const channel = publish(
      host,
      new Map<string, unknown>([
        ['port', port],
        ['a', 1],
        ['b', { c: [2] }],
      ]),
      reported.resolve,
    );
    await channel.settled(5000);
    expect(await reported.promise).toEqual({ port });
    expect((await ask(port)).entries).toEqual({ port, a: 1, b: { c: [2] } });
    channel.set('a', 2);
    channel.set('a', 3);
    channel.delete('b');
    channel.set('d', 4);
    await channel.settled(5000);
    expect(await ask(port)).toMatchObject({ changes: 2, entries: { port, a: 3, d: 4 } });
    expect((await ask(port)).entries).not.toHaveProperty('b');
    const pid = host.status!.pid;
    expect(pid).not.toBe(process.pid);
    const state = await until(() => stat(join(directory, 'probe.state.json')));
    expect(state.mode & 0o777).toBe(0o600);
    const socket = (await readdir(directory)).find(name => name.endsWith('.sock'))!;
    expect((await stat(join(directory, socket))).mode & 0o777).toBe(0o700);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    // A session of its own: signals of our terminal do not reach it.
    expect((await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')[3]).toBe(String(pid));
    const resident = Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
    process.stdout.write(`dataplane child without plugins: ${resident.toFixed(1)} MB resident\n`);
    expect(resident).toBeLessThan(75);
  });

  it('goes on without us and is adopted by the next start, which hands on only the differences', async () => {
    const port = await freePort();
    const first = await startHost();
    await publish(
      first,
      new Map<string, unknown>([
        ['port', port],
        ['a', 1],
        ['b', 1],
      ]),
    ).settled(5000);
    const { pid } = first.status!;
    await first.stop();
    expect((await ask(port)).pid).toBe(pid);
    const second = await startHost();
    expect(second.status).toMatchObject({ pid, adopted: true });
    // Nothing is forgotten before the plugin has published.
    expect((await ask(port)).entries).toEqual({ port, a: 1, b: 1 });
    const reported = deferred<unknown>();
    await publish(
      second,
      new Map<string, unknown>([
        ['port', port],
        ['a', 1],
      ]),
      reported.resolve,
    ).settled(5000);
    expect(await ask(port)).toEqual({ pid, changes: 2, entries: { port, a: 1 } });
    expect(await reported.promise).toEqual({ port });
  });

  it('is started again from its last state when it dies, also before anybody publishes', async () => {
    const port = await freePort();
    const first = await startHost();
    const entries = new Map<string, unknown>([
      ['port', port],
      ['a', 1],
    ]);
    const channel = publish(first, entries);
    await channel.settled(5000);
    const { pid } = first.status!;
    await until(() => stat(join(directory, 'probe.state.json')));
    process.kill(pid, 'SIGKILL');
    entries.set('a', 2);
    channel.set('a', 2);
    const next = await until(async () => {
      const answer = await ask(port);
      return answer.entries['a'] === 2 ? answer : undefined;
    });
    expect(next.pid).not.toBe(pid);
    await first.stop();
    await until(async () => ((await readFile(join(directory, 'probe.state.json'), 'utf8')).includes('"a",2') ? true : undefined));
    process.kill(next.pid, 'SIGKILL');
    await until(async () => (processStartTime(next.pid) === undefined ? true : undefined));
    await startHost();
    const restored = await until(() => ask(port));
    expect(restored.entries).toEqual({ port, a: 2 });
  });

  it.each([
    ['', false],
    [', also where its starter ends meanwhile', true],
  ])('is replaced by a child with the new code, which listens beside it before it ends%s', async (_title, ends) => {
    // A copy whose build can change: the modules import nothing of ours at run time.
    const folder = join(directory, 'code');
    await cp(dirname(fileURLToPath(probe)), folder, { recursive: true });
    const url = pathToFileURL(join(folder, 'probe-module.js')).href;
    const modules = new Map([['probe', url]]);
    const port = await freePort();
    const first = await startHost({ modules });
    await publish(first, new Map<string, unknown>([['port', port]])).settled(5000);
    const old = (await readRecord(directory))!;
    await first.stop();
    await utimes(join(folder, 'probe-module.js'), 1, 1);
    let second = await startHost({ modules });
    expect(second.status!.pid).not.toBe(old.pid);
    expect(isAlive(old)).toBe(true);
    if (ends) {
      // Whoever started the new one ends before it has taken over.
      await second.stop();
      const { pid } = (await readRecord(directory))!;
      second = await startHost({ modules });
      expect(second.status).toMatchObject({ pid, adopted: true });
      expect(isAlive(old)).toBe(true);
    }
    await publish(
      second,
      new Map<string, unknown>([
        ['port', port],
        ['a', 1],
      ]),
    ).settled(5000);
    // Every connection is answered, by one or the other, until only the new one is left.
    for (let tries = 0; tries < 5000 && isAlive(old); tries++) {
      expect([old.pid, second.status!.pid]).toContain((await ask(port)).pid);
    }
    expect(isAlive(old)).toBe(false);
    // Written down after it was told to end.
    await until(async () => ((await readdir(directory)).includes('retiring.json') ? undefined : true));
    expect((await ask(port)).entries).toEqual({ port, a: 1 });
  });

  it('tells faults of a module, and ends modules and itself when nothing needs them', async () => {
    const host = await startHost();
    const channel = publish(host, new Map([['fault', 'no such address']]));
    await expect(channel.settled(5000)).rejects.toMatchObject({ code: 'DATAPLANE_FAULT' });
    expect(messages).toContain('a dataplane module could not apply its state');
    channel.delete('fault');
    await channel.settled(5000);
    expect(() => publish(host, new Map())).toThrow('open already');
    expect(() => host.channel({ name: 'other', snapshot: () => [] })).toThrow('no enabled plugin other');
    const record = (await readRecord(directory))!;
    await host.stop();
    await startHost({ modules: new Map() });
    expect(isAlive(record)).toBe(false);
    expect(await killDataplane(directory)).toBe(false);
  });

  it('runs modules in this process when told so', async () => {
    const host = await startHost({ mode: 'in-process' });
    const reported = deferred<unknown>();
    const channel = publish(host, new Map([['port', 0]]), reported.resolve);
    await channel.settled(5000);
    const { port } = (await reported.promise) as { port: number };
    expect((await ask(port)).pid).toBe(process.pid);
    expect(await readRecord(directory)).toBeUndefined();
    await host.stop();
    await expect(ask(port)).rejects.toThrow();
  });
});
