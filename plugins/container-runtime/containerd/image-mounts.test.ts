import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../../../core/plugin-api/index.js';
import { RecordingCommands } from '../../../core/host/commands.js';
import { ImageMounts } from './image-mounts.js';
import type { TypesMount as Mount } from './wire/generated/tables.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

const overlay = (...layers: string[]): Mount => ({
  type: 'overlay',
  source: 'overlay',
  options: ['index=off', `lowerdir=${layers.join(':')}`],
});

describe('images as folders', () => {
  let directory: string;
  let target: string;
  let answers: Record<string, unknown>;
  let calls: [string, object][];
  let mounted: string[];
  let commands: RecordingCommands;
  let mounts: ImageMounts;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'image-mounts-'));
    target = join(directory, 'volume');
    [calls, mounted] = [[], []];
    answers = {
      ImageStatus: { image: { id: 'sha256:i' }, info: { info: '{"chainID":"sha256:c"}' } },
      'snapshots.View': { mounts: [overlay('/root/snapshots/2/fs', '/root/snapshots/1/fs')] },
      'snapshots.Remove': {},
    };
    commands = new RecordingCommands();
    const call = async (method: string, request: object): Promise<unknown> => {
      calls.push([method, request]);
      if (answers[method] instanceof Error) throw answers[method];
      return answers[method];
    };
    const channel = { call } as unknown as GrpcChannel;
    mounts = new ImageMounts({ channel, snapshotter: () => 'overlayfs', commands, mountPoints: async () => mounted });
  });
  afterEach(() => rm(directory, { recursive: true }));

  const ran = (): string[] => commands.lines();

  it('are mounted from their layers, once, and go with their snapshot', async () => {
    await mounts.mount('sha256:i', target);
    const key = expect.stringMatching(/^k3s-image-mount-[0-9a-f]{64}$/);
    const labels = { 'containerd.io/gc.root': 'k3s' };
    expect(calls).toEqual([
      ['ImageStatus', { image: { image: 'sha256:i' }, verbose: true }],
      ['snapshots.View', { snapshotter: 'overlayfs', key, parent: 'sha256:c', labels }],
    ]);
    expect(ran()).toEqual([
      `env -C /root/snapshots LIBMOUNT_FORCE_MOUNT2=always mount -t overlay -o index=off,lowerdir=2/fs:1/fs,ro overlay ${target}`,
    ]);
    mounted.push(target);
    await mounts.mount('sha256:i', target);
    expect(calls).toHaveLength(2);
    await mounts.unmount(target);
    expect(ran().slice(1)).toEqual([`umount ${target}`]);
    expect(calls[2]).toEqual(['snapshots.Remove', { snapshotter: 'overlayfs', key: (calls[1]![1] as { key: string }).key }]);
  });

  it('have a single layer bound, and take up a snapshot that is left', async () => {
    answers['snapshots.View'] = new CodedError('GRPC_ALREADY_EXISTS', 'it exists');
    answers['snapshots.Mounts'] = { mounts: [{ type: 'bind', source: '/root/snapshots/1/fs', options: ['ro', 'rbind'] }] };
    await mounts.mount('sha256:i', target);
    expect(ran()).toEqual([`env LIBMOUNT_FORCE_MOUNT2=always mount -o ro,rbind /root/snapshots/1/fs ${target}`]);
  });

  it.each<[string, string, unknown, string]>([
    ['is not there', 'ImageStatus', {}, 'RUNTIME_NOT_FOUND'],
    ['has no layers', 'ImageStatus', { image: { id: 'i' } }, 'RUNTIME_FAILED'],
    ['has no snapshot', 'snapshots.View', new CodedError('GRPC_UNKNOWN', 'no'), 'RUNTIME_FAILED'],
  ])('are refused where the image %s', async (_name, method, answer, code) => {
    answers[method] = answer;
    await expect(mounts.mount('sha256:i', target)).rejects.toMatchObject({ code });
    expect(ran()).toEqual([]);
  });

  it('may be gone already, but not when that is not known', async () => {
    answers['snapshots.Remove'] = new CodedError('GRPC_NOT_FOUND', 'gone');
    await mounts.unmount(target);
    answers['snapshots.Remove'] = new CodedError('GRPC_UNAVAILABLE', 'away');
    await expect(mounts.unmount(target)).rejects.toMatchObject({ code: 'RUNTIME_UNAVAILABLE' });
  });
});
