import type { Device, DeviceAttribute, DeviceConstraint } from '../../api/generated/types.js';

/** A device for a request; the request of an alternative has its name behind a slash. */
export interface ConstrainedDevice {
  readonly request: string;
  readonly subrequest: string | undefined;
  readonly driver: string;
  readonly device: Device;
}

/** Holds for all devices of a claim's requests, or of some of them. What it once refuses it never takes, whatever comes besides. */
export interface AllocationConstraint {
  /** False: the device may not be added. */
  add(candidate: ConstrainedDevice): boolean;
  /** Takes back what was added last for that request. */
  remove(candidate: ConstrainedDevice): void;
}

/** Undefined for a constraint of a kind that is not known. */
export function allocationConstraint(constraint: DeviceConstraint): AllocationConstraint | undefined {
  const { matchAttribute, distinctAttribute, requests = [] } = constraint;
  if (matchAttribute !== undefined) return new MatchAttribute(matchAttribute, requests);
  return distinctAttribute === undefined ? undefined : new DistinctAttribute(distinctAttribute, requests);
}

abstract class AttributeConstraint implements AllocationConstraint {
  readonly #attribute: string;
  readonly #requests: ReadonlySet<string>;

  constructor(attribute: string, requests: readonly string[]) {
    this.#attribute = attribute;
    this.#requests = new Set(requests);
  }

  add(candidate: ConstrainedDevice): boolean {
    if (!this.#concerns(candidate)) return true;
    const value = attributeOf(candidate, this.#attribute);
    return value !== undefined && this.accept(candidate.request, value);
  }

  remove(candidate: ConstrainedDevice): void {
    if (this.#concerns(candidate)) this.release(candidate.request);
  }

  protected abstract accept(request: string, value: string): boolean;
  protected abstract release(request: string): void;

  #concerns({ request, subrequest }: ConstrainedDevice): boolean {
    if (this.#requests.size === 0 || this.#requests.has(request)) return true;
    return subrequest !== undefined && this.#requests.has(`${request}/${subrequest}`);
  }
}

/** All devices have the same value. */
class MatchAttribute extends AttributeConstraint {
  #value = '';
  #count = 0;

  protected accept(_request: string, value: string): boolean {
    if (this.#count === 0) this.#value = value;
    else if (value !== this.#value) return false;
    this.#count++;
    return true;
  }

  protected release(): void {
    this.#count--;
  }
}

/** No two devices have the same value. */
class DistinctAttribute extends AttributeConstraint {
  readonly #values: { readonly request: string; readonly value: string }[] = [];

  protected accept(request: string, value: string): boolean {
    if (this.#values.some(held => held.value === value)) return false;
    this.#values.push({ request, value });
    return true;
  }

  protected release(): void {
    // Devices are given back in the opposite order.
    this.#values.pop();
  }
}

/** As a text that is equal for equal values of one type; versions have one spelling each. */
function attributeOf({ device, driver }: ConstrainedDevice, name: string): string | undefined {
  const attributes = device.attributes ?? {};
  const own = name.startsWith(`${driver}/`) ? name.slice(driver.length + 1) : undefined;
  const key = [name, own].find(candidate => candidate !== undefined && Object.hasOwn(attributes, candidate));
  return key === undefined ? undefined : valueText(attributes[key]!);
}

function valueText({ string, int, bool, version }: DeviceAttribute): string | undefined {
  if (string !== undefined) return `string ${string}`;
  if (int !== undefined) return `int ${int}`;
  if (bool !== undefined) return `bool ${bool}`;
  return version === undefined ? undefined : `version ${version}`;
}
