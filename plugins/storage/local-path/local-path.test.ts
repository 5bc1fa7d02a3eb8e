import { chmod, lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { FakeRecorder } from '../../../core/client/testing/fake-recorder.js';
import { FakeTransport } from '../../../core/client/testing/fake-transport.js';
import { commandMissing, RecordingCommands } from '../../../core/host/commands.js';
import { Client, produce, Resources, SharedInformerFactory, silentLogger } from '../../../core/plugin-api/index.js';
import type { ConfigMap, Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../core/plugin-api/index.js';
import { LocalPathProvisioner } from './local-path-provisioner.js';
import { basePaths, choosePath, parsePathConfig, settingsOf } from './path-config.js';
import { renderPathPattern } from './path-pattern.js';
import { HostProjectQuotas, mountOf, projectNumber } from './project-quota.js';

const plainMounts = '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n';

describe('local-path', () => {
  let directory: string;
  let storageDir: string;
  let clock: FakeClock;
  let client: Client;
  let recorder: FakeRecorder;
  let informers: SharedInformerFactory;
  let provisioner: LocalPathProvisioner;
  let commands: RecordingCommands;
  let transport: FakeTransport;

  const claims = () => client.resource(Resources.PersistentVolumeClaims, 'default');
  const volumes = () => client.resource(Resources.PersistentVolumes);

  const start = async (mounts = plainMounts): Promise<void> => {
    commands = new RecordingCommands();
    provisioner = new LocalPathProvisioner({
      client,
      informers,
      recorder,
      clock,
      logger: silentLogger,
      nodeName: 'node-1',
      isServer: true,
      storageDir,
      quotas: new HostProjectQuotas(commands, async () => mounts),
    });
    provisioner.start();
    informers.start();
    await quiet();
  };
  /** Until the provisioner has nothing left to do; the events that its writes cause come some turns later. */
  const quiet = async (): Promise<void> => {
    for (let calm = 0; calm < 20;) {
      await new Promise(resolve => setImmediate(resolve));
      calm = provisioner?.idle === false ? 0 : calm + 1;
    }
  };
  const createClass = (name: string, extra: object = {}, metadata: object = {}) =>
    client.resource(Resources.StorageClasses).create({
      metadata: { name, ...metadata },
      provisioner: 'rancher.io/local-path',
      volumeBindingMode: 'WaitForFirstConsumer',
      reclaimPolicy: 'Delete',
      ...extra,
    } as unknown as StorageClass);
  const createClaim = async (name: string, spec: object = {}, annotations: object = {}) => {
    const claim = await claims().create({
      metadata: {
        name,
        annotations: {
          'volume.kubernetes.io/storage-provisioner': 'rancher.io/local-path',
          'volume.kubernetes.io/selected-node': 'node-1',
          ...annotations,
        },
      },
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: '1Gi' } },
        storageClassName: 'local-path',
        ...spec,
      },
    } as unknown as PersistentVolumeClaim);
    await quiet();
    return claim;
  };
  const setConfig = async (text: string) => {
    await client.resource(Resources.ConfigMaps, 'kube-system').create({
      metadata: { name: 'local-path-config' },
      data: { 'config.json': text },
    } as unknown as ConfigMap);
    await quiet();
  };
  const release = async (volume: PersistentVolume) => {
    await volumes().updateStatus(
      volume.metadata.name,
      produce(volume, draft => void (draft.status = { phase: 'Released' })),
    );
    await quiet();
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'local-path-'));
    storageDir = join(directory, 'storage');
    clock = new FakeClock();
    transport = new FakeTransport(clock);
    client = new Client(transport, { name: 'tester', groups: [] });
    recorder = new FakeRecorder();
    informers = new SharedInformerFactory({ client, clock, logger: silentLogger });
    await client.resource(Resources.Nodes).create({
      metadata: { name: 'node-1', labels: { 'kubernetes.io/hostname': 'host-1' } },
    } as unknown as Node);
    await createClass('local-path', {}, { annotations: { defaultVolumeType: 'local' } });
  });
  afterEach(async () => {
    await provisioner?.stop();
    await informers.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('makes the directory and the volume of a claim that was given this node, and says that its size is not enforced', async () => {
    await start();
    const claim = await createClaim('data');
    const name = `pvc-${claim.metadata.uid}`;
    const path = join(storageDir, `${name}_default_data`);
    const stats = await lstat(path);
    expect(stats.isDirectory()).toBe(true);
    expect(stats.mode & 0o777).toBe(0o777);
    expect((await lstat(storageDir)).mode & 0o777).toBe(0o700);
    expect(await volumes().get(name)).toMatchObject({
      metadata: {
        annotations: {
          'pv.kubernetes.io/provisioned-by': 'rancher.io/local-path',
          'local.path.provisioner/selected-node': 'node-1',
        },
      },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        claimRef: { kind: 'PersistentVolumeClaim', namespace: 'default', name: 'data', uid: claim.metadata.uid },
        persistentVolumeReclaimPolicy: 'Delete',
        storageClassName: 'local-path',
        volumeMode: 'Filesystem',
        local: { path },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['host-1'] }] }],
          },
        },
      },
    });
    expect(recorder.lines()).toEqual([
      'Provisioning External provisioner is provisioning volume for claim "default/data"',
      'SizeNotEnforced The size 1Gi is not enforced: / (ext4) is not mounted with the option prjquota',
      `ProvisioningSucceeded Successfully provisioned volume ${name}`,
    ]);
  });

  it('leaves claims of other nodes, other provisioners and waiting claims alone', async () => {
    await start();
    await createClaim('elsewhere', {}, { 'volume.kubernetes.io/selected-node': 'node-2' });
    await createClaim('foreign', {}, { 'volume.kubernetes.io/storage-provisioner': 'other.io/disk' });
    await createClaim('waiting', {}, { 'volume.kubernetes.io/selected-node': '' });
    await createClaim('bound', { volumeName: 'pv' });
    expect(await volumes().objects()).toEqual([]);
    expect(recorder.events).toEqual([]);
  });

  it('removes directory and volume on release, and only with policy Delete', async () => {
    await start();
    await createClass('keep', { reclaimPolicy: 'Retain' });
    await createClaim('data', {}, { volumeType: 'hostPath' });
    await createClaim('kept', { storageClassName: 'keep' });
    const all = await volumes().objects();
    for (const volume of all) {
      expect(volume.spec.hostPath?.type).toBe('DirectoryOrCreate');
      await writeFile(join(volume.spec.hostPath!.path, 'file'), 'x');
      await release(volume);
    }
    expect((await volumes().objects()).map(volume => volume.spec.claimRef?.name)).toEqual(['kept']);
    expect((await readdir(storageDir)).map(name => name.split('_')[2])).toEqual(['kept']);
  });

  it('never removes what lies outside of its folders, by path or by link', async () => {
    await start();
    const outside = join(directory, 'outside');
    await mkdir(join(outside, 'precious'), { recursive: true });
    await mkdir(storageDir, { recursive: true });
    await symlink(outside, join(storageDir, 'link'));
    const forge = async (name: string, path: string) => {
      const volume = await volumes().create({
        metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': 'rancher.io/local-path' } },
        spec: {
          persistentVolumeReclaimPolicy: 'Delete',
          hostPath: { path },
          nodeAffinity: {
            required: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['host-1'] }] }],
            },
          },
        },
      } as unknown as PersistentVolume);
      await release(volume);
    };
    await forge('a', join(outside, 'precious'));
    await forge('b', join(storageDir, 'link', 'precious'));
    await forge('c', `${storageDir}/../outside/precious`);
    await forge('d', storageDir);
    expect(await readdir(outside)).toEqual(['precious']);
    expect(await readdir(storageDir)).toEqual(['link']);
    expect((await volumes().objects()).length).toBe(4);
    expect(recorder.lines('VolumeFailedDelete').length).toBeGreaterThanOrEqual(4);
  });

  it('refuses what a directory cannot give, and tries again later', async () => {
    await start();
    const claim = await createClaim('shared', { accessModes: ['ReadWriteMany'] });
    expect(recorder.lines('ProvisioningFailed')).toEqual([
      'ProvisioningFailed failed to provision volume with StorageClass "local-path": NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes',
    ]);
    await createClaim('block', { volumeMode: 'Block' });
    expect(recorder.lines('ProvisioningFailed').at(-1)).toContain('does not support block volume provisioning');
    await claims().delete('block');
    // The administrator gives a folder that all nodes see.
    await setConfig(JSON.stringify({ sharedFileSystemPath: join(directory, 'shared') }));
    const volume = await volumes().get(`pvc-${claim.metadata.uid}`);
    expect(volume.spec.nodeAffinity).toBeUndefined();
    expect(volume.spec.local?.path).toBe(join(directory, 'shared', `pvc-${claim.metadata.uid}_default_shared`));
    await release(volume);
    expect(await readdir(join(directory, 'shared'))).toEqual([]);
  });

  it('honours the folders of the ConfigMap, and keeps the old ones when it is broken', async () => {
    await start();
    await setConfig('{');
    expect(recorder.lines('InvalidConfiguration')).toHaveLength(1);
    const text = JSON.stringify({ nodePathMap: [{ node: 'node-1', paths: [join(directory, 'a'), join(directory, 'b')] }] });
    const maps = client.resource(Resources.ConfigMaps, 'kube-system');
    await maps.patch('local-path-config', 'merge', { data: { 'config.json': text } });
    await quiet();
    await createClass('on-b', {
      parameters: { nodePath: join(directory, 'b'), pathPattern: '{{ .PVC.Namespace }}/{{ .PVC.Name }}' },
    });
    await createClaim('data', { storageClassName: 'on-b' });
    expect((await volumes().objects())[0]!.spec.hostPath?.path).toBe(join(directory, 'b', 'default', 'data'));
    await createClass('on-c', { parameters: { nodePath: join(directory, 'c') } });
    await createClaim('other', { storageClassName: 'on-c' });
    expect(recorder.lines('ProvisioningFailed')[0]).toContain(
      `config doesn't contain path ${join(directory, 'c')} on node node-1`,
    );
  });

  it('serves a class with a parameter that it does not know, and says so once', async () => {
    await start();
    await createClass('typo', { parameters: { nodepath: '/x' } });
    transport.reactors.push(action => {
      if (action.verb === 'create' && action.resource === 'persistentvolumes') throw new Error('the server is away');
    });
    await createClaim('data', { storageClassName: 'typo' });
    transport.reactors.length = 0;
    await clock.advance(15_000);
    await quiet();
    expect(await volumes().objects()).toHaveLength(1);
    expect(recorder.lines('UnknownParameter')).toEqual([
      'UnknownParameter Parameters of the StorageClass without effect: nodepath; there are nodePath, pathPattern, allowUnsafePathPattern',
    ]);
  });

  it('enforces the size where the file system has project quotas', async () => {
    await start(`${plainMounts}30 22 8:2 / ${directory} rw - xfs /dev/sdb rw,prjquota\n`);
    const claim = await createClaim('data');
    expect(recorder.lines('SizeNotEnforced')).toEqual([]);
    const project = String(projectNumber(claim.metadata.uid!, new Set()));
    const [volume] = await volumes().objects();
    expect(volume!.metadata.annotations?.['local.path.provisioner/quota-project']).toBe(project);
    expect(commands.lines()).toEqual([
      `setquota -P ${project} 1048576 1048576 0 0 ${directory}`,
      `chattr -p ${project} +P ${volume!.spec.local?.path}`,
    ]);
    await release(volume!);
    expect(commands.lines().at(-1)).toBe(`setquota -P ${project} 0 0 0 0 ${directory}`);
  });

  it('names the package of a program that is missing, once, and provisions all the same', async () => {
    await start(`${plainMounts}30 22 8:2 / ${directory} rw - ext4 /dev/sdb rw,prjquota\n`);
    jest.spyOn(commands, 'run').mockImplementation(async ({ command }) => {
      throw commandMissing(command);
    });
    const claim = await createClaim('data');
    expect(claim.spec.volumeName ?? (await volumes().objects())[0]!.metadata.name).toBe(`pvc-${claim.metadata.uid}`);
    expect(recorder.lines('SizeNotEnforced')).toEqual([
      'SizeNotEnforced The size 1Gi is not enforced: the program setquota is not on this machine: install the package quota (apt-get install quota)',
    ]);
    const [volume] = await volumes().objects();
    expect(volume!.metadata.annotations?.['local.path.provisioner/quota-project']).toBeUndefined();
  });

  it('leaves no directory behind when the volume cannot be written', async () => {
    await start();
    await mkdir(storageDir, { recursive: true });
    await chmod(storageDir, 0o700);
    transport.reactors.push(action => {
      if (action.verb === 'create' && action.resource === 'persistentvolumes') throw new Error('the server is away');
    });
    const claim = await createClaim('data');
    expect(await readdir(storageDir)).toEqual([]);
    transport.reactors.length = 0;
    await clock.advance(15_000);
    await quiet();
    expect((await volumes().objects()).map(volume => volume.metadata.name)).toEqual([`pvc-${claim.metadata.uid}`]);
    expect(recorder.lines('SizeNotEnforced')).toHaveLength(1);
  });
});

describe('path settings', () => {
  const facts = {
    volumeName: 'pvc-1',
    namespace: 'ns',
    name: 'data',
    uid: '1',
    labels: { app: 'web' },
    annotations: { up: '../..' },
  };

  it('render patterns without ever leaving the folder', () => {
    expect(renderPathPattern('{{ .PVC.Namespace }}/{{ .PVC.Name }}/{{.PVC.Labels.app}}/', facts, false)).toBe('ns/data/web');
    expect(renderPathPattern('x/{{ .PVName }}-{{ index .PVC.Labels "app" }}', facts, true)).toBe('x/pvc-1-web');
    for (const [pattern, unsafe] of [
      ['{{ .PVC.Name }}', false],
      ['{{ .PVC.Namespace }}/{{ .PVC.Name }}/{{ .PVC.Annotations.up }}', false],
      ['{{ .PVC.Annotations.up }}', true],
      ['/etc', true],
      ['../x', true],
      ['.', true],
      ['{{ printf "x" }}', true],
    ] as const) {
      expect(() => renderPathPattern(pattern, facts, unsafe)).toThrow(/pathPattern/);
    }
  });

  it('are read strictly, by class first', () => {
    const config = parsePathConfig(
      JSON.stringify({
        nodePathMap: [{ node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: ['/opt/a/'] }],
        storageClassConfigs: { nfs: { sharedFileSystemPath: '/nfs' } },
      }),
    );
    const first = (paths: readonly string[]) => paths[0]!;
    expect(choosePath(settingsOf(config, 'local-path'), 'n', undefined, first)).toBe('/opt/a');
    expect(choosePath(settingsOf(config, 'nfs'), 'n', undefined, first)).toBe('/nfs');
    expect(basePaths(config, 'n')).toEqual(['/opt/a', '/nfs']);
    for (const bad of [
      '[]',
      '{"nodePathMap":[{"node":"a","paths":["x"]}]}',
      '{"nodePathMap":[{"node":"a","paths":["/a/.."]}]}',
    ]) {
      expect(() => parsePathConfig(bad)).toThrow();
    }
  });

  it('find the mount of a path and numbers that are free', () => {
    const mounts = `${plainMounts}30 22 8:2 / /my\\040disk rw,nosuid - xfs /dev/sdb rw,pquota\n`;
    expect(mountOf(mounts, '/my disk/x')).toMatchObject({ mountPoint: '/my disk', type: 'xfs', source: '/dev/sdb' });
    expect(mountOf(mounts, '/my disks')).toMatchObject({ mountPoint: '/' });
    const number = projectNumber('uid', new Set());
    expect(projectNumber('uid', new Set([number]))).toBe(number + 1);
  });
});
