import { describe, expect, it } from '@jest/globals';
import type { Node, Pod, PodSpec } from '../../api/generated/types.js';
import { admitPod } from './admit-pod.js';
import { normalName, sysctlNamespace } from './sysctls.js';

const kernelVersion = '5.4.0-generic';
const node = {
  metadata: { name: 'a' },
  spec: {},
  status: { nodeInfo: { kernelVersion, operatingSystem: 'linux' }, features: { supplementalGroupsPolicy: false } },
} as unknown as Node;

function pod(spec: Partial<PodSpec>, labels: Record<string, string> = {}): Pod {
  return { metadata: { name: 'p', labels }, spec: { containers: [{ name: 'c' }], ...spec } } as unknown as Pod;
}

const refusal = (spec: Partial<PodSpec>, on = node, labels = {}) =>
  admitPod(pod(spec, labels), on, { others: [], appArmor: false });
const sysctl = (name: string, more: Partial<PodSpec> = {}, on = node) =>
  refusal({ ...more, securityContext: { sysctls: [{ name, value: '1' }] } }, on);

describe('a node refuses a pod', () => {
  it("whose sysctls are not the pod's own or not known to be harmless", () => {
    expect(sysctl('kernel.msgmax')).toEqual({
      reason: 'SysctlForbidden',
      message: 'forbidden sysctl: "kernel.msgmax" not allowlisted',
    });
    expect(sysctl('toString')?.reason).toBe('SysctlForbidden');
    expect(sysctl('kernel.shm_rmid_forced')).toBeUndefined();
    expect(sysctl('net/ipv4/tcp_rmem')).toBeUndefined();
    expect(sysctl('net.ipv4.tcp_syncookies', { hostNetwork: true })?.message).toBe(
      'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host Net enabled',
    );
    expect(sysctl('kernel.shm_rmid_forced', { hostIPC: true })?.message).toMatch(/host IPC enabled$/);
    const old = { ...node, status: { nodeInfo: { kernelVersion: '4.5.9', operatingSystem: 'linux' } } } as unknown as Node;
    expect(sysctl('net.ipv4.tcp_keepalive_time', {}, old)).toBeUndefined();
    expect(sysctl('net.ipv4.tcp_fin_timeout', {}, old)?.message).toMatch(/not allowlisted$/);
  });

  it('but not for sysctls that the user allows, by name or beginning', () => {
    const unsafeSysctls = ['kernel.msg*', 'net/core/somaxconn'];
    const allowed = (name: string, more: Partial<PodSpec> = {}): string | undefined => {
      const spec = { ...more, securityContext: { sysctls: [{ name, value: '1' }] } };
      return admitPod(pod(spec), node, { others: [], appArmor: false, unsafeSysctls })?.message;
    };
    expect([allowed('kernel.msgmax'), allowed('net.core.somaxconn'), allowed('net.ipv4.tcp_syncookies')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(allowed('net.core.somaxconn_')).toMatch(/not allowlisted$/);
    expect(allowed('kernel.msgmax', { hostIPC: true })).toMatch(/host IPC enabled$/);
    expect(allowed('net.core.somaxconn', { hostNetwork: true })).toMatch(/host Net enabled$/);
    expect(['kernel.sem', 'kernel.shm*', 'fs.mqueue.x', 'net.*', 'vm.x', 'kernel.*'].map(sysctlNamespace)).toEqual([
      'IPC',
      'IPC',
      'IPC',
      'Net',
      undefined,
      undefined,
    ]);
  });

  it('with names of sysctls read as sysctl(8) does', () => {
    expect(normalName('net/ipv4/conf/eth0.100/rp_filter')).toBe('net.ipv4.conf.eth0/100.rp_filter');
    expect(normalName('net.ipv4.conf.eth0/100.rp_filter')).toBe('net.ipv4.conf.eth0/100.rp_filter');
    expect(normalName('plain')).toBe('plain');
  });

  it("that wants only its own groups, where the runtime adds the image's", () => {
    const spec = { securityContext: { supplementalGroupsPolicy: 'Strict' } };
    expect(refusal(spec)).toEqual({
      reason: 'SupplementalGroupsPolicyNotSupported',
      message: 'SupplementalGroupsPolicy=Strict is not supported in this node',
    });
    expect(refusal(spec, { ...node, status: { ...node.status, features: { supplementalGroupsPolicy: true } } })).toBeUndefined();
    expect(refusal({ securityContext: { supplementalGroupsPolicy: 'Merge' } })).toBeUndefined();
  });

  it('that is to be kept by AppArmor, where there is none', () => {
    const confined = { appArmorProfile: { type: 'RuntimeDefault' } };
    const message = 'Cannot enforce AppArmor: AppArmor is not enabled on the host';
    expect(refusal({ securityContext: confined })).toEqual({ reason: 'AppArmor', message });
    expect(refusal({ initContainers: [{ name: 'i', securityContext: confined }] as never })?.reason).toBe('AppArmor');
    expect(refusal({ securityContext: { appArmorProfile: { type: 'Unconfined' } } })).toBeUndefined();
    expect(admitPod(pod({ securityContext: confined }), node, { others: [], appArmor: true })).toBeUndefined();
  });

  it('of another operating system', () => {
    expect(refusal({ os: { name: 'windows' } })?.reason).toBe('PodOSNotSupported');
    expect(refusal({}, node, { 'kubernetes.io/os': 'windows' })?.reason).toBe('PodOSSelectorNodeLabelDoesNotMatch');
    expect(refusal({ os: { name: 'linux' } }, node, { 'kubernetes.io/os': 'linux' })).toBeUndefined();
  });
});
