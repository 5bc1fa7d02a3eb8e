import type {
  CSIPersistentVolumeSource,
  NodeSelectorTerm,
  PersistentVolume,
  PersistentVolumeSpec,
  SecretReference,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { PersistentVolumes } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateLabelValue } from '../../../machinery/names.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { formatTime } from '../../../machinery/time.js';
import { age } from '../../handlers/table.js';
import { validateMetadata } from '../../registry/object-metadata.js';
import { defineResource } from '../../registry/resource-definition.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import {
  dnsLabel,
  dnsSubdomain,
  immutable,
  immutableText,
  namespaceName,
  noBacksteps,
  notPositiveText,
  objectName,
  required,
  supported,
} from './checks.js';
import { validateAccessModes, volumeModes } from './claim-spec-validation.js';
import { validateDriverName } from './driver-name-validation.js';
import { internalDiff } from './line-diff.js';
import { nodeSelectorTermWarnings } from './node-label-warnings.js';
import { defaultVolumeSource } from '../../../api/pod-defaults.js';
import { roundResourceList } from './resource-names.js';
import { validateNodeSelector } from './scheduling-validation.js';
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

const specPath = fieldPath('spec');
const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
const mountAnnotation = 'volume.beta.kubernetes.io/mount-options';
const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];
const betaLabels: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
};

type Sources = Omit<
  PersistentVolumeSpec,
  | 'capacity'
  | 'accessModes'
  | 'claimRef'
  | 'persistentVolumeReclaimPolicy'
  | 'storageClassName'
  | 'mountOptions'
  | 'volumeMode'
  | 'nodeAffinity'
  | 'volumeAttributesClassName'
>;
interface SourceContext {
  readonly errors: FieldErrors;
  readonly name: string;
  readonly hasNodeAffinity: boolean;
}
type SourceCheck<K extends keyof Sources> = (source: NonNullable<Sources[K]>, path: FieldPath, context: SourceContext) => void;

/** In upstream's order, which decides what counts as the second source. */
const sources: { readonly [K in keyof Sources]-?: SourceCheck<K> } = {
  hostPath(source, path, { errors }) {
    if (!required(errors, path.child('path'), source.path)) return;
    noBacksteps(errors, path.child('path'), source.path);
    if (source.type !== undefined) supported(errors, path.child('type'), source.type, hostPathTypes);
  },
  gcePersistentDisk: (source, path, { errors }) => validateBlockDisk('pdName', source.pdName, source.partition, { path, errors }),
  awsElasticBlockStore: (source, path, { errors }) =>
    validateBlockDisk('volumeID', source.volumeID, source.partition, { path, errors }),
  glusterfs(source, path, { errors }) {
    required(errors, path.child('endpoints'), source.endpoints);
    required(errors, path.child('path'), source.path);
    const namespace = source.endpointsNamespace;
    if (namespace === undefined) return;
    const at = path.child('endpointsNamespace');
    if (namespace) namespaceName(errors, at, namespace);
    else errors.invalid(at, '', 'if the endpointnamespace is set, it must be a valid namespace name');
  },
  flocker(source, path, { errors }) {
    const { datasetName = '', datasetUUID = '' } = source;
    if (!datasetName && !datasetUUID) errors.required(path, 'one of datasetName and datasetUUID is required');
    if (datasetName && datasetUUID)
      errors.invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously');
    if (datasetName.includes('/')) errors.invalid(path.child('datasetName'), datasetName, "must not contain '/'");
  },
  nfs: (source, path, { errors }) => validateNfs(source, path, errors),
  rbd(source, path, { errors }) {
    if (!source.monitors?.length) errors.required(path.child('monitors'));
    required(errors, path.child('image'), source.image);
  },
  quobyte: (source, path, { errors }) => validateQuobyte(source, path, errors),
  cephfs(source, path, { errors }) {
    if (!source.monitors?.length) errors.required(path.child('monitors'));
  },
  iscsi(source, path, { errors, name }) {
    validateIscsi(source, path, errors, 'must be valid format');
    if (source.initiatorName !== undefined && `${name}:${source.targetPortal}`.length > 64) {
      const text =
        'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
      errors.invalid(path.child('targetportal'), source.targetPortal, text);
    }
    if (source.secretRef) required(errors, path.child('secretRef', 'name'), source.secretRef.name);
  },
  cinder(source, path, { errors }) {
    required(errors, path.child('volumeID'), source.volumeID);
    if (!source.secretRef) return;
    required(errors, path.child('secretRef', 'name'), source.secretRef.name);
    required(errors, path.child('secretRef', 'namespace'), source.secretRef.namespace);
  },
  fc: (source, path, { errors }) => validateFibreChannel(source, path, errors),
  flexVolume: (source, path, { errors }) => validateFlexVolume(source, path, errors),
  azureFile(source, path, { errors }) {
    required(errors, path.child('secretName'), source.secretName);
    required(errors, path.child('shareName'), source.shareName);
    if (source.secretNamespace === '') errors.required(path.child('secretNamespace'));
  },
  vsphereVolume: (source, path, { errors }) => void required(errors, path.child('volumePath'), source.volumePath),
  photonPersistentDisk: (source, path, { errors }) => void required(errors, path.child('pdID'), source.pdID),
  portworxVolume: (source, path, { errors }) => void required(errors, path.child('volumeID'), source.volumeID),
  azureDisk: (source, path, { errors }) => validateAzureDisk(source, path, errors),
  scaleIO(source, path, { errors }) {
    required(errors, path.child('gateway'), source.gateway);
    required(errors, path.child('system'), source.system);
    required(errors, path.child('volumeName'), source.volumeName);
  },
  local(source, path, { errors, hasNodeAffinity }) {
    if (required(errors, path.child('path'), source.path)) noBacksteps(errors, path.child('path'), source.path);
    if (!hasNodeAffinity) errors.required(specPath.child('nodeAffinity'), 'Local volume requires node affinity');
  },
  storageos: (source, path, { errors }) => validateStorageOs(source, path, errors, true),
  csi(source, path, { errors }) {
    validateDriverName(source.driver, path.child('driver'), errors);
    required(errors, path.child('volumeHandle'), source.volumeHandle);
    for (const field of [
      'controllerPublishSecretRef',
      'controllerExpandSecretRef',
      'nodePublishSecretRef',
      'nodeExpandSecretRef',
    ] as const) {
      if (source[field]) validateSecretReference(source[field], path.child(field), errors);
    }
  },
};
const sourceNames = Object.keys(sources) as (keyof Sources)[];
/** Sources that mount options of old, in an annotation, are known for. */
const mountable: readonly (keyof Sources)[] = [
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'nfs',
  'rbd',
  'quobyte',
  'iscsi',
  'cinder',
  'cephfs',
  'azureFile',
  'vsphereVolume',
  'azureDisk',
  'photonPersistentDisk',
];

export const persistentVolume = defineResource<PersistentVolume>({
  reference: PersistentVolumes,
  returnsDeleted: true,
  generation: false,
  resetFields: statusResetFields,
  defaults({ spec, status }) {
    if (status) status.phase ||= 'Pending';
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ??= 'Filesystem';
    roundResourceList(spec.capacity);
    defaultVolumeSource(spec);
  },
  prepareForCreate(object, { nowMs }) {
    object.status = { phase: 'Pending', lastPhaseTransitionTime: formatTime(nowMs) };
  },
  prepareForUpdate(object, old) {
    object.status = cloneJson(old.status);
  },
  validate(object, errors) {
    validateVolume(object, errors, false);
    validateMountOptions(object, errors);
  },
  checks: { update: ['object', 'validateUpdate'] },
  validateUpdate: validateVolumeUpdate,
  warnings: volumeWarnings,
  row(object, context) {
    const { spec, metadata, status } = object;
    return [
      metadata.name,
      spec.capacity?.storage ?? '0',
      accessModeText(spec.accessModes),
      spec.persistentVolumeReclaimPolicy ?? '',
      metadata.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating',
      spec.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '',
      metadata.annotations?.[classAnnotation] ?? spec.storageClassName ?? '',
      spec.volumeAttributesClassName ?? '<unset>',
      status?.reason ?? '',
      age(object, context),
      spec.volumeMode ?? '<unset>',
    ];
  },
  subresources: {
    status: {
      ...statusSubresource<PersistentVolume>({}),
      prepareForUpdate(object, old, { nowMs }) {
        object.spec = cloneJson(old.spec);
        object.status ??= {};
        const { status } = object;
        const before = old.status?.lastPhaseTransitionTime;
        if (status.phase === old.status?.phase) {
          if (status.lastPhaseTransitionTime === undefined && before !== undefined) status.lastPhaseTransitionTime = before;
        } else if (status.lastPhaseTransitionTime === undefined || status.lastPhaseTransitionTime === before) {
          status.lastPhaseTransitionTime = formatTime(nowMs);
        }
      },
    },
  },
});

const modeNames = { ReadWriteOnce: 'RWO', ReadOnlyMany: 'ROX', ReadWriteMany: 'RWX', ReadWriteOncePod: 'RWOP' } as const;

/** `RWO,RWX`: short names in a fixed order. */
export function accessModeText(modes: readonly string[] | undefined): string {
  return Object.entries(modeNames)
    .filter(([mode]) => modes?.includes(mode))
    .map(([, text]) => text)
    .join(',');
}

function validateSecretReference({ name, namespace }: SecretReference, path: FieldPath, errors: FieldErrors): void {
  if (required(errors, path.child('name'), name)) dnsSubdomain(errors, path.child('name'), name!);
  if (required(errors, path.child('namespace'), namespace)) dnsLabel(errors, path.child('namespace'), namespace!);
}

/** Source: ValidatePersistentVolume. */
function validateVolume({ metadata, spec }: PersistentVolume, errors: FieldErrors, invalidAffinityValues: boolean): void {
  if (!spec.accessModes?.length) errors.required(specPath.child('accessModes'));
  validateAccessModes(spec.accessModes ?? [], specPath.child('accessModes'), errors);
  validateCapacity(spec.capacity, errors);
  if (spec.persistentVolumeReclaimPolicy) {
    supported(errors, specPath.child('persistentVolumeReclaimPolicy'), spec.persistentVolumeReclaimPolicy, [
      'Delete',
      'Recycle',
      'Retain',
    ]);
  }
  if (spec.nodeAffinity) {
    const path = specPath.child('nodeAffinity', 'required');
    if (spec.nodeAffinity.required) validateNodeSelector(spec.nodeAffinity.required, path, errors, invalidAffinityValues);
    else errors.required(path, 'must specify required node constraints');
  }
  const context: SourceContext = { errors, name: metadata.name, hasNodeAffinity: spec.nodeAffinity !== undefined };
  let count = 0;
  for (const name of sourceNames) {
    const source = spec[name];
    if (!source) continue;
    // Upstream lets flexVolume stand beside others.
    if (count++ > 0 && name !== 'flexVolume') {
      errors.forbidden(specPath.child(name === 'cephfs' ? 'cephFS' : name), 'may not specify more than 1 volume type');
    } else {
      const path = specPath.child(name === 'gcePersistentDisk' ? 'persistentDisk' : name);
      (sources[name] as SourceCheck<typeof name>)(source as never, path, context);
    }
  }
  if (count === 0) errors.required(specPath, 'must specify a volume type');
  if (spec.hostPath && isRoot(spec.hostPath.path) && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    errors.forbidden(specPath.child('persistentVolumeReclaimPolicy'), "may not be 'recycle' for a hostPath mount of '/'");
  }
  if (spec.storageClassName) objectName(errors, specPath.child('storageClassName'), spec.storageClassName);
  if (spec.volumeMode !== undefined) supported(errors, specPath.child('volumeMode'), spec.volumeMode, volumeModes);
  if (spec.volumeAttributesClassName !== undefined) {
    const path = specPath.child('volumeAttributesClassName');
    if (spec.volumeAttributesClassName === '') errors.required(path, 'an empty string is disallowed');
    else objectName(errors, path, spec.volumeAttributesClassName);
    if (!spec.csi) errors.required(specPath.child('csi'), 'has to be specified when using volumeAttributesClassName');
  }
}

function validateMountOptions({ metadata, spec }: PersistentVolume, errors: FieldErrors): void {
  if (metadata.annotations?.[mountAnnotation] === undefined || mountable.some(name => spec[name])) return;
  errors.forbidden(fieldPath('metadata', 'annotations', mountAnnotation), 'may not specify mount options for this volume type');
}

const isRoot = (path: string): boolean => path !== '' && path.split('/').every(part => part === '' || part === '.');

function validateCapacity(given: Readonly<Record<string, string>> | undefined, errors: FieldErrors): void {
  const path = specPath.child('capacity');
  const capacity = given ?? {};
  const names = Object.keys(capacity);
  if (!names.length) errors.required(path);
  if (capacity['storage'] === undefined || names.length > 1) errors.notSupported(path, given ?? null, ['storage']);
  for (const name of names) {
    const amount = parseQuantity(capacity[name]!);
    if (amount.sign < 0) errors.invalid(path.key(name), amount.value(), 'must be a valid resource quantity');
    if (amount.sign <= 0) errors.invalid(path.key(name), amount.toString(), notPositiveText);
  }
}

/** Source: the strategy's ValidateUpdate and ValidatePersistentVolumeUpdate, which check the whole volume each. */
function validateVolumeUpdate(object: PersistentVolume, old: Readonly<PersistentVolume>, errors: FieldErrors): void {
  const invalidAffinity = hasInvalidAffinity(old.spec.nodeAffinity?.required?.nodeSelectorTerms ?? []);
  validateVolume(object, errors, invalidAffinity);
  validateMountOptions(object, errors);
  validateMetadata(object, persistentVolume, errors);
  validateVolume(object, errors, invalidAffinity);
  const before = sourceOf(old.spec);
  const after = sourceOf(object.spec);
  // A driver may be told its secret for expansion later.
  if (after.csi && before.csi && before.csi.controllerExpandSecretRef === undefined) {
    const { controllerExpandSecretRef: _added, ...csi }: CSIPersistentVolumeSource = after.csi;
    after.csi = csi;
  }
  if (!semanticEqual(after, before)) {
    const text = `spec.persistentvolumesource is immutable after creation\n${internalDiff('core.PersistentVolumeSource', before, after)}`;
    errors.forbidden(specPath.child('persistentvolumesource'), text);
  }
  if (object.spec.volumeMode !== old.spec.volumeMode) immutable(errors, fieldPath('volumeMode'), object.spec.volumeMode ?? null);
  if (
    old.spec.nodeAffinity &&
    !semanticEqual(withNewLabels(old.spec.nodeAffinity, object.spec.nodeAffinity), object.spec.nodeAffinity)
  ) {
    const text = `${immutableText}, except for updating from beta label to GA`;
    errors.invalid(fieldPath('nodeAffinity'), internalValue('*core.VolumeNodeAffinity', object.spec.nodeAffinity), text);
  }
  if (old.spec.volumeAttributesClassName !== undefined && object.spec.volumeAttributesClassName === undefined) {
    errors.forbidden(specPath.child('volumeAttributesClassName'), 'update from non-nil value to nil is forbidden');
  }
}

function sourceOf(spec: Readonly<PersistentVolumeSpec>): Sources {
  const found: Record<string, unknown> = {};
  for (const name of sourceNames) if (spec[name] !== undefined) found[name] = spec[name];
  return found;
}

function hasInvalidAffinity(terms: readonly NodeSelectorTerm[]): boolean {
  return terms.some(term =>
    term.matchExpressions?.some(({ values }) => values?.some(value => validateLabelValue(value).length > 0)),
  );
}

type Affinity = PersistentVolumeSpec['nodeAffinity'];

/** The old affinity with those beta labels replaced that the new one has replaced by their successors. */
function withNewLabels(old: NonNullable<Affinity>, next: Affinity): Affinity {
  const copy = cloneJson(old);
  copy.required?.nodeSelectorTerms?.forEach((term, index) => {
    for (const list of ['matchExpressions', 'matchFields'] as const) {
      term[list]?.forEach((requirement, at) => {
        const key = next?.required?.nodeSelectorTerms?.[index]?.[list]?.[at]?.key;
        // Upstream looks up labels that are no old ones too, finds '' and lets that pass.
        if (key !== undefined && (betaLabels[requirement.key] ?? '') === key) requirement.key = key;
      });
    }
  });
  return copy;
}

const deprecatedSources = [
  ['cephfs', 'cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['photonPersistentDisk', 'photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['scaleIO', 'scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['storageos', 'storageOS', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['rbd', 'rbd', 'deprecated in v1.28, non-functional in v1.31+'],
] as const;

function volumeWarnings({ metadata, spec }: PersistentVolume): string[] {
  const warnings: string[] = [];
  for (const [key, text] of [
    [classAnnotation, 'deprecated since v1.8; use "storageClassName" attribute instead'],
    [mountAnnotation, 'deprecated since v1.31; use "mountOptions" attribute instead'],
  ] as const) {
    if (metadata.annotations?.[key] !== undefined) warnings.push(`${fieldPath('metadata', 'annotations').key(key)}: ${text}`);
  }
  if (spec.persistentVolumeReclaimPolicy === 'Recycle') {
    const text = 'The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.';
    warnings.push(`spec.persistentVolumeReclaimPolicy: ${text}`);
  }
  spec.nodeAffinity?.required?.nodeSelectorTerms?.forEach((term, index) => {
    warnings.push(
      ...nodeSelectorTermWarnings(term, specPath.child('nodeAffinity', 'required', 'nodeSelectorTerms').index(index)),
    );
  });
  for (const [name, shown, text] of deprecatedSources) if (spec[name]) warnings.push(`${specPath.child(shown)}: ${text}`);
  return warnings;
}
