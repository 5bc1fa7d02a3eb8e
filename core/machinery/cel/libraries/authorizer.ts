import { CodedError, errorText } from '../../../base/errors.js';
import { parseFieldSelector } from '../../field-selector.js';
import type { FieldRequirement } from '../../field-selector.js';
import { parseLabelSelector } from '../../label-selector.js';
import type { LabelSelector } from '../../label-selector.js';
import { nameIsDnsLabel, nameIsDnsSubdomain } from '../../names.js';
import type { CelType } from '../cel-type.js';
import { boolType, objectType, stringType } from '../cel-type.js';
import type { FunctionDeclaration, Library } from '../declarations.js';
import { declare, memberOverload } from '../declarations.js';
import type { CelValue } from '../values.js';
import { CelError, noSuchOverload, ObjectValue } from '../values.js';

/** Kubernetes' `authorizer` variable: questions to whoever decides. */

/** Whom the question is about: the request's user, or a service account that the expression names. */
export type AuthorizationSubject = 'request' | { readonly serviceAccount: { readonly namespace: string; readonly name: string } };

export interface ResourceQuestion {
  readonly subject: AuthorizationSubject;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Parsed; an error where the text is no selector. */
  readonly fieldSelector?: readonly FieldRequirement[] | Error;
  readonly labelSelector?: LabelSelector | Error;
}

export interface PathQuestion {
  readonly subject: AuthorizationSubject;
  readonly verb: string;
  readonly path: string;
}

export interface AuthorizationDecision {
  readonly allowed: boolean;
  readonly reason: string;
  readonly error?: string;
}

/** Answers at once, since evaluation does: an implementation with work to do asks beforehand. Throwing is a decision's error. */
export interface ExpressionAuthorizer {
  checkResource(question: ResourceQuestion): AuthorizationDecision;
  checkPath(question: PathQuestion): AuthorizationDecision;
}

export const authorizerType = objectType('kubernetes.authorization.Authorizer');
const pathCheckType = objectType('kubernetes.authorization.PathCheck');
const groupCheckType = objectType('kubernetes.authorization.GroupCheck');
export const resourceCheckType = objectType('kubernetes.authorization.ResourceCheck');
const decisionType = objectType('kubernetes.authorization.Decision');

abstract class ReceiverValue extends ObjectValue {
  abstract override readonly type: CelType;

  /** Not even with itself. */
  equals(): CelError {
    return noSuchOverload;
  }

  toString(): string {
    return this.type.name;
  }
}

/** The value of the variable `authorizer`. */
export class AuthorizerValue extends ReceiverValue {
  readonly type = authorizerType;

  constructor(
    readonly authorizer: ExpressionAuthorizer,
    readonly subject: AuthorizationSubject = 'request',
  ) {
    super();
  }
}

class PathCheck extends ReceiverValue {
  readonly type = pathCheckType;

  constructor(
    readonly authorizer: AuthorizerValue,
    readonly path: string,
  ) {
    super();
  }
}

class GroupCheck extends ReceiverValue {
  readonly type = groupCheckType;

  constructor(
    readonly authorizer: AuthorizerValue,
    readonly group: string,
  ) {
    super();
  }
}

/** Which resource is asked about; what is left out is empty. */
export interface ResourceParts {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** Also the value of `authorizer.requestResource`. */
export class ResourceCheck extends ReceiverValue {
  readonly type = resourceCheckType;

  constructor(
    readonly authorizer: AuthorizerValue,
    readonly parts: ResourceParts,
  ) {
    super();
  }

  with(parts: Partial<ResourceParts>): ResourceCheck {
    return new ResourceCheck(this.authorizer, { ...this.parts, ...parts });
  }
}

class Decision extends ReceiverValue {
  readonly type = decisionType;

  constructor(readonly decision: AuthorizationDecision) {
    super();
  }
}

function decide(ask: () => AuthorizationDecision): CelValue {
  try {
    return new Decision(ask());
  } catch (error) {
    return new Decision({ allowed: false, reason: '', error: errorText(error) });
  }
}

function parsed<T>(text: string | undefined, parse: (text: string) => T): T | Error | undefined {
  if (!text) return undefined;
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
}

function checkResource(check: ResourceCheck, verb: string): CelValue {
  const { group, resource, subresource = '', namespace = '', name = '', fieldSelector, labelSelector } = check.parts;
  return decide(() =>
    check.authorizer.authorizer.checkResource({
      subject: check.authorizer.subject,
      verb,
      group,
      resource,
      subresource,
      namespace,
      name,
      fieldSelector: parsed(fieldSelector, text => parseFieldSelector(text).requirements),
      labelSelector: parsed(labelSelector, parseLabelSelector),
    }),
  );
}

function checkPath(check: PathCheck, verb: string): CelValue {
  const { authorizer, subject } = check.authorizer;
  return decide(() => authorizer.checkPath({ subject, verb, path: check.path }));
}

function toPath(authorizer: AuthorizerValue, path: string): CelValue {
  return path.trim() === '' ? new CelError('path must not be empty') : new PathCheck(authorizer, path);
}

function toServiceAccount(authorizer: AuthorizerValue, namespace: string, name: string): CelValue {
  if (nameIsDnsSubdomain(name, false).length > 0) return new CelError('Invalid service account name');
  if (nameIsDnsLabel(namespace, false).length > 0) return new CelError('Invalid service account namespace');
  return new AuthorizerValue(authorizer.authorizer, { serviceAccount: { namespace, name } });
}

function toResource(check: GroupCheck, resource: string): CelValue {
  if (resource.trim() === '') return new CelError('resource must not be empty');
  return new ResourceCheck(check.authorizer, { group: check.group, resource });
}

function narrowed(name: keyof ResourceParts, id: string): FunctionDeclaration {
  return declare(
    name,
    memberOverload(id, [resourceCheckType, stringType], resourceCheckType, (check: ResourceCheck, value: string): CelValue =>
      check.with({ [name]: value }),
    ),
  );
}

function ofDecision(name: string, type: CelType, get: (decision: AuthorizationDecision) => CelValue): FunctionDeclaration {
  return declare(
    name,
    memberOverload(`decision_${name}`, [decisionType], type, (value: Decision): CelValue => get(value.decision)),
  );
}

export const authorizerLibrary: Library = {
  functions: [
    declare('path', memberOverload('authorizer_path', [authorizerType, stringType], pathCheckType, toPath)),
    declare(
      'group',
      memberOverload(
        'authorizer_group',
        [authorizerType, stringType],
        groupCheckType,
        (authorizer: AuthorizerValue, group: string): CelValue => new GroupCheck(authorizer, group),
      ),
    ),
    declare(
      'serviceAccount',
      memberOverload('authorizer_serviceaccount', [authorizerType, stringType, stringType], authorizerType, toServiceAccount),
    ),
    declare('resource', memberOverload('groupcheck_resource', [groupCheckType, stringType], resourceCheckType, toResource)),
    narrowed('subresource', 'resourcecheck_subresource'),
    narrowed('namespace', 'resourcecheck_namespace'),
    narrowed('name', 'resourcecheck_name'),
    narrowed('fieldSelector', 'authorizer_fieldselector'),
    narrowed('labelSelector', 'authorizer_labelselector'),
    declare(
      'check',
      memberOverload('pathcheck_check', [pathCheckType, stringType], decisionType, checkPath),
      memberOverload('resourcecheck_check', [resourceCheckType, stringType], decisionType, checkResource),
    ),
    ofDecision('errored', boolType, decision => decision.error !== undefined),
    ofDecision('error', stringType, decision => decision.error ?? ''),
    ofDecision('allowed', boolType, decision => decision.allowed),
    ofDecision('reason', stringType, decision => decision.reason),
  ],
};
