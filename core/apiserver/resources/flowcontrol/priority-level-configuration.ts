import type {
  LimitResponse,
  LimitedPriorityLevelConfiguration,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
} from '../../../api/generated/types.js';
import { PriorityLevelConfigurations } from '../../../api/generated/resources.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { exemptName, mandatoryPriorityLevels } from '../../flowcontrol/default-flow-control.js';
import { maximumHashBits, requiredEntropyBits } from '../../flowcontrol/shuffle-sharding.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { requiredOneOf } from '../core/checks.js';
import { flowControlResetFields, flowControlStatus, validateFlowControlStatus } from './flow-control-status.js';

const defaultShares = 30;
const defaultQueuing: QueuingConfiguration = { handSize: 8, queues: 64, queueLengthLimit: 50 };
const maximumQueues = 10_000_000;
/** Of v1beta3, which is not served. */
const zeroSharesAnnotation = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';

export const priorityLevelConfiguration = defineResource<PriorityLevelConfiguration>({
  reference: PriorityLevelConfigurations,
  resetFields: flowControlResetFields,
  checks: { update: ['object', 'validate'] },
  defaults({ spec: { limited, exempt } }) {
    if (limited) {
      limited.nominalConcurrencyShares ??= defaultShares;
      limited.lendablePercent ??= 0;
      const { queuing } = limited.limitResponse;
      if (queuing) {
        for (const field of ['handSize', 'queues', 'queueLengthLimit'] as const) queuing[field] ||= defaultQueuing[field];
      }
    }
    if (exempt) {
      exempt.nominalConcurrencyShares ??= 0;
      exempt.lendablePercent ??= 0;
    }
  },
  validate({ metadata: { name = '', annotations = {} }, spec, status }, errors) {
    if (Object.hasOwn(annotations, zeroSharesAnnotation))
      errors.forbidden(fieldPath('metadata', 'annotations'), `annotation '${zeroSharesAnnotation}' is forbidden`);
    validateSpec(name, spec, errors);
    validateIfMandatory(name, spec, errors);
    validateFlowControlStatus(status, errors);
  },
  row(object, context) {
    const { type, limited } = object.spec;
    const queuing = limited?.limitResponse.queuing;
    const none = '<none>';
    return [
      object.metadata.name,
      type,
      limited?.nominalConcurrencyShares ?? none,
      queuing?.queues ?? none,
      queuing?.handSize ?? none,
      queuing?.queueLengthLimit ?? none,
      age(object, context),
    ];
  },
  subresources: {
    status: flowControlStatus(),
  },
});

/** Of `exempt` an administrator may change what it takes and lends. */
function validateIfMandatory(name: string, spec: PriorityLevelConfigurationSpec, errors: FieldErrors): void {
  const fixed = mandatoryPriorityLevels().get(name)?.spec;
  if (!fixed) return;
  const isExempt = name === exemptName;
  const compared = isExempt ? { ...spec, exempt: fixed.exempt } : spec;
  if (semanticEqual(compared, fixed)) return;
  const but = isExempt ? " except the 'spec.exempt' field" : '';
  const value = internalValue('flowcontrol.PriorityLevelConfigurationSpec', spec);
  errors.invalid(fieldPath('spec'), value, `spec of '${name}'${but} must equal the fixed value`);
}

/** Source: kubernetes pkg/apis/flowcontrol/validation. */
function validateSpec(name: string, spec: PriorityLevelConfigurationSpec, errors: FieldErrors): void {
  const path = fieldPath('spec');
  const { type, limited, exempt } = spec;
  if ((name === exemptName) !== (type === 'Exempt'))
    errors.invalid(path.child('type'), type, "must be 'Exempt' if and only if `name` is 'exempt'");
  if (type === 'Exempt') {
    if (limited) errors.forbidden(path.child('limited'), 'must be nil if the type is not Limited');
    if (exempt) {
      const at = path.child('exempt');
      const { nominalConcurrencyShares: shares } = exempt;
      if (shares !== undefined && shares < 0)
        errors.invalid(at.child('nominalConcurrencyShares'), shares, 'must be a non-negative integer');
      validateLendable(exempt.lendablePercent, at, errors);
    }
  } else if (type === 'Limited') {
    if (exempt) errors.forbidden(path.child('exempt'), 'must be nil if the type is Limited');
    if (limited) validateLimited(limited, path.child('limited'), errors);
    else errors.required(path.child('limited'), 'must not be empty when type is Limited');
  } else requiredOneOf(errors, path.child('type'), type, ['Exempt', 'Limited']);
}

function validateLendable(percent: number | undefined, path: FieldPath, errors: FieldErrors): void {
  if (percent !== undefined && (percent < 0 || percent > 100))
    errors.invalid(path.child('lendablePercent'), percent, 'must be between 0 and 100, inclusive');
}

function validateLimited(limited: LimitedPriorityLevelConfiguration, path: FieldPath, errors: FieldErrors): void {
  const { nominalConcurrencyShares: shares = 0, limitResponse, lendablePercent, borrowingLimitPercent: borrowing } = limited;
  if (shares < 0) errors.invalid(path.child('nominalConcurrencyShares'), shares, 'must be a non-negative integer');
  validateResponse(limitResponse, path.child('limitResponse'), errors);
  validateLendable(lendablePercent, path, errors);
  if (borrowing !== undefined && borrowing < 0)
    errors.invalid(path.child('borrowingLimitPercent'), borrowing, 'if specified, must be a non-negative integer');
}

function validateResponse({ type, queuing }: LimitResponse, path: FieldPath, errors: FieldErrors): void {
  const at = path.child('queuing');
  if (type === 'Reject') {
    if (queuing) errors.forbidden(at, 'must be nil if limited.limitResponse.type is not Limited');
  } else if (type === 'Queue') {
    if (queuing) validateQueuing(queuing, at, errors);
    else errors.required(at, 'must not be empty if limited.limitResponse.type is Limited');
  } else requiredOneOf(errors, path.child('type'), type, ['Queue', 'Reject']);
}

function validateQueuing(
  { queues, handSize, queueLengthLimit }: QueuingConfiguration,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (queueLengthLimit <= 0) errors.invalid(path.child('queueLengthLimit'), queueLengthLimit, 'must be positive');
  if (queues <= 0) errors.invalid(path.child('queues'), queues, 'must be positive');
  else if (queues > maximumQueues) errors.invalid(path.child('queues'), queues, `must not be greater than ${maximumQueues}`);
  const at = path.child('handSize');
  if (handSize <= 0) errors.invalid(at, handSize, 'must be positive');
  else if (handSize > queues) errors.invalid(at, handSize, `should not be greater than queues (${queues})`);
  else if (requiredEntropyBits(queues, handSize) > maximumHashBits) {
    const needed = `required entropy bits of deckSize ${queues} and handSize ${handSize}`;
    errors.invalid(at, handSize, `${needed} should not be greater than ${maximumHashBits}`);
  }
}
