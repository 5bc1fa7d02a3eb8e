import type { CertificateSigningRequest, CertificateSigningRequestCondition as Condition } from '../../../api/generated/types.js';
import { CertificateSigningRequests } from '../../../api/generated/resources.js';
import { humanDuration } from '../../../machinery/human-duration.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { quote } from '../../../machinery/field-errors.js';
import { forbidden } from '../../../machinery/status-error.js';
import { formatTime } from '../../../machinery/time.js';
import type { RequestContext } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';
import { validateRequest, validateRequestUpdate } from './signing-request-validation.js';
import { verifiedRequest } from './signing-request.js';

const clientSigner = 'kubernetes.io/kube-apiserver-client';
const mastersGroup = 'system:masters';

export const certificateSigningRequest = defineResource<CertificateSigningRequest>({
  reference: CertificateSigningRequests,
  generation: false,
  validateName: () => [],
  resetFields: {
    '': ['spec', 'status'],
    status: ['spec', 'status.conditions'],
    approval: ['spec', 'status.certificate'],
  },
  prepareForCreate(object, { caller }) {
    const { request, signerName, expirationSeconds, usages } = object.spec;
    // Who asks is for the server to say.
    object.spec = {
      request,
      signerName,
      ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
      ...(usages ? { usages } : {}),
      ...(caller.name ? { username: caller.name } : {}),
      ...(caller.uid ? { uid: caller.uid } : {}),
      ...(caller.groups.length ? { groups: [...caller.groups] } : {}),
      ...(Object.keys(caller.extra ?? {}).length ? { extra: cloneJson(caller.extra) as Record<string, string[]> } : {}),
    };
    object.status = {};
  },
  prepareForUpdate(object, old) {
    object.spec = cloneJson(old.spec);
    object.status = cloneJson(old.status);
  },
  validate(object, errors) {
    validateRequest(object, undefined, errors);
    if (errors.empty) refuseMasters(object);
  },
  checks: { update: ['object', 'validateUpdate', 'change'] },
  validateUpdate(object, old, errors) {
    validateRequestUpdate(object, old, errors, {});
    if (errors.empty) refuseMasters(object);
  },
  row: (object, context) => [
    object.metadata.name,
    age(object, context),
    object.spec.signerName || '<none>',
    object.spec.username ?? '',
    object.spec.expirationSeconds === undefined ? '<none>' : humanDuration(object.spec.expirationSeconds * 1000),
    conditionCell(object),
  ],
  selectableFields: { 'spec.signerName': object => object.spec.signerName },
  subresources: {
    approval: {
      type: 'update',
      prepareForUpdate(object, old, { nowMs }) {
        const conditions = stamped(object.status.conditions, old, nowMs);
        object.spec = cloneJson(old.spec);
        object.status = { ...cloneJson(old.status), conditions };
        if (!conditions) delete object.status.conditions;
      },
      checks: ['object', 'validateUpdate', 'change'],
      async validateUpdate(object, old, errors, context) {
        validateRequestUpdate(object, old, errors, { allowApproval: true });
        if (errors.empty) await checkSigner('approve', old, context);
      },
    },
    status: {
      type: 'update',
      prepareForUpdate(object, old, { nowMs }) {
        object.spec = cloneJson(old.spec);
        for (const type of ['Approved', 'Denied']) keepConditions(object, old, type);
        const conditions = stamped(object.status.conditions, old, nowMs);
        if (conditions) object.status.conditions = conditions;
      },
      checks: ['object', 'validateUpdate', 'change'],
      async validateUpdate(object, old, errors, context) {
        validateRequestUpdate(object, old, errors, { allowCertificate: true });
        const same =
          object.status.certificate === old.status.certificate &&
          semanticEqual(object.status.conditions ?? [], old.status.conditions ?? []);
        if (errors.empty && !same) await checkSigner('sign', old, context);
      },
    },
  },
});

/** Signers are resources of their own to the authorizer: one of them, or all of a domain. */
async function checkSigner(
  verb: 'approve' | 'sign',
  old: Readonly<CertificateSigningRequest>,
  context: RequestContext,
): Promise<void> {
  const { signerName } = old.spec;
  const attributes = { verb, group: CertificateSigningRequests.group, resource: 'signers' };
  if (await context.allows({ ...attributes, name: signerName })) return;
  if (await context.allows({ ...attributes, name: `${signerName.split('/')[0]}/*` })) return;
  throw refusal(old, `user not permitted to ${verb} requests with signerName ${quote(signerName)}`);
}

/** Nobody gets a certificate of the group that may do everything. */
function refuseMasters(object: CertificateSigningRequest): void {
  if (object.spec.signerName !== clientSigner) return;
  const { subject } = verifiedRequest(Buffer.from(object.spec.request, 'base64').toString('latin1'));
  if (subject.organizations?.includes(mastersGroup)) {
    throw refusal(object, `use of ${clientSigner} signer with ${mastersGroup} group is not allowed`);
  }
}

function refusal({ metadata }: Readonly<CertificateSigningRequest>, text: string): Error {
  const { group, resource } = CertificateSigningRequests;
  return forbidden({ group, resource, name: metadata.name ?? '' }, text);
}

/** Conditions of a type stay as they are, unless their number changes, which validation refuses. */
function keepConditions(object: CertificateSigningRequest, old: Readonly<CertificateSigningRequest>, type: string): void {
  const before = (old.status.conditions ?? []).filter(condition => condition.type === type);
  const conditions = object.status.conditions ?? [];
  if (conditions.filter(condition => condition.type === type).length !== before.length) return;
  let next = 0;
  for (const [index, condition] of conditions.entries()) {
    if (condition.type === type) conditions[index] = cloneJson(before[next++]!);
  }
}

/** With the times that are missing. */
function stamped(
  conditions: readonly Condition[] | undefined,
  old: Readonly<CertificateSigningRequest>,
  nowMs: number,
): Condition[] | undefined {
  const now = formatTime(nowMs);
  return conditions?.map(condition => {
    const same = (old.status.conditions ?? []).find(
      before => before.type === condition.type && before.status === condition.status && before.lastTransitionTime,
    );
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? now,
      lastTransitionTime: condition.lastTransitionTime ?? same?.lastTransitionTime ?? now,
    };
  });
}

function conditionCell({ status }: Readonly<CertificateSigningRequest>): string {
  const has = (type: string): boolean => status.conditions?.some(condition => condition.type === type) ?? false;
  const parts = [has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'];
  if (has('Failed')) parts.push('Failed');
  if (status.certificate) parts.push('Issued');
  return parts.join(',');
}
