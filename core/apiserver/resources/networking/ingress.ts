import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressLoadBalancerStatus,
  IngressRule,
  IngressSpec,
  TypedLocalObjectReference,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { Ingresses } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { FieldErrors as Errors, fieldPath } from '../../../machinery/field-errors.js';
import {
  nameIsDnsLabel,
  nameIsDnsSubdomain,
  parseAddress,
  validateDns1123Subdomain,
  validatePathSegmentName,
  validatePortName,
  validatePortNumber,
  validateWildcardDns1123Subdomain,
} from '../../../machinery/names.js';
import { cloneJson } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { addInvalid, addressWarnings, dnsSubdomain, legacyIp, supported } from '../core/checks.js';

const classAnnotation = 'kubernetes.io/ingress.class';
const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];
const invalidSequences = ['//', '/./', '/../', '%2f', '%2F'];
const invalidSuffixes = ['/..', '/.'];

/** What an older object may have kept. */
interface Leniency {
  readonly secretName?: boolean;
  readonly wildcardRule?: boolean;
}

export const ingress = defineResource<Ingress>({
  reference: Ingresses,
  prepareForCreate(object) {
    object.status = { loadBalancer: {} };
  },
  validate(object, errors) {
    validateSpec(object.spec, fieldPath('spec'), errors, {});
    const annotation = object.metadata.annotations?.[classAnnotation];
    const { ingressClassName } = object.spec;
    if (annotation !== undefined && ingressClassName !== undefined && annotation !== ingressClassName) {
      errors.invalid(
        fieldPath('annotations').child(classAnnotation),
        annotation,
        'must match `ingressClassName` when both are specified',
      );
    }
  },
  checks: { update: ['change', 'object', 'validateUpdate'] },
  validateUpdate: (object, old, errors) => validateSpec(object.spec, fieldPath('spec'), errors, leniency(old)),
  warnings: (object, old) =>
    !old && object.metadata.annotations?.[classAnnotation] !== undefined && object.spec.ingressClassName === undefined
      ? [`annotation "${classAnnotation}" is deprecated, please use 'spec.ingressClassName' instead`]
      : [],
  row: (object, context) => [
    object.metadata.name,
    object.spec.ingressClassName ?? '<none>',
    hostsCell(object.spec.rules ?? []),
    addressCell(object.status.loadBalancer),
    object.spec.tls?.length ? '80, 443' : '80',
    age(object, context),
  ],
  subresources: {
    status: {
      type: 'update',
      // Unlike most: labels and annotations may change here.
      prepareForUpdate(object, old) {
        object.spec = cloneJson(old.spec);
      },
      validateUpdate(object, old, errors, context) {
        const path = fieldPath('status', 'loadBalancer');
        validateStatus(object.status.loadBalancer, old.status.loadBalancer, path, errors);
        if (!errors.empty) return;
        for (const [index, { ip }] of (object.status.loadBalancer.ingress ?? []).entries()) {
          if (ip) for (const text of addressWarnings(path.child('ingress').index(index), ip)) context.warn(text);
        }
      },
    },
  },
  resetFields: { '': ['status'], status: ['spec'] },
});

function leniency(old: Readonly<Ingress>): Leniency {
  return {
    secretName: (old.spec.tls ?? []).some(({ secretName }) => secretName && nameIsDnsSubdomain(secretName, false).length > 0),
    wildcardRule: (old.spec.rules ?? []).some(rule => {
      if (!rule.host?.includes('*')) return false;
      const errors = new Errors();
      validateRuleValue(rule, fieldPath(), errors);
      return !errors.empty;
    }),
  };
}

function validateSpec(spec: IngressSpec, path: FieldPath, errors: FieldErrors, lenient: Leniency): void {
  if (!spec.rules?.length && !spec.defaultBackend)
    errors.invalid(
      path,
      internalValue('[]networking.IngressRule', spec.rules),
      'either `defaultBackend` or `rules` must be specified',
    );
  if (spec.defaultBackend) validateBackend(spec.defaultBackend, path.child('defaultBackend'), errors);
  for (const [index, rule] of (spec.rules ?? []).entries()) validateRule(rule, path.child('rules').index(index), errors, lenient);
  for (const [index, tls] of (spec.tls ?? []).entries()) {
    const at = path.child('tls').index(index);
    for (const [hostIndex, host] of (tls.hosts ?? []).entries())
      addInvalid(errors, at.child('hosts').index(hostIndex), host, hostFaults(host));
    if (!lenient.secretName && tls.secretName)
      addInvalid(errors, at.child('secretName'), tls.secretName, nameIsDnsSubdomain(tls.secretName, false));
  }
  if (spec.ingressClassName !== undefined)
    addInvalid(errors, path.child('ingressClassName'), spec.ingressClassName, nameIsDnsSubdomain(spec.ingressClassName, false));
}

function hostFaults(host: string): string[] {
  return host.includes('*') ? validateWildcardDns1123Subdomain(host) : validateDns1123Subdomain(host);
}

function validateRule(rule: IngressRule, path: FieldPath, errors: FieldErrors, lenient: Leniency): void {
  const { host } = rule;
  if (host) {
    if (parseAddress(host)) errors.invalid(path.child('host'), host, 'must be a DNS name, not an IP address');
    addInvalid(errors, path.child('host'), host, hostFaults(host));
  }
  if (!host?.includes('*') || !lenient.wildcardRule) validateRuleValue(rule, path, errors);
}

function validateRuleValue(rule: IngressRule, path: FieldPath, errors: FieldErrors): void {
  if (!rule.http) return;
  const at = path.child('http', 'paths');
  const { paths } = rule.http;
  if (!paths?.length) errors.required(at);
  for (const [index, item] of (paths ?? []).entries()) validatePath(item, at.index(index), errors);
}

function validatePath(item: HTTPIngressPath, path: FieldPath, errors: FieldErrors): void {
  const { pathType } = item;
  const text = item.path ?? '';
  const at = path.child('path');
  if (pathType === undefined || pathType === null) return errors.required(path.child('pathType'), 'pathType must be specified');
  const known = supported(errors, path.child('pathType'), pathType, pathTypes);
  const mayBeEmpty = pathType === 'ImplementationSpecific' && text === '';
  if (known && !text.startsWith('/') && !mayBeEmpty) errors.invalid(at, text, 'must be an absolute path');
  if (known && pathType !== 'ImplementationSpecific') {
    for (const part of invalidSequences) if (text.includes(part)) errors.invalid(at, text, `must not contain '${part}'`);
    for (const part of invalidSuffixes) if (text.endsWith(part)) errors.invalid(at, text, `cannot end with '${part}'`);
  }
  validateBackend(item.backend, path.child('backend'), errors);
}

function validateBackend(backend: IngressBackend, path: FieldPath, errors: FieldErrors): void {
  const { resource, service } = backend;
  if (resource && service) return errors.invalid(path, '', 'cannot set both resource and service backends');
  if (resource) return validateReference(resource, path.child('resource'), errors);
  if (!service) return errors.invalid(path, '', 'resource or service backend is required');
  const at = path.child('service');
  if (!service.name) errors.required(at.child('name'));
  else addInvalid(errors, at.child('name'), service.name, nameIsDnsLabel(service.name, false));
  const { name, number } = service.port ?? {};
  if (name && number) errors.invalid(path, '', 'cannot set both port name & port number');
  else if (name) addInvalid(errors, at.child('port', 'name'), name, validatePortName(name));
  else if (number) addInvalid(errors, at.child('port', 'number'), number, validatePortNumber(number));
  else errors.required(path, 'port name or number is required');
}

function validateReference(reference: TypedLocalObjectReference, path: FieldPath, errors: FieldErrors): void {
  if (typeof reference.apiGroup === 'string') dnsSubdomain(errors, path.child('apiGroup'), reference.apiGroup);
  requiredSegment(errors, path.child('kind'), reference.kind);
  requiredSegment(errors, path.child('name'), reference.name);
}

/** A word that must stand in a URL path. */
export function requiredSegment(errors: FieldErrors, path: FieldPath, value: string | undefined): void {
  if (!value) errors.required(path);
  else addInvalid(errors, path, value, validatePathSegmentName(value));
}

function validateStatus(
  status: IngressLoadBalancerStatus,
  old: Readonly<IngressLoadBalancerStatus>,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const before = (old.ingress ?? []).flatMap(({ ip }) => ip ?? []);
  for (const [index, { ip, hostname }] of (status.ingress ?? []).entries()) {
    const at = path.child('ingress').index(index);
    if (ip) legacyIp(errors, at.child('ip'), ip, before);
    if (!hostname) continue;
    dnsSubdomain(errors, at.child('hostname'), hostname);
    if (parseAddress(hostname)) errors.invalid(at.child('hostname'), hostname, 'must be a DNS name, not an IP address');
  }
}

function hostsCell(rules: readonly IngressRule[]): string {
  const hosts: string[] = [];
  let more = false;
  for (const { host } of rules) {
    if (hosts.length === 3) more = true;
    if (!more && host) hosts.push(host);
  }
  if (hosts.length === 0) return '*';
  return more ? `${hosts.join(',')} + ${rules.length - 3} more...` : hosts.join(',');
}

function addressCell(status: Readonly<IngressLoadBalancerStatus> | undefined): string {
  const addresses = new Set((status?.ingress ?? []).flatMap(({ ip, hostname }) => ip || hostname || []));
  return [...addresses].sort().join(',');
}
