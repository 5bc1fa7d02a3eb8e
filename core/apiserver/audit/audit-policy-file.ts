import { readFile } from 'node:fs/promises';
import { loadTypes } from '../../api/schema-data.js';
import type { AuditPolicyRule, GroupResources, Policy } from '../../api/generated/types.js';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import { decodeValue, notRegistered } from '../../machinery/codec/json-decode.js';
import { jsonText } from '../../machinery/codec/json-text.js';
import { duplicateKeysText, parseYamlStrict } from '../../machinery/codec/yaml.js';
import type { FieldPath } from '../../machinery/field-errors.js';
import { FieldErrors, fieldPath, jsonValue, quote } from '../../machinery/field-errors.js';
import { nameIsDnsSubdomain } from '../../machinery/names.js';
import { isJsonObject } from '../../machinery/object.js';
import { auditLevels, auditStages } from './audit-policy.js';

export interface ReadPolicy {
  readonly policy: Policy;
  /** What is in the file and means nothing: unknown and repeated fields, which upstream lets pass. */
  readonly warning: string | undefined;
}

const apiVersion = 'audit.k8s.io/v1';
const policyType = 'io.k8s.apiserver.pkg.apis.audit.v1.Policy';
const scheme = 'k8s.io/apiserver/pkg/audit/scheme.go:30';

/** Reads a policy file. Rejects AUDIT_POLICY with one line in upstream's words that names the file and the field. */
export async function readPolicyFile(path: string): Promise<ReadPolicy> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? `open ${path}: no such file or directory` : errorText(error);
    throw fault(`failed to read file path ${quote(path)}: ${why}`, error);
  }
  try {
    return await parsePolicy(text);
  } catch (error) {
    throw fault(`${oneLine(errorText(error))}: from file ${path}`, error);
  }
}

function fault(text: string, cause: unknown): CodedError {
  return new CodedError('AUDIT_POLICY', `loading audit policy file: ${text}`, {
    cause,
    mend: 'correct the file that audit-policy-file names',
  });
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ');

/** Source: apiserver pkg/audit/policy/reader.go. */
export async function parsePolicy(text: string): Promise<ReadPolicy> {
  const { value, duplicates } = await parseYamlStrict(text).catch((error: unknown) => {
    throw new Error(`failed decoding: ${errorText(error)}`);
  });
  const given = value ?? {};
  if (!isJsonObject(given)) throw new Error(`failed decoding: ${quote(jsonText(given))} is not a Policy`);
  for (const [name, shown] of [
    ['kind', 'Kind'],
    ['apiVersion', 'apiVersion'],
  ] as const)
    if (!given[name]) throw new Error(`failed decoding: Object '${shown}' is missing in '${jsonText(given)}'`);
  if (given['kind'] !== 'Policy' || given['apiVersion'] !== apiVersion)
    throw new Error(`failed decoding: ${notRegistered(String(given['kind']), String(given['apiVersion']), scheme)}`);
  let decoded: ReturnType<typeof decodeValue>;
  try {
    decoded = decodeValue(loadTypes('audit.k8s.io').struct(policyType), jsonText(given), { strict: true });
  } catch (error) {
    throw new Error(`failed decoding: ${errorText(error)}`, { cause: error });
  }
  const strictErrors = [...(duplicates.length ? [duplicateKeysText(duplicates)] : []), ...decoded.strictErrors];
  const policy = decoded.value as unknown as Policy;
  const errors = validatePolicy(policy);
  if (!errors.empty) {
    const texts = [...new Set(errors.list.map(({ field, body }) => `${field}: ${body}`))];
    throw new Error(texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`);
  }
  if (!policy.rules?.length) throw new Error('loaded illegal policy with 0 rules');
  return { policy, warning: strictErrors.length ? oneLine(`strict decoding error: ${strictErrors.join(', ')}`) : undefined };
}

/** Source: apiserver pkg/apis/audit/validation. */
function validatePolicy({ omitStages, rules }: Policy): FieldErrors {
  const errors = new FieldErrors();
  validateStages(omitStages, fieldPath('omitStages'), errors);
  for (const [index, rule] of (rules ?? []).entries()) validateRule(rule, fieldPath('rules').index(index), errors);
  return errors;
}

function validateRule(rule: AuditPolicyRule, path: FieldPath, errors: FieldErrors): void {
  const { level, nonResourceURLs = [], resources = [], namespaces = [] } = rule;
  if (!level) errors.required(path.child('level'));
  else if (!(auditLevels as readonly string[]).includes(level)) errors.notSupported(path.child('level'), level, auditLevels);
  validateUrls(nonResourceURLs, path.child('nonResourceURLs'), errors);
  validateResources(resources, path.child('resources'), errors);
  validateStages(rule.omitStages, path.child('omitStages'), errors);
  if (nonResourceURLs.length === 0 || (resources.length === 0 && namespaces.length === 0)) return;
  const text = 'rules cannot apply to both regular resources and non-resource URLs';
  errors.invalid(path.child('nonResourceURLs'), jsonValue(nonResourceURLs), text);
}

function validateUrls(urls: readonly string[], path: FieldPath, errors: FieldErrors): void {
  for (const [index, url] of urls.entries()) {
    if (url === '*') continue;
    const at = path.index(index);
    if (!url.startsWith('/')) errors.invalid(at, url, "non-resource URL rules must begin with a '/' character");
    if (url.slice(0, -1).includes('*'))
      errors.invalid(at, url, "non-resource URL wildcards '*' must be the final character of the rule");
  }
}

/** Upstream's paths do not say which of the resources. */
function validateResources(given: readonly GroupResources[], path: FieldPath, errors: FieldErrors): void {
  for (const { group = '', resources = [], resourceNames = [] } of given) {
    const faults = group === '' || group === '*' ? [] : nameIsDnsSubdomain(group, false);
    if (faults.length) errors.invalid(path.child('group'), group, faults.join(','));
    if (resourceNames.length && !resources.length)
      errors.invalid(path.child('resourceNames'), jsonValue(resourceNames), 'using resourceNames requires at least one resource');
  }
}

function validateStages(stages: readonly string[] = [], path: FieldPath, errors: FieldErrors): void {
  for (const [index, stage] of stages.entries())
    if (!(auditStages as readonly string[]).includes(stage))
      errors.invalid(path.index(index), stage, `allowed stages are ${auditStages.join(',')}`);
}
