import { describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordingCgroups, SplitCgroups, UnifiedCgroups, cpuWeight, hostCgroups, parseCgroupMounts } from './cgroups.js';

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'cgroups-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const read = (...parts: string[]): Promise<string> => readFile(join(...parts), 'utf8');

describe('cgroups of version 1', () => {
  it('finds the hierarchies, also those that hold several controllers', () => {
    const text = [
      'tmpfs /sys/fs/cgroup tmpfs rw 0 0',
      'cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0',
      'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0',
      'cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0',
      'cgroup /elsewhere/pids cgroup rw,pids 0 0',
    ].join('\n');
    const { controllers, directories } = parseCgroupMounts(text);
    expect(controllers.get('cpu')).toBe('/sys/fs/cgroup/cpu,cpuacct');
    expect(controllers.get('memory')).toBe('/sys/fs/cgroup/memory');
    expect(controllers.has('pids')).toBe(false);
    expect(directories).toHaveLength(3);
  });

  it('writes limits where their controller is, and removes a group from all hierarchies', () =>
    inFolder(async folder => {
      const [cpu, memory, pids] = ['cpu', 'memory', 'pids'].map(name => join(folder, name)) as [string, string, string];
      const cgroups = new SplitCgroups({ controllers: new Map([['cpu', cpu], ['memory', memory]]), directories: [cpu, memory, pids] }); // prettier-ignore
      await cgroups.ensure('/kubepods/a', { cpuShares: 512, cpuPeriodMicros: 100_000, cpuQuotaMicros: -1, memoryBytes: 4096, pids: 7 }); // prettier-ignore
      // Not every machine has this controller.
      expect((await readdir(folder)).sort()).toEqual(['cpu', 'memory']);
      const controllers = new Map([['cpu', cpu], ['memory', memory], ['pids', pids]]); // prettier-ignore
      await new SplitCgroups({ controllers, directories: [] }).ensure('/kubepods/a', { pids: 7 });
      expect(await read(pids, 'kubepods/a/pids.max')).toBe('7');
      expect(await read(cpu, 'kubepods/a/cpu.shares')).toBe('512');
      expect(await read(cpu, 'kubepods/a/cpu.cfs_quota_us')).toBe('-1');
      expect(await read(memory, 'kubepods/a/memory.limit_in_bytes')).toBe('4096');
      await mkdir(join(pids, 'kubepods/b/container'), { recursive: true });
      expect((await cgroups.children('/kubepods')).sort()).toEqual(['a', 'b']);
      await cgroups.remove('/kubepods/b');
      expect(await cgroups.offers('/kubepods/a', 'memory.limit_in_bytes')).toBe(true);
      expect(await cgroups.offers('/kubepods/b', 'memory.limit_in_bytes')).toBe(false);
      expect(await cgroups.children('/kubepods')).toEqual(['a']);
      await writeFile(join(cpu, 'kubepods/cgroup.procs'), '7\n');
      await writeFile(join(cpu, 'kubepods/a/cgroup.procs'), '8\n9\n');
      expect(await cgroups.processes('/kubepods')).toEqual([7, 8, 9]);
      expect(await cgroups.processes('/none')).toEqual([]);
      for (const group of ['kubepods', 'kubepods/a']) await rm(join(cpu, group, 'cgroup.procs'));
      await cgroups.remove('/kubepods/b');
    }));
});

describe('cgroups of version 2', () => {
  it('is told by its file', () =>
    inFolder(async folder => {
      await expect(hostCgroups(folder)).rejects.toMatchObject({ code: 'CGROUP_MISSING' });
      await writeFile(join(folder, 'cgroup.controllers'), 'cpu memory\n');
      const cgroups = await hostCgroups(folder);
      expect(cgroups.version).toBe(2);
      await mkdir(join(folder, 'pods'));
      await writeFile(join(folder, 'pods/cgroup.procs'), '7\n');
      expect(await cgroups.processes('/pods')).toEqual([7]);
    }));

  it('delegates the controllers on the way down and writes its own files', () =>
    inFolder(async folder => {
      await writeFile(join(folder, 'cgroup.controllers'), 'cpuset cpu io memory misc\n');
      await writeFile(join(folder, 'cgroup.subtree_control'), 'cpu\n');
      const cgroups = new UnifiedCgroups(folder);
      await cgroups.ensure('/kubepods/a', { cpuShares: 1024, cpuPeriodMicros: 100_000, cpuQuotaMicros: 50_000, memoryBytes: -1, pids: 7 }); // prettier-ignore
      expect(await read(folder, 'cgroup.subtree_control')).toBe('+cpuset +io +memory');
      expect(await read(folder, 'kubepods/a/cpu.weight')).toBe('100');
      expect(await read(folder, 'kubepods/a/cpu.max')).toBe('50000 100000');
      expect(await read(folder, 'kubepods/a/memory.max')).toBe('max');
      expect(await read(folder, 'kubepods/a/pids.max')).toBe('7');
      await writeFile(join(folder, 'kubepods/a/memory.current'), '1000');
      await writeFile(join(folder, 'kubepods/a/memory.stat'), 'anon 5\ninactive_file 300\n');
      expect(await cgroups.memoryWorkingSetBytes('/kubepods/a')).toBe(700);
      expect(await cgroups.memoryWorkingSetBytes('/kubepods/b')).toBeUndefined();
      expect(await cgroups.offers('/kubepods/a', 'memory.stat')).toBe(true);
      expect(await cgroups.offers('/kubepods/a', 'memory.swap.max')).toBe(false);
    }));

  it('turns shares into weights', () => {
    expect([0, 2, 1024, 262_144].map(cpuWeight)).toEqual([1, 1, 100, 10_000]);
  });

  it('never leaves the tree', () =>
    inFolder(async folder => {
      const cgroups = new UnifiedCgroups(join(folder, 'root'));
      for (const path of ['/', '', 'a', '/a/../..', '/a//b']) {
        await expect(cgroups.remove(path)).rejects.toMatchObject({ code: 'CGROUP_INVALID' });
      }
      expect(await readdir(folder)).toEqual([]);
    }));
});

describe('the recording form', () => {
  it('removes what lies below', async () => {
    const cgroups = new RecordingCgroups();
    await cgroups.ensure('/a', {});
    await cgroups.ensure('/a/b', {});
    await cgroups.ensure('/ab', {});
    cgroups.busy.add('/a');
    await expect(cgroups.remove('/a')).rejects.toMatchObject({ code: 'CGROUP_BUSY' });
    await cgroups.remove('/a');
    expect([...cgroups.groups.keys()]).toEqual(['/ab']);
  });
});
