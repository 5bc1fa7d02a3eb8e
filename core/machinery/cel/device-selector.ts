import { Quantity } from '../quantity.js';
import type { CelType } from './cel-type.js';
import { anyType, boolType, mapType, objectType, stringType } from './cel-type.js';
import type { SizeLookup } from './call-estimates.js';
import { kubernetesEnvironment } from './kubernetes-environment.js';
import { quantityType, toQuantity } from './libraries/quantity.js';
import { toSemver } from './libraries/semver.js';
import { bindMacro } from './macros.js';
import type { CelProgram } from './program.js';
import { compile } from './program.js';
import type { SchemaType } from './schema-type.js';
import { SchemaTypeProvider } from './schema-type.js';
import type { CelValue } from './values.js';
import { CelError, EntryMap, MapValue, typeOf } from './values.js';

/**
 * Expressions that choose devices, with the variable `device`. Source: k8s.io/dynamic-resource-allocation/cel, with the features
 * that are on in 1.36 (consumable capacity, but no attributes that are lists).
 */

/** The most that an expression may cost, as estimated and as it runs. */
export const deviceSelectorCostLimit = 1_000_000;
export const deviceSelectorMaximumBytes = 10 * 1024;

const maximumDomainLength = 63;
const maximumIdLength = 32;
const maximumDriverLength = 63;
const maximumValueLength = 64;
const maximumEntries = 32;

const sized = (type: CelType, maxElements: number): SchemaType => ({ type, maxElements, minSize: 0 });
const domainType = sized(stringType, maximumDomainLength);
const idType = sized(stringType, maximumIdLength);
const attributeType = sized(anyType, maximumValueLength);

function mapOf(key: SchemaType, element: SchemaType): SchemaType {
  return { ...sized(mapType(key.type, element.type), maximumEntries), key, element };
}

const deviceType: SchemaType = {
  ...sized(objectType('kubernetes.DRADevice'), 0),
  fields: new Map<string, SchemaType>([
    ['allowMultipleAllocations', sized(boolType, 1)],
    ['attributes', mapOf(domainType, mapOf(idType, attributeType))],
    ['capacity', mapOf(domainType, mapOf(idType, sized(quantityType, 0)))],
    ['driver', sized(stringType, maximumDriverLength)],
  ]),
};

const environment = kubernetesEnvironment().extend({
  variables: { device: deviceType.type },
  provider: new SchemaTypeProvider(deviceType),
  macros: [bindMacro],
});

const sizes: SizeLookup = path => {
  if (path[0] !== 'device') return undefined;
  let current: SchemaType | undefined = deviceType;
  for (const name of path.slice(1)) {
    if (name === '@items' || name === '@values') current = current.element;
    else if (name === '@keys') current = current.key;
    // An attribute that is selected as a field, whatever its name.
    else current = current.fields?.get(name) ?? (current.element === attributeType ? attributeType : undefined);
    if (!current) return undefined;
  }
  return { min: 0, max: current.maxElements };
};

/** A device as expressions see it; attributes and capacities by qualified name. */
export interface SelectableDevice {
  readonly driver: string;
  readonly allowMultipleAllocations?: boolean | undefined;
  readonly attributes?: Readonly<Record<string, SelectableAttribute>> | undefined;
  readonly capacity?: Readonly<Record<string, { readonly value: string }>> | undefined;
}

export interface SelectableAttribute {
  readonly int?: number;
  readonly bool?: boolean;
  readonly string?: string;
  readonly version?: string;
}

export type DeviceMatch = { readonly matches: boolean } | { readonly error: string };

/** A selector that compiled. */
export class DeviceSelectorProgram {
  readonly #program: CelProgram;
  /** The most it may cost with the largest device. */
  readonly estimatedCost: number;

  constructor(program: CelProgram, estimatedCost: number) {
    this.#program = program;
    this.estimatedCost = estimatedCost;
  }

  /** Never throws for what is wrong with the device. */
  matches(device: SelectableDevice): DeviceMatch {
    const value = deviceValue(device);
    if (value instanceof CelError) return { error: value.message };
    const result = this.#program.evaluate(new Map([['device', value]]), { costLimit: deviceSelectorCostLimit });
    if ('error' in result) return { error: result.error };
    if (typeof result.value === 'boolean') return { matches: result.value };
    const name = typeOf(result.value).name;
    const text = `unsupported type conversion from '${name}' to bool`;
    return { error: `CEL result of type ${name} could not be converted to bool: ${text}` };
  }
}

export interface DeviceSelectorFault {
  readonly detail: string;
  readonly isInternal: boolean;
}

export type CompiledDeviceSelector = { readonly program: DeviceSelectorProgram } | { readonly fault: DeviceSelectorFault };

/** Never throws for what is wrong with the expression. */
export function compileDeviceSelector(expression: string): CompiledDeviceSelector {
  const result = compile(environment, expression, { sizes });
  if ('errors' in result) {
    const isInternal = result.stage === 'program';
    const what = isInternal ? 'program instantiation failed' : 'compilation failed';
    return { fault: { detail: `${what}: ${result.errors}`, isInternal } };
  }
  if (!result.type.equals(boolType) && !result.type.equals(anyType)) {
    return {
      fault: { detail: `must evaluate to bool or the unknown type, not ${declaredName(result.type)}`, isInternal: false },
    };
  }
  return { program: new DeviceSelectorProgram(result.program, result.estimatedCost.max) };
}

/** The name that cel-go declares a type under, which is not the one that errors of the checker have. */
function declaredName(type: CelType): string {
  if (type === anyType) return 'google.protobuf.Any';
  if (type.parameters.length === 0) return type.name;
  return `${type.name}(${type.parameters.map(declaredName).join(', ')})`;
}

function deviceValue(device: SelectableDevice): CelValue {
  const attributes = new DomainMap();
  for (const [name, attribute] of Object.entries(device.attributes ?? {})) {
    const value = attributeValue(attribute);
    if (value instanceof CelError) return new CelError(`attribute ${name}: ${value.message}`);
    attributes.insert(name, device.driver, value);
  }
  const capacity = new DomainMap();
  for (const [name, { value }] of Object.entries(device.capacity ?? {})) {
    // Upstream's amounts were parsed from their canonical text, too.
    capacity.insert(name, device.driver, toQuantity(Quantity.parse(value).toString()));
  }
  return new EntryMap([
    { key: 'driver', value: device.driver },
    { key: 'allowMultipleAllocations', value: device.allowMultipleAllocations ?? false },
    { key: 'attributes', value: attributes },
    { key: 'capacity', value: capacity },
  ]);
}

function attributeValue(attribute: SelectableAttribute): CelValue {
  if (attribute.int !== undefined) return BigInt(attribute.int);
  if (attribute.bool !== undefined) return attribute.bool;
  if (attribute.string !== undefined) return attribute.string;
  if (attribute.version === undefined) return new CelError('unsupported attribute value');
  const version = toSemver(attribute.version, false);
  return version instanceof CelError ? new CelError(`parse semantic version: ${version.message}`) : version;
}

/** What was published, by domain. Every other domain that is looked up has an empty map, so that only ids can be missing. */
class DomainMap extends MapValue {
  readonly #domains = new Map<string, EntryMap>();

  insert(qualifiedName: string, defaultDomain: string, value: CelValue): void {
    const [domain, id] = splitQualifiedName(qualifiedName, defaultDomain);
    let entries = this.#domains.get(domain);
    if (!entries) this.#domains.set(domain, (entries = new EntryMap()));
    entries.insert(id, value);
  }

  get size(): number {
    return this.#domains.size;
  }

  find(key: CelValue): CelValue {
    return (typeof key === 'string' ? this.#domains.get(key) : undefined) ?? emptyMap;
  }

  override contains(key: CelValue): boolean {
    return typeof key === 'string' && this.#domains.has(key);
  }

  keys(): Iterable<CelValue> {
    return this.#domains.keys();
  }
}

const emptyMap = new EntryMap();

/** A name without a domain belongs to the driver's. */
export function splitQualifiedName(name: string, defaultDomain: string): [domain: string, id: string] {
  const separator = name.indexOf('/');
  return separator < 0 ? [defaultDomain, name] : [name.slice(0, separator), name.slice(separator + 1)];
}
