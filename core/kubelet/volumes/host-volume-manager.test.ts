import { chmod, chown, lstat, mkdir, readFile, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigMaps, PersistentVolumeClaims, PersistentVolumes, Secrets } from '../../api/generated/resources.js';
import type { Container, EmptyDirVolumeSource, HostPathVolumeSource, Pod, PodSpec, Volume } from '../../api/generated/types.js';
import { CodedError } from '../../base/errors.js';
import { VolumeFixture, listing, modeOf, podWith } from './testing/volume-fixture.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const asRoot = process.getuid?.() === 0 ? it : it.skip;
const optional = true;

describe('HostVolumeManager', () => {
  let fixture: VolumeFixture;
  beforeEach(async () => void (fixture = await VolumeFixture.create()));
  afterEach(() => fixture.dispose());

  const path = (plugin: string): string => join(fixture.directory, `kubelet/pods/u1/volumes/kubernetes.io~${plugin}/v`);
  const failure = (pod: Pod): Promise<string> =>
    fixture.manager.mount(pod).then(
      () => 'none',
      () => fixture.recorder.lines('FailedMount').at(-1)!.replace('FailedMount MountVolume.SetUp failed for volume "v" : ', ''),
    );
  const configMap = (data: Record<string, string>) => fixture.add(ConfigMaps, 'm', { data });
  const change = (data: Record<string, string | null>) =>
    fixture.client.resource(ConfigMaps, 'default').patch('m', 'merge', { data });

  describe('volumes made of API objects', () => {
    const contents: [string, Omit<Volume, 'name'>, string[]][] = [
      ['a config map', { configMap: { name: 'm' } }, ['bin 644 raw', 'k 644 one', 'l 644 two']],
      ['with a mode', { configMap: { name: 'm', defaultMode: 0o400 } }, ['bin 400 raw', 'k 400 one', 'l 400 two']],
      [
        'items with paths and modes',
        {
          configMap: {
            name: 'm',
            items: [
              { key: 'k', path: 'a/b' },
              { key: 'bin', path: 'c', mode: 0o444 },
            ],
            defaultMode: 0o640,
          },
        },
        ['a/ 755', 'a/b 640 one', 'c 444 raw'],
      ],
      ['a secret', { secret: { secretName: 's', defaultMode: 0o600 } }, ['user 600 root']],
      ['an optional one that is not there', { configMap: { name: 'gone', optional } }, []],
      ['an optional key that is not there', { secret: { secretName: 's', optional, items: [{ key: 'x', path: 'x' }] } }, []],
      [
        'the downward API',
        {
          downwardAPI: {
            items: [
              { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
              { path: 'deep/name', fieldRef: { fieldPath: 'metadata.name' }, mode: 0o400 },
              { path: 'cpu', resourceFieldRef: { containerName: 'main', resource: 'limits.cpu', divisor: '1' } },
            ],
          },
        },
        ['cpu 644 4', 'deep/ 755', 'deep/name 400 web', 'labels 644 app="web"'],
      ],
      [
        'several sources in one',
        {
          projected: {
            defaultMode: 0o440,
            sources: [
              { configMap: { name: 'm', items: [{ key: 'k', path: 'k', mode: 0o444 }] } },
              { secret: { name: 's' } },
              { downwardAPI: { items: [{ path: 'uid', fieldRef: { fieldPath: 'metadata.uid' } }] } },
              { serviceAccountToken: { path: 'token', expirationSeconds: 600 } },
              { secret: { name: 'gone', optional } },
            ],
          },
        },
        ['k 444 one', 'token 440 token-1', 'uid 440 u1', 'user 440 root'],
      ],
    ];
    it.each(contents)('%s', async (_name, volume, expected) => {
      await fixture.add(ConfigMaps, 'm', { data: { k: 'one', l: 'two' }, binaryData: { bin: base64('raw') }, immutable: true });
      await fixture.add(Secrets, 's', { data: { user: base64('root') } });
      const mount = await fixture.mounted(podWith(volume, { metadata: { labels: { app: 'web' } } }));
      expect(await listing(mount.hostPath)).toEqual(expected);
      expect(mount).toMatchObject({ containerPath: '/v', readOnly: true, propagation: 'private' });
    });

    const faults: [string, Omit<Volume, 'name'>, string][] = [
      ['a config map', { configMap: { name: 'gone' } }, 'configmaps "gone" not found'],
      ['a secret', { secret: { secretName: 'gone' } }, 'secrets "gone" not found'],
      [
        'a key of a config map',
        { configMap: { name: 'm', items: [{ key: 'x', path: 'x' }] } },
        'configmap references non-existent config key: x',
      ],
      [
        'a key of a secret',
        { projected: { sources: [{ secret: { name: 's', items: [{ key: 'x', path: 'x' }] } }] } },
        'references non-existent secret key: x',
      ],
      [
        'a path out of the volume',
        { configMap: { name: 'm', items: [{ key: 'k', path: 'a/../../x' }] } },
        'invalid path "a/../../x" in a volume',
      ],
      [
        'trust bundles',
        { projected: { sources: [{ clusterTrustBundle: { path: 'x', name: 'b' } }] } },
        'projected sources of kind clusterTrustBundle are not supported',
      ],
      [
        'certificates of pods',
        { projected: { sources: [{ podCertificate: { signerName: 'a/b', keyType: 'ED25519' } }] } } as Omit<Volume, 'name'>,
        'projected sources of kind podCertificate are not supported',
      ],
      ['network file systems', { nfs: { server: 's', path: '/' } }, 'volumes of kind nfs are not supported'],
    ];
    it.each(faults)('refuse what is missing or not supported: %s', async (_name, volume, message) => {
      await configMap({ k: 'one' });
      await fixture.add(Secrets, 's', { data: {} });
      expect(await failure(podWith(volume))).toBe(message);
    });

    it('that no container mounts are not looked at', async () => {
      const pod = podWith({ configMap: { name: 'gone' } });
      await fixture.manager.mount({ ...pod, spec: { ...pod.spec, containers: [{ name: 'main' }] } } as Pod);
      expect(fixture.recorder.lines()).toEqual([]);
    });

    it('change as a whole, and keep what is mounted in them', async () => {
      await configMap({ k: 'one', old: 'x' });
      const pod = podWith({ configMap: { name: 'm' } });
      const inner = { name: 'w', mountPath: '/v/below/deep' };
      pod.spec.volumes!.push({ name: 'w', emptyDir: {} });
      pod.spec.containers[0]!.volumeMounts!.push(inner, { ...inner, mountPath: '/v/below/deep/deeper' });
      const { hostPath } = await fixture.mounted(pod);
      expect(await listing(hostPath)).toEqual(['below/ 755', 'below/deep/ 755', 'k 644 one', 'old 644 x']);
      const before = await readlink(join(hostPath, '..data'));
      await fixture.manager.mount(pod);
      expect(await readlink(join(hostPath, '..data'))).toBe(before);
      await change({ k: 'two', old: null, new: 'y' });
      await fixture.manager.mount(pod);
      expect(await listing(hostPath)).toEqual(['below/ 755', 'below/deep/ 755', 'k 644 two', 'new 644 y']);
      expect(await readlink(join(hostPath, 'k'))).toBe('..data/k');
      expect((await readdir(hostPath)).filter(name => name.startsWith('..'))).toHaveLength(2);
    });

    it('show labels that have changed', async () => {
      const volume = { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } };
      const { hostPath } = await fixture.mounted(podWith(volume, { metadata: { labels: { a: '1' } } }));
      await fixture.manager.mount(podWith(volume, { metadata: { labels: { a: '2' } } }));
      expect(await listing(hostPath)).toEqual(['labels 644 a="2"']);
    });

    it('touch nothing while nothing changes', async () => {
      await configMap({ k: 'one' });
      const pod = podWith({ configMap: { name: 'm' } });
      const { hostPath } = await fixture.mounted(pod);
      await rm(join(hostPath, 'k'));
      await chmod(hostPath, 0o700);
      await fixture.manager.mount(pod);
      expect(await listing(hostPath)).toEqual([]);
      expect(await modeOf(hostPath)).toBe('700');
      // What was lost is mended by the next kubelet.
      fixture.manager = fixture.newManager();
      await fixture.manager.mount(pod);
      expect(await listing(hostPath)).toEqual(['k 644 one']);
    });

    it.each([false, true])('stay as they were when their object goes (after a restart: %s)', async restarted => {
      await configMap({ k: 'one' });
      const pod = podWith({ configMap: { name: 'm' } });
      const { hostPath } = await fixture.mounted(pod);
      await fixture.client.resource(ConfigMaps, 'default').delete('m');
      if (restarted) {
        await fixture.manager.stop();
        fixture.manager = fixture.newManager();
      }
      await fixture.manager.mount(pod);
      expect(fixture.recorder.lines('FailedMount')).toHaveLength(1);
      expect((await fixture.mounted(pod)).hostPath).toBe(hostPath);
      expect(await listing(hostPath)).toEqual(['k 644 one']);
      // Asked for again after a while.
      await fixture.clock.advance(60_000);
      expect(fixture.woken).toEqual(['u1']);
      await configMap({ k: 'two' });
      await fixture.manager.mount(pod);
      expect(await listing(hostPath)).toEqual(['k 644 two']);
    });

    it('come and go with optional objects, as soon as these do', async () => {
      const pod = podWith({ configMap: { name: 'm', optional } });
      const woken = async (): Promise<void> => {
        fixture.woken.length = 0;
        for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve));
      };
      fixture.manager.register(pod);
      const { hostPath } = await fixture.mounted(pod);
      const states: [() => Promise<unknown>, string[]][] = [
        [() => configMap({ k: 'one' }), ['k 644 one']],
        [() => change({ k: 'two' }), ['k 644 two']],
        [() => fixture.client.resource(ConfigMaps, 'default').delete('m'), []],
      ];
      for (const [act, expected] of states) {
        const seen = woken();
        await act();
        await seen;
        expect(fixture.woken).toEqual(['u1']);
        await fixture.manager.mount(pod);
        expect(await listing(hostPath)).toEqual(expected);
      }
    });

    it('lie in memory, all but config maps', async () => {
      await configMap({});
      await fixture.add(Secrets, 's', {});
      await fixture.manager.mount(podWith({ configMap: { name: 'm' } }));
      expect(fixture.mounts.lines).toEqual([]);
      const volumes: [string, Omit<Volume, 'name'>][] = [
        ['secret', { secret: { secretName: 's' } }],
        ['projected', { projected: { sources: [] } }],
        ['downward-api', { downwardAPI: { items: [] } }],
      ];
      for (const [plugin, volume] of volumes) {
        await fixture.manager.unmount('u1');
        fixture.mounts.lines.length = 0;
        await fixture.manager.mount(podWith(volume));
        await fixture.manager.mount(podWith(volume));
        expect(fixture.mounts.lines).toHaveLength(1);
        expect(fixture.mounts.lines[0]).toMatch(/^mount -t tmpfs -o size=1073741824(,noswap)? tmpfs \//);
        expect(fixture.mounts.points).toEqual([path(plugin)]);
      }
      await fixture.manager.unmount('u1');
      expect(fixture.mounts.points).toEqual([]);
      expect(await fixture.manager.podUids()).toEqual([]);
    });
  });

  describe('tokens', () => {
    const token = (expirationSeconds: number) => ({
      projected: {
        defaultMode: 0o644,
        sources: [{ serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds } }],
      },
    });
    const user = (runAsUser: number) => ({ securityContext: { runAsUser } });

    it('are bound to the pod, and renewed when four fifths of their life are over', async () => {
      const pod = podWith(token(1000), { serviceAccountName: 'robot' });
      const { hostPath } = await fixture.mounted(pod);
      expect(fixture.transport.requests[0]!.spec).toEqual({
        audiences: ['vault'],
        expirationSeconds: 1000,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'u1' },
      });
      await fixture.clock.advance(799_000);
      await fixture.manager.mount(pod);
      expect(fixture.woken).toEqual([]);
      await fixture.clock.advance(1000);
      expect(fixture.woken).toEqual(['u1']);
      await fixture.manager.mount(pod);
      expect(await listing(hostPath)).toEqual(['token 644 token-2']);
    });

    it('outlive an API that does not answer, until they expire', async () => {
      const pod = podWith(token(1000));
      const { hostPath } = await fixture.mounted(pod);
      fixture.transport.reactors.push(() => {
        throw new CodedError('ECONNREFUSED', 'no answer');
      });
      await fixture.clock.advance(800_000);
      await fixture.manager.mount(pod);
      expect(fixture.recorder.lines()).toEqual([]);
      await fixture.clock.advance(59_000);
      expect(fixture.woken).toHaveLength(1);
      await fixture.clock.advance(1000);
      expect(fixture.woken).toHaveLength(2);
      await fixture.clock.advance(140_000);
      await fixture.manager.mount(pod);
      expect(fixture.recorder.lines()).toEqual(['FailedMount MountVolume.SetUp failed for volume "v" : no answer']);
      expect(await listing(hostPath)).toEqual(['token 644 token-1']);
    });

    asRoot.each<[string, Partial<PodSpec>, string, number, number]>([
      ['nobody in particular', {}, '644', 0, 0],
      ['a user of the pod', user(1000), '600', 1000, 0],
      ['a group', { securityContext: { fsGroup: 2000 } }, '640', 0, 2000],
      ['a user and a group', { securityContext: { runAsUser: 1000, fsGroup: 2000 } }, '640', 1000, 2000],
    ])('belong to %s', async (_name, spec, mode, uid, gid) => {
      const { hostPath } = await fixture.mounted(podWith(token(600), spec));
      const file = join(hostPath, 'token');
      expect((await stat(file)).mode & 0o777).toBe(Number.parseInt(mode, 8));
      expect(await stat(file)).toMatchObject({ uid, gid });
    });
  });

  asRoot('give files to the group of the pod, which may read and not write', async () => {
    await configMap({ k: 'one' });
    const volume = { configMap: { name: 'm', defaultMode: 0o400, items: [{ key: 'k', path: 'a/b' }] } };
    const { hostPath } = await fixture.mounted(podWith(volume, { securityContext: { fsGroup: 3000 } }));
    expect(await listing(hostPath)).toEqual(['a/ 2755', 'a/b 440 one']);
    expect(await modeOf(hostPath)).toBe('2777');
    for (const file of ['', 'a', 'a/b']) expect((await stat(join(hostPath, file))).gid).toBe(3000);
  });

  describe('emptyDir', () => {
    it('is open to everybody, and set up once', async () => {
      const pod = podWith({ emptyDir: {} });
      const mount = await fixture.mounted(pod);
      expect(mount).toMatchObject({ hostPath: path('empty-dir'), readOnly: false });
      expect(await modeOf(mount.hostPath)).toBe('777');
      await chmod(mount.hostPath, 0o700);
      await fixture.manager.mount(pod);
      fixture.manager = fixture.newManager();
      await fixture.manager.mount(pod);
      expect(await modeOf(mount.hostPath)).toBe('700');
    });

    asRoot('belongs to the group of the pod, on disk and in memory', async () => {
      for (const [medium, mode] of [
        ['', '2777'],
        ['Memory', '3777'],
      ] as const) {
        const { hostPath } = await fixture.mounted(podWith({ emptyDir: { medium } }, { securityContext: { fsGroup: 123 } }));
        expect(await modeOf(hostPath)).toBe(mode);
        expect((await stat(hostPath)).gid).toBe(123);
        await fixture.manager.unmount('u1');
      }
    });

    const limited = {
      containers: [
        { name: 'main', image: 'i', resources: { limits: { memory: '64Mi' } }, volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      ],
    };
    const pages = (...sizes: string[]): Partial<PodSpec> => ({
      initContainers: [
        { name: 'i', resources: { requests: Object.fromEntries(sizes.map(size => [`hugepages-${size}`, '4Mi'])) } },
      ],
    });
    it.each<[string, EmptyDirVolumeSource, Partial<PodSpec>, string]>([
      ['what the node can give', { medium: 'Memory' }, {}, '-t tmpfs -o size=1073741824 tmpfs'],
      ['what the pod may use', { medium: 'Memory', sizeLimit: '128Mi' }, limited, '-t tmpfs -o size=67108864 tmpfs'],
      ['its own limit', { medium: 'Memory', sizeLimit: '1Mi' }, limited, '-t tmpfs -o size=1048576 tmpfs'],
      ['huge pages', { medium: 'HugePages' }, pages('2Mi'), '-t hugetlbfs -o pagesize=2097152 nodev'],
      ['huge pages of one size', { medium: 'HugePages-1Gi' }, pages('2Mi', '1Gi'), '-t hugetlbfs -o pagesize=1073741824 nodev'],
    ])('in memory is as large as %s', async (_name, emptyDir, spec, words) => {
      const { hostPath } = await fixture.mounted(podWith({ emptyDir }, spec));
      await fixture.manager.mount(podWith({ emptyDir }, spec));
      expect(fixture.mounts.lines.map(line => line.replace(',noswap', ''))).toEqual([`mount ${words} ${hostPath}`]);
      // A restart of the machine takes what is mounted, not the mark.
      fixture.mounts.points.length = 0;
      fixture.manager = fixture.newManager();
      await fixture.manager.mount(podWith({ emptyDir }, spec));
      expect(fixture.mounts.points).toEqual([hostPath]);
    });

    it.each<[EmptyDirVolumeSource, Partial<PodSpec>, string]>([
      [{ medium: 'Tape' }, {}, 'unknown storage medium "Tape"'],
      [
        { medium: 'HugePages' },
        pages('2Mi', '1Gi'),
        "medium: HugePages can't be used if container requests multiple huge page sizes",
      ],
      [
        { medium: 'HugePages-2Mi' },
        pages('1Gi'),
        'medium HugePages-2Mi: hugePages storage requested, but there is no resource request for huge pages',
      ],
    ])('refuses %j', async (emptyDir, spec, message) => {
      expect(await failure(podWith({ emptyDir }, spec))).toBe(message);
    });
  });

  describe('hostPath', () => {
    it.each<[HostPathVolumeSource['type'], string, string | undefined]>([
      ['', 'new/deep', undefined],
      ['Directory', 'directory', undefined],
      ['Directory', 'file', 'hostPath type check failed: HERE/file is not a directory'],
      ['Directory', 'gone', 'hostPath type check failed: HERE/gone is not a directory'],
      ['DirectoryOrCreate', 'made/deep', undefined],
      ['DirectoryOrCreate', 'file', 'hostPath type check failed: HERE/file is not a directory'],
      ['File', 'file', undefined],
      ['File', 'gone', 'hostPath type check failed: HERE/gone is not a file'],
      ['FileOrCreate', 'made', undefined],
      ['FileOrCreate', 'directory', 'hostPath type check failed: HERE/directory is not a file'],
      ['Socket', 'file', 'hostPath type check failed: HERE/file is not a socket file'],
      ['CharDevice', '../../dev/null', "invalid HostPath `HERE/../../dev/null`: must not contain '..'"],
      ['CharDevice', 'file', 'hostPath type check failed: HERE/file is not a character device'],
      ['BlockDevice', 'file', 'hostPath type check failed: HERE/file is not a block device'],
      ['Pipe', 'file', 'Pipe is an invalid volume type'],
    ])('%s %s', async (type, name, message) => {
      await mkdir(join(fixture.directory, 'directory'));
      await writeFile(join(fixture.directory, 'file'), '');
      const pod = podWith({ hostPath: { path: `${fixture.directory}/${name}`, type: type! } });
      if (message !== undefined) expect(await failure(pod)).toBe(message.replace('HERE', fixture.directory));
      else {
        expect(await fixture.mounted(pod)).toMatchObject({ hostPath: join(fixture.directory, name), readOnly: false });
        const made = await stat(join(fixture.directory, name));
        expect(made.isFile()).toBe(type!.startsWith('File'));
      }
    });

    it('of a character device', async () => {
      expect(await failure(podWith({ hostPath: { path: '/dev/null', type: 'CharDevice' } }))).toBe('none');
    });

    it('is looked at once: a container may move what it was given', async () => {
      const pod = podWith({ hostPath: { path: join(fixture.directory, 'd'), type: 'DirectoryOrCreate' } });
      await fixture.manager.mount(pod);
      await rm(join(fixture.directory, 'd'), { recursive: true });
      await fixture.manager.mount(pod);
      expect(await readdir(fixture.directory)).not.toContain('d');
    });
  });

  describe('claims', () => {
    const claimed = { persistentVolumeClaim: { claimName: 'c' } };
    const bind = async (source: object, claim: object = {}, ref: object = { uid: 'c-uid' }) => {
      const data = join(fixture.directory, 'data');
      await mkdir(join(data, 'sub'), { recursive: true });
      await writeFile(join(data, 'sub/file'), '', { mode: 0o600 });
      await symlink('/etc', join(data, 'link'));
      await fixture.add(PersistentVolumeClaims, 'c', {
        metadata: { name: 'c', namespace: 'default', uid: 'c-uid', finalizers: ['kubernetes.io/pvc-protection'] },
        spec: { volumeName: 'pv' },
        status: { phase: 'Bound' },
        ...claim,
      });
      await fixture.add(PersistentVolumes, 'pv', { spec: { claimRef: ref, ...source } });
      return data;
    };
    const local = () => ({ local: { path: join(fixture.directory, 'data') } });
    const group = (fsGroup: number, more: object = {}): Partial<PodSpec> => ({ securityContext: { fsGroup, ...more } });

    it('are mounted where their volume lies, read-only when the pod says so', async () => {
      const data = await bind(local());
      expect(await fixture.mounted(podWith(claimed))).toMatchObject({ hostPath: data, readOnly: false });
      await fixture.manager.unmount('u1');
      const volume = { persistentVolumeClaim: { claimName: 'c', readOnly: true } };
      expect(await fixture.mounted(podWith(volume))).toMatchObject({ hostPath: data, readOnly: true });
    });

    asRoot('of local volumes are given to the group once', async () => {
      const data = await bind(local());
      await fixture.manager.mount(podWith(claimed, group(4000)));
      expect(await modeOf(data)).toBe('2775');
      expect(await listing(join(data, 'sub'))).toEqual(['file 660 ']);
      for (const name of ['', 'sub', 'sub/file', 'link']) expect((await lstat(join(data, name))).gid).toBe(4000);
      expect((await stat('/etc')).gid).toBe(0);
      await chmod(join(data, 'sub/file'), 0o600);
      await fixture.manager.mount(podWith(claimed, group(4000)));
      fixture.manager = fixture.newManager();
      await fixture.manager.mount(podWith(claimed, group(4000)));
      expect(await modeOf(join(data, 'sub/file'))).toBe('600');
    });

    asRoot.each([
      ['OnRootMismatch', 4000, 0o2770, '600'],
      ['OnRootMismatch', 4001, 0o2770, '660'],
      ['OnRootMismatch', 4000, 0o770, '660'],
      ['Always', 4000, 0o2770, '660'],
    ])('policy %s, root of group %i with mode %o', async (fsGroupChangePolicy, gid, mode, expected) => {
      const data = await bind(local());
      await chown(data, 0, gid);
      await chmod(data, mode);
      await fixture.manager.mount(podWith(claimed, group(4000, { fsGroupChangePolicy })));
      expect(await modeOf(join(data, 'sub/file'))).toBe(expected);
    });

    asRoot('that another pod uses keep their group, with a warning', async () => {
      const data = await bind(local());
      await fixture.manager.mount(podWith(claimed, group(4000)));
      await fixture.manager.mount(podWith(claimed, { ...group(5000), metadata: { uid: 'u2' } }));
      expect((await stat(data)).gid).toBe(4000);
      expect(fixture.recorder.lines()).toEqual([
        'AlreadyMountedVolume The requested fsGroup is 5000, but the volume pv has GID 4000. The volume may not be shareable.',
      ]);
    });

    asRoot('of paths of the node and read-only ones are given to nobody', async () => {
      const data = await bind({ hostPath: { path: join(fixture.directory, 'data'), type: 'Directory' } });
      await fixture.manager.mount(podWith(claimed, group(4000)));
      expect((await stat(data)).gid).toBe(0);
      await fixture.client.resource(PersistentVolumes).patch('pv', 'merge', { spec: { hostPath: null, ...local() } });
      await fixture.manager.unmount('u1');
      await fixture.manager.mount(podWith({ persistentVolumeClaim: { claimName: 'c', readOnly: true } }, group(4000)));
      expect((await stat(data)).gid).toBe(0);
    });

    const problem = 'error processing PVC default/c: ';
    it.each<[string, object, object, string]>([
      ['not bound', {}, { status: { phase: 'Pending' } }, `${problem}PVC is not bound`],
      [
        'bound to another',
        { claimRef: { uid: 'x' } },
        {},
        `${problem}found PV object pv but its pv.Spec.ClaimRef.UID x does not point to claim.UID c-uid`,
      ],
      ['a device', { volumeMode: 'Block' }, {}, 'volume v has volumeMode Block, but is specified in volumeMounts'],
      [
        'of another kind',
        { csi: { driver: 'd', volumeHandle: 'h' } },
        {},
        'persistent volume pv is of a kind that is not supported',
      ],
    ])('are refused when %s', async (_name, source, claim, message) => {
      await bind(source, claim);
      expect(await failure(podWith(claimed))).toBe(message);
    });

    it("are refused when there is none, or not the pod's own", async () => {
      expect(await failure(podWith(claimed))).toBe(
        `${problem}failed to fetch PVC from API server: persistentvolumeclaims "c" not found`,
      );
      const metadata = { name: 'web-v', namespace: 'default' };
      await fixture.add(PersistentVolumeClaims, 'web-v', { metadata, spec: { volumeName: 'pv' }, status: { phase: 'Bound' } });
      expect(await failure(podWith({ ephemeral: {} }))).toBe(
        'error processing PVC default/web-v: PVC default/web-v was not created for pod default/web (pod is not owner)',
      );
    });

    it('of devices are refused', async () => {
      await bind({ volumeMode: 'Block', ...local() });
      const pod = podWith(claimed);
      pod.spec.containers[0] = { name: 'main', volumeDevices: [{ name: 'v', devicePath: '/dev/x' }] } as unknown as Container;
      expect(await failure(pod)).toBe('block devices of persistent volumes are not supported');
    });

    it('are asked for once', async () => {
      await bind(local());
      await fixture.manager.mount(podWith(claimed));
      const asked = fixture.transport.actions.length;
      await fixture.manager.mount(podWith(claimed));
      expect(fixture.transport.actions).toHaveLength(asked);
    });
  });

  describe('what a container mounts', () => {
    it('is read-only when it or the volume says so, with its propagation', async () => {
      const mount = { mountPath: 'v', readOnly: true, mountPropagation: 'HostToContainer', recursiveReadOnly: 'IfPossible' };
      expect(await fixture.mounted(podWith({ emptyDir: {} }, { mount }))).toEqual({
        containerPath: '/v',
        hostPath: path('empty-dir'),
        readOnly: true,
        propagation: 'host-to-container',
      });
    });

    it('is refused when nobody can give it', async () => {
      const recursive = podWith({ emptyDir: {} }, { mount: { readOnly: true, recursiveReadOnly: 'Enabled' } });
      await expect(fixture.mounted(recursive)).rejects.toThrow('it is not supported by the runtime');
      await expect(fixture.mounted(podWith({ emptyDir: {} }, { mount: { name: 'other' } }))).rejects.toThrow(
        'cannot find volume "other" to mount into container "main"',
      );
      const device = podWith({ emptyDir: {} });
      device.spec.containers[0]!.volumeDevices = [{ name: 'v', devicePath: '/dev/x' }];
      await expect(fixture.mounted(device)).rejects.toThrow('block devices of persistent volumes are not supported');
    });

    it.each<[string, Record<string, string>, string]>([
      ['$(A)/$(B)', { A: 'x', B: 'y' }, 'x/y'],
      ['$$(A)', {}, '$(A)'],
      ['$(A)/$(B)', { B: 'y' }, 'missing value for A'],
      ['$(B)/$(A)', { A: '', C: 'z' }, 'missing value for A, B'],
      ['$(A)', { A: '..' }, "unable to provision SubPath `..`: must not contain '..'"],
      ['$(A)', { A: '/tmp' }, 'error SubPath `/tmp` must not be an absolute path'],
    ])('may be a part named by variables: %s with %j', async (subPathExpr, environment, expected) => {
      const pod = podWith({ emptyDir: {} }, { mount: { subPathExpr } });
      const result = await fixture.mounted(pod, environment).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (result !== undefined) expect(result).toBe(expected);
      else expect((await stat(join(path('empty-dir'), expected))).isDirectory()).toBe(true);
    });

    it('is bound anew when the volume has another file by that name', async () => {
      await configMap({ k: 'one' });
      const pod = podWith({ configMap: { name: 'm' } }, { mount: { subPath: 'k' } });
      const { hostPath, readOnly } = await fixture.mounted(pod);
      expect(hostPath).toBe(join(fixture.directory, 'kubelet/pods/u1/volume-subpaths/v/main/0'));
      expect(readOnly).toBe(true);
      await fixture.mounted(pod);
      expect(fixture.mounts.lines).toEqual([`mount --bind --no-canonicalize FD ${hostPath}`]);
      await change({ k: 'two' });
      await fixture.mounted(pod);
      expect(fixture.mounts.lines.slice(1)).toEqual([`umount ${hostPath}`, `mount --bind --no-canonicalize FD ${hostPath}`]);
      expect(await readFile(hostPath, 'utf8')).toBe('two');
    });

    it('tells nothing of the node when a part cannot be mounted', async () => {
      const pod = podWith({ hostPath: { path: fixture.directory, type: '' } }, { mount: { subPath: 'file/below' } });
      await writeFile(join(fixture.directory, 'file'), '');
      await expect(fixture.mounted(pod)).rejects.toThrow(
        /^failed to create subPath directory for volumeMount "v" of container "main"$/,
      );
    });
  });
});
