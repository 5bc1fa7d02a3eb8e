import { join } from 'node:path';
import { CodedError } from '../../base/errors.js';
import type {
  AppArmorProfile as ApiAppArmorProfile,
  Container,
  Pod,
  SeccompProfile as ApiSeccompProfile,
} from '../../api/generated/types.js';
import type {
  AppArmorProfile,
  ContainerSecurity,
  ImageState,
  SeccompProfile,
  SupplementalGroupsPolicy,
} from '../../contracts/container-runtime.js';
import { podText } from '../kubelet-context.js';
import { maskedPaths, readonlyPaths } from './kernel-paths.js';

export interface ContainerSecurityInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly image: ImageState | undefined;
  /** The kubelet's: profiles of seccomp lie in a folder of it. */
  readonly rootDir: string;
}

/** Throws CREATE_CONTAINER_CONFIG. Source: pkg/kubelet/kuberuntime/security_context.go. */
export function containerSecurity({ pod, container, image, rootDir }: ContainerSecurityInput): ContainerSecurity {
  verifyNonRoot(pod, container, image);
  const ofPod = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const user = own.runAsUser ?? ofPod.runAsUser ?? image?.userId;
  const group = own.runAsGroup ?? ofPod.runAsGroup;
  const seccomp = own.seccompProfile ?? ofPod.seccompProfile;
  const appArmor = own.appArmorProfile ?? ofPod.appArmorProfile;
  const selinux = own.seLinuxOptions ?? ofPod.seLinuxOptions;
  const isUnmasked = own.procMount === 'Unmasked';
  return {
    privileged: own.privileged ?? false,
    ...(user === undefined ? {} : { runAsUser: user }),
    ...(group === undefined ? {} : { runAsGroup: group }),
    ...(user === undefined && image?.userName ? { runAsUserName: image.userName } : {}),
    ...podGroups(pod),
    readOnlyRootFilesystem: own.readOnlyRootFilesystem ?? false,
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    addCapabilities: own.capabilities?.add ?? [],
    dropCapabilities: own.capabilities?.drop ?? [],
    ...(seccomp ? { seccomp: seccompProfile(seccomp, rootDir) } : {}),
    ...(appArmor ? { appArmor: appArmorProfile(appArmor) } : {}),
    ...(selinux ? { selinux } : {}),
    maskedPaths: isUnmasked ? [] : maskedPaths(),
    readonlyPaths: isUnmasked ? [] : readonlyPaths,
  };
}

/** Of the sandbox as of its containers. */
export function podGroups(pod: Pod): {
  readonly supplementalGroups: readonly number[];
  readonly supplementalGroupsPolicy: SupplementalGroupsPolicy;
} {
  const { supplementalGroups = [], fsGroup, supplementalGroupsPolicy } = pod.spec.securityContext ?? {};
  return {
    supplementalGroups: [...supplementalGroups, ...(fsGroup === undefined ? [] : [fsGroup])],
    supplementalGroupsPolicy: supplementalGroupsPolicy === 'Strict' ? 'Strict' : 'Merge',
  };
}

function seccompProfile({ type, localhostProfile }: ApiSeccompProfile, rootDir: string): SeccompProfile {
  if (type === 'RuntimeDefault') return { type };
  if (type !== 'Localhost') return { type: 'Unconfined' };
  if (!localhostProfile) throw refusal('localhostProfile must be set if seccompProfile type is Localhost.');
  return { type, path: join(rootDir, 'seccomp', localhostProfile) };
}

function appArmorProfile({ type, localhostProfile }: ApiAppArmorProfile): AppArmorProfile {
  if (type === 'RuntimeDefault' || type === 'Unconfined') return { type };
  if (type !== 'Localhost') throw refusal(`unknown apparmor profile type: "${type}"`);
  if (!localhostProfile) throw refusal('missing localhost apparmor profile name');
  return { type, name: localhostProfile };
}

function verifyNonRoot(pod: Pod, container: Container, image: ImageState | undefined): void {
  const own = container.securityContext ?? {};
  const ofPod = pod.spec.securityContext ?? {};
  if (!(own.runAsNonRoot ?? ofPod.runAsNonRoot)) return;
  const where = `(pod: "${podText(pod)}", container: ${container.name})`;
  const user = own.runAsUser ?? ofPod.runAsUser;
  if (user !== undefined) {
    if (user === 0) throw refusal(`container's runAsUser breaks non-root policy ${where}`);
    return;
  }
  if (image?.userName) {
    const wish = `container has runAsNonRoot and image has non-numeric user (${image.userName})`;
    throw refusal(`${wish}, cannot verify user is non-root ${where}`);
  }
  if ((image?.userId ?? 0) === 0) throw refusal(`container has runAsNonRoot and image will run as root ${where}`);
}

function refusal(message: string): CodedError {
  return new CodedError('CREATE_CONTAINER_CONFIG', message);
}
