import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { FakeClock } from '../base/fake-clock.js';
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
    expect(lines).toContain('Environment=MALLOC_ARENA_MAX=1');
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

/** Prints each datagram that a socket gets as one line. Perl is part of every Debian; Node has no such sockets. */
const receiver = `use Socket; socket(S, PF_UNIX, SOCK_DGRAM, 0) && bind(S, sockaddr_un($ARGV[0])) || die $!;
  $| = 1; print "listening\\n"; while (defined recv(S, $_, 65536, 0)) { s/\\n/;/g; print "$_\\n" }`;
const hasProgram = (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;

(hasProgram('systemd-notify') && hasProgram('perl') ? describe : describe.skip)('the protocol (systemd-notify, perl)', () => {
  it('is spoken by a server: ready, alive, stopping', async () => {
    const socket = join(dir, 'notify');
    const receiving = spawn('perl', ['-e', receiver, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: receiving.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<string> => {
      // systemd-notify asks by a datagram of its own whether the others were read.
      for (;;) {
        const { value } = (await lines.next()) as { value?: string };
        if (value !== 'BARRIER=1') return String(value);
      }
    };
    expect(await next()).toBe('listening');
    await writeFile(join(dir, 'config.yaml'), '');
    const main = fileURLToPath(new URL('./main.js', import.meta.url));
    const env = {
      PATH: process.env['PATH'],
      HOME: dir,
      TMPDIR: dir,
      K3S_CONFIG_FILE: join(dir, 'config.yaml'),
      NOTIFY_SOCKET: socket,
      WATCHDOG_USEC: '200000',
    };
    const server = spawn(process.execPath, [main, 'server', '--preset', 'sandbox'], { env, cwd: dir, stdio: 'ignore' });
    const ended = once(server, 'exit');
    expect(await next()).toMatch(/^READY=1;STATUS=serving(;MAINPID=\d+)?;?$/);
    const told: string[] = [];
    for (let pings = 0; pings < 2;) if (told[told.push(await next()) - 1]!.startsWith('WATCHDOG=1')) pings++;
    server.kill('SIGTERM');
    while (!told.at(-1)!.startsWith('STOPPING=1')) told.push(await next());
    expect(await ended).toEqual([0, null]);
    receiving.kill();
    await once(receiving, 'exit');
    expect(new Set(told)).toEqual(new Set(['WATCHDOG=1', 'STOPPING=1']));
  });
});

(hasProgram('systemd-analyze') ? describe : describe.skip)('the unit as systemd reads it (systemd-analyze)', () => {
  it('is free of complaints', async () => {
    const file = join(dir, 'k3s.service');
    const verify = (): string => spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' }).stderr;
    const words = ['--node-name=a b', '--x=100%', '$HOME'];
    const unit = serviceUnit({ node: process.execPath, main: '/main.js', environmentFile: '/e', arguments: words });
    await writeFile(file, unit);
    expect(verify()).toBe('');
    await writeFile(file, unit.replace('KillMode=process', 'KillMode=proces'));
    expect(verify()).toContain('k3s.service');
  });
});

describe('notification', () => {
  it('says that it lives as often as the unit wants, and only to the process that is meant', async () => {
    const sent = join(dir, 'sent');
    await writeFile(join(dir, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${sent}\n`, { mode: 0o755 });
    const environment = { PATH: `${dir}:/bin:/usr/bin`, NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '30000000' };
    const logger = new SinkLogger(() => undefined);
    const clock = new FakeClock();
    for (const other of [
      { WATCHDOG_PID: '1' },
      { WATCHDOG_USEC: undefined },
      { WATCHDOG_USEC: '0' },
      { NOTIFY_SOCKET: undefined },
    ])
      new ServiceNotifier({ ...environment, ...other }, logger).keepAlive(clock);
    expect(clock.pendingTimers).toBe(0);
    const alive = new ServiceNotifier({ ...environment, WATCHDOG_PID: String(process.pid) }, logger).keepAlive(clock);
    await clock.advance(15_000);
    for (let tries = 0; tries < 500 && !existsSync(sent); tries++) await new Promise(resolve => setTimeout(resolve, 5));
    expect(await readFile(sent, 'utf8')).toBe('WATCHDOG=1\n');
    await alive.dispose();
    expect(clock.pendingTimers).toBe(0);
  });

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
