import { describe, expect, it } from '@jest/globals';
import type { Container, Pod, PodSpec } from '../../api/generated/types.js';
import { containerSecurity } from './container-security.js';
import { maskedPaths, processors, readonlyPaths } from './kernel-paths.js';

function security(own: Container['securityContext'], ofPod: PodSpec['securityContext'] = {}, image: object = {}) {
  const container = { name: 'c', image: 'i', securityContext: own } as Container;
  const pod = { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [container], securityContext: ofPod } };
  const state = { id: 'i', tags: [], digests: [], sizeBytes: 1, pinned: false, ...image };
  return containerSecurity({ pod: pod as unknown as Pod, container, image: state, rootDir: '/root-dir' });
}

describe("a container's security", () => {
  it("keeps what tells or changes the machine from every container, unless the pod's own is wanted", () => {
    const { maskedPaths: masked, readonlyPaths: readonly } = security({});
    expect(masked).toEqual(expect.arrayContaining(['/proc/kcore', '/proc/keys', '/sys/firmware', '/proc/timer_list']));
    expect(readonly).toEqual(['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']);
    expect(security({ procMount: 'Default' })).toMatchObject({ maskedPaths: maskedPaths(), readonlyPaths });
    expect(security({ procMount: 'Unmasked' })).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
  });

  it('reads the processors as the kernel lists them', () => {
    expect(processors('0-3,8,10-11\n')).toEqual([0, 1, 2, 3, 8, 10, 11]);
    expect(processors('\n')).toEqual([]);
  });

  it('has the profile of seccomp that lies in the folder of the kubelet', () => {
    expect(security({ seccompProfile: { type: 'Localhost', localhostProfile: 'audit/a.json' } }).seccomp).toEqual({
      type: 'Localhost',
      path: '/root-dir/seccomp/audit/a.json',
    });
    expect(security({}, { seccompProfile: { type: 'RuntimeDefault' } }).seccomp).toEqual({ type: 'RuntimeDefault' });
    expect(security({ seccompProfile: { type: 'Unconfined' } }, { seccompProfile: { type: 'RuntimeDefault' } }).seccomp).toEqual({
      type: 'Unconfined',
    });
    expect(security({}).seccomp).toBeUndefined();
    expect(() => security({ seccompProfile: { type: 'Localhost' } })).toThrow('localhostProfile must be set');
  });

  it('has the profile of AppArmor by its kind', () => {
    const own = { type: 'Localhost', localhostProfile: 'no-writes' };
    expect(security({ appArmorProfile: own }).appArmor).toEqual({ type: 'Localhost', name: 'no-writes' });
    expect(security({}, { appArmorProfile: { type: 'RuntimeDefault' } }).appArmor).toEqual({ type: 'RuntimeDefault' });
    expect(security({ appArmorProfile: { type: 'Unconfined' } }).appArmor).toEqual({ type: 'Unconfined' });
    expect(security({}).appArmor).toBeUndefined();
    expect(() => security({ appArmorProfile: { type: 'Localhost' } })).toThrow('missing localhost apparmor profile name');
    expect(() => security({ appArmorProfile: { type: 'Other' } })).toThrow('unknown apparmor profile type: "Other"');
  });

  it('has the groups of the pod, and whether those of the image are added', () => {
    expect(security({}, { supplementalGroups: [5], fsGroup: 7 })).toMatchObject({
      supplementalGroups: [5, 7],
      supplementalGroupsPolicy: 'Merge',
    });
    expect(security({}, { supplementalGroupsPolicy: 'Strict' }).supplementalGroupsPolicy).toBe('Strict');
  });

  it('refuses root where the pod does', () => {
    expect(() => security({ runAsNonRoot: true })).toThrow('image will run as root');
    expect(() => security({ runAsNonRoot: true }, {}, { userName: 'web' })).toThrow('non-numeric user (web)');
    expect(() => security({ runAsNonRoot: true, runAsUser: 0 })).toThrow('runAsUser breaks non-root policy');
    expect(security({ runAsNonRoot: true }, {}, { userId: 5 }).runAsUser).toBe(5);
  });
});
