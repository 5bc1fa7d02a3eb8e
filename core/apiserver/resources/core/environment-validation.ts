import type {
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsSubdomain, validateConfigMapKey, validateRelaxedEnvironmentVariableName } from '../../../machinery/names.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { addInvalid, dnsLabel, noBacksteps, objectName, qualifiedName, required } from './checks.js';

const environmentFields = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
export const volumeFields = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid'];
const downwardFields = new Set([
  ...environmentFields,
  'metadata.annotations',
  'metadata.labels',
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);
const resourceFields = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const byteDivisors = new Set(['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']);
const byteDivisorText = "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the";

export function validateEnvironment(variables: readonly EnvVar[], path: FieldPath, errors: FieldErrors): void {
  for (const [index, variable] of variables.entries()) {
    if (variable.name && variable.valueFrom === undefined && plainName.test(variable.name)) continue;
    const at = path.index(index);
    if (required(errors, at.child('name'), variable.name)) {
      addInvalid(errors, at.child('name'), variable.name, validateRelaxedEnvironmentVariableName(variable.name));
    }
    if (variable.valueFrom) validateSource(variable.valueFrom, variable.value, at.child('valueFrom'), errors);
  }
}

/** Most variables; told apart here so that nothing is built for them. */
const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;

function validateSource(source: EnvVarSource, value: string | undefined, path: FieldPath, errors: FieldErrors): void {
  let sources = 0;
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source;
  if (fieldRef) {
    sources++;
    validateFieldRef(fieldRef, environmentFields, path.child('fieldRef'), errors);
  }
  if (resourceFieldRef) {
    sources++;
    validateResourceFieldRef(resourceFieldRef, path.child('resourceFieldRef'), errors, false);
  }
  for (const [field, reference] of [
    ['configMapKeyRef', configMapKeyRef],
    ['secretKeyRef', secretKeyRef],
  ] as const) {
    if (!reference) continue;
    sources++;
    const at = path.child(field);
    objectName(errors, at.child('name'), reference.name ?? '');
    if (required(errors, at.child('key'), reference.key))
      addInvalid(errors, at.child('key'), reference.key, validateConfigMapKey(reference.key));
  }
  if (fileKeyRef) {
    sources++;
    const at = path.child('fileKeyRef');
    const { key, volumeName, path: file } = fileKeyRef;
    if (required(errors, at.child('key'), key))
      addInvalid(errors, at.child('key'), key, validateRelaxedEnvironmentVariableName(key));
    if (required(errors, at.child('volumeName'), volumeName)) dnsLabel(errors, at.child('volumeName'), volumeName);
    if (required(errors, at.child('path'), file)) noBacksteps(errors, at.child('path'), file);
  }
  if (sources === 0) {
    errors.invalid(
      path,
      '',
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    );
  } else if (value) errors.invalid(path, '', 'may not be specified when `value` is not empty');
  else if (sources > 1) errors.invalid(path, '', 'may not have more than one field specified at a time');
}

/** `a['b']` as path and subscript. Source: pkg/fieldpath. */
function splitSubscript(text: string): { path: string; subscript: string } | undefined {
  if (!text.endsWith("']")) return undefined;
  const start = text.indexOf("['");
  return start > 0 ? { path: text.slice(0, start), subscript: text.slice(start + 2, -2) } : undefined;
}

export function validateFieldRef(
  reference: ObjectFieldSelector,
  allowed: readonly string[],
  path: FieldPath,
  errors: FieldErrors,
): void {
  const { apiVersion, fieldPath: text } = reference;
  if (!apiVersion) return errors.required(path.child('apiVersion'));
  if (!text) return errors.required(path.child('fieldPath'));
  const fail = (reason: string): void => errors.invalid(path.child('fieldPath'), text, `error converting fieldPath: ${reason}`);
  if (apiVersion !== 'v1') return fail(`unsupported pod version: ${apiVersion}`);
  const split = splitSubscript(text);
  if (split) {
    if (split.path === 'metadata.annotations') qualifiedName(errors, path, split.subscript.toLowerCase());
    else if (split.path === 'metadata.labels') qualifiedName(errors, path, split.subscript);
    else fail(`field label does not support subscript: ${text}`);
    return;
  }
  const name = text === 'spec.host' ? 'spec.nodeName' : text;
  if (!downwardFields.has(name)) return fail(`field label not supported: ${text}`);
  if (!allowed.includes(name)) errors.notSupported(path.child('fieldPath'), name, allowed);
}

export function validateResourceFieldRef(
  reference: ResourceFieldSelector,
  path: FieldPath,
  errors: FieldErrors,
  inVolume: boolean,
): void {
  const { containerName, resource } = reference;
  const isHugePages = resource.startsWith('requests.hugepages-') || resource.startsWith('limits.hugepages-');
  if (inVolume && !containerName) errors.required(path.child('containerName'));
  else if (!resource) errors.required(path.child('resource'));
  else if (!resourceFields.includes(resource) && !isHugePages)
    errors.notSupported(path.child('resource'), resource, resourceFields);
  if (!reference.divisor || reference.divisor === '0') return;
  const divisor = parseQuantity(reference.divisor);
  if (divisor.isZero) return;
  const text = divisor.toString();
  const at = path.child('divisor');
  if (resource.endsWith('.cpu')) {
    if (text !== '1m' && text !== '1')
      errors.invalid(at, resource, "only divisor's values 1m and 1 are supported with the cpu resource");
  } else if (byteDivisors.has(text)) return;
  else if (resource.endsWith('.memory')) errors.invalid(at, resource, `${byteDivisorText} memory resource`);
  else if (resource.endsWith('.ephemeral-storage'))
    errors.invalid(at, resource, `${byteDivisorText} local ephemeral storage resource`);
  else if (isHugePages) errors.invalid(at, resource, `${byteDivisorText} hugepages resource`);
}

export function validateEnvironmentSources(sources: readonly EnvFromSource[], path: FieldPath, errors: FieldErrors): void {
  for (const [index, source] of sources.entries()) {
    const at = path.index(index);
    if (source.prefix)
      addInvalid(errors, at.child('prefix'), source.prefix, validateRelaxedEnvironmentVariableName(source.prefix));
    let count = 0;
    for (const field of ['configMapRef', 'secretRef'] as const) {
      const reference = source[field];
      if (!reference) continue;
      count++;
      const name = at.child(field, 'name');
      if (required(errors, name, reference.name))
        addInvalid(errors, name, reference.name, nameIsDnsSubdomain(reference.name!, true));
    }
    if (count === 0) errors.invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`');
    else if (count > 1) errors.invalid(path, '', 'may not have more than one field specified at a time');
  }
}
