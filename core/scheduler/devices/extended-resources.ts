import type { ContainerExtendedResourceRequest, Container, DeviceClass, DeviceRequest, Pod } from '../../api/generated/types.js';
import { DeviceClasses } from '../../api/generated/resources.js';
import { deviceClassResourcePrefix } from '../../api/resource-claims.js';
import type { Informer } from '../../client/informer-types.js';
import { parseQuantity } from '../../machinery/quantity.js';
import type { UsedInformers } from '../used-informers.js';

/** Device classes, and which of them stand for extended resources. */
export class KnownDeviceClasses {
  readonly #informer: Informer<DeviceClass>;
  /** Classes by the extended resource that they name. */
  readonly #named = new Map<string, Map<string, DeviceClass>>();
  readonly #onFirst: (() => void)[] = [];
  #count = 0;

  constructor(informers: UsedInformers) {
    this.#informer = informers.informer(DeviceClasses);
    this.#informer.addHandler({
      added: ({ object }) => {
        this.#count++;
        this.#add(object);
        for (const listener of this.#onFirst.splice(0)) listener();
      },
      updated: (previous, next) => {
        this.#remove(previous.object);
        this.#add(next.object);
      },
      deleted: ({ object }) => {
        this.#count--;
        this.#remove(object);
      },
    });
  }

  /** Called once there is a class. */
  onFirst(listener: () => void): void {
    if (this.isEmpty) this.#onFirst.push(listener);
    else listener();
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get(name: string): DeviceClass | undefined {
    return this.#informer.get('', name);
  }

  /** The class that devices for an extended resource come from. The newest, so that users can go from one class to another. */
  forResource(resource: string): DeviceClass | undefined {
    if (this.isEmpty) return undefined;
    if (resource.startsWith(deviceClassResourcePrefix)) return this.get(resource.slice(deviceClassResourcePrefix.length));
    let best: DeviceClass | undefined;
    for (const candidate of this.#named.get(resource)?.values() ?? [])
      if (!best || isPreferred(candidate, best)) best = candidate;
    return best;
  }

  #add(deviceClass: DeviceClass): void {
    const { extendedResourceName } = deviceClass.spec;
    if (extendedResourceName === undefined) return;
    let classes = this.#named.get(extendedResourceName);
    if (!classes) this.#named.set(extendedResourceName, (classes = new Map()));
    classes.set(deviceClass.metadata.name, deviceClass);
  }

  #remove({ metadata, spec }: DeviceClass): void {
    const classes = spec.extendedResourceName === undefined ? undefined : this.#named.get(spec.extendedResourceName);
    classes?.delete(metadata.name);
    if (classes?.size === 0) this.#named.delete(spec.extendedResourceName!);
  }
}

function isPreferred(candidate: DeviceClass, over: DeviceClass): boolean {
  const created = candidate.metadata.creationTimestamp ?? '';
  const other = over.metadata.creationTimestamp ?? '';
  return created === other ? candidate.metadata.name < over.metadata.name : created > other;
}

export interface ExtendedRequests {
  readonly requests: readonly DeviceRequest[];
  readonly mappings: readonly ContainerExtendedResourceRequest[];
}

interface NumberedContainer {
  readonly container: Container;
  /** Among init containers and the others behind them. */
  readonly index: number;
}

/**
 * Requests for devices in place of extended resources. Init containers that end use the devices of those that come later, and of
 * what they need beside these only the largest request counts. Source: KEP-5004.
 */
export function extendedRequests(
  { spec }: Pod,
  resources: readonly string[],
  classOf: (resource: string) => DeviceClass | undefined,
): ExtendedRequests {
  const initCount = spec.initContainers?.length ?? 0;
  const containers = [...(spec.initContainers ?? []), ...spec.containers].map((container, index) => ({ container, index }));
  const ends = ({ container, index }: NumberedContainer): boolean => index < initCount && container.restartPolicy !== 'Always';
  const requests: DeviceRequest[] = [];
  const mappings: ContainerExtendedResourceRequest[] = [];
  for (const resource of [...resources].sort()) {
    const className = classOf(resource)?.metadata.name;
    if (className === undefined) continue;
    const own = new Map<number, DeviceRequest>();
    for (const numbered of containers.filter(each => !ends(each))) {
      const made = requestOf(numbered, resource, className, []);
      if (made.request) own.set(numbered.index, made.request);
      mappings.push(...made.mappings);
    }
    const short: ContainerExtendedResourceRequest[] = [];
    const names = new Set<string>();
    let largest: DeviceRequest | undefined;
    for (const numbered of containers.filter(ends)) {
      const later = [...own].filter(([index]) => index >= numbered.index).map(([, request]) => request);
      const made = requestOf(numbered, resource, className, later);
      if (made.request) {
        names.add(made.request.name);
        if (!largest || largest.exactly!.count! < made.request.exactly!.count!) largest = made.request;
      }
      short.push(...made.mappings);
    }
    for (const mapping of short)
      mappings.push(largest && names.has(mapping.requestName) ? { ...mapping, requestName: largest.name } : mapping);
    requests.push(...(largest ? [largest] : []), ...own.values());
  }
  return { requests: requests.sort((a, b) => (a.name < b.name ? -1 : 1)), mappings };
}

function requestOf(
  { container, index }: NumberedContainer,
  resourceName: string,
  deviceClassName: string,
  reusable: readonly DeviceRequest[],
): { readonly request?: DeviceRequest; readonly mappings: ContainerExtendedResourceRequest[] } {
  const requested = container.resources?.requests ?? {};
  const wanted = Object.hasOwn(requested, resourceName) ? parseQuantity(requested[resourceName]!).value() : 0;
  const mappings: ContainerExtendedResourceRequest[] = [];
  if (wanted === 0) return { mappings };
  let found = 0;
  for (const { name, exactly } of reusable) {
    found += exactly!.count!;
    mappings.push({ containerName: container.name, resourceName, requestName: name });
    if (found >= wanted) return { mappings };
  }
  const name = `container-${index}-request-${Object.keys(requested).sort().indexOf(resourceName)}`;
  mappings.push({ containerName: container.name, resourceName, requestName: name });
  return { request: { name, exactly: { deviceClassName, allocationMode: 'ExactCount', count: wanted - found } }, mappings };
}
