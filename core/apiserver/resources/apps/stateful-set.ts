import type {
  PersistentVolumeClaim,
  StatefulSet,
  StatefulSetSpec,
  StatefulSetUpdateStrategy,
  Volume,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { StatefulSets } from '../../../api/generated/resources.js';
import type { FieldPath } from '../../../machinery/field-errors.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { validateLabels } from '../../../machinery/label-selector.js';
import { nameIsDnsLabel, validateDns1123Label } from '../../../machinery/names.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';
import { validateAnnotations } from '../core/annotations-validation.js';
import { validateClaimSpec } from '../core/claim-spec-validation.js';
import { claimSpecWarnings } from '../core/claim-warnings.js';
import {
  defaultPodTemplate,
  dropDisabledPodFields,
  podTemplateOptions,
  podTemplateWarnings,
  validatePodTemplateSpec,
} from '../core/pod-template-support.js';
import { validatePodAnnotations } from '../core/pod-template-validation.js';
import { roundResourceList } from '../core/resource-names.js';
import { intOrPercentNumber, validateAtMost100Percent, validateIntOrPercent } from '../int-or-percent.js';
import { scaleSubresource } from '../scale.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import {
  atMost,
  collisionsGrow,
  containerCells,
  isNewGeneration,
  negativeText,
  nonNegative,
  requiredSelector,
} from './pod-owner.js';

const path = fieldPath('spec');
const mutableFields = [
  'replicas',
  'template',
  'updateStrategy',
  'minReadySeconds',
  'ordinals',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
] as const;
const mutableText =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

export const statefulSet = defineResource<StatefulSet>({
  reference: StatefulSets,
  fillBookmark: object => void (object.spec.replicas = 0),
  resetFields: statusResetFields,
  validateName: nameIsDnsLabel,
  defaults({ spec }) {
    defaultPodTemplate(spec.template);
    for (const claim of spec.volumeClaimTemplates ?? []) defaultClaimTemplate(claim);
    spec.podManagementPolicy ||= 'OrderedReady';
    const { updateStrategy } = spec;
    if (!updateStrategy.type) {
      updateStrategy.type = 'RollingUpdate';
      updateStrategy.rollingUpdate ??= {};
    }
    if (updateStrategy.type === 'RollingUpdate' && updateStrategy.rollingUpdate) {
      updateStrategy.rollingUpdate.partition ??= 0;
    }
    const retention = (spec.persistentVolumeClaimRetentionPolicy ??= {});
    retention.whenDeleted ||= 'Retain';
    retention.whenScaled ||= 'Retain';
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
  },
  prepareForCreate(object) {
    object.status = { replicas: 0, availableReplicas: 0 };
    // Behind a gate that is off by default.
    delete object.spec.updateStrategy.rollingUpdate?.maxUnavailable;
    dropDisabledPodFields(object.spec.template.spec);
  },
  prepareForUpdate(object, old) {
    object.status = cloneJson(old.status);
    if (old.spec.updateStrategy.rollingUpdate?.maxUnavailable === undefined) {
      delete object.spec.updateStrategy.rollingUpdate?.maxUnavailable;
    }
    dropDisabledPodFields(object.spec.template.spec, old.spec.template.spec);
  },
  validate: ({ spec }, errors) => validateSpec(spec, { errors, checkTemplate: true }),
  validateUpdate({ spec }, old, errors) {
    validateSpec(spec, { errors, old: old.spec, checkTemplate: !isInvalid(old.spec) });
    const fixed: StatefulSetSpec = { ...spec };
    for (const field of mutableFields) Object.assign(fixed, { [field]: old.spec[field] });
    if (!semanticEqual(fixed, old.spec)) errors.forbidden(path, mutableText);
  },
  warnings(object, old) {
    const { spec } = object;
    const claims = path.child('volumeClaimTemplates');
    return [
      ...(isNewGeneration(object, old) ? podTemplateWarnings(spec.template, path.child('template')) : []),
      // Upstream's paths differ between the two.
      ...(spec.volumeClaimTemplates ?? []).flatMap((claim, index) =>
        claimSpecWarnings(claim.spec, old ? claims.index(index).child('Spec') : claims.index(index)),
      ),
      ...((spec.revisionHistoryLimit ?? 0) < 0
        ? ['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended']
        : []),
    ];
  },
  row: (object, context) => [
    object.metadata.name,
    `${object.status.readyReplicas ?? 0}/${object.spec.replicas ?? 0}`,
    age(object, context),
    ...containerCells(object.spec.template),
  ],
  subresources: {
    scale: scaleSubresource<StatefulSet>({ subject: StatefulSets }),
    status: statusSubresource<StatefulSet>({
      checks: ['validateUpdate', 'change'],
      validateUpdate({ status }, old, errors) {
        const at = fieldPath('status');
        nonNegative(
          status,
          [
            'replicas',
            'readyReplicas',
            'currentReplicas',
            'updatedReplicas',
            'availableReplicas',
            'observedGeneration',
            'collisionCount',
          ],
          at,
          errors,
        );
        const total = { value: status.replicas, text: 'cannot be greater than status.replicas' };
        atMost(status, ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'], total, { at, errors });
        const ready = { value: status.readyReplicas ?? 0, text: 'cannot be greater than status.readyReplicas' };
        atMost(status, ['availableReplicas'], ready, { at, errors });
        collisionsGrow(status, old.status, at, errors);
      },
    }),
  },
});

function defaultClaimTemplate(claim: PersistentVolumeClaim): void {
  claim.apiVersion = 'v1';
  claim.kind = 'PersistentVolumeClaim';
  claim.status ??= {};
  claim.status.phase ||= 'Pending';
  claim.spec.volumeMode ??= 'Filesystem';
  roundResourceList(claim.spec.resources?.requests);
  roundResourceList(claim.spec.resources?.limits);
  roundResourceList(claim.status.capacity);
  roundResourceList(claim.status.allocatedResources);
}

interface SpecCheck {
  readonly errors: FieldErrors;
  /** What is stored; absent for a new set. */
  readonly old?: Readonly<StatefulSetSpec>;
  readonly checkTemplate: boolean;
}

function validateSpec(spec: StatefulSetSpec, check: SpecCheck): void {
  const { errors, old } = check;
  validatePolicies(spec, path, errors);
  // What an update cannot change need not be right in what is stored.
  if (!old) {
    for (const [index, claim] of (spec.volumeClaimTemplates ?? []).entries()) {
      validateClaimSpec(claim.spec, path.child('volumeClaimTemplates').index(index).child('spec'), errors);
    }
  }
  nonNegative(spec, ['replicas', 'minReadySeconds'], path, errors);
  const start = spec.ordinals?.start ?? 0;
  if (start < 0) errors.invalid(path.child('ordinals.start'), start, negativeText);
  if (!old && spec.serviceName) {
    for (const text of validateDns1123Label(spec.serviceName)) errors.invalid(path.child('serviceName'), spec.serviceName, text);
  }
  validateTemplate(spec, check);
  const { restartPolicy, activeDeadlineSeconds } = spec.template.spec;
  if (restartPolicy !== 'Always') {
    errors.notSupported(path.child('template', 'spec', 'restartPolicy'), restartPolicy ?? '', ['Always']);
  }
  if (activeDeadlineSeconds !== undefined) {
    const text = 'activeDeadlineSeconds in StatefulSet is not Supported';
    errors.forbidden(path.child('template', 'spec', 'activeDeadlineSeconds'), text);
  }
}

function validatePolicies(spec: StatefulSetSpec, at: FieldPath, errors: FieldErrors): void {
  const { podManagementPolicy: management } = spec;
  if (management !== 'OrderedReady' && management !== 'Parallel') {
    errors.invalid(at.child('podManagementPolicy'), management, "must be 'OrderedReady' or 'Parallel'");
  }
  validateStrategy(spec.updateStrategy, at.child('updateStrategy'), errors);
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const value = spec.persistentVolumeClaimRetentionPolicy?.[field];
    if (value === undefined || value === 'Retain' || value === 'Delete') continue;
    errors.notSupported(at.child('persistentVolumeClaimRetentionPolicy', field), value, ['Retain', 'Delete']);
  }
}

function validateStrategy(strategy: StatefulSetUpdateStrategy, at: FieldPath, errors: FieldErrors): void {
  const { type, rollingUpdate } = strategy;
  if (type === 'OnDelete') {
    if (!rollingUpdate) return;
    const shown = internalValue('*apps.RollingUpdateStatefulSetStrategy', rollingUpdate);
    errors.invalid(at.child('rollingUpdate'), shown, "only allowed for updateStrategy 'RollingUpdate'");
    return;
  }
  if (type !== 'RollingUpdate') {
    errors.invalid(at, internalValue('apps.StatefulSetUpdateStrategy', strategy), "must be 'RollingUpdate' or 'OnDelete'");
    return;
  }
  if (!rollingUpdate) return;
  const inner = at.child('rollingUpdate');
  nonNegative(rollingUpdate, ['partition'], inner, errors);
  const { maxUnavailable } = rollingUpdate;
  if (maxUnavailable === undefined) return;
  validateIntOrPercent(maxUnavailable, inner.child('maxUnavailable'), errors);
  if (intOrPercentNumber(maxUnavailable) === 0) errors.invalid(inner.child('maxUnavailable'), maxUnavailable, 'cannot be 0');
  validateAtMost100Percent(maxUnavailable, inner.child('maxUnavailable'), errors);
}

function validateTemplate(spec: StatefulSetSpec, { errors, old, checkTemplate }: SpecCheck): void {
  const selector = requiredSelector(spec.selector, {
    path: path.child('selector'),
    errors,
    kind: 'statefulset',
    invalidText: '',
  });
  if (!selector) return;
  const inner = path.child('template');
  const labels = spec.template.metadata?.labels;
  if (!selector.empty && !selector.matches(labels ?? {})) {
    errors.invalid(inner.child('metadata', 'labels'), labels, '`selector` does not match template `labels`');
  }
  const template = asPodsHaveIt(spec);
  if (checkTemplate) validatePodTemplateSpec(template, inner, errors, old?.template);
  const metadata = template.metadata ?? {};
  validateLabels(metadata.labels, inner.child('labels'), errors);
  validateAnnotations(metadata.annotations, inner.child('annotations'), errors);
  const options = podTemplateOptions(old?.template);
  validatePodAnnotations(metadata, template.spec, { path: inner.child('annotations'), errors, options });
}

/** Whether the stored set itself would be refused: its template is then not checked again. */
function isInvalid(old: StatefulSetSpec): boolean {
  const errors = new FieldErrors();
  validateSpec(old, { errors, old, checkTemplate: true });
  return !errors.empty;
}

/** The template with what the controller gives each pod: its own host name and claims. */
function asPodsHaveIt(spec: StatefulSetSpec): StatefulSetSpec['template'] {
  const claims = new Map<string, Volume>();
  for (const { metadata } of spec.volumeClaimTemplates ?? []) {
    const name = metadata?.name ?? '';
    claims.set(name, { name, persistentVolumeClaim: { claimName: name } });
  }
  const { subdomain: _subdomain, hostname: _hostname, ...rest } = spec.template.spec;
  if (!claims.size) return { ...spec.template, spec: rest };
  const volumes = [...claims.values(), ...(rest.volumes ?? []).filter(volume => !claims.has(volume.name))];
  return { ...spec.template, spec: { ...rest, volumes } };
}
