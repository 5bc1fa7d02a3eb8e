import type { IngressClass, IngressClassParametersReference } from '../../../api/generated/types.js';
import { IngressClasses } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateDns1123Subdomain, validateHttpPath } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { addInvalid, dnsSubdomain, immutable, namespaceName, supported } from '../core/checks.js';
import { requiredSegment } from './ingress.js';

const defaultAnnotation = 'ingressclass.kubernetes.io/is-default-class';
const maximumControllerBytes = 250;
const scopes = ['Cluster', 'Namespace'];

export const ingressClass = defineResource<IngressClass>({
  reference: IngressClasses,
  generation: (object, old) => !semanticEqual(object.spec, old.spec),
  defaults(object) {
    if (object.spec?.parameters) object.spec.parameters.scope ??= 'Cluster';
  },
  validate: validateClass,
  checks: { update: ['change', 'validateUpdate', 'object', 'validate'] },
  validateUpdate(object, old, errors) {
    if (object.spec.controller !== old.spec.controller)
      immutable(errors, fieldPath('spec', 'controller'), object.spec.controller ?? '');
  },
  row(object, context) {
    const { parameters, controller } = object.spec;
    const isDefault = object.metadata.annotations?.[defaultAnnotation] === 'true';
    const group = parameters?.apiGroup === undefined ? '' : `.${parameters.apiGroup}`;
    return [
      isDefault ? `${object.metadata.name} (default)` : object.metadata.name,
      controller ?? '',
      parameters ? `${parameters.kind}${group}/${parameters.name}` : '<none>',
      age(object, context),
    ];
  },
});

function validateClass({ spec }: IngressClass, errors: FieldErrors): void {
  const path = fieldPath('spec');
  const controller = spec.controller ?? '';
  if (Buffer.byteLength(controller) > maximumControllerBytes) errors.tooLong(path.child('controller'), maximumControllerBytes);
  domainPrefixedPath(controller, path.child('controller'), errors);
  if (spec.parameters) validateParameters(spec.parameters, path.child('parameters'), errors);
}

/** `acme.io/foo`. Source: apimachinery IsDomainPrefixedPath. */
function domainPrefixedPath(value: string, path: FieldPath, errors: FieldErrors): void {
  if (!value) return errors.required(path);
  const slash = value.indexOf('/');
  const [domain, rest] = [value.slice(0, Math.max(0, slash)), value.slice(slash + 1)];
  if (!domain || !rest) return errors.invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")');
  addInvalid(errors, path, domain, validateDns1123Subdomain(domain));
  addInvalid(errors, path, rest, validateHttpPath(rest));
}

function validateParameters(parameters: IngressClassParametersReference, path: FieldPath, errors: FieldErrors): void {
  const { apiGroup, kind, name, scope, namespace } = parameters;
  if (apiGroup !== undefined) dnsSubdomain(errors, path.child('apiGroup'), apiGroup);
  requiredSegment(errors, path.child('kind'), kind);
  requiredSegment(errors, path.child('name'), name);
  if (scope === undefined) return errors.required(path.child('scope'));
  const at = path.child('namespace');
  if (!supported(errors, path.child('scope'), scope, scopes)) return;
  if (scope === 'Cluster') {
    if (namespace !== undefined) errors.forbidden(at, "`parameters.scope` is set to 'Cluster'");
  } else if (namespace === undefined) errors.required(at, "`parameters.scope` is set to 'Namespace'");
  else namespaceName(errors, at, namespace);
}
