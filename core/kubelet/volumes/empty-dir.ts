import { release } from 'node:os';
import type { EmptyDirVolumeSource, Pod } from '../../api/generated/types.js';
import { CodedError } from '../../base/errors.js';
import { parseQuantity } from '../../machinery/quantity.js';
import { podCgroupLimits } from '../cgroups/cgroup-limits.js';

/** What is mounted at an emptyDir, as words for `mount`, without the place; undefined for a plain directory. */
export function emptyDirMount(
  { medium, sizeLimit }: EmptyDirVolumeSource,
  pod: Pod,
  allocatable: Readonly<Record<string, string>>,
): string[] | undefined {
  if (!medium) return undefined;
  if (medium === 'Memory') return memoryMount(memoryVolumeBytes(sizeLimit, pod, allocatable));
  if (medium === 'HugePages' || medium.startsWith('HugePages-')) {
    return ['-t', 'hugetlbfs', '-o', `pagesize=${pageBytes(medium, pod)}`, 'nodev'];
  }
  throw new CodedError('VOLUME_UNSUPPORTED', `unknown storage medium ${JSON.stringify(medium)}`);
}

/** A tmpfs; what is in it never reaches a swap device where the kernel can promise that. */
export function memoryMount(sizeBytes: number): string[] {
  const options = [...(sizeBytes > 0 ? [`size=${sizeBytes}`] : []), ...(canForbidSwap(release()) ? ['noswap'] : [])];
  return ['-t', 'tmpfs', ...(options.length > 0 ? ['-o', options.join(',')] : []), 'tmpfs'];
}

/** The least of the volume's own limit, what the pod may use and what the node can give; 0 when none is known. */
export function memoryVolumeBytes(
  sizeLimit: string | undefined,
  pod: Pod,
  allocatable: Readonly<Record<string, string>>,
): number {
  const limits = [
    parseQuantity(allocatable['memory'] ?? '0').value(),
    podCgroupLimits(pod).memoryBytes ?? 0,
    parseQuantity(sizeLimit ?? '0').value(),
  ].filter(bytes => bytes > 0);
  return limits.length > 0 ? Math.min(...limits) : 0;
}

/** tmpfs has `noswap` since Linux 6.4. */
export function canForbidSwap(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map(part => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 4);
}

/** The size that the pod's containers ask for; the medium may name one of several. Texts: pkg/volume/emptydir. */
function pageBytes(medium: string, pod: Pod): number {
  const wanted = medium === 'HugePages' ? undefined : parseQuantity(medium.slice('HugePages-'.length)).value();
  const requests = [pod.spec, ...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap(({ resources }) =>
    Object.keys(resources?.requests ?? {}),
  );
  const sizes = new Set(
    requests.filter(name => name.startsWith('hugepages-')).map(name => parseQuantity(name.slice('hugepages-'.length)).value()),
  );
  const [only] = sizes;
  if (wanted !== undefined && sizes.has(wanted)) return wanted;
  if (wanted === undefined && sizes.size > 1) {
    throw new CodedError('VOLUME_HUGE_PAGES', `medium: ${medium} can't be used if container requests multiple huge page sizes`);
  }
  if (wanted === undefined && only !== undefined) return only;
  const text = `medium ${medium}: hugePages storage requested, but there is no resource request for huge pages`;
  throw new CodedError('VOLUME_HUGE_PAGES', text);
}
