import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ContainerSpec } from '../../../core/plugin-api/index.js';
import { resolvesCdi, withCdiDevices } from './cdi-devices.js';

describe('devices of the Container Device Interface, for a containerd without', () => {
  let root: string;
  let directories: string[];

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'cdi-'));
    directories = [join(root, 'etc'), join(root, 'run')];
    await mkdir(join(root, 'run'));
  });

  afterEach(() => rm(root, { recursive: true }));

  const spec = (...cdiDevices: string[]): ContainerSpec =>
    ({
      environment: [
        { name: 'A', value: 'own' },
        { name: 'B', value: 'own' },
      ],
      mounts: [],
      devices: [],
      security: { supplementalGroups: [7] },
      cdiDevices,
    }) as unknown as ContainerSpec;

  const write = (name: string, definition: object | string): Promise<void> =>
    writeFile(join(root, 'run', name), typeof definition === 'string' ? definition : JSON.stringify(definition));

  const plain = (name: string, value: string): object => ({
    kind: 'a.com/x',
    devices: [{ name, containerEdits: { env: [`A=${value}`] } }],
  });

  it('become what CRI has words for, with what all of a file share but once', async () => {
    await write(
      'gpu.yaml',
      `cdiVersion: 0.5.0
kind: example.com/gpu
containerEdits:
  env: [A=shared]
  mounts:
  - {hostPath: /opt/lib, containerPath: /lib, options: [ro, nosuid, rslave]}
  - {hostPath: /opt/data, containerPath: /data, type: bind, options: [rshared]}
  hooks: []
devices:
- name: "0"
  containerEdits:
    deviceNodes: [{path: /dev/gpu0}, {path: /dev/ctl, hostPath: /dev/gpuctl, permissions: r}]
    additionalGids: [44, 0]
- {name: "1", containerEdits: {env: [C]}}
`,
    );
    expect(await withCdiDevices(spec('example.com/gpu=0', 'example.com/gpu=1'), directories)).toEqual({
      environment: [
        { name: 'A', value: 'shared' },
        { name: 'B', value: 'own' },
        { name: 'C', value: '' },
      ],
      mounts: [
        { hostPath: '/opt/lib', containerPath: '/lib', readOnly: true, propagation: 'host-to-container' },
        { hostPath: '/opt/data', containerPath: '/data', readOnly: false, propagation: 'bidirectional' },
      ],
      devices: [
        { containerPath: '/dev/gpu0', hostPath: '/dev/gpu0', permissions: 'rwm' },
        { containerPath: '/dev/ctl', hostPath: '/dev/gpuctl', permissions: 'r' },
      ],
      security: { supplementalGroups: [7, 44] },
      cdiDevices: [],
    });
  });

  it('are taken from the later folder, and from none when a folder has them twice', async () => {
    await mkdir(join(root, 'etc'));
    await writeFile(join(root, 'etc', 'x.json'), JSON.stringify(plain('1', 'of etc')));
    const value = async (): Promise<string> => (await withCdiDevices(spec('a.com/x=1'), directories)).environment[0]!.value;
    expect(await value()).toBe('of etc');
    await write('x.json', plain('1', 'of run'));
    expect(await value()).toBe('of run');
    await write('y.json', plain('1', 'of another'));
    await expect(value()).rejects.toThrow(/unresolvable CDI devices a\.com\/x=1 \(a\.com\/x=1 is defined twice in /);
  });

  it('that are not defined fail the container, with what is wrong with the files', async () => {
    await write('ignored.txt', '{');
    await write('x.json', '{"kind": 1}');
    await write('y.json', { kind: 'a.com/x', devices: [{}] });
    await expect(withCdiDevices(spec('a.com/x=1', 'a.com/x=2'), directories)).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
      message: `CDI device injection failed: unresolvable CDI devices a.com/x=1, a.com/x=2 (${root}/run/x.json: it is no definition of devices; ${root}/run/y.json: a device has no name)`,
    });
  });

  it.each([
    [
      'hooks',
      { hooks: [{ hookName: 'createContainer', path: '/bin/x' }] },
      /a\.com\/x=1 has hooks, for which this containerd is too old$/,
    ],
    ['a mount of another type', { mounts: [{ hostPath: 'x', containerPath: '/x', type: 'tmpfs' }] }, /has a mount of type tmpfs/],
  ])('with %s fail it too', async (_name, containerEdits, message) => {
    await write('x.json', { kind: 'a.com/x', devices: [{ name: '1', containerEdits }] });
    await expect(withCdiDevices(spec('a.com/x=1'), directories)).rejects.toThrow(message);
  });

  it('are nothing to read for a container without', async () => {
    const own = spec();
    expect(await withCdiDevices(own, ['/nowhere\0'])).toBe(own);
  });

  it.each([
    ['1.6.20~ds1', false],
    ['1.7.24', true],
    ['2.1.9', true],
    ['', false],
  ])('are left to containerd %s: %s', (version, expected) => expect(resolvesCdi(version)).toBe(expected));
});
