import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigMaps, RuntimeClasses, Secrets, Services } from '../../../core/api/generated/resources.js';
import type { Service } from '../../../core/api/generated/types.js';
import { CodedError } from '../../../core/base/errors.js';
import { KubeletFixture, testContainer } from '../../support/kubelet-fixture.js';

describe('what keeps a pod from starting', () => {
  let fixture: KubeletFixture;
  beforeEach(async () => {
    fixture = new KubeletFixture();
    await fixture.start();
  });
  afterEach(() => fixture.stop());

  const waiting = async (name = 'web') => (await fixture.pod(name)).status.containerStatuses![0]!.state.waiting;
  const configMap = (name: string, data: Record<string, string>) =>
    fixture.client
      .resource(ConfigMaps, 'default')
      .create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data });

  it('is an image that cannot be pulled, tried again after 10, 20 ... s', async () => {
    await fixture.createPod('web', { containers: [testContainer('web', { image: 'fail/me:1' })] });
    const text = 'failed to pull and unpack image "docker.io/fail/me:1": not found';
    expect(await waiting()).toEqual({ reason: 'ErrImagePull', message: text });
    await fixture.advance(5);
    expect(await waiting()).toEqual({
      reason: 'ImagePullBackOff',
      message: `Back-off pulling image "fail/me:1": ErrImagePull: ${text}`,
    });
    const pulls = () => fixture.recorder.lines('Pulling').length;
    expect(pulls()).toBe(1);
    await fixture.advance(5);
    expect(pulls()).toBe(2);
    await fixture.advance(19);
    expect(pulls()).toBe(2);
    await fixture.advance(1);
    expect(pulls()).toBe(3);
    expect([...new Set(fixture.recorder.lines())].filter(line => !/Node|Starting/.test(line))).toEqual([
      'Pulling Pulling image "fail/me:1"',
      `Failed Failed to pull image "fail/me:1": ${text}`,
      'Failed Error: ErrImagePull',
      'BackOff Back-off pulling image "fail/me:1"',
      'Failed Error: ImagePullBackOff',
    ]);
    expect((await fixture.pod('web')).status.phase).toBe('Pending');
  });

  it('is a runtime that goes away during a pull, after which there is no back-off', async () => {
    fixture.runtime.control.failImage('some/thing:1', 'RUNTIME_UNAVAILABLE', 'Connection dropped');
    await fixture.createPod('web', { containers: [testContainer('web', { image: 'some/thing:1' })] });
    expect(await waiting()).toEqual({ reason: 'ErrImagePull', message: 'Connection dropped' });
    await fixture.advance(1);
    await fixture.advance(1);
    expect(fixture.recorder.lines('Pulling')).toHaveLength(3);
    fixture.runtime.control.clearImage('some/thing:1');
    await fixture.advance(1);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
  });

  it('is a container that cannot be started, of which but the last two tries are kept', async () => {
    fixture.runtime.control.failNext('startContainer', new Error('no such file or directory'), 1000);
    await fixture.createPod('web');
    expect(await waiting()).toEqual({ reason: 'RunContainerError', message: 'no such file or directory' });
    await fixture.advance(600);
    expect(fixture.recorder.lines('Created').length).toBeGreaterThan(5);
    expect((await fixture.runtime.listContainers()).length).toBe(2);
  });

  it('is the image of a volume that cannot be pulled, which its events are told of the pod', async () => {
    const volumes = [{ name: 'data', image: { reference: 'fail/data:1' } }];
    const volumeMounts = [{ name: 'data', mountPath: '/data' }];
    await fixture.createPod('web', { volumes, containers: [testContainer('web', { volumeMounts }), testContainer('zother')] });
    const text = 'failed to pull and unpack image "docker.io/fail/data:1": not found';
    expect(await waiting()).toEqual({ reason: 'ErrImagePull', message: text });
    expect((await fixture.pod('web')).status.containerStatuses!.map(({ state }) => Object.keys(state)[0])).toEqual([
      'waiting',
      'running',
    ]);
    await fixture.advance(5);
    expect((await waiting())!.reason).toBe('ImagePullBackOff');
    const { reference } = fixture.recorder.events.find(({ message }) => message === 'Pulling image "fail/data:1"')!;
    expect(reference).not.toHaveProperty('fieldPath');
    const failed = fixture.recorder.events.find(({ message }) => message === 'Error: ErrImagePull')!;
    expect(failed.reference.fieldPath).toBe('spec.containers{web}');
  });

  it('may not be the image of a volume', async () => {
    const volumes = [{ name: 'data', image: { reference: 'data:1', pullPolicy: 'Always' } }];
    const volumeMounts = [{ name: 'data', mountPath: '/data' }];
    await fixture.createPod('web', { volumes, containers: [testContainer('web', { volumeMounts })] });
    expect((await fixture.pod('web')).status.phase).toBe('Running');
    expect(fixture.recorder.lines('Pulling')).toContain('Pulling Pulling image "data:1"');
  });

  it('is an image that another pod pulled with a secret, until its own secrets pull it too', async () => {
    const entry = (username: string) => ({ auths: { 'r.example': { username, password: 'p' } } });
    for (const [name, users] of [
      ['good', ['right']],
      ['bad', ['wrong']],
    ] as const) {
      const data = { '.dockerconfigjson': Buffer.from(JSON.stringify(entry(users[0]))).toString('base64') };
      const metadata = { name, namespace: 'default' };
      await fixture.client.resource(Secrets, 'default').create({ apiVersion: 'v1', kind: 'Secret', metadata, data });
    }
    const pull = fixture.runtime.pullImage.bind(fixture.runtime);
    const tried: (string | undefined)[] = [];
    fixture.runtime.pullImage = async (reference, options) => {
      tried.push(options.auth?.username);
      if (options.auth?.username !== 'right') throw new CodedError('RUNTIME_IMAGE_UNAUTHORIZED', `no: ${options.auth?.username}`);
      return pull(reference, options);
    };
    const run = (name: string, ...secrets: string[]) =>
      fixture.createPod(name, {
        imagePullSecrets: secrets.map(own => ({ name: own })),
        containers: [testContainer('web', { image: 'r.example/app:1' })],
      });
    expect((await run('first', 'bad', 'good')).status.phase).toBe('Running');
    expect((await run('again', 'good')).status.phase).toBe('Running');
    expect(tried).toEqual(['wrong', 'right']);
    await run('stranger');
    expect(await waiting('stranger')).toEqual({ reason: 'ErrImagePull', message: 'no: undefined' });
    await run('wrong', 'bad');
    expect(await waiting('wrong')).toEqual({ reason: 'ErrImagePull', message: 'no: wrong' });
    await fixture.createPod('never', {
      containers: [testContainer('web', { image: 'r.example/app:1', imagePullPolicy: 'Never' })],
    });
    expect(await waiting('never')).toMatchObject({ reason: 'ErrImageNeverPull' });
  });

  it('is a block volume, which this node has none of', async () => {
    const volumeDevices = [{ name: 'disk', devicePath: '/dev/xvda' }];
    await fixture.createPod('web', { containers: [testContainer('web', { volumeDevices })] });
    expect(await waiting()).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'block volumes are not supported by this node: volumeDevices of "web" name "disk"',
    });
  });

  it('is a user namespace of its own, where the runtime has none', async () => {
    const ofRuntime = await fixture.runtime.status();
    const without = { name: '', recursiveReadOnlyMounts: false, userNamespaces: false };
    fixture.runtime.status = () => Promise.resolve({ ...ofRuntime, handlers: [without, { ...without, name: 'runc' }] });
    await fixture.advance(10);
    expect((await fixture.node()).status?.runtimeHandlers?.[0]).toEqual({
      name: '',
      features: { recursiveReadOnlyMounts: false, userNamespaces: false },
    });
    await fixture.createPod('web', { hostUsers: false });
    const problem = "can't set `spec.hostUsers: false`,";
    expect(fixture.recorder.lines('FailedCreatePodSandBox')).toEqual([
      `FailedCreatePodSandBox Failed to create pod sandbox: ${problem} runtime does not support user namespaces`,
    ]);
    expect((await fixture.pod('web')).status.phase).toBe('Pending');
    await fixture.client
      .resource(RuntimeClasses)
      .create({ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'own' }, handler: 'runc' });
    await fixture.createPod('classy', { hostUsers: false, runtimeClassName: 'own' });
    expect(fixture.recorder.lines('FailedCreatePodSandBox').at(-1)).toBe(
      `FailedCreatePodSandBox Failed to create pod sandbox: ${problem} RuntimeClass handler "runc" does not support user namespaces`,
    );
  });

  it('is a sysctl that the node does not allow: that pod has failed', async () => {
    await fixture.createPod('web', { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '8193' }] } });
    expect((await fixture.pod('web')).status).toMatchObject({
      phase: 'Failed',
      reason: 'SysctlForbidden',
      message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    });
  });

  it('ends when the image can be pulled', async () => {
    fixture.runtime.control.failImage(
      'docker.io/library/nginx:latest',
      'RUNTIME_REGISTRY_UNAVAILABLE',
      'dial tcp: no route to host',
    );
    await fixture.createPod('web');
    expect(await waiting()).toEqual({
      reason: 'RegistryUnavailable',
      message: 'image pull failed for nginx because the registry is unavailable: dial tcp: no route to host',
    });
    fixture.runtime.control.clearImage('docker.io/library/nginx:latest');
    await fixture.advance(10);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
  });

  it('is an image that may not be pulled, or has no name', async () => {
    await fixture.createPod('web', { containers: [testContainer('web', { imagePullPolicy: 'Never', image: 'here:1' })] });
    expect(await waiting()).toEqual({
      reason: 'ErrImageNeverPull',
      message: 'Container image "here:1" is not present with pull policy of Never',
    });
    await fixture.createPod('bad', { containers: [testContainer('web', { image: 'NOT//A name' })] });
    expect((await waiting('bad'))?.reason).toBe('InvalidImageName');
  });

  it('is a config map that is not there, until it is', async () => {
    await fixture.createPod('web', {
      volumes: [{ name: 'settings', configMap: { name: 'settings' } }],
      containers: [
        testContainer('web', {
          env: [{ name: 'LEVEL', valueFrom: { configMapKeyRef: { name: 'levels', key: 'log' } } }],
          volumeMounts: [{ name: 'settings', mountPath: '/settings' }],
        }),
      ],
    });
    expect(await waiting()).toEqual({ reason: 'ContainerCreating' });
    expect(fixture.recorder.lines('FailedMount')).toEqual([
      'FailedMount MountVolume.SetUp failed for volume "settings" : configmaps "settings" not found',
    ]);
    await configMap('settings', {});
    await fixture.settle();
    expect(await waiting()).toEqual({ reason: 'CreateContainerConfigError', message: 'configmaps "levels" not found' });
    await configMap('levels', { level: 'debug' });
    await fixture.settle();
    expect((await waiting())?.message).toBe("couldn't find key log in ConfigMap default/levels");
    await fixture.client.resource(ConfigMaps, 'default').patch('levels', 'merge', { data: { log: 'debug' } });
    await fixture.settle();
    expect((await fixture.pod('web')).status.phase).toBe('Running');
  });

  it('is a runtime that does not answer for a moment, which is asked again a second later', async () => {
    fixture.runtime.control.failNext('runSandbox', new CodedError('RUNTIME_UNAVAILABLE', 'connection refused'));
    await fixture.createPod('web');
    expect(fixture.recorder.lines('FailedCreatePodSandBox')).toHaveLength(1);
    fixture.runtime.control.failNext('createContainer', new CodedError('RUNTIME_UNAVAILABLE', 'connection refused'));
    await fixture.advance(1);
    expect(await waiting()).toEqual({ reason: 'CreateContainerError', message: 'connection refused' });
    await fixture.advance(1);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
  });

  it('is a sandbox or a container that the runtime refuses', async () => {
    fixture.runtime.control.failNext('runSandbox', new CodedError('RUNTIME_NETWORK', 'no address'));
    await fixture.createPod('web');
    expect(fixture.recorder.lines('FailedCreatePodSandBox')).toEqual([
      'FailedCreatePodSandBox Failed to create pod sandbox: no address',
    ]);
    expect(await waiting()).toEqual({ reason: 'ContainerCreating' });
    fixture.runtime.control.failNext('createContainer', new CodedError('RUNTIME_FAILED', 'bad mount'));
    await fixture.advance(10);
    expect(await waiting()).toEqual({ reason: 'CreateContainerError', message: 'bad mount' });
    fixture.runtime.control.failNext('startContainer', new CodedError('RUNTIME_FAILED', 'no such file'));
    await fixture.advance(10);
    expect(await waiting()).toEqual({ reason: 'RunContainerError', message: 'no such file' });
    await fixture.advance(10);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
  });

  it('is a runtime class that nobody knows', async () => {
    await fixture.createPod('web', { runtimeClassName: 'gone' });
    const classes = fixture.client.resource(RuntimeClasses);
    await classes.create({ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'gone' }, handler: 'kata' });
    await fixture.advance(10);
    expect(fixture.recorder.lines('FailedCreatePodSandBox')).toEqual([
      'FailedCreatePodSandBox Failed to create pod sandbox: runtimeclasses.node.k8s.io "gone" not found',
      'FailedCreatePodSandBox Failed to create pod sandbox: no runtime for "kata" is configured',
    ]);
  });

  it('is a network that is not ready', async () => {
    fixture.runtime.control.setNetworkReady(false);
    await fixture.advance(10);
    expect((await fixture.node()).status.conditions!.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'KubeletNotReady',
      message:
        'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: simulated network is switched off',
    });
    await fixture.createPod('web');
    expect(fixture.recorder.lines('NetworkNotReady')).toHaveLength(1);
    fixture.runtime.control.setNetworkReady(true);
    await fixture.advance(10);
    expect((await fixture.pod('web')).status.phase).toBe('Running');
  });

  it('is a hook that fails', async () => {
    fixture.runtime.control.setExec({ pod: 'web' }, () => ({ exitCode: 7, output: 'secret' }));
    await fixture.createPod('web', {
      containers: [testContainer('web', { lifecycle: { postStart: { exec: { command: ['warm'] } } } })],
    });
    expect((await fixture.pod('web')).status.containerStatuses![0]).toMatchObject({
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 143 } },
    });
    expect(fixture.recorder.lines('FailedPostStartHook')[0]).toBe('FailedPostStartHook PostStartHook failed');
    expect(fixture.recorder.lines('Killing')[0]).toBe('Killing FailedPostStartHook');
  });

  it('does not keep variables away', async () => {
    await configMap('all', { ALPHA: 'a', BETA: 'b' });
    await fixture.client
      .resource(Secrets, 'default')
      .create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key', namespace: 'default' }, data: { token: 'czNjcmV0' } });
    await fixture.client.resource(Services, 'default').create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'my-db', namespace: 'default' },
      spec: { clusterIP: '10.43.0.7', ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] },
    } as Service);
    await fixture.settle();
    await fixture.createPod(
      'web',
      {
        restartPolicy: 'Never',
        containers: [
          testContainer('web', {
            command: ['sh', '-c', 'echo $GREETING; exit 0'],
            envFrom: [{ prefix: 'X_', configMapRef: { name: 'all' } }, { secretRef: { name: 'missing', optional: true } }],
            env: [
              { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'key', key: 'token' } } },
              { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '0' } } },
              { name: 'GREETING', value: '$(X_ALPHA)-$(TOKEN)-$(IP)-$(CPU)-$(MY_DB_SERVICE_PORT_SQL)-$(NONE)-$$(X)' },
              { name: 'COLOUR', valueFrom: { fieldRef: { fieldPath: "metadata.labels['colour']" } } },
            ],
          }),
        ],
      },
      { labels: { colour: 'red' } },
    );
    const pod = await fixture.pod('web');
    const lines: string[] = [];
    for await (const line of fixture.kubelet.connector!.logs(pod, 'web')) lines.push(line);
    expect(lines).toEqual([`a-s3cret-${pod.status.podIP}-32-5432-$(NONE)-$(X)\n`]);
  });
});
