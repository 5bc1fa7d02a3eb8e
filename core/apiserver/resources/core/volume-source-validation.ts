import type {
  AzureDiskVolumeSource,
  FCVolumeSource,
  FlexVolumeSource,
  ISCSIVolumeSource,
  NFSVolumeSource,
  QuobyteVolumeSource,
  StorageOSVolumeSource,
} from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { rangeError } from '../../../machinery/names.js';
import { dnsLabel, required, supported } from './checks.js';

/** Checks of volume sources that volumes of pods and persistent volumes share. */
const initiatorPatterns: Readonly<Record<string, RegExp>> = {
  iqn: /iqn\.\d{4}-\d{2}\.([a-zA-Z0-9.-]+)(:[^,;*&$|\s]+)$/,
  eui: /^eui.[a-zA-Z0-9]{16}$/,
  naa: /^naa.[a-zA-Z0-9]{32}$/,
};

/** A disk of a cloud: its id is required, its partition is a byte. */
export function validateBlockDisk(
  field: string,
  id: string | undefined,
  partition: number | undefined,
  { path, errors }: { path: FieldPath; errors: FieldErrors },
): void {
  required(errors, path.child(field), id);
  if (partition !== undefined && (partition < 0 || partition > 255))
    errors.invalid(path.child('partition'), partition, rangeError(1, 255));
}

export function validateNfs(source: NFSVolumeSource, path: FieldPath, errors: FieldErrors): void {
  required(errors, path.child('server'), source.server);
  required(errors, path.child('path'), source.path);
  if (!source.path?.startsWith('/')) errors.invalid(path.child('path'), source.path ?? '', 'must be an absolute path');
}

/** `prefixText` differs between volumes of pods and persistent volumes. */
export function validateIscsi(
  source: Omit<ISCSIVolumeSource, 'secretRef'> & { secretRef?: unknown },
  path: FieldPath,
  errors: FieldErrors,
  prefixText: string,
): void {
  required(errors, path.child('targetPortal'), source.targetPortal);
  if (required(errors, path.child('iqn'), source.iqn)) validateInitiator(source.iqn, path.child('iqn'), errors, prefixText);
  if (source.lun < 0 || source.lun > 255) errors.invalid(path.child('lun'), source.lun, rangeError(0, 255));
  if ((source.chapAuthDiscovery || source.chapAuthSession) && !source.secretRef) errors.required(path.child('secretRef'));
  if (source.initiatorName !== undefined)
    validateInitiator(source.initiatorName, path.child('initiatorname'), errors, prefixText);
}

function validateInitiator(name: string, path: FieldPath, errors: FieldErrors, prefixText: string): void {
  const pattern = initiatorPatterns[name.slice(0, 3)];
  if (!pattern) errors.invalid(path, name, prefixText);
  else if (!pattern.test(name)) errors.invalid(path, name, 'must be valid format');
}

export function validateFibreChannel(source: FCVolumeSource, path: FieldPath, errors: FieldErrors): void {
  const { targetWWNs = [], wwids = [], lun } = source;
  const at = path.child('targetWWNs');
  if (!targetWWNs.length && !wwids.length) errors.required(at, 'must specify either targetWWNs or wwids, but not both');
  if (targetWWNs.length && wwids.length)
    errors.invalid(at, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously');
  if (!targetWWNs.length) return;
  if (lun === undefined) errors.required(path.child('lun'), 'lun is required if targetWWNs is specified');
  else if (lun < 0 || lun > 255) errors.invalid(path.child('lun'), lun, rangeError(0, 255));
}

export function validateFlexVolume(
  source: Pick<FlexVolumeSource, 'driver' | 'options'>,
  path: FieldPath,
  errors: FieldErrors,
): void {
  required(errors, path.child('driver'), source.driver);
  for (const key of Object.keys(source.options ?? {})) {
    const namespace = `.${key.split('/', 2)[0]!.toLowerCase()}`;
    if (!namespace.endsWith('.kubernetes.io') && !namespace.endsWith('.k8s.io')) continue;
    errors.invalid(path.child('options').key(key), key, 'kubernetes.io and k8s.io namespaces are reserved');
  }
}

const hostPort = /^(?:\[[^[\]]*\]|[^:[\]]*):[^:]*$/;

export function validateQuobyte(source: QuobyteVolumeSource, path: FieldPath, errors: FieldErrors): void {
  const text = 'must be a host:port pair or multiple pairs separated by commas';
  if (!source.registry) errors.required(path.child('registry'), text);
  else if ((source.tenant ?? '').length >= 65)
    errors.required(path.child('tenant'), 'must be a UUID and may not exceed a length of 64 characters');
  else {
    for (const pair of source.registry.split(','))
      if (!hostPort.test(pair)) errors.invalid(path.child('registry'), source.registry, text);
  }
  required(errors, path.child('volume'), source.volume);
}

export function validateAzureDisk(source: AzureDiskVolumeSource, path: FieldPath, errors: FieldErrors): void {
  const { diskName, diskURI, cachingMode, kind } = source;
  required(errors, path.child('diskName'), diskName);
  required(errors, path.child('diskURI'), diskURI);
  if (cachingMode !== undefined) supported(errors, path.child('cachingMode'), cachingMode, ['None', 'ReadOnly', 'ReadWrite']);
  if (kind === undefined) return;
  supported(errors, path.child('kind'), kind, ['Dedicated', 'Managed', 'Shared']);
  if (kind === 'Managed') {
    if (!diskURI.startsWith('/subscriptions/')) {
      const form = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';
      errors.notSupported(path.child('diskURI'), diskURI, [form]);
    }
  } else if (!diskURI.startsWith('https://')) {
    const form = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd';
    errors.notSupported(path.child('diskURI'), diskURI, [form]);
  }
}

export function validateStorageOs(
  source: Omit<StorageOSVolumeSource, 'secretRef'> & { secretRef?: { name?: string; namespace?: string } },
  path: FieldPath,
  errors: FieldErrors,
  namespacedSecret: boolean,
): void {
  if (required(errors, path.child('volumeName'), source.volumeName))
    dnsLabel(errors, path.child('volumeName'), source.volumeName!);
  if (source.volumeNamespace) dnsLabel(errors, path.child('volumeNamespace'), source.volumeNamespace);
  if (!source.secretRef) return;
  required(errors, path.child('secretRef', 'name'), source.secretRef.name);
  if (namespacedSecret) required(errors, path.child('secretRef', 'namespace'), source.secretRef.namespace);
}
