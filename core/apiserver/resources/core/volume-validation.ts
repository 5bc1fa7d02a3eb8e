import type { ObjectMeta, Volume, VolumeSource } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsSubdomain } from '../../../machinery/names.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { quote } from '../../../machinery/field-errors.js';
import { dnsLabel, fileMode, noBacksteps, objectName, required, requiredOneOf, supported } from './checks.js';
import { validateClaimTemplate } from './claim-spec-validation.js';
import { validateDriverName } from './driver-name-validation.js';
import type { PodValidationOptions } from './pod-validation-options.js';
import { validateDownwardFile, validateKeyToPath, validateProjectedVolume } from './projected-volume-validation.js';
import {
  validateAzureDisk,
  validateBlockDisk,
  validateFibreChannel,
  validateFlexVolume,
  validateIscsi,
  validateNfs,
  validateQuobyte,
  validateStorageOs,
} from './volume-source-validation.js';

export const pullPolicies = ['Always', 'IfNotPresent', 'Never'];
const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];

type SourceCheck<K extends keyof VolumeSource> = (
  source: NonNullable<VolumeSource[K]>,
  path: FieldPath,
  errors: FieldErrors,
  options: PodValidationOptions,
) => void;

/** In upstream's order, which decides what counts as the second source of a volume. */
const sources: { readonly [K in keyof VolumeSource]-?: SourceCheck<K> } = {
  emptyDir: () => undefined,
  hostPath(source, path, errors) {
    if (!required(errors, path.child('path'), source.path)) return;
    noBacksteps(errors, path.child('path'), source.path);
    if (source.type !== undefined) supported(errors, path.child('type'), source.type, hostPathTypes);
  },
  gitRepo(source, path, errors) {
    required(errors, path.child('repository'), source.repository);
    const directory = source.directory ?? '';
    if (directory.startsWith('/')) errors.invalid(path.child('directory'), directory, 'must be a relative path');
    noBacksteps(errors, path.child('directory'), directory);
  },
  gcePersistentDisk: (source, path, errors) => validateBlockDisk('pdName', source.pdName, source.partition, { path, errors }),
  awsElasticBlockStore: (source, path, errors) =>
    validateBlockDisk('volumeID', source.volumeID, source.partition, { path, errors }),
  secret(source, path, errors) {
    required(errors, path.child('secretName'), source.secretName);
    fileMode(errors, path.child('defaultMode'), source.defaultMode);
    source.items?.forEach((item, index) => validateKeyToPath(item, path.child('items').index(index), errors));
  },
  nfs: validateNfs,
  iscsi: (source, path, errors) => validateIscsi(source, path, errors, 'must be valid format starting with iqn, eui, or naa'),
  glusterfs(source, path, errors) {
    required(errors, path.child('endpoints'), source.endpoints);
    required(errors, path.child('path'), source.path);
  },
  flocker(source, path, errors) {
    const { datasetName = '', datasetUUID = '' } = source;
    if (!datasetName && !datasetUUID) errors.required(path, 'one of datasetName and datasetUUID is required');
    if (datasetName && datasetUUID)
      errors.invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously');
    if (datasetName.includes('/')) errors.invalid(path.child('datasetName'), datasetName, "must not contain '/'");
  },
  persistentVolumeClaim: (source, path, errors) => void required(errors, path.child('claimName'), source.claimName),
  rbd(source, path, errors) {
    if (!source.monitors?.length) errors.required(path.child('monitors'));
    required(errors, path.child('image'), source.image);
  },
  cinder(source, path, errors) {
    required(errors, path.child('volumeID'), source.volumeID);
    if (source.secretRef) required(errors, path.child('secretRef', 'name'), source.secretRef.name);
  },
  cephfs(source, path, errors) {
    if (!source.monitors?.length) errors.required(path.child('monitors'));
  },
  quobyte: validateQuobyte,
  downwardAPI(source, path, errors) {
    fileMode(errors, path.child('defaultMode'), source.defaultMode);
    for (const file of source.items ?? []) validateDownwardFile(file, path, errors);
  },
  fc: validateFibreChannel,
  flexVolume: validateFlexVolume,
  configMap(source, path, errors) {
    required(errors, path.child('name'), source.name);
    fileMode(errors, path.child('defaultMode'), source.defaultMode);
    source.items?.forEach((item, index) => validateKeyToPath(item, path.child('items').index(index), errors));
  },
  azureFile(source, path, errors) {
    required(errors, path.child('secretName'), source.secretName);
    required(errors, path.child('shareName'), source.shareName);
  },
  vsphereVolume: (source, path, errors) => void required(errors, path.child('volumePath'), source.volumePath),
  photonPersistentDisk: (source, path, errors) => void required(errors, path.child('pdID'), source.pdID),
  portworxVolume: (source, path, errors) => void required(errors, path.child('volumeID'), source.volumeID),
  azureDisk: validateAzureDisk,
  storageos: (source, path, errors) => validateStorageOs(source, path, errors, false),
  projected: validateProjectedVolume,
  scaleIO(source, path, errors) {
    required(errors, path.child('gateway'), source.gateway);
    required(errors, path.child('system'), source.system);
    required(errors, path.child('volumeName'), source.volumeName);
  },
  csi(source, path, errors) {
    validateDriverName(source.driver, path.child('driver'), errors);
    const secret = source.nodePublishSecretRef;
    if (secret && required(errors, path.child('nodePublishSecretRef', 'name'), secret.name))
      objectName(errors, path.child('name'), secret.name!);
  },
  ephemeral(source, path, errors) {
    if (!source.volumeClaimTemplate) errors.required(path.child('volumeClaimTemplate'));
    else validateClaimTemplate(source.volumeClaimTemplate, path.child('volumeClaimTemplate'), errors);
  },
  image(source, path, errors, options) {
    if (options.resourceIsPod) required(errors, path.child('reference'), source.reference);
    requiredOneOf(errors, path.child('pullPolicy'), source.pullPolicy, pullPolicies);
  },
};
const sourceNames = Object.keys(sources) as (keyof VolumeSource)[];

/** Upstream's paths differ from the field's name here. */
const pathOfSecond: Partial<Record<keyof VolumeSource, string>> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' };
const pathOfCheck: Partial<Record<keyof VolumeSource, string>> = { gcePersistentDisk: 'persistentDisk' };

/** Returns the volumes without fault, by name. Source: ValidateVolumes. */
export function validateVolumes(
  volumes: readonly Volume[],
  path: FieldPath,
  errors: FieldErrors,
  { options, podMetadata }: { options: PodValidationOptions; podMetadata: Partial<ObjectMeta> | undefined },
): Map<string, Volume> {
  const valid = new Map<string, Volume>();
  const podName = podMetadata?.name ?? '';
  const created = new Set(podName ? volumes.filter(volume => volume.ephemeral).map(volume => `${podName}-${volume.name}`) : []);
  for (const [index, volume] of volumes.entries()) {
    const at = path.index(index);
    const before = errors.list.length;
    validateVolumeSource(volume, at, errors, { options, podName });
    if (required(errors, at.child('name'), volume.name)) dnsLabel(errors, at.child('name'), volume.name);
    if (valid.has(volume.name)) errors.duplicate(at.child('name'), volume.name);
    if (errors.list.length === before) valid.set(volume.name, volume);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim !== undefined && created.has(claim)) {
      const text = 'must not reference a PVC that gets created for an ephemeral volume';
      errors.invalid(at.child('persistentVolumeClaim', 'claimName'), claim, text);
    }
  }
  return valid;
}

function validateVolumeSource(
  volume: Volume,
  path: FieldPath,
  errors: FieldErrors,
  { options, podName }: { options: PodValidationOptions; podName: string },
): void {
  let count = 0;
  for (const name of sourceNames) {
    const source = volume[name];
    if (!source) continue;
    if (name === 'emptyDir' && volume.emptyDir?.sizeLimit && parseQuantity(volume.emptyDir.sizeLimit).sign < 0) {
      errors.forbidden(path.child('emptyDir', 'sizeLimit'), 'SizeLimit field must be a valid resource quantity');
    }
    if (count++ > 0) errors.forbidden(path.child(pathOfSecond[name] ?? name), 'may not specify more than 1 volume type');
    else (sources[name] as SourceCheck<typeof name>)(source as never, path.child(pathOfCheck[name] ?? name), errors, options);
    if (
      name === 'iscsi' &&
      volume.iscsi!.initiatorName !== undefined &&
      `${volume.name}:${volume.iscsi!.targetPortal}`.length > 64
    ) {
      const text =
        'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
      errors.invalid(path.child('name'), volume.name, text);
    }
    if (name === 'ephemeral' && count === 1 && podName && volume.name) {
      const claim = `${podName}-${volume.name}`;
      for (const text of nameIsDnsSubdomain(claim, false))
        errors.invalid(path.child('name'), volume.name, `PVC name ${quote(claim)}: ${text}`);
    }
  }
  if (count === 0) errors.required(path, 'must specify a volume type');
}
