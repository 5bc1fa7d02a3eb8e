import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RealNode } from '../support/real-node.js';

const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const mark = 'k3s-volumes';
const image = 'k3s.local/box:1';

/** Says what a container sees of its volumes: modes, owners, kinds of mounts, and what it may do. */
const look = [
  'cd /v; for f in config config/k secret/k projected/token projected/name downward/labels disk memory; do busybox stat -Lc "%n %a %u:%g" $f; done',
  'for f in config secret projected downward; do touch $f/new 2>/dev/null || echo $f refuses; done',
  'for f in disk memory; do touch $f/new && busybox stat -c "%n %u:%g" $f/new; done',
  'for f in config/k secret/k projected/token; do cat $f >/dev/null 2>&1 && echo $f readable; done',
  'for f in secret memory disk; do busybox grep -q " /v/$f tmpfs" /proc/mounts && echo $f tmpfs; done',
  'busybox df -k memory | busybox tail -1 | while read a size b; do echo memory $size; done',
].join('; ');

const looker = (name: string, security: string): string => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {shown: first}}
spec:
  restartPolicy: Never
  securityContext: ${security}
  containers:
    - name: main
      image: ${image}
      command: [sh, -c, '${look}']
      resources: {limits: {memory: 32Mi}}
      volumeMounts:
        - {name: config, mountPath: /v/config}
        - {name: secret, mountPath: /v/secret}
        - {name: projected, mountPath: /v/projected}
        - {name: downward, mountPath: /v/downward}
        - {name: disk, mountPath: /v/disk}
        - {name: memory, mountPath: /v/memory}
  volumes:
    - {name: config, configMap: {name: texts}}
    - {name: secret, secret: {secretName: words, defaultMode: 0400}}
    - name: projected
      projected:
        sources:
          - serviceAccountToken: {path: token}
          - downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}
    - {name: downward, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
    - {name: disk, emptyDir: {}}
    - {name: memory, emptyDir: {medium: Memory}}
`;

const application = (host: string): string => `apiVersion: v1
kind: ConfigMap
metadata: {name: texts}
data: {k: one}
---
apiVersion: v1
kind: Secret
metadata: {name: words}
stringData: {k: hidden}
${looker('root', '{}')}
${looker('user', '{runAsUser: 1000}')}
${looker('group', '{runAsUser: 1000, fsGroup: 2000}')}
---
apiVersion: v1
kind: Pod
metadata: {name: live, labels: {shown: first}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${image}
      command: [sh, -c, 'echo $WORD > /shared/word; cat /one > /shared/one; until [ -e /shared/end ]; do usleep 50000; done; busybox rm /shared/end']
      env:
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: WORD, valueFrom: {secretKeyRef: {name: words, key: k}}}
      volumeMounts:
        - {name: texts, mountPath: /texts}
        - {name: texts, mountPath: /one, subPath: k}
        - {name: labels, mountPath: /labels}
        - {name: shared, mountPath: /shared}
        - {name: shared, mountPath: /own, subPathExpr: $(POD)/own}
    - name: peer
      image: ${image}
      command: [sh, -c, 'until [ -e /shared/word ]; do usleep 50000; done; exec sleep 3600']
      volumeMounts: [{name: shared, mountPath: /shared}, {name: shared, mountPath: /sub, subPath: live}]
  volumes:
    - {name: texts, configMap: {name: texts}}
    - {name: labels, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
    - {name: shared, emptyDir: {}}
---
apiVersion: v1
kind: Pod
metadata: {name: host}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${image}
      command: [sleep, '3600']
      volumeMounts: [{name: directory, mountPath: /directory}, {name: file, mountPath: /file}, {name: made, mountPath: /made}]
  volumes:
    - {name: directory, hostPath: {path: ${host}/directory, type: Directory}}
    - {name: file, hostPath: {path: ${host}/file, type: File}}
    - {name: made, hostPath: {path: ${host}/made, type: DirectoryOrCreate}}
---
apiVersion: v1
kind: Pod
metadata: {name: missing}
spec:
  containers: [{name: main, image: ${image}, volumeMounts: [{name: gone, mountPath: /gone}]}]
  volumes: [{name: gone, hostPath: {path: ${host}/gone, type: Directory}}]
`;

(runsHere ? describe : describe.skip)('volumes of real containers (needs root)', () => {
  let node: RealNode;

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    node = new RealNode(mark);
    await node.start();
    await k('wait --for=create serviceaccount/default --timeout=20s');
    const host = join(node.directory, 'host');
    mkdirSync(join(host, 'directory'), { recursive: true });
    writeFileSync(join(host, 'file'), 'of the node');
    expect(await node.kubectl(['apply', '-f', '-'], { input: application(host) })).toMatchObject({ code: 0 });
  }, 120_000);

  afterAll(async () => {
    await node.remove();
    expect(hostLeftovers(mark)).toEqual([]);
  }, 60_000);

  async function k(text: string): Promise<string> {
    return run(text.split(' '));
  }

  async function run(words: readonly string[]): Promise<string> {
    const result = await node.kubectl(words, { timeoutMs: 30_000 });
    if (result.code !== 0) throw new Error(`kubectl ${words.join(' ')}: ${result.stderr}${result.stdout}`);
    return result.stdout.trim();
  }

  const exec = (pod: string, container: string, script: string): Promise<string> =>
    run(['exec', pod, '-c', container, '--', 'sh', '-c', script]);

  /** Waits in the container until a file says what it should. */
  const until = (container: string, file: string, text: string): Promise<string> =>
    exec(
      'live',
      container,
      `n=0; until busybox grep -q '${text}' ${file}; do n=$((n+1)); [ $n = 200 ] && exit 1; usleep 50000; done`,
    );

  const common = ['config refuses', 'secret refuses', 'projected refuses', 'downward refuses'];
  const kinds = ['secret tmpfs', 'memory tmpfs', 'memory 32768'];
  const seen: [string, string[]][] = [
    [
      'root',
      [
        ...['config 777 0:0', 'config/k 644 0:0', 'secret/k 400 0:0', 'projected/token 644 0:0', 'projected/name 644 0:0'],
        ...['downward/labels 644 0:0', 'disk 777 0:0', 'memory 1777 0:0', ...common, 'disk/new 0:0', 'memory/new 0:0'],
        ...['config/k readable', 'secret/k readable', 'projected/token readable', ...kinds],
      ],
    ],
    [
      'user',
      [
        ...['config 777 0:0', 'config/k 644 0:0', 'secret/k 400 0:0', 'projected/token 600 1000:0', 'projected/name 644 0:0'],
        ...[
          'downward/labels 644 0:0',
          'disk 777 0:0',
          'memory 1777 0:0',
          ...common,
          'disk/new 1000:1000',
          'memory/new 1000:1000',
        ],
        ...['config/k readable', 'projected/token readable', ...kinds],
      ],
    ],
    [
      'group',
      [
        ...['config 2777 0:2000', 'config/k 644 0:2000', 'secret/k 440 0:2000', 'projected/token 640 1000:2000'],
        ...['projected/name 644 0:2000', 'downward/labels 644 0:2000', 'disk 2777 0:2000', 'memory 3777 0:2000', ...common],
        ...['disk/new 1000:2000', 'memory/new 1000:2000'],
        ...['config/k readable', 'secret/k readable', 'projected/token readable', ...kinds],
      ],
    ],
  ];
  it.each(seen)(
    'have the modes and owners that upstream gives them, seen by %s',
    async (pod, expected) => {
      await k(`wait --for=jsonpath={.status.phase}=Succeeded pod/${pod} --timeout=30s`);
      expect((await k(`logs ${pod}`)).split('\n')).toEqual(expected);
    },
    40_000,
  );

  it('are images, in whole and in part, which stay as they are', async () => {
    const script =
      'for f in /image/bin/sh /image/etc/passwd /part; do [ -e $f ] && echo $f; done; touch /image/new 2>/dev/null || echo refuses; sleep 3600';
    const pod = (name: string, subPath: string): string => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: ${image}
      command: [sh, -c, '${script}']
      volumeMounts: [{name: image, mountPath: /image}, {name: image, mountPath: /part, subPath: ${subPath}}]
  volumes: [{name: image, image: {reference: ${image}, pullPolicy: IfNotPresent}}]
`;
    const text = pod('of-image', 'bin') + pod('part-missing', 'nosuch');
    expect(await node.kubectl(['apply', '-f', '-'], { input: text })).toMatchObject({ code: 0 });
    await k('wait --for=condition=Ready pod/of-image --timeout=30s');
    expect((await k('logs of-image')).split('\n')).toEqual(expect.arrayContaining(['/image/bin/sh', '/part', 'refuses']));
    await k(
      'wait --for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError pod/part-missing --timeout=30s',
    );
    const mounts = (): string[] =>
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter(line => line.includes('kubernetes.io~image'));
    expect(mounts()).toHaveLength(2);
    await k('delete pod of-image part-missing --wait=true');
    for (const endMs = Date.now() + 10_000; mounts().length > 0 && Date.now() < endMs;) await setTimeout(50);
    expect(mounts()).toEqual([]);
  }, 60_000);

  it('are shared by containers, in whole and in part, and stand beside secrets in variables', async () => {
    await k('wait --for=condition=Ready pod/live --timeout=30s');
    expect(await exec('live', 'peer', 'cat /shared/word /shared/one')).toBe('hidden\none');
    await exec('live', 'main', 'echo mine > /own/file');
    expect(await exec('live', 'peer', 'cat /shared/live/own/file /sub/own/file')).toBe('mine\nmine');
  }, 40_000);

  it('follow config maps and labels while a container runs', async () => {
    await k('label pod live shown=second --overwrite');
    await run(['patch', 'configmap', 'texts', '--type=merge', '-p', '{"data":{"k":"two"}}']);
    await until('main', '/texts/k', '^two$');
    await until('main', '/labels/labels', '^shown="second"$');
    // A part that is a file stays what it was until the container starts again.
    expect(await exec('live', 'main', 'cat /one')).toBe('one');
    await exec('live', 'main', 'touch /shared/end');
    await until('peer', '/shared/one', '^two$');
    const restarts = '{.status.containerStatuses[?(@.name=="main")].restartCount}';
    await run(['wait', `--for=jsonpath=${restarts}=1`, 'pod/live', '--timeout=20s']);
    expect(await exec('live', 'main', 'cat /one /own/file')).toBe('twomine');
  }, 40_000);

  it('are paths of the node, of the type that was asked for', async () => {
    await k('wait --for=condition=Ready pod/host --timeout=30s');
    expect(await exec('host', 'main', 'echo 1 > /directory/a; echo 2 > /made/b; cat /file')).toBe('of the node');
    expect(await exec('host', 'main', 'cat /directory/a /made/b')).toBe('1\n2');
    const reasons = await k('get events --field-selector involvedObject.name=missing,reason=FailedMount -o jsonpath={..message}');
    expect(reasons).toBe(
      `MountVolume.SetUp failed for volume "gone" : hostPath type check failed: ${node.directory}/host/gone is not a directory`,
    );
  }, 40_000);
});
