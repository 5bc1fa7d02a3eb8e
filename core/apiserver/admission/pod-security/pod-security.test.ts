import { describe, expect, it } from '@jest/globals';
import type { KubeObject } from '../../../machinery/object.js';
import { ObjectLookup } from '../object-lookup.js';
import { FakeStores, admit, attributesOf, object } from '../testing/admission-fixture.js';
import { PodSecurity } from './pod-security.js';

type Labels = Readonly<Record<string, string>>;
const prefix = 'pod-security.kubernetes.io/';
const namespace = (labels: Labels, name = 'default'): KubeObject => {
  const entries = Object.entries(labels).map(([key, value]) => [prefix + key, value]);
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: Object.fromEntries(entries) } } as KubeObject;
};
const plugin = (labels: Labels, ...pods: object[]): PodSecurity =>
  new PodSecurity(new ObjectLookup(new FakeStores({ '/namespaces': [namespace(labels)], '/pods': pods })));

const good = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};
const pod = (spec: object = {}, metadata: object = {}): KubeObject =>
  ({
    ...object('Pod', 'web'),
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  }) as KubeObject;
const container = (securityContext: object, more: object = {}): object => ({
  containers: [{ name: 'c', securityContext, ...more }],
});

/** What is forbidden at the level, or undefined. */
async function faults(
  level: string,
  spec: object,
  options: { metadata?: object; version?: string } = {},
): Promise<string | undefined> {
  const labels = { enforce: level, ...(options.version ? { 'enforce-version': options.version } : {}) };
  const text = await admit(plugin(labels), attributesOf({ resource: 'pods', object: pod(spec, options.metadata) }));
  const start = `pods "web" is forbidden: violates PodSecurity "${level}:${options.version ?? 'latest'}": `;
  if (text === undefined) return undefined;
  expect(text.startsWith(start)).toBe(true);
  return text.slice(start.length);
}

describe('PodSecurity', () => {
  it('tells all that a plain pod does against the restricted level', async () => {
    expect(await faults('restricted', {})).toBe(
      'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), ' +
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), ' +
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), ' +
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    );
    expect(await faults('baseline', {})).toBeUndefined();
    expect(await faults('restricted', container(good))).toBeUndefined();
  });

  it.each([
    [{ hostNetwork: true, hostIPC: true }, {}, 'host namespaces (hostNetwork=true, hostIPC=true)'],
    [{ volumes: [{ name: 'v', hostPath: { path: '/' } }] }, {}, 'hostPath volumes (volume "v")'],
    [container({}, { ports: [{ hostPort: 80 }, { hostPort: 443 }] }), {}, 'hostPort (container "c" uses hostPorts 443, 80)'],
    [container({ privileged: true }), {}, 'privileged (container "c" must not set securityContext.privileged=true)'],
    [
      container({ capabilities: { add: ['NET_RAW', 'CHOWN', 'BPF'] } }),
      {},
      'non-default capabilities (container "c" must not include "BPF", "NET_RAW" in securityContext.capabilities.add)',
    ],
    [
      container({}, { livenessProbe: { httpGet: { host: 'a' } }, lifecycle: { preStop: { tcpSocket: { host: 'b' } } } }),
      {},
      'probe or lifecycle host (container "c" uses probe or lifecycle hosts "a", "b")',
    ],
    [container({ procMount: 'Unmasked' }), {}, 'procMount (container "c" must not set securityContext.procMount to "Unmasked")'],
    [
      { securityContext: { seLinuxOptions: { type: 't', user: 'u' } }, ...container({ seLinuxOptions: { role: 'r' } }) },
      {},
      'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: type "t"; user may not be set; role may not be set)',
    ],
    [
      { securityContext: { seccompProfile: { type: 'Unconfined' } } },
      {},
      'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [{ securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem' }, { name: 'kernel.x' }] } }, {}, 'forbidden sysctls (kernel.x)'],
    [
      { securityContext: { windowsOptions: { hostProcess: true } } },
      {},
      'hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)',
    ],
    [
      container({ appArmorProfile: { type: 'Unconfined' } }),
      { annotations: { 'container.apparmor.security.beta.kubernetes.io/c': 'no' } },
      'forbidden AppArmor profiles (container "c" and annotation must not set AppArmor profile type to "Unconfined", "container.apparmor.security.beta.kubernetes.io/c="no"")',
    ],
  ])('keeps the baseline: %j', async (spec, metadata, text) => {
    expect(await faults('baseline', spec, { metadata })).toBe(text);
  });

  it.each([
    [
      {
        ...container(good),
        volumes: [
          { name: 'v', nfs: {} },
          { name: 'w', hostPath: { path: '/' } },
        ],
      },
      'restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")',
    ],
    [container({ ...good, runAsUser: 0 }), 'runAsUser=0 (container "c" must not set runAsUser=0)'],
    [
      { ...container(good), securityContext: { runAsNonRoot: false } },
      'runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)',
    ],
    [
      container({ ...good, capabilities: { add: ['CHOWN', 'NET_BIND_SERVICE'], drop: ['ALL'] } }),
      'unrestricted capabilities (container "c" must not include "CHOWN" in securityContext.capabilities.add)',
    ],
    [
      {
        ...container(good),
        initContainers: [{ name: 'i', securityContext: { ...good, seccompProfile: { type: 'Unconfined' } } }],
      },
      'seccompProfile (container "i" must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
  ])('keeps the restricted level: %j', async (spec, text) => {
    expect(await faults('restricted', spec)).toBe(text);
  });

  it('judges by the version that the namespace names', async () => {
    const probe = container({}, { livenessProbe: { httpGet: { host: 'a' } } });
    expect(await faults('baseline', probe, { version: 'v1.33' })).toBeUndefined();
    expect(await faults('baseline', probe, { version: 'v1.34' })).toContain('probe or lifecycle host');
    const annotated = { annotations: { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' } };
    expect(await faults('baseline', {}, { metadata: annotated, version: 'v1.18' })).toBe(
      'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")',
    );
    expect(await faults('baseline', {}, { metadata: annotated })).toBeUndefined();
    const windows = { os: { name: 'windows' }, securityContext: { runAsNonRoot: true } };
    expect(await faults('restricted', windows)).toBeUndefined();
    expect(await faults('restricted', windows, { version: 'v1.24' })).toContain('allowPrivilegeEscalation');
    const namespaced = { hostUsers: false, ...container({ ...good, runAsNonRoot: false, runAsUser: 0 }) };
    expect(await faults('restricted', namespaced)).toBeUndefined();
    expect(await faults('restricted', namespaced, { version: 'v1.34' })).toContain('runAsUser=0');
    const unmasked = { hostUsers: false, ...container({ ...good, procMount: 'Unmasked' }) };
    expect(await faults('baseline', unmasked)).toBeUndefined();
    expect(await faults('restricted', unmasked)).toContain('procMount');
  });

  it('warns at the level of `warn`, which is that of `enforce` when nothing is said', async () => {
    const warned = async (labels: Labels, attributes: Parameters<typeof attributesOf>[0]): Promise<string[]> => {
      const given = attributesOf(attributes);
      await admit(plugin(labels), given);
      return given.warnings;
    };
    const host = pod({ hostPID: true });
    expect(await warned({ warn: 'baseline' }, { resource: 'pods', object: host })).toEqual([
      'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)',
    ]);
    // Who is refused is not warned too.
    expect(await warned({ enforce: 'baseline' }, { resource: 'pods', object: host })).toEqual([]);
    const text = ['would violate PodSecurity "baseline:v1.30": host namespaces (hostPID=true)'];
    const template = { metadata: {}, spec: { hostPID: true, containers: [] } };
    const labels = { enforce: 'baseline', 'enforce-version': 'v1.30' };
    for (const [group, resource, more] of [
      ['apps', 'deployments', { spec: { template } }],
      ['', 'replicationcontrollers', { spec: { template } }],
      ['', 'podtemplates', { template }],
      ['batch', 'cronjobs', { spec: { jobTemplate: { spec: { template } } } }],
    ] as const) {
      expect(await warned(labels, { group, resource, object: object('X', 'x', more) })).toEqual(text);
    }
    expect(
      await warned(
        { ...labels, warn: 'privileged' },
        { group: 'apps', resource: 'deployments', object: object('X', 'x', { spec: { template } }) },
      ),
    ).toEqual([]);
    expect(await warned(labels, { resource: 'replicationcontrollers', object: object('X', 'x', { spec: {} }) })).toEqual([]);
  });

  it('looks at a pod again when it gets another image or container, and only then', async () => {
    const host = { hostPID: true };
    const old = pod(host);
    const update = (next: KubeObject, subresource = ''): Promise<string | undefined> =>
      admit(
        plugin({ enforce: 'baseline' }),
        attributesOf({ operation: 'UPDATE', resource: 'pods', subresource, object: next, oldObject: old }),
      );
    expect(await update(pod(host, { labels: { a: 'b' } }))).toBeUndefined();
    expect(await update(pod({ ...host, containers: [{ name: 'c', image: 'j' }] }))).toMatch('host namespaces');
    expect(await update(pod({ ...host, ephemeralContainers: [{ name: 'd' }] }), 'ephemeralcontainers')).toMatch(
      'host namespaces',
    );
    expect(await update(pod({ ...host, containers: [{ name: 'c', image: 'j' }] }), 'status')).toBeUndefined();
  });

  it('refuses labels that it cannot read, unless they were there before', async () => {
    const bad = namespace({ enforce: 'strict', 'warn-version': '1.30' });
    const text =
      'Namespace "default" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted, ' +
      'metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.30": must be "latest" or "v1.x"]';
    const of = (operation: 'CREATE' | 'UPDATE', next: KubeObject, oldObject?: KubeObject): Promise<string | undefined> =>
      admit(plugin({}), attributesOf({ operation, resource: 'namespaces', object: next, oldObject }));
    expect(await of('CREATE', bad)).toBe(text);
    expect(await of('UPDATE', bad, namespace({}))).toBe(text);
    expect(await of('UPDATE', bad, bad)).toBeUndefined();
    expect(await of('CREATE', namespace({ enforce: 'baseline', 'enforce-version': 'v1.36' }))).toBeUndefined();
    // An unreadable level enforces the narrowest.
    expect(await admit(plugin({ enforce: 'strict' }), attributesOf({ resource: 'pods', object: pod() }))).toMatch(
      '"restricted:latest"',
    );
  });

  it('names the pods that are there already when a namespace becomes narrower', async () => {
    const controlled = { ownerReferences: [{ uid: 'u', controller: true }] };
    const pods = [
      pod({ hostPID: true }, { name: 'b' }),
      pod({ hostPID: true }, { name: 'a' }),
      pod({}, { name: 'fine' }),
      pod({ hostPID: true }, { name: 'c' }),
      pod(container({ privileged: true }), { name: 'p', ...controlled }),
    ];
    const change = async (next: Labels, old: Labels): Promise<string[]> => {
      const given = attributesOf({
        operation: 'UPDATE',
        resource: 'namespaces',
        object: namespace(next),
        oldObject: namespace(old),
      });
      expect(await admit(plugin(next, ...pods), given)).toBeUndefined();
      return given.warnings;
    };
    expect(await change({ enforce: 'baseline' }, {})).toEqual([
      'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
      'a (and 2 other pods): host namespaces',
      'p: privileged',
    ]);
    expect(await change({ enforce: 'baseline' }, { enforce: 'restricted' })).toEqual([]);
    expect(await change({ enforce: 'baseline', warn: 'baseline' }, { enforce: 'baseline' })).toEqual([]);
    expect(await change({}, { enforce: 'baseline' })).toEqual([]);
  });

  it('looks at no more than so many pods', async () => {
    const pods = Array.from({ length: 3002 }, (_, index) => pod({}, { name: `p${index}` }));
    const given = attributesOf({
      operation: 'UPDATE',
      resource: 'namespaces',
      object: namespace({ enforce: 'baseline' }),
      oldObject: namespace({}),
    });
    await admit(plugin({}, ...pods), given);
    expect(given.warnings).toEqual(['new PodSecurity enforce level only checked against the first 3000 of 3002 existing pods']);
  });

  it('cannot judge without the namespace', async () => {
    const lost = new PodSecurity(new ObjectLookup(new FakeStores({ '/namespaces': [] })));
    expect(await admit(lost, attributesOf({ resource: 'pods', object: pod() }))).toMatch('failed to lookup namespace "default"');
    const deployment = attributesOf({ group: 'apps', resource: 'deployments', object: object('Deployment', 'd', { spec: {} }) });
    expect(await admit(lost, deployment)).toBeUndefined();
  });
});
