import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pod } from '../../api/generated/types.js';
import { VolumeFixture, podWith } from './testing/volume-fixture.js';

describe('volumes made of images', () => {
  let fixture: VolumeFixture;
  beforeEach(async () => void (fixture = await VolumeFixture.create()));
  afterEach(() => fixture.dispose());

  const directory = (): string => join(fixture.directory, 'kubelet/pods/u1/volumes/kubernetes.io~image/v');
  const subPath = 'etc/id';
  const ofImage = (mount = {}): Pod => podWith({ image: { reference: 'i' } }, { mount });
  const mounted = async (pod: Pod, id: string) => {
    await fixture.manager.mount(pod);
    await fixture.manager.mountImage(pod, pod.spec.volumes![0]!, id);
    return fixture.mounted(pod);
  };

  it('are shown by the runtime, each image in a folder of its own, until the pod is gone', async () => {
    const pod = ofImage();
    const first = await mounted(pod, 'sha256:one');
    expect(first).toMatchObject({ hostPath: join(directory(), 'sha256-one'), readOnly: true });
    const second = await mounted(pod, 'sha256:two');
    expect(await readFile(join(first.hostPath, 'etc/id'), 'utf8')).toBe('sha256:one');
    expect(await readFile(join(second.hostPath, 'etc/id'), 'utf8')).toBe('sha256:two');
    expect((await fixture.newManager().imageIds()).sort()).toEqual(['sha256:one', 'sha256:two']);
    const taken: string[] = [];
    fixture.runtime.unmountImage = async directory => void taken.push(directory);
    await fixture.newManager().unmount('u1');
    expect(taken.sort()).toEqual([first.hostPath, second.hostPath]);
    expect(await fixture.manager.imageIds()).toEqual([]);
  });

  it('have parts too, but none is made', async () => {
    const { hostPath } = await mounted(ofImage({ subPath }), 'sha256:one');
    expect(await readFile(hostPath, 'utf8')).toBe('sha256:one');
    await expect(mounted(ofImage({ subPath: 'etc/gone' }), 'sha256:one')).rejects.toMatchObject({
      message: 'failed to prepare subPath for volumeMount "v" of container "main"',
    });
    expect(await readdir(join(directory(), 'sha256-one/etc'))).toEqual(['id']);
  });

  it('are refused where the runtime has none', async () => {
    delete fixture.runtime.mountImage;
    await expect(mounted(ofImage(), 'sha256:one')).rejects.toMatchObject({ code: 'VOLUME_UNSUPPORTED' });
  });
});
