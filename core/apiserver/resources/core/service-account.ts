import type { Node, Pod, Secret, ServiceAccount, TokenRequest } from '../../../api/generated/types.js';
import { Nodes, Pods, Secrets, ServiceAccounts } from '../../../api/generated/resources.js';
import type { TokenIssuer } from '../../../contracts/token-issuer.js';
import { FieldErrors, fieldPath, quote } from '../../../machinery/field-errors.js';
import type { BadValue, FieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsSubdomain } from '../../../machinery/names.js';
import type { KubeObject } from '../../../machinery/object.js';
import { parseApiVersion } from '../../../machinery/object.js';
import { badRequest, conflict, invalid, isStatusError, serviceUnavailable } from '../../../machinery/status-error.js';
import { formatTime } from '../../../machinery/time.js';
import { parseToken } from '../../../pki/json-web-token.js';
import { age } from '../../handlers/table.js';
import type { RequestContext, ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import type { ResourceStore } from '../../registry/resource-store.js';

const enforceAnnotation = 'kubernetes.io/enforce-mountable-secrets';
/** The wish of the kubelet for the tokens of pods: an hour, and a little more so that it can be told apart. */
const podTokenSeconds = 3607;
const tokenKind = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };

export function serviceAccountDefinition({ tokenIssuer }: { tokenIssuer?: TokenIssuer | undefined } = {}): ResourceDefinition {
  return defineResource<ServiceAccount>({
    reference: ServiceAccounts,
    returnsDeleted: true,
    generation: false,
    validateName: nameIsDnsSubdomain,
    checks: { update: ['change', 'object'] },
    prepareForCreate: keepSecretNames,
    prepareForUpdate: keepSecretNames,
    warnings(object, old) {
      if (old?.metadata.annotations?.[enforceAnnotation] !== undefined) return [];
      if (object.metadata.annotations?.[enforceAnnotation] === undefined) return [];
      const path = fieldPath('metadata', 'annotations').key(enforceAnnotation);
      return [`${path}: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`];
    },
    row: (object, context) => [object.metadata.name, age(object, context)],
    subresources: {
      token: {
        type: 'object',
        kind: tokenKind,
        defaults(body) {
          const request = body as TokenRequest;
          request.spec.expirationSeconds ??= 3600;
        },
        create(body, store, context) {
          if (!tokenIssuer) throw serviceUnavailable('no token issuer');
          return requestToken(body as TokenRequest, store, { context, issuer: tokenIssuer });
        },
      },
    },
  });
}

function keepSecretNames(account: ServiceAccount): void {
  if (account.secrets) account.secrets = account.secrets.map(({ name }) => (name === undefined ? {} : { name }));
}

function refuse(name: string, path: FieldPath, value: BadValue, text: string): never {
  const errors = new FieldErrors();
  errors.invalid(path, value, text);
  throw invalid(tokenKind.group, tokenKind.kind, name, errors);
}

interface TokenCall {
  readonly context: RequestContext;
  readonly issuer: TokenIssuer;
}

/** Source: TokenREST. */
async function requestToken(request: TokenRequest, store: ResourceStore<ServiceAccount>, call: TokenCall): Promise<KubeObject> {
  const { context, issuer } = call;
  const { name, namespace } = context;
  const { metadata, spec } = request;
  if (metadata.name && metadata.name !== name) {
    refuse(name, fieldPath('metadata', 'name'), metadata.name, 'must match the service account name if specified');
  }
  if (metadata.namespace && metadata.namespace !== namespace) {
    refuse(name, fieldPath('metadata', 'namespace'), metadata.namespace, 'must match the service account namespace if specified');
  }
  const account = (await store.get(namespace, name)).object as Readonly<ServiceAccount>;
  const uid = account.metadata.uid ?? '';
  if (metadata.uid && metadata.uid !== uid) {
    const text = `the UID in the token request (${metadata.uid}) does not match the UID of the service account (${uid})`;
    throw conflict({ group: tokenKind.group, resource: tokenKind.kind, name }, text);
  }
  const audiences = spec.audiences?.length ? spec.audiences : [...issuer.audiences];
  let expirationSeconds = spec.expirationSeconds ?? 3600;
  const expirationPath = fieldPath('spec', 'expirationSeconds');
  if (expirationSeconds < 600) refuse('', expirationPath, expirationSeconds, 'may not specify a duration less than 10 minutes');
  if (expirationSeconds > 2 ** 32)
    refuse('', expirationPath, expirationSeconds, 'may not specify a duration larger than 2^32 seconds');
  const bound = await boundObjects(request, context);
  const { maximumExpirationSeconds: maximum } = issuer;
  if (maximum > 0 && expirationSeconds > maximum) {
    context.warn(`requested expiration of ${expirationSeconds} seconds shortened to ${maximum} seconds`);
    expirationSeconds = maximum;
  }
  const isForServer = audiences.every(audience => issuer.audiences.includes(audience));
  const isExtended =
    issuer.extendedExpirationSeconds > 0 && bound.pod !== undefined && expirationSeconds === podTokenSeconds && isForServer;
  const { nowMs } = context;
  const token = await issuer.issue({
    serviceAccount: account,
    audiences,
    expirationSeconds: isExtended ? issuer.extendedExpirationSeconds : expirationSeconds,
    ...(isExtended ? { warnAfterSeconds: expirationSeconds } : {}),
    ...bound,
    nowMs,
  });
  const id: unknown = parseToken(token)?.claims['jti'];
  if (typeof id === 'string') context.annotate?.('authentication.kubernetes.io/issued-credential-id', `JTI=${id}`);
  const answer: TokenRequest = {
    ...request,
    metadata: { ...metadata, name, namespace, uid, creationTimestamp: formatTime(nowMs) },
    spec: { ...spec, audiences, expirationSeconds },
    status: { token, expirationTimestamp: formatTime(nowMs + expirationSeconds * 1000) },
  };
  return answer;
}

interface BoundObjects {
  pod?: Readonly<Pod>;
  node?: { readonly metadata: { readonly name: string; readonly uid?: string } };
  secret?: Readonly<Secret>;
}

async function boundObjects({ spec }: TokenRequest, context: RequestContext): Promise<BoundObjects> {
  const reference = spec.boundObjectRef;
  if (!reference) return {};
  const { kind = '', apiVersion = '', name = '', uid = '' } = reference;
  const { group, version } = parseApiVersion(apiVersion) ?? { group: '', version: '' };
  const find = async <T extends KubeObject>(
    resource: { group: string; resource: string },
    namespace: string,
  ): Promise<Readonly<T>> => {
    const store = context.stores.get<T>(resource);
    if (!store) throw serviceUnavailable(`${resource.resource} are not served`);
    return (await store.get(namespace, name)).object as Readonly<T>;
  };
  let found: KubeObject;
  let bound: BoundObjects;
  if (group === '' && kind === 'Pod') {
    const pod = await find<Pod>(Pods, context.namespace);
    if (pod.spec.serviceAccountName !== context.name) {
      const text = `cannot bind token for serviceaccount ${quote(context.name)} to pod running with different serviceaccount name.`;
      throw badRequest(text);
    }
    found = pod;
    bound = { pod, ...(pod.spec.nodeName ? { node: nodeOf(pod.spec.nodeName, context) } : {}) };
  } else if (group === '' && kind === 'Node') {
    const node = await find<Node>(Nodes, '');
    found = node;
    bound = { node };
  } else if (group === '' && kind === 'Secret') {
    const secret = await find<Secret>(Secrets, context.namespace);
    found = secret;
    bound = { secret };
  } else {
    throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`);
  }
  if (uid && uid !== found.metadata.uid) {
    const text = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict({ group, resource: kind, name }, text);
  }
  return bound;
}

/** The pod's node as far as it is known; a node that has gone is named without a uid. */
function nodeOf(name: string, context: RequestContext): NonNullable<BoundObjects['node']> {
  try {
    const node = context.stores.get<Node>(Nodes)?.cached('', name).object;
    return node ?? { metadata: { name } };
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
    return { metadata: { name } };
  }
}
