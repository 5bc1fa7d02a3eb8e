import { describe, expect, it } from '@jest/globals';
import { inspectForeign, socketOf } from './foreign-containerd.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

const cni = { configurationDirectory: '/etc/cni/net.d', binaryDirectories: ['/opt/cni/bin'] };
const endpoint = '/run/containerd/containerd.sock';

function channel(answers: { name?: string; config?: object; error?: Error }): Pick<GrpcChannel, 'call'> {
  const call = async (method: string): Promise<object> => {
    if (answers.error) throw answers.error;
    if (method === 'Version') return { runtimeName: answers.name ?? 'containerd', runtimeVersion: 'v1.7.2' };
    return { info: { config: JSON.stringify(answers.config ?? {}) } };
  };
  return { call: call as GrpcChannel['call'] };
}

describe('a container runtime that runs already', () => {
  it.each([endpoint, `unix://${endpoint}`, `unix:${endpoint}`])('is found by %s', text => {
    expect(socketOf(text)).toBe(endpoint);
  });

  it.each([
    ['tcp://127.0.0.1:1234', 'it is no path of a socket'],
    ['containerd.sock', 'it is no path of a socket'],
    ['npipe:////./pipe/containerd', 'it is no path of a socket'],
    [`/${'a'.repeat(120)}`, 'its path is too long for a socket'],
  ])('is refused as %s', (text, why) => {
    expect(() => socketOf(text)).toThrow(
      expect.objectContaining({ code: 'RUNTIME_ENDPOINT', message: expect.stringContaining(why) }),
    );
  });

  it('says what is used of it', async () => {
    const config = {
      sandboxImage: 'registry.example/pause:9',
      cni: { binDir: '/opt/cni/bin', confDir: '/etc/cni/net.d' },
      containerd: {
        snapshotter: 'native',
        defaultRuntimeName: 'runc',
        runtimes: { runc: { options: { SystemdCgroup: false } } },
      },
    };
    expect(await inspectForeign(channel({ config }), endpoint, cni)).toEqual({
      version: 'containerd 1.7.2',
      snapshotter: 'native',
      sandboxImage: 'registry.example/pause:9',
      warnings: [],
    });
  });

  it.each([
    ['does not answer', { error: new Error('connect ENOENT') }, 'no container runtime answers: connect ENOENT'],
    ['is another one', { name: 'cri-o' }, 'cri-o answers, and only containerd can be used'],
    [
      'has control groups by systemd',
      { config: { containerd: { runtimes: { runc: { options: { SystemdCgroup: true } } } } } },
      'its control groups are made by systemd',
    ],
  ])('is refused when it %s', async (_name, answers, why) => {
    await expect(inspectForeign(channel(answers), endpoint, cni)).rejects.toMatchObject({
      code: 'RUNTIME_ENDPOINT',
      message: expect.stringContaining(`--container-runtime-endpoint ${endpoint}: ${why}`),
      mend: expect.any(String),
    });
  });

  it('is warned about when it looks elsewhere for the pod network', async () => {
    const config = { cni: { binDirs: ['/usr/lib/cni'], confDir: '/etc/other' } };
    expect((await inspectForeign(channel({ config }), endpoint, cni)).warnings).toEqual([
      'its network configuration comes from /etc/other, and the pod network writes /etc/cni/net.d (conf_dir)',
      'it does not look for network plugins in /opt/cni/bin (bin_dir)',
    ]);
  });
});
