import type {
  ClusterTrustBundleProjection,
  DownwardAPIVolumeFile,
  KeyToPath,
  PodCertificateProjection,
  ProjectedVolumeSource,
  VolumeProjection,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import {
  nameIsDnsSubdomain,
  validateDns1123Label,
  validateDns1123Subdomain,
  validateQualifiedName,
} from '../../../machinery/names.js';
import { quote } from '../../../machinery/field-errors.js';
import { addInvalid, fileMode, localPath, required, supported } from './checks.js';
import { validateFieldRef, validateResourceFieldRef, volumeFields } from './environment-validation.js';
import type { PodValidationOptions } from './pod-validation-options.js';

const keyTypes = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519'];
const maximumSubdomain = 253;
const maximumSignerName = 571;
const daySeconds = 86400;

export function validateKeyToPath(item: KeyToPath, path: FieldPath, errors: FieldErrors): void {
  required(errors, path.child('key'), item.key);
  required(errors, path.child('path'), item.path);
  localPath(errors, path.child('path'), item.path);
  fileMode(errors, path.child('mode'), item.mode);
}

export function validateDownwardFile(file: DownwardAPIVolumeFile, path: FieldPath, errors: FieldErrors): void {
  required(errors, path.child('path'), file.path);
  localPath(errors, path.child('path'), file.path);
  if (file.fieldRef) {
    validateFieldRef(file.fieldRef, volumeFields, path.child('fieldRef'), errors);
    if (file.resourceFieldRef)
      errors.invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously');
  } else if (file.resourceFieldRef) validateResourceFieldRef(file.resourceFieldRef, path.child('resourceFieldRef'), errors, true);
  else errors.required(path, 'one of fieldRef and resourceFieldRef is required');
  fileMode(errors, path.child('mode'), file.mode);
}

export function validateProjectedVolume(
  volume: ProjectedVolumeSource,
  path: FieldPath,
  errors: FieldErrors,
  options: PodValidationOptions,
): void {
  fileMode(errors, path.child('defaultMode'), volume.defaultMode);
  const taken = new Set<string>();
  const take = (file: string, value = file): void => {
    if (taken.has(file)) errors.invalid(path, value, 'conflicting duplicate paths');
    else taken.add(file);
  };
  for (const [index, source] of (volume.sources ?? []).entries()) {
    const at = path.child('sources').index(index);
    validateSource(source, at, errors, take);
    const token = source.serviceAccountToken;
    if (token) {
      const { expirationSeconds = 3600 } = token;
      const expiration = at.child('serviceAccountToken', 'expirationSeconds');
      if (expirationSeconds < 600)
        errors.invalid(expiration, expirationSeconds, 'may not specify a duration less than 10 minutes');
      if (expirationSeconds > 2 ** 32)
        errors.invalid(expiration, expirationSeconds, 'may not specify a duration larger than 2^32 seconds');
      if (required(errors, path.child('path'), token.path) && !options.nonLocalTokenPaths)
        localPath(errors, path.child('path'), token.path);
    }
    if (source.clusterTrustBundle) {
      validateTrustBundle(source.clusterTrustBundle, at.child('clusterTrustBundle'), errors);
      take(source.clusterTrustBundle.path);
    }
    if (source.podCertificate) validatePodCertificate(source.podCertificate, at.child('podCertificate'), errors, take);
    if (Object.values(source).filter(value => value !== undefined).length > 1) {
      errors.forbidden(at, 'may not specify more than 1 volume type per source');
    }
  }
}

function validateSource(
  source: VolumeProjection,
  path: FieldPath,
  errors: FieldErrors,
  take: (file: string, value?: string) => void,
): void {
  for (const kind of ['secret', 'configMap'] as const) {
    const projection = source[kind];
    if (!projection) continue;
    required(errors, path.child(kind, 'name'), projection.name);
    projection.items?.forEach((item, index) => {
      validateKeyToPath(item, path.child(kind, 'items').index(index), errors);
      if (item.path) take(item.path, projection.name ?? '');
    });
  }
  for (const file of source.downwardAPI?.items ?? []) {
    validateDownwardFile(file, path.child('downwardAPI'), errors);
    if (file.path) take(file.path);
  }
}

function validateTrustBundle(bundle: ClusterTrustBundleProjection, path: FieldPath, errors: FieldErrors): void {
  const { name, signerName, labelSelector } = bundle;
  if (name !== undefined && signerName !== undefined)
    errors.invalid(
      path,
      internalValue('*core.ClusterTrustBundleProjection', bundle),
      'only one of name and signerName may be used',
    );
  else if (name !== undefined) {
    if (name === '') errors.required(path.child('name'), 'must be a valid object name');
    const colon = name.lastIndexOf(':');
    for (const text of nameIsDnsSubdomain(name.slice(colon + 1), false)) {
      errors.invalid(path.child('name'), name, `not a valid clustertrustbundlename: ${text}`);
    }
    if (labelSelector)
      errors.invalid(
        path.child('labelSelector'),
        internalValue('*v1.LabelSelector', labelSelector),
        'labelSelector must be unset if name is specified',
      );
  } else if (signerName !== undefined) {
    if (signerName === '') errors.required(path.child('signerName'), 'must be a valid signer name');
    validateSignerName(signerName, path.child('signerName'), errors);
    validateLabelSelector(labelSelector, path.child('labelSelector'), errors);
  } else errors.required(path, 'either name or signerName must be specified');
  required(errors, path.child('path'), bundle.path);
  localPath(errors, path.child('path'), bundle.path);
}

function validatePodCertificate(
  certificate: PodCertificateProjection,
  path: FieldPath,
  errors: FieldErrors,
  take: (file: string) => void,
): void {
  const { signerName = '', maxExpirationSeconds } = certificate;
  validateSignerName(signerName, path.child('signerName'), errors);
  for (const key of Object.keys(certificate.userAnnotations ?? {})) {
    addInvalid(errors, path.child('userAnnotations'), key, validateQualifiedName(key.toLowerCase()));
  }
  supported(errors, path.child('keyType'), certificate.keyType, keyTypes);
  if (maxExpirationSeconds !== undefined) {
    const at = path.child('maxExpirationSeconds');
    const host = signerName.split('/', 1)[0]!;
    const maximum = host === 'kubernetes.io' || host.endsWith('.kubernetes.io') ? daySeconds : 91 * daySeconds;
    if (maxExpirationSeconds < 3600)
      errors.invalid(at, maxExpirationSeconds, 'if provided, maxExpirationSeconds must be >= 3600');
    if (maxExpirationSeconds > maximum)
      errors.invalid(at, maxExpirationSeconds, `if provided, maxExpirationSeconds must be <= ${maximum}`);
  }
  let paths = 0;
  for (const field of ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const) {
    const file = certificate[field];
    if (!file) continue;
    paths++;
    localPath(errors, path.child(field), file);
    take(file);
  }
  if (paths === 0) errors.required(path, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath');
}

/** `domain.example/path`. Source: ValidateSignerName. */
export function validateSignerName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (!required(errors, path, name)) return;
  const segments = name.split('/');
  if (segments.length !== 2) {
    errors.invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    return;
  }
  const [domain, rest] = segments as [string, string];
  if (domain.length > maximumSubdomain) errors.tooLong(path, maximumSubdomain);
  const labels = domain.split('.');
  firstBadLabel(domain, labels, validateDns1123Label, { path, errors });
  if (labels.length < 2) errors.invalid(path, domain, 'should be a domain with at least two segments separated by dots');
  firstBadLabel(rest, rest.split('.'), validateDns1123Subdomain, { path, errors });
  if (name.length > maximumSignerName) errors.tooLong(path, maximumSignerName);
}

function firstBadLabel(
  whole: string,
  labels: readonly string[],
  check: (label: string) => string[],
  { path, errors }: { path: FieldPath; errors: FieldErrors },
): void {
  for (const label of labels) {
    const texts = check(label);
    for (const text of texts) errors.invalid(path, whole, `validating label ${quote(label)}: ${text}`);
    if (texts.length) return;
  }
}
