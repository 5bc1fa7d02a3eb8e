import type { DaemonSet, DaemonSetUpdateStrategy } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { DaemonSets } from '../../../api/generated/resources.js';
import { errorCode } from '../../../base/errors.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { FieldErrors as Errors, fieldPath, quote } from '../../../machinery/field-errors.js';
import { badRequest } from '../../../machinery/status-error.js';
import { labelSelectorFromObject, validateLabelSelector } from '../../../machinery/label-selector.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';
import {
  defaultPodTemplate,
  dropDisabledPodFields,
  podTemplateWarnings,
  validateLongRunningTemplate,
} from '../core/pod-template-support.js';
import { intOrPercentNumber, validateAtMost100Percent, validateIntOrPercent } from '../int-or-percent.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import { collisionsGrow, containerCells, isEmpty, nonNegative, selectorCell, unchangedObject } from './pod-owner.js';

const path = fieldPath('spec');
/** Counts the templates that a set has had; kept as an annotation since v1 has no field for it. */
const templateGeneration = 'deprecated.daemonset.template.generation';

const statusEndpoint = statusSubresource<DaemonSet>({
  validateUpdate({ status }, old, errors) {
    const at = fieldPath('status');
    nonNegative(
      status,
      [
        'currentNumberScheduled',
        'numberMisscheduled',
        'desiredNumberScheduled',
        'numberReady',
        'observedGeneration',
        'updatedNumberScheduled',
        'numberAvailable',
        'numberUnavailable',
        'collisionCount',
      ],
      at,
      errors,
    );
    collisionsGrow(status, old.status, at, errors);
  },
});

export const daemonSet = defineResource<DaemonSet>({
  reference: DaemonSets,
  fillBookmark: object => setTemplateGeneration(object, 0),
  resetFields: statusResetFields,
  defaults(object) {
    const { spec } = object;
    checkTemplateGeneration(object);
    defaultPodTemplate(spec.template);
    spec.updateStrategy.type ||= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
    setTemplateGeneration(object, templateGenerationOf(object));
  },
  prepareForCreate(object) {
    object.status = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
    setTemplateGeneration(object, Math.max(1, templateGenerationOf(object)));
    dropDisabledPodFields(object.spec.template.spec);
  },
  prepareForUpdate(object, old) {
    dropDisabledPodFields(object.spec.template.spec, old.spec.template.spec);
    object.status = cloneJson(old.status);
    const before = templateGenerationOf(old);
    setTemplateGeneration(object, semanticEqual(object.spec.template, old.spec.template) ? before : before + 1);
  },
  versionAnnotations: [templateGeneration],
  validate: (object, errors) => validateSpec(object, undefined, errors),
  validateUpdate(object, old, errors) {
    unchangedObject(object.spec.selector, old.spec.selector, '*v1.LabelSelector', { path: path.child('selector'), errors });
    validateSpec(object, old, errors);
  },
  warnings: (object, old) =>
    old && templateGenerationOf(object) === templateGenerationOf(old)
      ? []
      : podTemplateWarnings(object.spec.template, path.child('template')),
  row(object, context) {
    const { spec, status } = object;
    return [
      object.metadata.name,
      status.desiredNumberScheduled,
      status.currentNumberScheduled,
      status.numberReady,
      status.updatedNumberScheduled ?? 0,
      status.numberAvailable ?? 0,
      labelsCell(spec.template.spec.nodeSelector),
      age(object, context),
      ...containerCells(spec.template),
      selectorCell(spec.selector),
    ];
  },
  subresources: {
    status: {
      ...statusEndpoint,
      async prepareForUpdate(object, old, context) {
        await statusEndpoint.prepareForUpdate!(object, old, context);
        setTemplateGeneration(object, templateGenerationOf(old));
      },
    },
  },
});

function templateGenerationOf({ metadata }: Readonly<DaemonSet>): number {
  const text = metadata.annotations?.[templateGeneration] ?? '';
  return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** Upstream keeps it as a number, and cannot read the object otherwise. */
function checkTemplateGeneration({ metadata }: DaemonSet): void {
  const text = metadata.annotations?.[templateGeneration];
  if (text === undefined || /^[+-]?\d{1,18}$/.test(text)) return;
  const fault = /^[+-]?\d+$/.test(text) ? 'value out of range' : 'invalid syntax';
  const refused = 'DaemonSet in version "v1" cannot be handled as a DaemonSet';
  throw badRequest(`${refused}: strconv.ParseInt: parsing ${quote(text)}: ${fault}`);
}

function setTemplateGeneration({ metadata }: DaemonSet, value: number): void {
  metadata.annotations = { ...metadata.annotations, [templateGeneration]: String(value) };
}

function labelsCell(labels: Readonly<Record<string, string>> | undefined): string {
  const parts = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return parts.length ? parts.sort().join(',') : '<none>';
}

function validateSpec({ spec }: DaemonSet, old: Readonly<DaemonSet> | undefined, errors: FieldErrors): void {
  const { selector } = spec;
  const at = path.child('selector');
  const allowInvalidValues = old !== undefined && hasInvalidSelector(old);
  validateLabelSelector(selector, at, errors, { allowInvalidValues });
  const labels = spec.template.metadata?.labels;
  if (!matchesTemplate(spec)) {
    errors.invalid(path.child('template', 'metadata', 'labels'), labels, '`selector` does not match template `labels`');
  }
  if (selector && isEmpty(selector))
    errors.invalid(at, internalValue('*v1.LabelSelector', selector), 'empty selector is invalid for daemonset');
  const check = { path: path.child('template'), errors, kind: 'DaemonSet', old: old?.spec.template };
  validateLongRunningTemplate(spec.template, check);
  nonNegative(spec, ['minReadySeconds'], path, errors);
  validateStrategy(spec.updateStrategy, path.child('updateStrategy'), errors);
  nonNegative(spec, ['revisionHistoryLimit'], path, errors);
}

function matchesTemplate({ selector, template }: DaemonSet['spec']): boolean {
  try {
    return labelSelectorFromObject(selector).matches(template.metadata?.labels ?? {});
  } catch (error) {
    // What is wrong with the selector itself has been said.
    if (errorCode(error) !== 'INVALID_SELECTOR') throw error;
    return true;
  }
}

function hasInvalidSelector({ spec }: Readonly<DaemonSet>): boolean {
  const errors = new Errors();
  validateLabelSelector(spec.selector, path, errors);
  return !errors.empty;
}

function validateStrategy(strategy: DaemonSetUpdateStrategy, at: FieldPath, errors: FieldErrors): void {
  const { type, rollingUpdate } = strategy;
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate ?? {};
  if (type === 'OnDelete') return;
  if (type !== 'RollingUpdate') {
    errors.notSupported(at, internalValue('apps.DaemonSetUpdateStrategy', strategy), ['RollingUpdate', 'OnDelete']);
    return;
  }
  const unavailable = at.child('rollingUpdate', 'maxUnavailable');
  const surge = at.child('rollingUpdate', 'maxSurge');
  validateIntOrPercent(maxUnavailable, unavailable, errors);
  validateIntOrPercent(maxSurge, surge, errors);
  validateAtMost100Percent(maxUnavailable, unavailable, errors);
  validateAtMost100Percent(maxSurge, surge, errors);
  const hasUnavailable = intOrPercentNumber(maxUnavailable) !== 0;
  const hasSurge = intOrPercentNumber(maxSurge) !== 0;
  if (hasUnavailable && hasSurge) errors.invalid(surge, maxSurge, 'may not be set when maxUnavailable is non-zero');
  if (!hasUnavailable && !hasSurge) errors.required(unavailable, 'cannot be 0 when maxSurge is 0');
}
