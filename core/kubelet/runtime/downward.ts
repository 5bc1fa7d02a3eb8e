import { CodedError } from '../../base/errors.js';
import { Quantity, parseQuantity } from '../../machinery/quantity.js';
import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from '../../api/generated/types.js';

export interface DownwardInput {
  readonly pod: Pod;
  readonly podIps: readonly string[];
  readonly hostIps: readonly string[];
  /** What the node can give, for limits that are not set. */
  readonly allocatable: Readonly<Record<string, string>>;
}

/** A field of the pod as the downward API gives it. Throws DOWNWARD_FIELD. Source: pkg/fieldpath. */
export function downwardField({ fieldPath }: ObjectFieldSelector, input: DownwardInput): string {
  const { pod } = input;
  const subscript = /^(metadata\.annotations|metadata\.labels)\['(.*)'\]$/.exec(fieldPath);
  if (subscript) {
    const map = subscript[1] === 'metadata.labels' ? pod.metadata.labels : pod.metadata.annotations;
    return (map && Object.hasOwn(map, subscript[2]!) ? map[subscript[2]!] : undefined) ?? '';
  }
  switch (fieldPath) {
    case 'metadata.name':
      return pod.metadata.name ?? '';
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'metadata.labels':
      return formatMap(pod.metadata.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.hostIP':
      return input.hostIps[0] ?? '';
    case 'status.hostIPs':
      return input.hostIps.join(',');
    case 'status.podIP':
      return input.podIps[0] ?? '';
    case 'status.podIPs':
      return input.podIps.join(',');
    default:
      throw new CodedError('DOWNWARD_FIELD', `unsupported fieldPath: ${fieldPath}`);
  }
}

/** A resource of a container in units of the divisor, rounded up. Throws DOWNWARD_FIELD. Source: pkg/api/v1/resource. */
export function downwardResource(selector: ResourceFieldSelector, container: Container, input: DownwardInput): string {
  const { resource } = selector;
  const [, list, name = ''] = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(resource) ?? [];
  if (!list) throw new CodedError('DOWNWARD_FIELD', `unsupported container resource : ${resource}`);
  const { limits, requests } = container.resources ?? {};
  const limit = limits?.[name] ?? (list === 'limits' && !name.startsWith('hugepages-') ? input.allocatable[name] : undefined);
  const amount = parseQuantity((list === 'limits' ? limit : (requests?.[name] ?? limits?.[name])) ?? '0');
  const divisor = selector.divisor ? parseQuantity(selector.divisor) : Quantity.zero;
  const unit = divisor.isZero ? parseQuantity('1') : divisor;
  const value = name === 'cpu' ? amount.milliValue() / unit.milliValue() : amount.value() / unit.value();
  return String(Math.ceil(value));
}

/** `key="value"` a line, sorted; values quoted as Go quotes them. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}\n`)
    .join('')
    .replace(/\n$/, '');
}
