import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../../api/generated/types.js';
import { NetworkPolicies } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { FieldErrors as Errors, fieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { parseCidr, validatePortName, validatePortNumber } from '../../../machinery/names.js';
import { jsonEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { selectorCell } from '../apps/pod-owner.js';
import { addInvalid, legacyCidr } from '../core/checks.js';
import { cidrWarnings, isStrictSubset } from './addresses.js';

const protocols = ['TCP', 'UDP', 'SCTP'];
const policyTypes = ['Ingress', 'Egress'];

/** What the stored policy had already: it may stay though it would be refused today. */
interface Leniency {
  readonly selectorValues: boolean;
  readonly cidrs: readonly string[];
}

interface PlacedPeer {
  readonly peer: NetworkPolicyPeer;
  readonly path: FieldPath;
}

export const networkPolicy = defineResource<NetworkPolicy>({
  reference: NetworkPolicies,
  generation: (object, old) => !jsonEqual(object.spec, old.spec),
  defaults(object) {
    object.spec ??= { podSelector: {} };
    const { spec } = object;
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
      for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
  },
  validate: (object, errors) => validatePolicy(object, errors, { selectorValues: false, cidrs: [] }),
  validateUpdate(object, old, errors) {
    const before = new Errors();
    validateLabelSelector(old.spec.podSelector, fieldPath(), before);
    const cidrs = peersOf(old).flatMap(({ peer }) => (peer.ipBlock ? [peer.ipBlock.cidr, ...(peer.ipBlock.except ?? [])] : []));
    validatePolicy(object, errors, { selectorValues: !before.empty, cidrs });
  },
  warnings(object) {
    const warnings: string[] = [];
    for (const { peer, path } of peersOf(object)) {
      if (!peer.ipBlock) continue;
      const at = path.child('ipBlock');
      warnings.push(...cidrWarnings(at.child('cidr'), peer.ipBlock.cidr));
      for (const [index, except] of (peer.ipBlock.except ?? []).entries())
        warnings.push(...cidrWarnings(at.child('except').index(index), except));
    }
    return warnings;
  },
  row: (object, context) => [object.metadata.name, selectorCell(object.spec.podSelector), age(object, context)],
});

function peersOf({ spec }: Readonly<NetworkPolicy>): PlacedPeer[] {
  const place = (peers: readonly NetworkPolicyPeer[] | undefined, path: FieldPath): PlacedPeer[] =>
    (peers ?? []).map((peer, index) => ({ peer, path: path.index(index) }));
  const path = fieldPath('spec');
  return [
    ...(spec.ingress ?? []).flatMap((rule, index) => place(rule.from, path.child('ingress').index(index).child('from'))),
    ...(spec.egress ?? []).flatMap((rule, index) => place(rule.to, path.child('egress').index(index).child('to'))),
  ];
}

function validatePolicy({ spec }: NetworkPolicy, errors: FieldErrors, lenient: Leniency): void {
  const path = fieldPath('spec');
  validateLabelSelector(spec.podSelector, path.child('podSelector'), errors, { allowInvalidValues: lenient.selectorValues });
  const rules = [
    ...(spec.ingress ?? []).map((rule, index) => ({
      at: path.child('ingress').index(index),
      ports: rule.ports,
      peers: rule.from,
      field: 'from',
    })),
    ...(spec.egress ?? []).map((rule, index) => ({
      at: path.child('egress').index(index),
      ports: rule.ports,
      peers: rule.to,
      field: 'to',
    })),
  ];
  for (const { at, ports, peers, field } of rules) {
    for (const [index, port] of (ports ?? []).entries()) validatePort(port, at.child('ports').index(index), errors);
    for (const [index, peer] of (peers ?? []).entries()) validatePeer(peer, at.child(field).index(index), errors, lenient);
  }
  const types = spec.policyTypes ?? [];
  if (types.length > policyTypes.length)
    return errors.invalid(path.child('policyTypes'), types, 'may not specify more than two policyTypes');
  for (const [index, type] of types.entries())
    if (!policyTypes.includes(type)) errors.notSupported(path.child('policyTypes').index(index), type, policyTypes);
}

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, path: FieldPath, errors: FieldErrors): void {
  if (protocol !== undefined && !protocols.includes(protocol)) errors.notSupported(path.child('protocol'), protocol, protocols);
  const end = path.child('endPort');
  if (port === undefined) {
    if (endPort !== undefined) errors.invalid(end, endPort, 'may not be specified when `port` is not specified');
  } else if (typeof port === 'number') {
    addInvalid(errors, path.child('port'), port, validatePortNumber(port));
    if (endPort === undefined) return;
    if (endPort < port) errors.invalid(end, port, 'must be greater than or equal to `port`');
    addInvalid(errors, end, endPort, validatePortNumber(endPort));
  } else {
    if (endPort !== undefined) errors.invalid(end, endPort, 'may not be specified when `port` is non-numeric');
    addInvalid(errors, path.child('port'), port, validatePortName(port));
  }
}

function validatePeer(peer: NetworkPolicyPeer, path: FieldPath, errors: FieldErrors, lenient: Leniency): void {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const options = { allowInvalidValues: lenient.selectorValues };
  if (podSelector) validateLabelSelector(podSelector, path.child('podSelector'), errors, options);
  if (namespaceSelector) validateLabelSelector(namespaceSelector, path.child('namespaceSelector'), errors, options);
  if (ipBlock) validateBlock(ipBlock, path.child('ipBlock'), errors, lenient);
  if (!podSelector && !namespaceSelector && !ipBlock) errors.required(path, 'must specify a peer');
  else if (ipBlock && (podSelector || namespaceSelector)) errors.forbidden(path, 'may not specify both ipBlock and another peer');
}

function validateBlock({ cidr, except }: IPBlock, path: FieldPath, errors: FieldErrors, lenient: Leniency): void {
  if (!cidr) return errors.required(path.child('cidr'));
  legacyCidr(errors, path.child('cidr'), cidr, lenient.cidrs);
  if (!parseCidr(cidr)) return;
  for (const [index, inner] of (except ?? []).entries()) {
    const at = path.child('except').index(index);
    legacyCidr(errors, at, inner, lenient.cidrs);
    if (parseCidr(inner) && !isStrictSubset(inner, cidr)) errors.invalid(at, inner, 'must be a strict subset of `cidr`');
  }
}
