import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Container, Pod } from '../../api/generated/types.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import { containerAnnotations, containerLabels, withTerminationFile } from './runtime-labels.js';
import { withTerminationMessage } from './termination-message.js';

describe('the termination message', () => {
  let directory: string;
  beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'k3s-words-'))));
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const pod = { metadata: { name: 'web', namespace: 'default', uid: 'u' }, spec: { containers: [] } } as unknown as Pod;
  const ended = (policy: string, exitCode: number): ContainerState => {
    const container: Container = {
      name: 'web',
      resources: {},
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: policy,
    };
    const mount = { containerPath: '/dev/termination-log', hostPath: join(directory, 'words'), readOnly: false } as const;
    return {
      id: 'c',
      sandboxId: 's',
      name: 'web',
      attempt: 2,
      state: 'exited',
      exitCode,
      createdAtMs: 0,
      imageId: '',
      imageReference: '',
      labels: containerLabels(pod, container),
      annotations: withTerminationFile(containerAnnotations(pod, container, 2), [{ ...mount, propagation: 'private' }]),
      logPath: '',
    };
  };
  const writeLog = async (text: string): Promise<void> => {
    const folder = join(directory, 'default_web_u', 'web');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, '2.log'), text);
  };
  const message = async (state: ContainerState) => (await withTerminationMessage(state, directory)).message;

  it('is what the container wrote, 4 KB of it', async () => {
    await writeFile(join(directory, 'words'), 'DONE'.padEnd(5000, '.'));
    expect(await message(ended('File', 0))).toBe('DONE'.padEnd(4096, '.'));
  });

  it('is the end of the log when that was asked for, and only after a failure', async () => {
    await writeFile(join(directory, 'words'), '');
    await writeLog('2026-01-01T00:00:00Z stdout P DO\n2026-01-01T00:00:00Z stdout F NE\n2026-01-01T00:00:00Z stderr F bye\n');
    expect(await message(ended('FallbackToLogsOnError', 1))).toBe('DONE\nbye\n');
    expect(await message(ended('FallbackToLogsOnError', 0))).toBeUndefined();
    expect(await message(ended('File', 1))).toBeUndefined();
  });

  it('is none when the files are gone, or while it runs', async () => {
    expect(await message(ended('FallbackToLogsOnError', 1))).toBeUndefined();
    await writeFile(join(directory, 'words'), 'early');
    expect(await message({ ...ended('File', 0), state: 'running' })).toBeUndefined();
  });
});
