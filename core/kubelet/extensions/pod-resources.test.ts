import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pod } from '../../api/generated/types.js';
import { pluginChannel, pluginCodec } from './plugin-wire.js';
import type { PluginChannel, PluginServer } from './plugin-wire.js';
import { podResourcesServer } from './pod-resources.js';

describe('the pod resources API', () => {
  let rootDir: string;
  let socketPath: string;
  let server: PluginServer;
  let channel: PluginChannel;
  let pods: Pod[] | undefined;

  beforeEach(async () => {
    rootDir = await mkdtemp(join(tmpdir(), 'resources-'));
    socketPath = join(rootDir, 'pod-resources', 'kubelet.sock');
    const containers = [{ name: 'main' }, { name: 'side' }];
    const initContainers = [{ name: 'init' }, { name: 'sidecar', restartPolicy: 'Always' }];
    const metadata = { name: 'p', namespace: 'default', uid: 'u' };
    pods = [{ metadata, spec: { containers, initContainers } } as unknown as Pod];
    server = podResourcesServer({
      pods: () => pods,
      devices: {
        held: (uid, container) =>
          uid === 'u' && container === 'main'
            ? [{ resourceName: 'a.com/x', deviceIds: ['1'], topology: { nodes: [{ id: 1 }] } }]
            : [],
        healthy: () => [{ resourceName: 'a.com/x', deviceIds: ['1'] }],
      },
      claims: {
        held: (_pod, { name }) =>
          name === 'side' ? [{ claimName: 'c', claimNamespace: 'default', claimResources: [{ driverName: 'd' }] }] : [],
      },
    });
    await server.listen(socketPath);
    channel = pluginChannel(socketPath);
  });

  afterEach(async () => {
    channel.close();
    await server.close();
    await rm(rootDir, { recursive: true });
  });

  const told = {
    name: 'p',
    namespace: 'default',
    containers: [
      { name: 'sidecar' },
      { name: 'main', devices: [{ resourceName: 'a.com/x', deviceIds: ['1'], topology: { nodes: [{ id: 1 }] } }] },
      { name: 'side', dynamicResources: [{ claimName: 'c', claimNamespace: 'default', claimResources: [{ driverName: 'd' }] }] },
    ],
  };

  it('tells which container has which devices', async () => {
    expect(await channel.call('podResources.List', {})).toEqual({ podResources: [told] });
    pods = undefined;
    expect(await channel.call('podResources.List', {})).toEqual({});
  });

  it('tells it of one pod', async () => {
    expect(await channel.call('podResources.Get', { podName: 'p', podNamespace: 'default' })).toEqual({ podResources: told });
    await expect(channel.call('podResources.Get', { podName: 'p', podNamespace: 'other' })).rejects.toMatchObject({
      code: 'GRPC_UNKNOWN',
      message: 'pod p in namespace other not found',
    });
  });

  it('tells what could be given', async () => {
    const devices = [{ resourceName: 'a.com/x', deviceIds: ['1'] }];
    expect(await channel.call('podResources.GetAllocatableResources', {})).toEqual({ devices });
  });

  it('answers in its first version', async () => {
    const client = new Client(`unix://${socketPath}`, credentials.createInsecure());
    const answer = await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/v1alpha1.PodResourcesLister/List',
        () => Buffer.alloc(0),
        bytes => pluginCodec.decode('v1.ListPodResourcesResponse', bytes),
        {},
        (error, response) => (error ? reject(error) : resolve(response)),
      );
    });
    client.close();
    expect(answer).toEqual({ podResources: [told] });
  });
});
