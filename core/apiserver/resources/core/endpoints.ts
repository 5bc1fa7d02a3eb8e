import type { EndpointAddress, EndpointPort, Endpoints as EndpointsObject } from '../../../api/generated/types.js';
import { Endpoints } from '../../../api/generated/resources.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import type { FieldPath, FieldErrors } from '../../../machinery/field-errors.js';
import { validatePortNumber } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { addInvalid, addressWarnings, dnsLabel, legacyIp, objectName, qualifiedName, requiredOneOf } from './checks.js';
import { validateEndpointAddress } from './endpoint-addresses.js';

const shownAddresses = 3;
const subsetsPath = fieldPath('subsets');

export const endpoints = defineResource<EndpointsObject>({
  reference: Endpoints,
  storagePrefix: 'services/endpoints',
  generation: false,
  allowCreateOnUpdate: true,
  defaults(object) {
    for (const subset of object.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
  },
  validate: validateSubsets,
  checks: { update: ['change', 'object', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    if (!semanticEqual(object.subsets, old.subsets)) validateSubsets(object, errors);
  },
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  warnings(object) {
    if (object.metadata.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller') return [];
    return (object.subsets ?? []).flatMap((subset, index) =>
      (['addresses', 'notReadyAddresses'] as const).flatMap(list =>
        (subset[list] ?? []).flatMap(({ ip }, at) =>
          addressWarnings(subsetsPath.index(index).child(list).index(at).child('ip'), ip),
        ),
      ),
    );
  },
  row: (object, context) => [object.metadata.name, addressesOf(object), age(object, context)],
});

function validateSubsets({ subsets = [] }: EndpointsObject, errors: FieldErrors): void {
  for (const [index, subset] of subsets.entries()) {
    const at = subsetsPath.index(index);
    if (!subset.addresses?.length && !subset.notReadyAddresses?.length)
      errors.required(at, 'must specify `addresses` or `notReadyAddresses`');
    for (const list of ['addresses', 'notReadyAddresses'] as const) {
      subset[list]?.forEach((address, addressIndex) => validateAddress(address, at.child(list).index(addressIndex), errors));
    }
    const ports = subset.ports ?? [];
    ports.forEach((port, portIndex) => validatePort(port, at.child('ports').index(portIndex), errors, ports.length > 1));
  }
}

function validateAddress({ ip, hostname, nodeName }: EndpointAddress, path: FieldPath, errors: FieldErrors): void {
  legacyIp(errors, path.child('ip'), ip);
  if (hostname) dnsLabel(errors, path.child('hostname'), hostname);
  if (nodeName !== undefined) objectName(errors, path.child('nodeName'), nodeName);
  validateEndpointAddress(errors, path.child('ip'), ip);
}

function validatePort(port: EndpointPort, path: FieldPath, errors: FieldErrors, needsName: boolean): void {
  if (port.name) dnsLabel(errors, path.child('name'), port.name);
  else if (needsName) errors.required(path.child('name'));
  addInvalid(errors, path.child('port'), port.port, validatePortNumber(port.port));
  requiredOneOf(errors, path.child('protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  if (port.appProtocol !== undefined) qualifiedName(errors, path.child('appProtocol'), port.appProtocol);
}

/** Source: formatEndpoints. */
function addressesOf({ subsets = [] }: Readonly<EndpointsObject>): string {
  if (!subsets.length) return '<none>';
  const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length
      ? ports.flatMap(({ port }) => addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)))
      : addresses.map(({ ip }) => ip),
  );
  const shown = all.slice(0, shownAddresses).join(',');
  return all.length > shownAddresses ? `${shown} + ${all.length - shownAddresses} more...` : shown;
}
