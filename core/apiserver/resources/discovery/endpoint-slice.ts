import type { DiscoveryEndpointPort, Endpoint, EndpointHints, EndpointSlice } from '../../../api/generated/types.js';
import { EndpointSlices } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateLabels } from '../../../machinery/label-selector.js';
import { validateDns1123Label, validateDns1123Subdomain, validateIp, validateLabelValue } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import {
  addInvalid,
  addressWarnings,
  dnsLabel,
  immutable,
  legacyIp,
  objectName,
  qualifiedName,
  supported,
} from '../core/checks.js';
import { endpointAddress, isFamily } from '../networking/addresses.js';

const addressTypes = ['FQDN', 'IPv4', 'IPv6'];
const protocols = ['SCTP', 'TCP', 'UDP'];
const maximumEndpoints = 1000;
const maximumAddresses = 100;
const maximumPorts = 20000;
const maximumTopologyLabels = 16;
const maximumHints = 8;
const hostnameLabel = 'kubernetes.io/hostname';
const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
/** These two mend addresses themselves: upstream spares them the look at every one. */
const careful = new Set(['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io']);

/** A change counts although part of it is dropped again. */
const changedAsSent = new WeakSet<object>();

function isChanged(object: EndpointSlice, old: Readonly<EndpointSlice>): boolean {
  return (
    !semanticEqual(object.metadata.labels, old.metadata.labels) ||
    !semanticEqual({ ...object, metadata: undefined }, { ...old, metadata: undefined })
  );
}

export const endpointSlice = defineResource<EndpointSlice>({
  reference: EndpointSlices,
  generation: (object, old) => changedAsSent.has(object) || isChanged(object, old),
  defaults(object) {
    for (const port of object.ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  prepareForCreate: object => dropTopology(object, undefined),
  prepareForUpdate(object, old) {
    if (isChanged(object, old)) changedAsSent.add(object);
    dropTopology(object, old);
  },
  validate: (object, errors) => validateSlice(object, undefined, errors),
  checks: { update: ['object', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    validateSlice(object, old, errors);
    if (object.addressType !== old.addressType) immutable(errors, fieldPath('addressType'), object.addressType);
  },
  warnings(object, old) {
    const warnings: string[] = [];
    if (!old && object.addressType === 'FQDN') warnings.push('spec.addressType: FQDN endpoints are deprecated');
    if (careful.has(object.metadata.labels?.[managedByLabel] ?? '')) return warnings;
    for (const [index, endpoint] of (object.endpoints ?? []).entries()) {
      const path = fieldPath('endpoints').index(index).child('addresses');
      for (const [at, address] of endpoint.addresses.entries()) warnings.push(...addressWarnings(path.index(at), address));
    }
    return warnings;
  },
  row: (object, context) => [
    object.metadata.name,
    object.addressType,
    shortList((object.ports ?? []).map(port => (port.port === undefined ? (port.name ?? '*') : String(port.port)))),
    shortList((object.endpoints ?? []).flatMap(endpoint => endpoint.addresses ?? [])),
    age(object, context),
  ],
});

/** The deprecated topology cannot be written in v1; a node's name that stood there moves to its field. */
function dropTopology(object: EndpointSlice, old: Readonly<EndpointSlice> | undefined): void {
  if (old && semanticEqual(object.endpoints, old.endpoints)) return;
  const earlier = new Set((old?.endpoints ?? []).map(endpoint => endpoint.deprecatedTopology?.[hostnameLabel]));
  for (const endpoint of object.endpoints ?? []) {
    const name = endpoint.deprecatedTopology?.[hostnameLabel];
    if (endpoint.nodeName === undefined && name && earlier.has(name) && validateDns1123Subdomain(name).length === 0)
      endpoint.nodeName = name;
    delete endpoint.deprecatedTopology;
  }
}

function validateSlice(object: EndpointSlice, old: Readonly<EndpointSlice> | undefined, errors: FieldErrors): void {
  const path = fieldPath('addressType');
  if (!object.addressType) errors.required(path);
  else supported(errors, path, object.addressType, addressTypes);
  validatePorts(object.ports ?? [], fieldPath('ports'), errors);
  // Endpoints that older servers took may stay.
  if (old && semanticEqual(old.endpoints, object.endpoints)) return;
  validateEndpoints(object.endpoints ?? [], object.addressType, errors);
}

function validateEndpoints(endpoints: readonly Endpoint[], addressType: string, errors: FieldErrors): void {
  const path = fieldPath('endpoints');
  if (endpoints.length > maximumEndpoints) {
    errors.tooMany(path, endpoints.length, maximumEndpoints);
    return;
  }
  for (const [index, endpoint] of endpoints.entries()) {
    const at = path.index(index);
    validateAddresses(endpoint.addresses ?? [], addressType, at.child('addresses'), errors);
    if (endpoint.nodeName !== undefined) objectName(errors, at.child('nodeName'), endpoint.nodeName);
    const topology = at.child('deprecatedTopology');
    const labels = Object.keys(endpoint.deprecatedTopology ?? {}).length;
    if (labels > maximumTopologyLabels) errors.tooMany(topology, labels, maximumTopologyLabels);
    validateLabels(endpoint.deprecatedTopology, topology, errors);
    if (endpoint.hostname !== undefined) dnsLabel(errors, at.child('hostname'), endpoint.hostname);
    if (endpoint.hints) validateHints(endpoint.hints, at.child('hints'), errors);
  }
}

function validateAddresses(addresses: readonly string[], addressType: string, path: FieldPath, errors: FieldErrors): void {
  if (addresses.length === 0) errors.required(path, 'must contain at least 1 address');
  else if (addresses.length > maximumAddresses) errors.tooMany(path, addresses.length, maximumAddresses);
  for (const [index, address] of addresses.entries()) {
    const at = path.index(index);
    if (addressType === 'FQDN') fullyQualified(address, at, errors);
    if (addressType !== 'IPv4' && addressType !== 'IPv6') continue;
    const before = errors.list.length;
    if (addressType === 'IPv4') legacyIp(errors, at, address);
    else addInvalid(errors, at, address, validateIp(address));
    if (errors.list.length > before) continue;
    if (!isFamily(address, addressType === 'IPv4' ? 4 : 6)) errors.invalid(path, address, `must be an ${addressType} address`);
    endpointAddress(errors, at, address);
  }
}

/** Source: apimachinery IsFullyQualifiedDomainName; the first fault ends it. */
function fullyQualified(address: string, path: FieldPath, errors: FieldErrors): void {
  if (!address) return errors.required(path);
  const name = address.endsWith('.') ? address.slice(0, -1) : address;
  const faults = validateDns1123Subdomain(name);
  if (faults.length) return errors.invalid(path, name, faults.join(','));
  const labels = name.split('.');
  if (labels.length < 2) {
    return errors.invalid(path, name, 'should be a domain with at least two segments separated by dots');
  }
  for (const label of labels) {
    const wrong = validateDns1123Label(label);
    if (wrong.length) return errors.invalid(path, label, wrong.join(','));
  }
}

function validatePorts(ports: readonly DiscoveryEndpointPort[], path: FieldPath, errors: FieldErrors): void {
  if (ports.length > maximumPorts) {
    errors.tooMany(path, ports.length, maximumPorts);
    return;
  }
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = path.index(index);
    const name = port.name ?? '';
    if (name) dnsLabel(errors, at.child('name'), name);
    if (names.has(name)) errors.duplicate(at.child('name'), name);
    names.add(name);
    if (port.protocol === undefined) errors.required(at.child('protocol'));
    else supported(errors, at.child('protocol'), port.protocol, protocols);
    if (port.appProtocol !== undefined) qualifiedName(errors, at.child('appProtocol'), port.appProtocol);
  }
}

function validateHints(hints: EndpointHints, path: FieldPath, errors: FieldErrors): void {
  const check = (list: readonly { name: string }[], at: FieldPath, checkName: (at: FieldPath, name: string) => void): boolean => {
    if (list.length > maximumHints) {
      errors.tooMany(at, list.length, maximumHints);
      return false;
    }
    const seen = new Set<string>();
    for (const [index, { name }] of list.entries()) {
      const namePath = at.index(index).child('name');
      if (seen.has(name)) errors.duplicate(namePath, name);
      seen.add(name);
      checkName(namePath, name);
    }
    return true;
  };
  const zonesFit = check(hints.forZones ?? [], path.child('forZones'), (at, name) =>
    addInvalid(errors, at, name, validateLabelValue(name)),
  );
  if (zonesFit) check(hints.forNodes ?? [], path.child('forNodes'), (at, name) => objectName(errors, at, name));
}

function shortList(items: readonly string[]): string {
  if (items.length > 3) return `${items.slice(0, 3).join(',')} + ${items.length - 3} more...`;
  return items.join(',') || '<unset>';
}
