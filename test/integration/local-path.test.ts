import { existsSync } from 'node:fs';
import { lstat, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConfigMaps,
  Events,
  PersistentVolumeClaims,
  PersistentVolumes,
  Pods,
  StorageClasses,
} from '../../core/api/generated/resources.js';
import type { PersistentVolumeClaim, Pod } from '../../core/api/generated/types.js';
import type { TestCluster } from '../../core/testing/index.js';
import { startCluster } from '../../core/testing/index.js';

describe('local-path in a whole cluster', () => {
  let cluster: TestCluster;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'local-path-cluster-'));
    cluster = await startCluster({
      arguments: ['--slot', 'storage=local-storage', '--default-local-storage-path', join(directory, 'volumes')],
    });
  });
  afterAll(async () => {
    await cluster?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const until = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
    for (let tries = 0; tries < 500; tries++) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    throw new Error('it did not happen');
  };

  it('gives a claim of the default class a volume when its pod is placed, and takes it back', async () => {
    const { client } = cluster;
    const classes = await client.resource(StorageClasses).objects();
    expect(classes.map(({ metadata }) => metadata.name)).toEqual(['local-path']);
    const claims = client.resource(PersistentVolumeClaims, 'default');
    await claims.create({
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    } as unknown as PersistentVolumeClaim);
    await client.resource(Pods, 'default').create({
      metadata: { name: 'web' },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'web', image: 'x', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
      },
    } as unknown as Pod);
    const claim = await until(async () => {
      const found = await claims.get('data');
      return found.status?.phase === 'Bound' ? found : undefined;
    });
    const volume = await client.resource(PersistentVolumes).get(claim.spec.volumeName!);
    const path = volume.spec.local!.path;
    expect(path).toBe(join(directory, 'volumes', `pvc-${claim.metadata.uid}_default_data`));
    expect((await lstat(path)).isDirectory()).toBe(true);
    await until(async () => ((await client.resource(Pods, 'default').get('web')).status?.phase === 'Running' ? true : undefined));
    const config = await client.resource(ConfigMaps, 'kube-system').get('local-path-config');
    expect(JSON.parse(config.data!['config.json']!)).toEqual({
      nodePathMap: [{ node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: [join(directory, 'volumes')] }],
    });
    const told = await until(async () => {
      const events = await client.resource(Events, 'default').objects();
      const reasons = events.filter(({ involvedObject }) => involvedObject.name === 'data').map(({ reason }) => reason);
      return reasons.includes('ProvisioningSucceeded') ? reasons : undefined;
    });
    expect(told.filter(reason => reason === 'Provisioning')).toHaveLength(1);
    await writeFile(join(path, 'file'), 'kept');
    await client.resource(Pods, 'default').delete('web');
    await claims.delete('data');
    await until(async () => ((await client.resource(PersistentVolumes).objects()).length === 0 ? true : undefined));
    expect(existsSync(path)).toBe(false);
    expect(await readdir(join(directory, 'volumes'))).toEqual([]);
  });
});
