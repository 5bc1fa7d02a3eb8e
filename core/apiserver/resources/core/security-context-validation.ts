import type {
  AppArmorProfile,
  PodSpec,
  SeccompProfile,
  SecurityContext,
  WindowsSecurityContextOptions,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateUserId } from '../../../machinery/names.js';
import { addInvalid, descendingPath, dnsSubdomain, requiredOneOf, supported } from './checks.js';
import { containerPath, everyContainer } from './pod-containers.js';
import type { PodValidationOptions } from './pod-validation-options.js';
import { validateSysctls } from './sysctls.js';

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined'];
const maximumProfileLength = 4095;

export function validatePodSecurityContext(
  spec: PodSpec,
  path: FieldPath,
  errors: FieldErrors,
  options: PodValidationOptions,
): void {
  const context = spec.securityContext;
  if (!context) return;
  for (const field of ['fsGroup', 'runAsUser', 'runAsGroup'] as const) {
    const id = context[field];
    if (id !== undefined) addInvalid(errors, path.child(field), id, validateUserId(id));
  }
  context.supplementalGroups?.forEach((id, index) => {
    addInvalid(errors, path.child('supplementalGroups').index(index), id, validateUserId(id));
  });
  if (spec.shareProcessNamespace && spec.hostPID) {
    errors.invalid(path.child('shareProcessNamespace'), true, 'ShareProcessNamespace and HostPID cannot both be enabled');
  }
  if (context.sysctls?.length) validateSysctls(spec, path.child('sysctls'), errors, options.hostSysctls);
  if (context.fsGroupChangePolicy !== undefined) {
    supported(errors, path.child('fsGroupChangePolicy'), context.fsGroupChangePolicy, ['Always', 'OnRootMismatch']);
  }
  validateSeccompProfile(context.seccompProfile, path.child('seccompProfile'), errors);
  validateWindowsOptions(context.windowsOptions, path.child('windowsOptions'), errors);
  validateAppArmorProfile(context.appArmorProfile, path.child('appArmorProfile'), errors);
  if (context.supplementalGroupsPolicy !== undefined) {
    supported(errors, path.child('supplementalGroupsPolicy'), context.supplementalGroupsPolicy, ['Merge', 'Strict']);
  }
  if (context.seLinuxChangePolicy !== undefined) {
    const policies = options.anySelinuxChangePolicy ? ['MountOption', 'Recursive'] : ['Recursive'];
    supported(errors, path.child('seLinuxChangePolicy'), context.seLinuxChangePolicy, policies);
  }
}

export function validateSecurityContext(
  context: SecurityContext | undefined,
  path: FieldPath,
  errors: FieldErrors,
  hostUsers: boolean,
): void {
  if (!context) return;
  for (const field of ['runAsUser', 'runAsGroup'] as const) {
    const id = context[field];
    if (id !== undefined) addInvalid(errors, path.child(field), id, validateUserId(id));
  }
  if (context.procMount !== undefined) {
    supported(errors, path.child('procMount'), context.procMount, ['Default', 'Unmasked']);
    if (hostUsers && context.procMount === 'Unmasked') {
      errors.invalid(path.child('procMount'), context.procMount, '`hostUsers` must be false to use `Unmasked`');
    }
  }
  validateSeccompProfile(context.seccompProfile, path.child('seccompProfile'), errors);
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged)
      errors.invalid(
        path,
        internalValue('*core.SecurityContext', context),
        'cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
      );
    for (const capability of context.capabilities?.add ?? []) {
      if (capability !== 'CAP_SYS_ADMIN') continue;
      errors.invalid(
        path,
        internalValue('*core.SecurityContext', context),
        'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
      );
    }
  }
  validateWindowsOptions(context.windowsOptions, path.child('windowsOptions'), errors);
  validateAppArmorProfile(context.appArmorProfile, path.child('appArmorProfile'), errors);
}

function validateSeccompProfile(profile: SeccompProfile | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  if (!type) errors.required(path.child('type'), 'type is required when seccompProfile is set');
  else supported(errors, path.child('type'), type, profileTypes);
  const at = path.child('localhostProfile');
  if (type === 'Localhost') {
    if (localhostProfile === undefined) errors.required(at, 'must be set when seccomp type is Localhost');
    else descendingPath(errors, at, localhostProfile);
  } else if (localhostProfile !== undefined)
    errors.invalid(at, internalValue('*core.SeccompProfile', profile), 'can only be set when seccomp type is Localhost');
}

export function validateAppArmorProfile(profile: AppArmorProfile | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  const at = path.child('localhostProfile');
  if (type === 'Localhost') {
    const missing = 'must be set when AppArmor type is Localhost';
    if (localhostProfile === undefined) return errors.required(at, missing);
    if (localhostProfile.trim() !== localhostProfile) errors.invalid(at, localhostProfile, 'must not be padded with whitespace');
    else if (localhostProfile === '') errors.required(at, missing);
    if (localhostProfile.length > maximumProfileLength) errors.tooLong(at, maximumProfileLength);
  } else if (type === 'RuntimeDefault' || type === 'Unconfined') {
    if (localhostProfile !== undefined) errors.invalid(at, localhostProfile, 'can only be set when AppArmor type is Localhost');
  } else if (!type) errors.required(path.child('type'), 'type is required when appArmorProfile is set');
  else supported(errors, path.child('type'), type, profileTypes);
}

// eslint-disable-next-line no-control-regex
const controlCharacters = /[\x00-\x1f\x7f]/;
const netBiosName = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const domainLabel = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
const domainName = new RegExp(`^${domainLabel}(?:\\.${domainLabel})*$`);

function validateWindowsOptions(options: WindowsSecurityContextOptions | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!options) return;
  const { gmsaCredentialSpecName, gmsaCredentialSpec, runAsUserName } = options;
  if (gmsaCredentialSpecName !== undefined) dnsSubdomain(errors, path.child('gmsaCredentialSpecName'), gmsaCredentialSpecName);
  if (gmsaCredentialSpec !== undefined) {
    const at = path.child('gmsaCredentialSpec');
    if (gmsaCredentialSpec === '') errors.invalid(at, gmsaCredentialSpec, 'gmsaCredentialSpec cannot be an empty string');
    else if (gmsaCredentialSpec.length > 64 * 1024)
      errors.invalid(at, gmsaCredentialSpec, 'gmsaCredentialSpec size must be under 64 KiB');
  }
  if (runAsUserName === undefined) return;
  const fail = (text: string): void => errors.invalid(path.child('runAsUserName'), runAsUserName, text);
  const parts = runAsUserName.split('\\');
  if (runAsUserName === '') return fail('runAsUserName cannot be an empty string');
  if (controlCharacters.test(runAsUserName)) return fail('runAsUserName cannot contain control characters');
  if (parts.length > 2) return fail('runAsUserName cannot contain more than one backslash');
  const user = parts.at(-1)!;
  const domain = parts.length === 2 ? parts[0]! : undefined;
  if (domain !== undefined) {
    if (domain.length >= 256) fail("runAsUserName's Domain length must be under 256 characters");
    if (!netBiosName.test(domain) && !domainName.test(domain))
      fail("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  }
  if (user === '') fail("runAsUserName's User cannot be empty");
  else if (user.length > 104) fail("runAsUserName's User length must not be longer than 104 characters");
  if (/^[. ]+$/.test(user)) fail("runAsUserName's User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) {
    fail('runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]');
  }
}

/** Host processes of Windows: all containers or none, on the host's network. */
export function validateHostProcesses(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  const pod = spec.securityContext?.windowsOptions?.hostProcess;
  const containers = everyContainer(spec);
  let hostProcesses = 0;
  for (const place of containers) {
    const own = place.container.securityContext?.windowsOptions?.hostProcess;
    if (pod !== undefined && own !== undefined && pod !== own) {
      const at = containerPath(path, place).child('securityContext', 'windowsOptions', 'hostProcess');
      errors.invalid(at, own, `pod hostProcess value must be identical if both are specified, was ${pod}`);
    }
    if (own ?? pod) hostProcesses++;
  }
  if (hostProcesses === 0) return;
  if (hostProcesses !== containers.length) {
    errors.invalid(path, '', 'If pod contains any hostProcess containers then all containers must be HostProcess containers');
  }
  if (!spec.hostNetwork)
    errors.invalid(path.child('hostNetwork'), false, 'hostNetwork must be true if pod contains any hostProcess containers');
}

const windowsPodFields = [
  ['appArmorProfile', 'seLinuxOptions'],
  ['seccompProfile', 'fsGroup', 'fsGroupChangePolicy'],
  ['runAsUser', 'runAsGroup', 'supplementalGroups', 'supplementalGroupsPolicy', 'seLinuxChangePolicy'],
] as const;
const windowsContainerFields = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const;

/** What a pod may not say for the other system. Source: validateOS, validateLinux, validateWindows. */
export function validateOs(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  const name = spec.os!.name;
  requiredOneOf(errors, name ? path.child('os') : path.child('os', 'name'), name, ['linux', 'windows']);
  const security = path.child('securityContext');
  if (name === 'linux') {
    const text = 'windows options cannot be set for a linux pod';
    if (spec.securityContext?.windowsOptions) errors.forbidden(security.child('windowsOptions'), text);
    for (const place of everyContainer(spec)) {
      if (!place.container.securityContext?.windowsOptions) continue;
      errors.forbidden(containerPath(path, place).child('securityContext', 'windowsOptions'), text);
    }
  } else if (name === 'windows') validateWindows(spec, path, errors);
}

function validateWindows(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  const forbid = (at: FieldPath): void => errors.forbidden(at, 'cannot be set for a windows pod');
  const context = spec.securityContext ?? {};
  const security = path.child('securityContext');
  for (const field of windowsPodFields[0]) if (context[field] !== undefined) forbid(security.child(field));
  if (spec.hostUsers !== undefined) forbid(path.child('hostUsers'));
  if (spec.hostPID) forbid(path.child('hostPID'));
  if (spec.hostIPC) forbid(path.child('hostIPC'));
  for (const field of windowsPodFields[1]) if (context[field] !== undefined) forbid(security.child(field));
  if (context.sysctls?.length) forbid(security.child('sysctls'));
  if (spec.shareProcessNamespace !== undefined) forbid(path.child('shareProcessNamespace'));
  for (const field of windowsPodFields[2]) if (context[field] !== undefined) forbid(security.child(field));
  for (const place of everyContainer(spec)) {
    const own = place.container.securityContext;
    if (!own) continue;
    const at = containerPath(path, place).child('securityContext');
    for (const field of windowsContainerFields) if (own[field] !== undefined) forbid(at.child(field));
  }
}
