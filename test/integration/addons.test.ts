import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../core/base/clock.js';
import { SinkLogger } from '../../core/base/logger.js';
import type { LogRecord } from '../../core/base/logger.js';
import { Client, Resources } from '../../core/plugin-api/index.js';
import type { ClusterPaths } from '../../core/plugin-api/index.js';
import { addonGroup, Addons } from '../../plugins/core-parts/addons/addon-group.js';
import { AddonsPart } from '../../plugins/core-parts/addons/addons-part.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';
import type { Tool } from '../support/kubectl.js';
import { realTool, toolsRunHere } from '../support/kubectl.js';

const configMap = (name: string, value: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: default}\ndata: {value: "${value}"}\n---\n`;

describe('server/manifests', () => {
  let server: RunningApiServer;
  let client: Client;
  let manifests: string;
  let part: AddonsPart;
  let log: LogRecord[];

  const maps = () => client.resource(Resources.ConfigMaps, 'default');
  const value = async (name: string) => (await maps().get(name)).data?.['value'];
  const names = async () =>
    (await maps().objects())
      .map(object => object.metadata.name)
      .filter(name => name !== 'kube-root-ca.crt')
      .sort();
  const addonNames = async () =>
    (await client.resource(Addons, 'kube-system').objects()).map(object => object.metadata.name).sort();
  const write = (name: string, text: string) => writeFile(join(manifests, name), text);
  const newPart = (disabled: readonly string[] = [], nodeName = 'node-1') =>
    new AddonsPart({
      transport: server.part.transport,
      catalogue: server.part.catalogue,
      settings: {
        nodeName,
        disabled,
        clusterDns: ['10.43.0.10'],
        clusterDomain: 'cluster.local',
        serviceCidrs: ['10.43.0.0/16'],
      },
      paths: { storageDir: '/storage', server: { manifestsDir: manifests } } as unknown as ClusterPaths,
      clock: new SystemClock(),
      logger: new SinkLogger(record => log.push(record), 'warn'),
    });
  const restart = async (disabled: readonly string[] = []) => {
    await part.stop();
    part = newPart(disabled);
    await part.start();
    await part.settled();
  };
  /** As long as the part needs to hear of a change by itself. */
  const until = async (condition: () => Promise<boolean>) => {
    for (let tries = 0; tries < 200; tries++) {
      if (await condition()) return;
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    throw new Error('it did not happen');
  };

  beforeAll(async () => {
    server = await startApiServer({ groups: [addonGroup] });
    client = new Client(server.part.transport, { name: 'system:admin', groups: ['system:masters'] });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    log = [];
    manifests = await mkdtemp(join(server.directory, 'manifests-'));
    part = newPart();
    await part.start();
    await part.settled();
  });
  afterEach(async () => {
    await part.stop();
    await rm(manifests, { recursive: true, force: true });
    // What a server disables it removes.
    part = newPart((await addonNames()).map(String));
    await mkdir(manifests);
    await part.start();
    await part.settled();
    await part.stop();
    expect(await addonNames()).toEqual([]);
    expect(await names()).toEqual([]);
  });

  it('are applied at once, with the labels and annotations that users of K3s know', async () => {
    await write('web.yaml', `# comment\n---\n${configMap('a', '%{CLUSTER_DNS}% %{OTHER}%')}${configMap('b', '1')}`);
    await until(async () => (await names()).length === 2);
    const { metadata, data } = await maps().get('a');
    expect(data).toEqual({ value: '10.43.0.10 %{OTHER}%' });
    expect(metadata.labels?.['objectset.rio.cattle.io/hash']).toMatch(/^[0-9a-f]{40}$/);
    expect(metadata.annotations).toEqual({
      'objectset.rio.cattle.io/id': '',
      'objectset.rio.cattle.io/owner-gvk': 'k3s.cattle.io/v1, Kind=Addon',
      'objectset.rio.cattle.io/owner-name': 'web',
      'objectset.rio.cattle.io/owner-namespace': 'kube-system',
    });
    expect(metadata.managedFields?.[0]).toMatchObject({ manager: 'deploy@node-1', operation: 'Apply' });
    await part.settled();
    const addon = await client.resource(Addons, 'kube-system').get('web');
    expect(addon.spec).toEqual({ source: join(manifests, 'web.yaml'), checksum: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(addon.metadata.annotations).toEqual({ 'addon.k3s.cattle.io/gvks': '/v1, Kind=ConfigMap' });
    await until(async () => {
      const events = await client.resource(Resources.Events, 'kube-system').objects();
      return events.some(({ reason, message }) => reason === 'AppliedManifest' && message!.includes('web.yaml'));
    });
  });

  it('bring custom resources and objects of them in one file, at the first try', async () => {
    const kind = (plural: string, name: string) =>
      `apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: ${plural}.addon.example.com}\n` +
      `spec:\n  group: addon.example.com\n  scope: Cluster\n  names: {plural: ${plural}, kind: ${name}}\n  versions:\n` +
      '  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}\n---\n';
    await write(
      'kinds.yaml',
      'apiVersion: addon.example.com/v1\nkind: Gear\nmetadata: {name: one}\n---\n' + kind('gears', 'Gear'),
    );
    await part.settled();
    const gears = { group: 'addon.example.com', version: 'v1', resource: 'gears', kind: 'Gear', namespaced: false };
    expect((await client.resource(gears).get('one')) as object).toMatchObject({ kind: 'Gear' });
    expect(log).toEqual([]);
  });

  it('are followed: changed and shortened files', async () => {
    await write('web.yaml', configMap('a', '1') + configMap('b', '1'));
    await part.settled();
    await write('web.yaml', configMap('a', '2'));
    await part.settled();
    expect(await names()).toEqual(['a']);
    expect(await value('a')).toBe('2');
  });

  it('stay when the file is deleted, and go when it is disabled after that', async () => {
    await write('web.yaml', configMap('a', '1'));
    await part.settled();
    await rm(join(manifests, 'web.yaml'));
    await write('other.yaml', configMap('b', '1'));
    await until(async () => (await names()).includes('b'));
    await part.settled();
    expect(await names()).toEqual(['a', 'b']);
    expect(await addonNames()).toEqual(['other', 'web']);
    await restart(['web']);
    expect(await names()).toEqual(['b']);
    expect(await addonNames()).toEqual(['other']);
  });

  it('are looked for in subfolders and linked folders, JSON and lists too, and not in skipped files', async () => {
    const elsewhere = join(manifests, '..', `elsewhere-${Date.now()}`);
    await mkdir(join(manifests, 'sub'));
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'linked.yml'), configMap('linked', '1'));
    await symlink(elsewhere, join(manifests, 'link'));
    const item = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'json' }, data: {} };
    await write('sub/list.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [item] }));
    await write('skipped.yaml.skip', '');
    await write('skipped.yaml', configMap('skipped', '1'));
    await write('.hidden.yaml', configMap('hidden', '1'));
    await write('notes.txt', configMap('notes', '1'));
    await part.settled();
    expect(await names()).toEqual(['json', 'linked']);
    await writeFile(join(elsewhere, 'linked.yml'), configMap('linked', '2'));
    await until(async () => (await value('linked')) === '2');
    await rm(elsewhere, { recursive: true });
  });

  it('that are broken are told once and harm nothing', async () => {
    await write('good.yaml', configMap('good', '1'));
    await write('bad.yaml', configMap('bad', '1'));
    await part.settled();
    await write('bad.yaml', `${configMap('bad', '2')}a: [\n`);
    await part.settled();
    await part.settled();
    expect(await names()).toEqual(['bad', 'good']);
    expect(await value('bad')).toBe('1');
    expect(log.map(record => record.message)).toEqual([
      expect.stringContaining(`Parse manifest at "${join(manifests, 'bad.yaml')}" failed: `),
    ]);
    await write('twice.yaml', configMap('one', '1'));
    await write('twice.other.yaml', configMap('two', '1'));
    await part.settled();
    expect(await names()).toEqual(['bad', 'good', 'two']);
    expect(log.at(-1)!.message).toContain('has the same name "twice"');
    await write('half.yaml', `apiVersion: nowhere.io/v1\nkind: Thing\nmetadata: {name: x}\n---\n${configMap('half', '1')}`);
    await part.settled();
    expect(await value('half')).toBe('1');
    expect(log.at(-1)!.message).toContain('no matches for kind "Thing" in version "nowhere.io/v1"');
    expect((await client.resource(Addons, 'kube-system').get('half')).spec.checksum).toBeUndefined();
  });

  it('are put right at the next start', async () => {
    await write('web.yaml', configMap('a', '1'));
    await part.settled();
    await part.stop();
    await maps().patch('a', 'merge', { data: { value: 'changed by hand' } });
    part = newPart();
    await part.start();
    await part.settled();
    expect(await value('a')).toBe('1');
  });

  it('that are disabled go with their objects, by name or by folder', async () => {
    await mkdir(join(manifests, 'extra'));
    await write('web.yaml', configMap('a', '1'));
    await write('keep.yaml', configMap('keep', '1'));
    await write('extra/more.yaml', configMap('more', '1'));
    await part.settled();
    expect(await names()).toEqual(['a', 'keep', 'more']);
    await restart(['web', 'extra']);
    expect(await names()).toEqual(['keep']);
    expect(await readdir(manifests)).toEqual(['extra', 'keep.yaml']);
    expect(await readdir(join(manifests, 'extra'))).toEqual([]);
    expect(await addonNames()).toEqual(['keep']);
  });

  (toolsRunHere ? it : it.skip)('are seen by kubectl as Addons', async () => {
    const kubectl: Tool = await realTool('kubectl', server.kubeconfig, server.directory);
    await write('web.yaml', configMap('a', '1'));
    await part.settled();
    const { stdout } = await kubectl(['get', 'addons', '-n', 'kube-system']);
    const [head, row] = stdout.trim().split('\n');
    expect(head).toMatch(/^NAME\s+SOURCE\s+CHECKSUM$/);
    expect(row).toMatch(/^web\s+\S+web\.yaml\s+[0-9a-f]{64}$/);
    const explained = await kubectl(['explain', 'addons.spec']);
    expect(explained.stdout).toContain('checksum');
    expect((await kubectl(['get', 'addon', 'web', '-n', 'kube-system', '-o', 'yaml'])).stdout).toContain(
      'apiVersion: k3s.cattle.io/v1',
    );
  });
});
