import { describe, expect, it } from '@jest/globals';
import { containerSpec, sandboxSpec } from '../../../core/testing/container-runtime-suite.js';
import type { AppArmorProfile, ContainerSecurity } from '../../../core/plugin-api/index.js';
import { containerConfig, sandboxConfig } from './cri-mapping.js';

const subject = { runtime: {} as never, image: 'box:1', logDirectory: '/logs', cgroupRoot: '' };

function security(changes: Partial<ContainerSecurity>, appArmor = true) {
  const spec = containerSpec(subject, 'true');
  const changed = { ...spec, security: { ...spec.security, ...changes } };
  return containerConfig(changed, { hostNetwork: false, hostIpc: false }, appArmor).linux!.securityContext!;
}

describe('what CRI is told of security', () => {
  it('is what is masked and read-only, always', () => {
    const paths = { maskedPaths: ['/proc/kcore'], readonlyPaths: ['/proc/sys'] };
    expect(security(paths)).toMatchObject(paths);
  });

  it('is AppArmor in the new words and the old', () => {
    const told = (appArmor: AppArmorProfile) => {
      const { apparmor, apparmorProfile } = security({ appArmor });
      return [apparmor, apparmorProfile];
    };
    expect(told({ type: 'RuntimeDefault' })).toEqual([{ profileType: 'RuntimeDefault' }, 'runtime/default']);
    expect(told({ type: 'Unconfined' })).toEqual([{ profileType: 'Unconfined' }, 'unconfined']);
    expect(told({ type: 'Localhost', name: 'mine' })).toEqual([
      { profileType: 'Localhost', localhostRef: 'mine' },
      'localhost/mine',
    ]);
    expect(security({ appArmor: { type: 'Unconfined' } }, false)).not.toHaveProperty('apparmorProfile');
    expect(security({})).not.toHaveProperty('apparmorProfile');
  });

  it('is the file of a seccomp profile; none is unconfined', () => {
    expect(security({ seccomp: { type: 'Localhost', path: '/profiles/a.json' } }).seccomp).toEqual({
      profileType: 'Localhost',
      localhostRef: '/profiles/a.json',
    });
    const { seccomp: _seccomp, ...without } = containerSpec(subject, 'true').security;
    const spec = { ...containerSpec(subject, 'true'), security: without };
    const { linux } = containerConfig(spec, { hostNetwork: false, hostIpc: false }, true);
    expect(linux?.securityContext?.seccomp).toEqual({ profileType: 'Unconfined' });
  });

  it("is whether the image's groups are added", () => {
    expect(security({}).supplementalGroupsPolicy).toBe('Merge');
    expect(security({ supplementalGroupsPolicy: 'Strict' }).supplementalGroupsPolicy).toBe('Strict');
    const spec = sandboxSpec(subject);
    const strict = sandboxConfig({ ...spec, security: { ...spec.security, supplementalGroupsPolicy: 'Strict' } });
    expect(strict.linux?.securityContext?.supplementalGroupsPolicy).toBe('Strict');
  });
});
