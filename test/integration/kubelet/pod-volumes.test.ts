import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods } from '../../../core/api/generated/resources.js';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

describe('a pod on a node', () => {
  let fixture: KubeletFixture;
  beforeEach(async () => {
    fixture = new KubeletFixture();
    await fixture.start();
  });
  afterEach(() => fixture.stop());

  const pods = () => fixture.client.resource(Pods, 'default');
  const withSubPath = (subPathExpr: string, value?: string) => {
    const ANNOTATION = {
      name: 'ANNOTATION',
      valueFrom: { fieldRef: { fieldPath: "metadata.annotations['sub']", apiVersion: 'v1' } },
    };
    return {
      volumes: [{ name: 'work', emptyDir: {} }],
      containers: [
        testContainer('web', {
          env: [value === undefined ? ANNOTATION : { name: 'VALUE', value }],
          volumeMounts: [{ name: 'work', mountPath: '/work', subPathExpr }],
        }),
      ],
    };
  };
  const waiting = async () => (await fixture.pod('web')).status.containerStatuses![0]!.state.waiting;

  it.each([
    ['..', "unable to provision SubPath `..`: must not contain '..'"],
    ['/tmp', 'error SubPath `/tmp` must not be an absolute path'],
  ])('fails when a part of a volume is %s', async (value, message) => {
    await fixture.createPod('web', withSubPath('$(VALUE)', value));
    expect(await waiting()).toEqual({ reason: 'CreateContainerConfigError', message });
  });

  it('starts at once when an annotation names the part of a volume that it waits for', async () => {
    await fixture.createPod('web', withSubPath('$(ANNOTATION)/x'), { annotations: { other: 'y' } });
    expect(await waiting()).toEqual({ reason: 'CreateContainerConfigError', message: 'missing value for ANNOTATION' });
    await pods().patch('web', 'merge', { metadata: { annotations: { sub: 'mine' } } });
    await fixture.settle();
    expect((await fixture.pod('web')).status.phase).toBe('Running');
  });

  it('ends by a deadline that is set, and moved, while it runs', async () => {
    await fixture.createPod('web');
    await pods().patch('web', 'merge', { spec: { activeDeadlineSeconds: 100 } });
    await fixture.advance(50);
    await pods().patch('web', 'merge', { spec: { activeDeadlineSeconds: 60 } });
    await fixture.advance(9);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
    await fixture.advance(35);
    expect((await fixture.pod('web')).status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
  });

  it('keeps its status when somebody else writes over it, with the conditions of others', async () => {
    await fixture.createPod('web');
    const other = { type: 'example.com/ready', status: 'True' };
    const { conditions = [] } = (await fixture.pod('web')).status;
    const status = { phase: 'Pending', podIP: '192.0.2.99', conditions: [...conditions, other] };
    await pods().subresource('status').patch('web', 'merge', { status });
    await fixture.settle();
    const { status: after } = await fixture.pod('web');
    expect(after).toMatchObject({ phase: 'Running', podIP: '10.42.0.2' });
    expect(after.conditions!.at(-1)).toMatchObject(other);
  });
});
