import type { PodSpec } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';

const segment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const pattern = `^(${segment}[\\./])*${segment}$`;
const namePattern = new RegExp(pattern);
const maximumLength = 253;

/** Which namespace a sysctl belongs to; slashes separate as dots do. Source: component-helpers/node/util/sysctl. */
function namespaceOf(name: string): 'ipc' | 'net' | undefined {
  const first = name.search(/[./]/);
  const dotted = first >= 0 && name[first] === '/' ? name.replace(/[./]/g, mark => (mark === '/' ? '.' : '/')) : name;
  if (dotted === 'kernel.sem' || ['kernel.shm', 'kernel.msg', 'fs.mqueue.'].some(prefix => dotted.startsWith(prefix)))
    return 'ipc';
  return dotted.startsWith('net.') ? 'net' : undefined;
}

/** Why a sysctl of a namespace that the pod shares with the host may not be set. */
export function hostSysctlError(name: string, spec: PodSpec): string | undefined {
  const namespace = namespaceOf(name);
  if (spec.hostNetwork && namespace === 'net') return "may not be specified when 'hostNetwork' is true";
  if (spec.hostIPC && namespace === 'ipc') return "may not be specified when 'hostIPC' is true";
  return undefined;
}

export function validateSysctls(spec: PodSpec, path: FieldPath, errors: FieldErrors, allowHost: boolean): void {
  const seen = new Set<string>();
  for (const [index, { name }] of (spec.securityContext?.sysctls ?? []).entries()) {
    const at = path.index(index).child('name');
    if (!name) errors.required(at);
    else if (name.length > maximumLength || !namePattern.test(name)) {
      errors.invalid(at, name, `must have at most ${maximumLength} characters and match regex ${pattern}`);
    } else if (seen.has(name)) errors.duplicate(at, name);
    const text = allowHost ? undefined : hostSysctlError(name, spec);
    if (text) errors.invalid(at, name, text);
    seen.add(name);
  }
}
