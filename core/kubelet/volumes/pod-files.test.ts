import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Container, Pod, PodSpec } from '../../api/generated/types.js';
import { podFiles } from './pod-files.js';

describe('podFiles', () => {
  let directory: string;
  beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'k3s-pod-files-'))));
  afterEach(() => rm(directory, { recursive: true }));

  const files = (spec: Partial<PodSpec>, container: Partial<Container> = {}, name = 'web') => {
    const pod = { metadata: { name, namespace: 'ns' }, spec } as Pod;
    const podIps = ['10.42.0.7', 'fd00::7'];
    return podFiles({
      pod,
      container: { name: 'c', ...container } as Container,
      directory,
      podIps,
      clusterDomain: 'cluster.example',
    });
  };
  const hosts = async (spec: Partial<PodSpec>, name?: string): Promise<string> => {
    const [mount] = await files(spec, {}, name);
    expect(mount).toMatchObject({ containerPath: '/etc/hosts', readOnly: false });
    return readFile(mount!.hostPath, 'utf8');
  };

  it.each<[string, Partial<PodSpec>, string]>([
    ['web', {}, '10.42.0.7\tweb\nfd00::7\tweb\n'],
    [
      'web',
      { hostname: 'h', subdomain: 'sub' },
      '10.42.0.7\th.sub.ns.svc.cluster.example\th\nfd00::7\th.sub.ns.svc.cluster.example\th\n',
    ],
    ['web', { hostnameOverride: 'o.example', subdomain: 'sub' }, '10.42.0.7\to.example\nfd00::7\to.example\n'],
    [`${'x'.repeat(62)}.y`, {}, `10.42.0.7\t${'x'.repeat(62)}\nfd00::7\t${'x'.repeat(62)}\n`],
  ])('names the pod %s with %j', async (name, spec, expected) => {
    const text = await hosts(spec, name);
    expect(text).toMatch(/^# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/);
    expect(text.slice(text.indexOf('10.42.0.7'))).toBe(expected);
  });

  it("adds aliases to its own file and to a copy of the node's", async () => {
    const hostAliases = [{ ip: '192.0.2.1', hostnames: ['a', 'b'] }];
    const added = '\n# Entries added by HostAliases.\n192.0.2.1\ta\tb\n';
    expect((await hosts({ hostAliases })).endsWith(added)).toBe(true);
    expect(await hosts({ hostAliases, hostNetwork: true })).toBe(
      `# Kubernetes-managed hosts file (host network).\n${await readFile('/etc/hosts', 'utf8')}${added}`,
    );
  });

  it('leaves alone what a volume is mounted at', async () => {
    const volumeMounts = [
      { name: 'v', mountPath: '/etc/hosts' },
      { name: 'v', mountPath: '/dev/termination-log' },
    ];
    expect(await files({}, { volumeMounts, terminationMessagePath: '/dev/termination-log' })).toEqual([]);
  });

  it('gives each start a file of its own for its last words', async () => {
    const [, first] = await files({}, { terminationMessagePath: '/dev/termination-log' });
    const [, second] = await files({}, { terminationMessagePath: '/dev/termination-log' });
    expect(first!.hostPath).not.toBe(second!.hostPath);
    expect((await stat(first!.hostPath)).mode & 0o777).toBe(0o666);
  });
});
