import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { HostCommands, RecordingCommands } from './commands.js';
import type { HostCommandsOptions } from './commands.js';
import { ConntrackCommand } from './conntrack.js';
import { debianArchitecture, debianCacheDirectory } from './debian-packages.js';
import { IpCommand } from './links.js';
import { NftCommand } from './nftables.js';
import { ProcSysctl, SysctlCommand } from './sysctl.js';

describe('commands of the host', () => {
  const commands = new HostCommands();

  it('give output and exit code, and take input', async () => {
    expect(await commands.run({ command: 'cat', arguments: [], input: 'text' })).toEqual({
      exitCode: 0,
      stdout: 'text',
      stderr: '',
    });
    const accepted = { command: 'false', arguments: [], acceptedExitCodes: [0, 1] };
    expect((await commands.run(accepted)).exitCode).toBe(1);
  });

  it('pass arguments as they are, not through a shell', async () => {
    expect((await commands.run({ command: 'echo', arguments: ['$HOME; "a b" *'] })).stdout).toBe('$HOME; "a b" *\n');
  });

  it('name what failed, what is missing, and the package that has it', async () => {
    await expect(commands.run({ command: 'cat', arguments: ['/nonexistent/file'] })).rejects.toMatchObject({
      code: 'COMMAND_FAILED',
      message: expect.stringContaining('cat /nonexistent/file'),
    });
    await expect(commands.run({ command: 'no-such-program', arguments: [] })).rejects.toMatchObject({ code: 'COMMAND_MISSING' });
  });

  it('are found in the packages that k3s brought along, with their libraries, where the machine has none', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'packages-'));
    const before = process.env['XDG_CACHE_HOME'];
    process.env['XDG_CACHE_HOME'] = cache;
    try {
      const directory = debianCacheDirectory();
      const machine = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
      const libraries = join(directory, 'libk3stest1_1_all', 'usr/lib', machine);
      const program = join(directory, 'k3s-test-tool_1_all', 'usr/sbin', 'k3s-test-tool');
      await mkdir(libraries, { recursive: true });
      await writeFile(join(libraries, 'libk3stest.so.1'), '');
      await mkdir(dirname(program), { recursive: true });
      await writeFile(program, '#!/bin/sh\nprintf %s "$LD_LIBRARY_PATH"\n', { mode: 0o755 });
      const packages = ['k3s-test-tool', 'libk3stest1'].map(name => ({ name, version: '1', directory: `${name}_1_all` }));
      const manifest = { format: 1, architecture: debianArchitecture(), roots: ['k3s-test-tool'], packages };
      await writeFile(join(directory, 'packages.json'), JSON.stringify(manifest));
      const output = async (options?: HostCommandsOptions): Promise<string> =>
        (await new HostCommands(options).run({ command: 'k3s-test-tool', arguments: [] })).stdout;
      expect(await output()).toBe(libraries);
      // Where both have it, the host's goes first unless --prefer-bundled-bin says otherwise.
      const directories = [join(cache, 'host')];
      await mkdir(directories[0]!);
      await writeFile(join(directories[0]!, 'k3s-test-tool'), '#!/bin/sh\nprintf host\n', { mode: 0o755 });
      expect(await output({ directories })).toBe('host');
      expect(await output({ directories, preferBundledBin: true })).toBe(libraries);
    } finally {
      if (before === undefined) delete process.env['XDG_CACHE_HOME'];
      else process.env['XDG_CACHE_HOME'] = before;
      await rm(cache, { recursive: true });
    }
  });

  it('end when they are aborted', async () => {
    const controller = new AbortController();
    const run = commands.run({ command: 'sleep', arguments: ['60'], signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(run).rejects.toThrow('enough');
  });
});

describe('tools by their commands', () => {
  it('join changes of links in one batch, and let no word be two', async () => {
    const commands = new RecordingCommands();
    const links = new IpCommand(commands);
    await links.apply([
      ['link', 'set', 'eth0', 'up'],
      ['route', 'add', 'default', 'via', '192.0.2.1'],
    ]);
    await links.apply([]);
    expect(commands.requests).toEqual([
      { command: 'ip', arguments: ['-batch', '-'], input: 'link set eth0 up\nroute add default via 192.0.2.1\n' },
    ]);
    await expect(links.apply([['link', 'set', 'eth0\nlink delete eth0']])).rejects.toMatchObject({ code: 'LINK_CHANGE_INVALID' });
    await expect(links.routeTo('1.2.3.4; reboot')).rejects.toMatchObject({ code: 'LINK_CHANGE_INVALID' });
  });

  it('read links and routes', async () => {
    const commands = new RecordingCommands();
    commands.answers.set(
      'ip -j -d addr show',
      JSON.stringify([
        {},
        {
          ifname: 'flannel.1',
          ifindex: 5,
          mtu: 1450,
          flags: ['UP'],
          address: '02:00:00:00:00:01',
          linkinfo: { info_kind: 'vxlan', info_data: { id: 1 } },
          addr_info: [{ family: 'inet', local: '10.42.0.0', prefixlen: 32, scope: 'global' }],
        },
      ]),
    );
    commands.answers.set('ip -j -4 route show', JSON.stringify([{ dst: 'default', gateway: '192.0.2.1', dev: 'eth0' }]));
    const links = new IpCommand(commands);
    expect(await links.get('flannel.1')).toMatchObject({
      kind: 'vxlan',
      up: true,
      details: { id: 1 },
      addresses: [{ family: 'inet', address: '10.42.0.0', prefixLength: 32, scope: 'global' }],
    });
    expect(await links.get('eth9')).toBeUndefined();
    expect(await links.routes(4)).toMatchObject([{ destination: 'default', gateway: '192.0.2.1', link: 'eth0' }]);
  });

  it('apply nft scripts whole and read its JSON', async () => {
    const commands = new RecordingCommands();
    commands.answers.set(
      'nft --json list tables inet',
      '{"nftables":[{"metainfo":{}},{"table":{"family":"inet","name":"mine"}}]}',
    );
    const nftables = new NftCommand(commands);
    expect([await nftables.hasTable('inet', 'mine'), await nftables.hasTable('inet', 'other')]).toEqual([true, false]);
    await nftables.deleteTable('inet', 'mine');
    expect(commands.requests.at(-1)).toMatchObject({
      arguments: ['-f', '-'],
      input: 'add table inet mine\ndelete table inet mine\n',
    });
  });

  it('read kernel settings, and know no names that lead elsewhere', async () => {
    expect(await new ProcSysctl().read('kernel/ostype')).toBe('Linux');
    expect(await new ProcSysctl().write('net/ipv4/no_such_setting', '1')).toBe(false);
    for (const name of ['../etc/passwd', 'net/../../etc/passwd', '/etc/passwd', 'net']) {
      await expect(new ProcSysctl().read(name)).rejects.toMatchObject({ code: 'SYSCTL_INVALID' });
      await expect(new SysctlCommand(new RecordingCommands()).write(name, '1')).rejects.toMatchObject({ code: 'SYSCTL_INVALID' });
    }
  });

  it('forget flows one by one', async () => {
    const commands = new RecordingCommands();
    const flow = { family: 4 as const, source: '10.42.0.9', sourcePort: 4000, destination: '10.43.0.10', destinationPort: 53 };
    await new ConntrackCommand(commands).forget([{ ...flow, answerer: '10.42.0.5', answererPort: 53 }]);
    expect(commands.lines()).toEqual(['conntrack -D -f ipv4 -p udp -s 10.42.0.9 --sport 4000 -d 10.43.0.10 --dport 53']);
  });
});
