import type { PodSpec, SELinuxOptions } from '../../../api/generated/types.js';
import type { AnyContainer, Check, VersionedCheck } from './check.js';
import { badContainers, containerText, containersOf, plural, quoted, settersText, sorted, unlessUserNamespace } from './check.js';

const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';
const seccompPodAnnotation = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainerPrefix = 'container.seccomp.security.alpha.kubernetes.io/';

const isAllowedProfile = (type: string): boolean => type === 'RuntimeDefault' || type === 'Localhost';

const appArmor: Check = ({ annotations = {} }, spec) => {
  const values = new Set<string>();
  const isBad = (profile: { readonly type?: string } | undefined): boolean => {
    if (!profile || isAllowedProfile(profile.type ?? '')) return false;
    values.add(profile.type ?? '');
    return true;
  };
  const isPod = isBad(spec.securityContext?.appArmorProfile);
  const names = badContainers(spec, container => isBad(container.securityContext?.appArmorProfile));
  const forbidden = Object.entries(annotations)
    .filter(([key, value]) => {
      const isAllowed = value === '' || value === 'runtime/default' || value.startsWith('localhost/');
      return key.startsWith(appArmorPrefix) && !isAllowed;
    })
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const setters = [settersText(isPod, names), plural('annotation', 'annotations', forbidden.length)];
  if (forbidden.length === 0) setters.pop();
  const text = setters.filter(setter => setter !== '').join(' and ');
  if (!text) return undefined;
  const all = [...sorted(values), ...sorted(forbidden)];
  return {
    reason: plural('forbidden AppArmor profile', 'forbidden AppArmor profiles', all.length),
    detail: `${text} must not set AppArmor profile type to ${quoted(all)}`,
  };
};

const defaultCapabilities = new Set(
  (
    'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID ' + 'SYS_CHROOT'
  ).split(' '),
);

const capabilities: Check = (_metadata, spec) => {
  const extra = (container: AnyContainer): string[] =>
    (container.securityContext?.capabilities?.add ?? []).filter(name => !defaultCapabilities.has(name));
  const names = badContainers(spec, container => extra(container).length > 0);
  if (names.length === 0) return undefined;
  const list = quoted(sorted(containersOf(spec).flatMap(extra)));
  return {
    reason: 'non-default capabilities',
    detail: `${containerText(names)} must not include ${list} in securityContext.capabilities.add`,
  };
};

const hostNamespaces: Check = (_metadata, spec) => {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter(field => spec[field]).map(field => `${field}=true`);
  return used.length > 0 ? { reason: 'host namespaces', detail: used.join(', ') } : undefined;
};

const hostPaths: Check = (_metadata, { volumes = [] }) => {
  const names = volumes.filter(volume => volume.hostPath).map(({ name }) => name);
  if (names.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural('volume', 'volumes', names.length)} ${quoted(names)}` };
};

const hostPorts: Check = (_metadata, spec) => {
  const portsOf = ({ ports = [] }: AnyContainer): string[] =>
    ports.flatMap(({ hostPort }) => (hostPort ? [String(hostPort)] : []));
  const names = badContainers(spec, container => portsOf(container).length > 0);
  if (names.length === 0) return undefined;
  const ports = sorted(containersOf(spec).flatMap(portsOf));
  const uses = `${plural('uses', 'use', names.length)} ${plural('hostPort', 'hostPorts', ports.length)}`;
  return { reason: 'hostPort', detail: `${containerText(names)} ${uses} ${ports.join(', ')}` };
};

type Handler = { readonly httpGet?: { readonly host?: string }; readonly tcpSocket?: { readonly host?: string } };

const handlerHosts: Check = (_metadata, spec) => {
  const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: AnyContainer): string[] => {
    const handlers: (Handler | undefined)[] = [
      livenessProbe,
      readinessProbe,
      startupProbe,
      lifecycle?.postStart,
      lifecycle?.preStop,
    ];
    return handlers.flatMap(handler =>
      [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host): host is string => Boolean(host)),
    );
  };
  const names = sorted(badContainers(spec, container => hostsOf(container).length > 0));
  if (names.length === 0) return undefined;
  const hosts = sorted(containersOf(spec).flatMap(hostsOf));
  const what = plural('probe or lifecycle host', 'probe or lifecycle hosts', hosts.length);
  return {
    reason: 'probe or lifecycle host',
    detail: `${containerText(names)} ${plural('uses', 'use', names.length)} ${what} ${quoted(hosts)}`,
  };
};

const privileged: Check = (_metadata, spec) => {
  const names = badContainers(spec, container => container.securityContext?.privileged === true);
  if (names.length === 0) return undefined;
  return { reason: 'privileged', detail: `${containerText(names)} must not set securityContext.privileged=true` };
};

/** Also the restricted level's, for which a user namespace is no excuse. */
export const procMount: Check = (_metadata, spec) => {
  const typeOf = (container: AnyContainer): string => container.securityContext?.procMount ?? 'Default';
  const names = badContainers(spec, container => typeOf(container) !== 'Default');
  if (names.length === 0) return undefined;
  const types = sorted(containersOf(spec).map(typeOf)).filter(type => type !== 'Default');
  return { reason: 'procMount', detail: `${containerText(names)} must not set securityContext.procMount to ${quoted(types)}` };
};

function seLinux(...allowed: readonly string[]): Check {
  return (_metadata, spec) => {
    const types = new Set<string>();
    let [hasUser, hasRole] = [false, false];
    const isBad = (options: SELinuxOptions | undefined): boolean => {
      if (!options) return false;
      const { type = '', user, role } = options;
      const isForbidden = type !== '' && !allowed.includes(type);
      if (isForbidden) types.add(type);
      hasUser ||= Boolean(user);
      hasRole ||= Boolean(role);
      return isForbidden || Boolean(user) || Boolean(role);
    };
    const isPod = isBad(spec.securityContext?.seLinuxOptions);
    const names = badContainers(spec, container => isBad(container.securityContext?.seLinuxOptions));
    const setters = settersText(isPod, names);
    if (!setters) return undefined;
    const faults = [
      ...(types.size > 0 ? [`${plural('type', 'types', types.size)} ${quoted(sorted(types))}`] : []),
      ...(hasUser ? ['user may not be set'] : []),
      ...(hasRole ? ['role may not be set'] : []),
    ];
    return {
      reason: 'seLinuxOptions',
      detail: `${setters} set forbidden securityContext.seLinuxOptions: ${faults.join('; ')}`,
    };
  };
}

const seccompAnnotations: Check = ({ annotations = {} }, spec) => {
  const keys = [seccompPodAnnotation, ...containersOf(spec).map(({ name }) => `${seccompContainerPrefix}${name}`)];
  const forbidden = keys.flatMap(key => {
    const value = annotations[key];
    if (value === undefined || value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/'))
      return [];
    return [`${key}=${JSON.stringify(value)}`];
  });
  if (forbidden.length === 0) return undefined;
  const all = sorted(forbidden);
  return { reason: 'seccompProfile', detail: `forbidden ${plural('annotation', 'annotations', all.length)} ${all.join(', ')}` };
};

/** Profiles that are set to what no level but the widest allows. */
export function forbiddenSeccomp(spec: PodSpec): ReturnType<Check> {
  const values = new Set<string>();
  const isBad = (profile: { readonly type?: string } | undefined): boolean => {
    if (!profile || isAllowedProfile(profile.type ?? '')) return false;
    values.add(profile.type ?? '');
    return true;
  };
  const isPod = isBad(spec.securityContext?.seccompProfile);
  const setters = settersText(
    isPod,
    badContainers(spec, container => isBad(container.securityContext?.seccompProfile)),
  );
  if (!setters) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `${setters} must not set securityContext.seccompProfile.type to ${quoted(sorted(values))}`,
  };
}

const sysctlsOf10 = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
];
const sysctlsOf27 = [...sysctlsOf10, 'net.ipv4.ip_local_reserved_ports'];
const keepAlive = ['time', 'intvl', 'probes'].map(what => `net.ipv4.tcp_keepalive_${what}`);
const sysctlsOf29 = [...sysctlsOf27, ...keepAlive, 'net.ipv4.tcp_fin_timeout'];
const sysctlsOf32 = [...sysctlsOf29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'];

function sysctls(allowed: readonly string[]): Check {
  return (_metadata, spec) => {
    const names = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter(name => !allowed.includes(name));
    return names.length > 0 ? { reason: 'forbidden sysctls', detail: names.join(', ') } : undefined;
  };
}

const windowsHostProcess: Check = (_metadata, spec) => {
  const setters = settersText(
    spec.securityContext?.windowsOptions?.hostProcess === true,
    badContainers(spec, container => container.securityContext?.windowsOptions?.hostProcess === true),
  );
  if (!setters) return undefined;
  return { reason: 'hostProcess', detail: `${setters} must not set securityContext.windowsOptions.hostProcess=true` };
};

/** By id, in the order in which faults are told. Source: the Pod Security Standards, "Baseline". */
export const baselineChecks: readonly VersionedCheck[] = [
  { id: 'appArmorProfile', versions: [{ since: 0, check: appArmor }] },
  { id: 'capabilities_baseline', versions: [{ since: 0, check: capabilities }] },
  { id: 'hostNamespaces', versions: [{ since: 0, check: hostNamespaces }] },
  { id: 'hostPathVolumes', versions: [{ since: 0, check: hostPaths }] },
  { id: 'hostPorts', versions: [{ since: 0, check: hostPorts }] },
  { id: 'hostProbesAndHostLifecycle', versions: [{ since: 34, check: handlerHosts }] },
  { id: 'privileged', versions: [{ since: 0, check: privileged }] },
  {
    id: 'procMount',
    versions: [
      { since: 0, check: procMount },
      { since: 35, check: unlessUserNamespace(procMount) },
    ],
  },
  {
    id: 'seLinuxOptions',
    versions: [
      { since: 0, check: seLinux('container_t', 'container_init_t', 'container_kvm_t') },
      { since: 31, check: seLinux('container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t') },
    ],
  },
  {
    id: 'seccompProfile_baseline',
    versions: [
      { since: 0, check: seccompAnnotations },
      { since: 19, check: (_metadata, spec) => forbiddenSeccomp(spec) },
    ],
  },
  {
    id: 'sysctls',
    versions: [
      { since: 0, check: sysctls(sysctlsOf10) },
      { since: 27, check: sysctls(sysctlsOf27) },
      { since: 29, check: sysctls(sysctlsOf29) },
      { since: 32, check: sysctls(sysctlsOf32) },
    ],
  },
  { id: 'windowsHostProcess', versions: [{ since: 0, check: windowsHostProcess }] },
];
