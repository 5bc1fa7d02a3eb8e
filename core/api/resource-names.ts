import { validateQualifiedName } from '../machinery/names.js';
import { parseQuantity } from '../machinery/quantity.js';

/** What the names of compute resources say. Source: pkg/apis/core/helper. */
export const hugePagesPrefix = 'hugepages-';
export const requestsPrefix = 'requests.';

export const isHugePage = (name: string): boolean => name.startsWith(hugePagesPrefix);
export const isNativeResource = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
export const isOvercommitAllowed = (name: string): boolean => isNativeResource(name) && !isHugePage(name);
export const isPodLevelResource = (name: string): boolean => name === 'cpu' || name === 'memory' || isHugePage(name);

/** Of neither Kubernetes nor the system: what device plugins and users add to nodes. */
export function isExtendedResource(name: string): boolean {
  if (isNativeResource(name) || name.startsWith(requestsPrefix)) return false;
  return validateQualifiedName(requestsPrefix + name).length === 0;
}

/** The list with every amount rounded up to thousandths. Source: SetDefaults_ResourceList. */
export function roundResourceList(list: Record<string, string> | undefined): void {
  for (const name in list) {
    const text = list[name]!;
    const last = text.charCodeAt(text.length - 1);
    // Only what ends in n, u or an exponent, or has a fraction, can be finer than thousandths.
    if (last === 110 || last === 117 || text.includes('.') || text.includes('e'))
      list[name] = parseQuantity(text).roundUp(-3).toString();
  }
}
