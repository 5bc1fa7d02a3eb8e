import { quote } from '../../machinery/field-errors.js';
import type { Attributes, Authorizer, RuleResolver, UserRules, Verdict } from './authorizer.js';
import { noOpinion, noOpinionBecause } from './authorizer.js';
import type { CompiledRules } from './compiled-rules.js';
import type { NodeBoundKind, NodeGraph, PodBoundKind } from './node-graph.js';
import type { UserInfo } from './user-info.js';
import { nodesGroup, nodeUserPrefix } from './user-info.js';

const allow: Verdict = { decision: 'allow', reason: '' };
const leaseNamespace = 'kube-node-lease';
const readVerbs = new Set(['get', 'list', 'watch']);
const ownObjectVerbs = new Set(['get', 'create', 'update', 'patch', 'delete']);

type Rule = (nodeName: string, attributes: Attributes) => Verdict;

/**
 * What kubelets may do: read what their pods need, write their own objects. What a create or update may contain is checked by
 * NodeRestriction admission. Source: plugin/pkg/auth/authorizer/node.
 */
export class NodeAuthorizer implements Authorizer, RuleResolver {
  readonly #graph: NodeGraph;
  readonly #staticRules: CompiledRules;
  readonly #rules: ReadonlyMap<string, Rule>;

  /** `staticRules` are those of cluster role `system:node`: they hold for what is not told apart by node. */
  constructor(graph: NodeGraph, staticRules: CompiledRules) {
    this.#graph = graph;
    this.#staticRules = staticRules;
    this.#rules = new Map<string, Rule>([
      ['/secrets', (node, attributes) => this.#read(node, 'secret', attributes)],
      ['/configmaps', (node, attributes) => this.#read(node, 'configmap', attributes)],
      ['/persistentvolumeclaims', (node, attributes) => this.#claim(node, attributes)],
      ['/persistentvolumes', (node, attributes) => this.#volume(node, attributes)],
      ['/serviceaccounts', (node, attributes) => this.#serviceAccount(node, attributes)],
      ['/nodes', (node, attributes) => ownNode(node, attributes)],
      ['/pods', (node, attributes) => this.#pod(node, attributes)],
      ['resource.k8s.io/resourceclaims', (node, attributes) => this.#get(node, 'resourceclaim', attributes)],
      ['resource.k8s.io/resourceslices', (node, attributes) => this.#resourceSlice(node, attributes)],
      ['storage.k8s.io/volumeattachments', (node, attributes) => this.#volumeAttachment(node, attributes)],
      ['storage.k8s.io/csinodes', (node, attributes) => ownCsiNode(node, attributes)],
      ['coordination.k8s.io/leases', (node, attributes) => ownLease(node, attributes)],
      ['certificates.k8s.io/podcertificaterequests', (node, attributes) => this.#podCertificateRequest(node, attributes)],
    ]);
  }

  authorize(attributes: Attributes): Verdict {
    const nodeName = nodeIdentity(attributes.user);
    if (nodeName === undefined) return noOpinion;
    if (nodeName === '') return noOpinionBecause(`unknown node for user ${quote(attributes.user.name)}`);
    if (attributes.resourceRequest) {
      const rule = this.#rules.get(`${attributes.group}/${attributes.resource}`);
      if (rule) return rule(nodeName, attributes);
    }
    return this.#staticRules.allows(attributes) ? allow : noOpinion;
  }

  rulesFor(user: UserInfo): UserRules {
    const isNode = nodeIdentity(user) !== undefined;
    const evaluationError = isNode ? 'node authorizer does not support user rule resolution' : '';
    return { resourceRules: [], nonResourceRules: [], incomplete: isNode, evaluationError };
  }

  #read(nodeName: string, kind: PodBoundKind, attributes: Attributes): Verdict {
    if (!readVerbs.has(attributes.verb)) return noOpinionBecause('can only read resources of this type');
    if (attributes.subresource) return noOpinionBecause('cannot read subresource');
    if (!attributes.namespace) return noOpinionBecause('can only read namespaced object of this type');
    return this.#related(nodeName, kind, attributes);
  }

  #get(nodeName: string, kind: PodBoundKind, attributes: Attributes): Verdict {
    return onlyGet(attributes) ?? this.#related(nodeName, kind, attributes);
  }

  #claim(nodeName: string, attributes: Attributes): Verdict {
    if (attributes.subresource !== 'status') return this.#get(nodeName, 'persistentvolumeclaim', attributes);
    if (!isUpdate(attributes)) return noOpinionBecause('can only get/update/patch this type');
    return this.#related(nodeName, 'persistentvolumeclaim', attributes);
  }

  #volume(nodeName: string, attributes: Attributes): Verdict {
    const refused = onlyGet(attributes) ?? named(attributes);
    if (refused) return refused;
    return this.#graph.volumeIsUsedBy(nodeName, attributes.name) ? allow : noRelationship(nodeName);
  }

  #volumeAttachment(nodeName: string, attributes: Attributes): Verdict {
    return onlyGet(attributes) ?? this.#bound(nodeName, 'volumeattachment', attributes);
  }

  #serviceAccount(nodeName: string, attributes: Attributes): Verdict {
    const { verb, subresource, name } = attributes;
    if (verb === 'get' && subresource === '') return this.#read(nodeName, 'serviceaccount', attributes);
    if (verb !== 'create' || name === '') {
      return noOpinionBecause('can only create tokens for individual service accounts');
    }
    if (subresource !== 'token') return noOpinionBecause('can only create token subresource of serviceaccount');
    return this.#related(nodeName, 'serviceaccount', attributes);
  }

  #pod(nodeName: string, attributes: Attributes): Verdict {
    const { verb, subresource, namespace, name } = attributes;
    if (subresource === 'status') return isUpdate(attributes) ? allow : noOpinion;
    if (subresource === 'eviction') return verb === 'create' ? allow : noOpinion;
    if (subresource !== '') return noOpinion;
    if (verb === 'create' || verb === 'delete') return allow;
    if (!readVerbs.has(verb)) return noOpinion;
    if (verb !== 'get') {
      if (selectsNode(attributes, nodeName)) return allow;
      if (name === '') return noOpinionBecause('can only list/watch pods with spec.nodeName field selector');
    }
    const refused = named(attributes);
    if (refused) return refused;
    return this.#graph.podIsOn(nodeName, namespace, name) ? allow : noRelationship(nodeName);
  }

  #resourceSlice(nodeName: string, attributes: Attributes): Verdict {
    const { verb } = attributes;
    if (attributes.subresource) return noOpinionBecause('cannot authorize ResourceSlice subresources');
    if (verb === 'create') return allow;
    if (ownObjectVerbs.has(verb)) return this.#bound(nodeName, 'resourceslice', attributes);
    if (verb === 'watch' || verb === 'list' || verb === 'deletecollection') {
      if (selectsNode(attributes, nodeName)) return allow;
      return noOpinionBecause('can only list/watch/deletecollection resourceslices with nodeName field selector');
    }
    return noOpinionBecause(
      'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
    );
  }

  #podCertificateRequest(nodeName: string, attributes: Attributes): Verdict {
    const { verb } = attributes;
    if (attributes.subresource) {
      return noOpinionBecause('nodes may not access the status subresource of PodCertificateRequests');
    }
    if (verb === 'create') return allow;
    if (verb === 'get') return this.#bound(nodeName, 'podcertificaterequest', attributes);
    if (verb === 'list' || verb === 'watch') {
      if (selectsNode(attributes, nodeName)) return allow;
      return noOpinionBecause('can only list/watch podcertificaterequests with nodeName field selector');
    }
    return noOpinionBecause(`nodes may not ${verb} podcertificaterequests`);
  }

  #related(nodeName: string, kind: PodBoundKind, attributes: Attributes): Verdict {
    return named(attributes) ?? (this.#graph.isUsedBy(nodeName, kind, attributes) ? allow : noRelationship(nodeName));
  }

  #bound(nodeName: string, kind: NodeBoundKind, attributes: Attributes): Verdict {
    return named(attributes) ?? (this.#graph.isNodeBoundTo(nodeName, kind, attributes) ? allow : noRelationship(nodeName));
  }
}

/** The node that a user is: empty for one that says no name, undefined for everybody else. */
export function nodeIdentity(user: UserInfo): string | undefined {
  if (!user.name.startsWith(nodeUserPrefix) || !user.groups.includes(nodesGroup)) return undefined;
  return user.name.slice(nodeUserPrefix.length);
}

function noRelationship(nodeName: string): Verdict {
  return noOpinionBecause(`no relationship found between node '${nodeName}' and this object`);
}

function named({ name }: Attributes): Verdict | undefined {
  return name === '' ? noOpinionBecause('No Object name found') : undefined;
}

function onlyGet({ verb, subresource }: Attributes): Verdict | undefined {
  if (verb !== 'get') return noOpinionBecause('can only get individual resources of this type');
  return subresource ? noOpinionBecause('cannot get subresource') : undefined;
}

function isUpdate({ verb }: Attributes): boolean {
  return verb === 'update' || verb === 'patch';
}

function selectsNode({ fieldSelector }: Attributes, nodeName: string): boolean {
  return (fieldSelector ?? []).some(
    ({ field, operator, value }) => field === 'spec.nodeName' && operator === '=' && value === nodeName,
  );
}

function ownNode(nodeName: string, attributes: Attributes): Verdict {
  const { subresource, verb, name } = attributes;
  if (subresource === 'status') return isUpdate(attributes) ? allow : noOpinion;
  if (subresource !== '') return noOpinion;
  if (verb === 'create' || isUpdate(attributes)) return allow;
  if (!readVerbs.has(verb)) return noOpinion;
  // By name, not by the graph: a kubelet looks for its Node before there is one.
  if (name === nodeName) return allow;
  return noOpinionBecause(
    name === ''
      ? `node '${nodeName}' cannot read all nodes, only its own Node object`
      : `node '${nodeName}' cannot read '${name}', only its own Node object`,
  );
}

function ownLease(nodeName: string, { verb, namespace, name }: Attributes): Verdict {
  if (!ownObjectVerbs.has(verb)) {
    return noOpinionBecause('can only get, create, update, patch, or delete a node lease');
  }
  if (namespace !== leaseNamespace) {
    return noOpinionBecause(`can only access leases in the ${quote(leaseNamespace)} system namespace`);
  }
  if (verb === 'create' || name === nodeName) return allow;
  return noOpinionBecause('can only access node lease with the same name as the requesting node');
}

function ownCsiNode(nodeName: string, { verb, subresource, name }: Attributes): Verdict {
  if (!ownObjectVerbs.has(verb)) return noOpinionBecause('can only get, create, update, patch, or delete a CSINode');
  if (subresource) return noOpinionBecause('cannot authorize CSINode subresources');
  if (verb === 'create' || name === nodeName) return allow;
  return noOpinionBecause('can only access CSINode with the same name as the requesting node');
}
