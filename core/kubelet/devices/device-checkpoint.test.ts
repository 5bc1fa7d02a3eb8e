import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readDeviceCheckpoint, writeDeviceCheckpoint } from './device-checkpoint.js';
import { PodDevices } from './pod-devices.js';

/** As upstream v1.36.3 writes it. */
const ofUpstream =
  '{"Data":{"PodDeviceEntries":[{"PodUID":"u-1","ContainerName":"main","ResourceName":"example.com/gpu",' +
  '"DeviceIDs":{"-1":["d0","d \\"q\\" é"],"10":["d2"],"2":["d1"]},"AllocResp":"CgYKAWESAWI="}],' +
  '"RegisteredDevices":{"a.com/y":["d0"],"b.com/x":[],"c":null}},"Checksum":3572357855}';

describe('the checkpoint of devices', () => {
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'checkpoint-'));
    file = join(directory, 'checkpoint');
  });

  afterEach(() => rm(directory, { recursive: true }));

  it("is upstream's, checksum and all", async () => {
    await writeFile(file, ofUpstream);
    const { pods, registered } = (await readDeviceCheckpoint(file))!;
    expect([...pods.all()]).toEqual([
      {
        podUid: 'u-1',
        container: 'main',
        resource: 'example.com/gpu',
        allocation: {
          devices: new Map([
            [2, ['d1']],
            [10, ['d2']],
            [-1, ['d0', 'd "q" é']],
          ]),
          response: { envs: { a: 'b' } },
        },
      },
    ]);
    expect([...registered]).toEqual([
      ['a.com/y', ['d0']],
      ['b.com/x', []],
      ['c', []],
    ]);
  });

  it('with nothing in it has the sum that upstream gives it', async () => {
    await writeDeviceCheckpoint(file, { pods: new PodDevices(), registered: new Map() });
    expect(await readFile(file, 'utf8')).toBe('{"Data":{"PodDeviceEntries":null,"RegisteredDevices":{}},"Checksum":3467439661}');
  });

  it.each([
    ['is no JSON', '{'],
    ['has another sum', ofUpstream.replace(/\d+\}$/, '1}')],
    ['has no data', '{"Checksum":1}'],
  ])('that %s is refused', async (_name, text) => {
    await writeFile(file, text);
    await expect(readDeviceCheckpoint(file)).rejects.toMatchObject({ code: 'DEVICE_CHECKPOINT' });
  });

  it('that is not there is none', async () => {
    expect(await readDeviceCheckpoint(file)).toBeUndefined();
  });
});
