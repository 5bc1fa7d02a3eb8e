import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SinkLogger } from '../base/logger.js';
import type { LogRecord } from '../base/logger.js';
import { runService, stopService } from './commands/service.js';
import type { ServiceHost } from './commands/service.js';
import { ServiceNotifier } from './service-notifier.js';
import { serviceEnvironment, serviceUnit } from './service-unit.js';

let dir: string;
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'service-'))));
afterEach(() => rm(dir, { recursive: true }));

function host(more: Partial<ServiceHost> = {}): { host: ServiceHost; calls: string[] } {
  const calls: string[] = [];
  const systemctl = async (...words: string[]): Promise<void> => void calls.push(words.join(' '));
  return { host: { unitDirectory: dir, isRoot: true, hasSystemd: true, systemctl, ...more }, calls };
}

async function run(words: string[], on: ServiceHost, environment: Record<string, string> = {}): Promise<string[]> {
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  const given = { K3S_CONFIG_FILE: join(dir, 'none.yaml'), ...environment };
  expect(await runService({ arguments: words, environment: given, print, printError: print }, on)).toBe(0);
  return lines;
}

describe('the systemd unit', () => {
  it('has the settings of a service that leaves its pods running', () => {
    const unit = serviceUnit({
      node: '/n/node',
      main: '/a b/main.js',
      environmentFile: '/e/k3s.service.env',
      arguments: ['--x=100%', '$a"b'],
    });
    const lines = unit.split('\n');
    for (const line of [
      'Type=notify',
      'KillMode=process',
      'Delegate=yes',
      'Restart=always',
      'RestartSec=5s',
      'TimeoutStartSec=0',
      'NotifyAccess=all',
      'SyslogIdentifier=k3s',
    ])
      expect(lines).toContain(line);
    expect(lines).toContain('EnvironmentFile=-/e/k3s.service.env');
    expect(lines).toContain('ExecStart=/n/node --max-semi-space-size=4 "/a b/main.js" server --x=100%% "$$a\\"b"');
  });

  it('hands on what the server reads, quoted', () => {
    const environment = { K3S_TOKEN: 'a"b$c', PATH: '/bin', https_proxy: 'http://p', K3S_X: undefined };
    expect(serviceEnvironment(environment)).toBe('K3S_TOKEN="a\\"b\\$c"\nhttps_proxy="http://p"\n');
  });
});

describe('k3s service', () => {
  it('installs, installs again and removes', async () => {
    const { host: on, calls } = host();
    const words = ['install', '--preset', 'sandbox', '--node-name=here'];
    const environment = { K3S_CONFIG_FILE: join(dir, 'config.yaml'), K3S_TOKEN: 'secret' };
    await writeFile(environment.K3S_CONFIG_FILE, '');
    await run(words, on, environment);
    await writeFile(join(dir, 'k3s.service.env'), 'old', { mode: 0o644 });
    await chmod(join(dir, 'k3s.service.env'), 0o644);
    await run(words, on, environment);
    expect((await stat(join(dir, 'k3s.service.env'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(dir, 'k3s.service.env'), 'utf8')).toContain('K3S_TOKEN="secret"\n');
    expect(await readFile(join(dir, 'k3s.service'), 'utf8')).toMatch(
      /^ExecStart=\S+ --max-semi-space-size=4 \S+main\.js server --preset sandbox --node-name=here$/m,
    );
    expect(calls.slice(0, 3)).toEqual(['daemon-reload', 'enable --quiet k3s.service', 'restart k3s.service']);
    expect(await stopService(on)).toEqual(['stopped k3s.service, which the next boot starts again']);
    expect(calls.at(-1)).toBe('stop k3s.service');
    expect(await run(['remove'], on)).toEqual([`removed ${join(dir, 'k3s.service')}`, `removed ${join(dir, 'k3s.service.env')}`]);
    expect(calls.slice(-2)).toEqual(['disable --now --quiet k3s.service', 'daemon-reload']);
    expect(await readdir(dir)).toEqual(['config.yaml']);
    expect(await run(['remove'], on)).toEqual(['there is no service']);
    expect(await stopService(on)).toEqual([]);
  });

  it('refuses by name, and leaves the service of another K3s alone', async () => {
    await writeFile(join(dir, 'k3s.service'), 'ExecStart=/usr/local/bin/k3s server');
    const sandbox = ['install', '--preset', 'sandbox'];
    const { host: on, calls } = host();
    const environment = { K3S_CONFIG_FILE: join(dir, 'config.yaml') };
    await writeFile(environment.K3S_CONFIG_FILE, '');
    await expect(run(sandbox, on, environment)).rejects.toMatchObject({ code: 'FOREIGN_K3S' });
    await expect(run(['remove'], on)).rejects.toMatchObject({ code: 'FOREIGN_K3S' });
    expect(await stopService(on)).toEqual([]);
    expect(calls).toEqual([]);
    await expect(run(sandbox, host({ isRoot: false }).host, environment)).rejects.toMatchObject({ code: 'NEEDS_ROOT' });
    await expect(run(sandbox, host({ hasSystemd: false }).host, environment)).rejects.toMatchObject({ code: 'NO_SYSTEMD' });
    await expect(run(['install', '--no-such'], on, environment)).rejects.toThrow('unknown flag --no-such');
    await expect(run(['instal'], on)).rejects.toMatchObject({ code: 'COMMAND_UNKNOWN' });
    expect((await run([...sandbox, '--print'], host({ isRoot: false }).host, environment))[0]).toContain('Type=notify');
  });
});

describe('notification', () => {
  it('sends ready and stopping through systemd-notify, to the given socket only', async () => {
    const sent = join(dir, 'sent');
    await writeFile(join(dir, 'systemd-notify'), `#!/bin/sh\nprintf '%s|' "$NOTIFY_SOCKET" "$@" >> ${sent}\n`, { mode: 0o755 });
    const records: LogRecord[] = [];
    const logger = new SinkLogger(record => records.push(record), 'debug');
    await new ServiceNotifier({ PATH: dir }, logger).ready('serving');
    const PATH = `${dir}:/bin:/usr/bin`;
    const notifier = new ServiceNotifier({ PATH, NOTIFY_SOCKET: '/run/x' }, logger);
    await notifier.ready('serving');
    await notifier.stopping();
    expect(await readFile(sent, 'utf8')).toBe('/run/x|--ready|--status=serving|/run/x|STOPPING=1|');
    expect(records).toEqual([]);
    await new ServiceNotifier({ PATH: join(dir, 'empty'), NOTIFY_SOCKET: '/run/x' }, logger).stopping();
    expect(records.map(record => record.message)).toEqual([
      'systemd cannot be told how far this is: systemd-notify is not on PATH (install the package systemd)',
    ]);
  });
});
