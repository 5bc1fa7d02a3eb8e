import type {
  CertificateSigningRequest,
  CSIDriver,
  Node,
  PersistentVolumeClaim,
  Pod,
  TokenRequest,
  Volume,
} from '../../api/generated/types.js';
import { CSIDrivers, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods } from '../../api/generated/resources.js';
import { errorText } from '../../base/errors.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import type { KubeObject } from '../../machinery/object.js';
import { cloneJson, semanticEqual } from '../../machinery/object.js';
import { notFound } from '../../machinery/status-error.js';
import { readCertificateRequest } from '../../pki/certificate-request.js';
import type { Authorizer } from '../auth/authorizer.js';
import { resourceAttributes } from '../auth/authorizer.js';
import { nodesGroup, nodeUserPrefix } from '../auth/user-info.js';
import { forbiddenNodeLabels } from './node-labels.js';
import type { ObjectLookup } from './object-lookup.js';
import { apiObjectReference } from '../../api/pod-api-references.js';
import { refusal } from './refusal.js';

const mirrorAnnotation = 'kubernetes.io/config.mirror';
const leaseNamespace = 'kube-node-lease';
const kubeletSigners = new Set(['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet']);
const quote = JSON.stringify;

/** What a node changes must be its own: itself, its pods, its lease. Source: KEP-279; kube-apiserver's plugin of the same name. */
export class NodeRestriction implements AdmissionPlugin {
  readonly name = 'NodeRestriction';
  readonly #lookup: ObjectLookup;
  readonly #authorizer: Authorizer;

  constructor(lookup: ObjectLookup, authorizer: Authorizer) {
    this.#lookup = lookup;
    this.#authorizer = authorizer;
  }

  handles({ caller, operation }: AdmissionAttributes): boolean {
    return operation !== 'CONNECT' && caller.name.startsWith(nodeUserPrefix) && caller.groups.includes(nodesGroup);
  }

  async mutate(attributes: AdmissionAttributes): Promise<void> {
    const nodeName = attributes.caller.name.slice(nodeUserPrefix.length);
    if (!nodeName) throw refusal(attributes, `could not determine node from user ${quote(attributes.caller.name)}`);
    switch (`${attributes.group}/${attributes.resource}`) {
      case '/pods':
        return this.#pod(attributes, nodeName);
      case '/nodes':
        return checkNode(attributes, nodeName);
      case '/persistentvolumeclaims':
        return checkClaim(attributes, nodeName);
      case '/serviceaccounts':
        return this.#token(attributes, nodeName);
      case 'coordination.k8s.io/leases':
        return checkLease(attributes, nodeName);
      case 'storage.k8s.io/csinodes':
        return checkOwnName(attributes, nodeName, 'can only access CSINode with the same name as the requesting node');
      case 'resource.k8s.io/resourceslices':
        return checkResourceSlice(attributes, nodeName);
      case 'certificates.k8s.io/certificatesigningrequests':
        return checkRequest(attributes, nodeName);
    }
  }

  async #pod(attributes: AdmissionAttributes, nodeName: string): Promise<void> {
    const { subresource, operation } = attributes;
    if (subresource === 'status') return checkPodStatus(attributes, nodeName);
    if (subresource === 'eviction') {
      if (operation !== 'CREATE') throw refusal(attributes, `unexpected operation ${operation}`);
      const pod = await this.#existingPod(attributes.namespace, attributes.name);
      if (pod.spec.nodeName !== nodeName)
        throw refusal(attributes, `node ${nodeName} can only evict pods with spec.nodeName set to itself`);
      return;
    }
    if (subresource)
      throw refusal(attributes, `unexpected pod subresource ${quote(subresource)}, only 'status' and 'eviction' are allowed`);
    if (operation === 'CREATE') return this.#mirrorPod(attributes, nodeName);
    if (operation !== 'DELETE') {
      throw refusal(
        attributes,
        `unexpected operation ${quote(operation)}, node ${quote(nodeName)} can only create and delete mirror pods`,
      );
    }
    const pod = await this.#existingPod(attributes.namespace, attributes.name);
    if (pod.spec.nodeName !== nodeName)
      throw refusal(attributes, `node ${quote(nodeName)} can only delete pods with spec.nodeName set to itself`);
  }

  async #existingPod(namespace: string, name: string): Promise<Readonly<Pod>> {
    const pod = await this.#lookup.find(Pods, namespace, name);
    if (!pod) throw notFound({ group: '', resource: 'pods', name });
    return pod;
  }

  async #mirrorPod(attributes: AdmissionAttributes, nodeName: string): Promise<void> {
    const pod = attributes.object as unknown as Pod;
    const who = quote(nodeName);
    if (pod.metadata.annotations?.[mirrorAnnotation] === undefined)
      throw refusal(
        attributes,
        `pod does not have ${quote(mirrorAnnotation)} annotation, node ${who} can only create mirror pods`,
      );
    if (pod.spec.nodeName !== nodeName)
      throw refusal(attributes, `node ${who} can only create pods with spec.nodeName set to itself`);
    const owners = pod.metadata.ownerReferences ?? [];
    if (owners.length > 1)
      throw refusal(attributes, `node ${who} can only create pods with a single owner reference set to itself`);
    const [owner] = owners;
    if (!owner || owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== nodeName)
      throw refusal(attributes, `node ${who} can only create pods with an owner reference set to itself`);
    if (!owner.controller)
      throw refusal(attributes, `node ${who} can only create pods with a controller owner reference set to itself`);
    if (owner.blockOwnerDeletion) throw refusal(attributes, `node ${who} must not set blockOwnerDeletion on an owner reference`);
    const node = await this.#lookup.find(Nodes, '', nodeName);
    if (!node) throw notFound({ group: '', resource: 'nodes', name: nodeName });
    if (owner.uid !== node.metadata.uid)
      throw refusal(attributes, `node ${nodeName} UID mismatch: expected ${owner.uid} got ${node.metadata.uid}`);
    const reference = apiObjectReference(pod);
    if (reference) throw refusal(attributes, `node ${who} can not create pods that reference ${reference}`);
  }

  async #token(attributes: AdmissionAttributes, nodeName: string): Promise<void> {
    if (attributes.operation !== 'CREATE' || attributes.subresource !== 'token') return;
    const { spec } = attributes.object as unknown as TokenRequest;
    const bound = spec.boundObjectRef;
    if (!bound || bound.apiVersion !== 'v1' || bound.kind !== 'Pod' || !bound.name)
      throw refusal(attributes, 'node requested token not bound to a pod');
    if (!bound.uid) throw refusal(attributes, 'node requested token with a pod binding without a uid');
    const pod = await this.#existingPod(attributes.namespace, bound.name);
    if (bound.uid !== pod.metadata.uid) {
      throw refusal(
        attributes,
        `the UID in the bound object reference (${bound.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      );
    }
    if (pod.spec.nodeName !== nodeName)
      throw refusal(attributes, 'node requested token bound to a pod scheduled on a different node');
    const fault = this.#audienceFault(attributes, pod, spec.audiences ?? []);
    if (fault) throw refusal(attributes, fault);
  }

  /** A node may ask for the audiences that a volume of the pod asks for, or that it is allowed by name. Source: KEP-4935. */
  #audienceFault(attributes: AdmissionAttributes, pod: Readonly<Pod>, audiences: readonly string[]): string | undefined {
    if (audiences.length > 1) return 'node may only request 0 or 1 audiences';
    const audience = audiences[0] ?? '';
    const faults: string[] = [];
    for (const volume of pod.spec.volumes ?? []) {
      const sources = volume.projected?.sources ?? [];
      if (sources.some(({ serviceAccountToken: token }) => token && (token.audience ?? '') === audience)) return undefined;
      const driver = this.#driverOf(volume, pod, faults);
      if (driver?.spec.tokenRequests?.some(request => (request.audience ?? '') === audience)) return undefined;
    }
    if (faults.length > 0) {
      const text = faults.length === 1 ? faults[0]! : `[${faults.join(', ')}]`;
      return `error validating audience ${quote(audience)}: ${text}`;
    }
    const { caller, namespace, name } = attributes;
    const user = { name: caller.name, uid: caller.uid, groups: caller.groups, extra: caller.extra ?? {} };
    const { decision } = this.#authorizer.authorize(
      resourceAttributes({
        user,
        verb: 'request-serviceaccounts-token-audience',
        version: 'v1',
        resource: audience,
        namespace,
        name,
      }),
    );
    if (decision === 'allow') return undefined;
    return `audience ${quote(audience)} not found in pod spec volume, ${caller.name} is not authorized to request tokens for this audience`;
  }

  #driverOf(volume: Volume, pod: Readonly<Pod>, faults: string[]): Readonly<CSIDriver> | undefined {
    let name = volume.csi?.driver;
    const claimName = volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : '');
    if (claimName) {
      const claim = this.#lookup.cached(PersistentVolumeClaims, pod.metadata.namespace ?? '', claimName);
      if (!claim) return void faults.push(`persistentvolumeclaim ${quote(claimName)} not found`);
      const volumeName = claim.spec.volumeName ?? '';
      const bound = this.#lookup.cached(PersistentVolumes, '', volumeName);
      if (!bound) return void faults.push(`persistentvolume ${quote(volumeName)} not found`);
      name = bound.spec.csi?.driver;
    }
    if (!name) return undefined;
    const driver = this.#lookup.cached(CSIDrivers, '', name);
    if (!driver) faults.push(`csidriver.storage.k8s.io ${quote(name)} not found`);
    return driver;
  }
}

function checkPodStatus(attributes: AdmissionAttributes, nodeName: string): void {
  if (attributes.operation !== 'UPDATE') throw refusal(attributes, `unexpected operation ${quote(attributes.operation)}`);
  const pod = attributes.object as unknown as Pod;
  const old = attributes.oldObject as unknown as Pod;
  const who = quote(nodeName);
  if (old.spec.nodeName !== nodeName)
    throw refusal(attributes, `node ${who} can only update pod status for pods with spec.nodeName set to itself`);
  if (!semanticEqual(old.metadata.labels ?? {}, pod.metadata.labels ?? {}))
    throw refusal(attributes, `node ${who} cannot update labels through pod status`);
  if (!semanticEqual(old.status?.resourceClaimStatuses ?? [], pod.status?.resourceClaimStatuses ?? []))
    throw refusal(attributes, `node ${who} cannot update resource claim statues`);
  if (!semanticEqual(old.status?.extendedResourceClaimStatus, pod.status?.extendedResourceClaimStatus))
    throw refusal(attributes, `node ${who} cannot update extended resource claim status`);
}

function checkNode(attributes: AdmissionAttributes, nodeName: string): void {
  const who = quote(nodeName);
  const requested = attributes.name || attributes.object?.metadata.name || '';
  if (requested !== nodeName) throw refusal(attributes, `node ${who} is not allowed to modify node ${quote(requested)}`);
  const node = attributes.object as unknown as Node;
  if (attributes.operation === 'CREATE') {
    if (node.spec?.configSource)
      throw refusal(attributes, `node ${who} is not allowed to create pods with a non-nil configSource`);
    const wrong = forbiddenNodeLabels(node.metadata.labels, undefined);
    if (wrong.length > 0)
      throw refusal(attributes, `node ${who} is not allowed to set the following labels: ${wrong.join(', ')}`);
  } else if (attributes.operation === 'UPDATE') {
    const old = attributes.oldObject as unknown as Node;
    if (node.spec?.configSource && !semanticEqual(node.spec.configSource, old.spec?.configSource))
      throw refusal(attributes, `node ${who} is not allowed to update configSource to a new non-nil configSource`);
    if (!semanticEqual(node.spec?.taints ?? [], old.spec?.taints ?? []))
      throw refusal(attributes, `node ${who} is not allowed to modify taints`);
    if (!semanticEqual(node.metadata.ownerReferences ?? [], old.metadata.ownerReferences ?? []))
      throw refusal(attributes, `node ${who} is not allowed to modify ownerReferences`);
    const wrong = forbiddenNodeLabels(node.metadata.labels, old.metadata.labels);
    if (wrong.length > 0) throw refusal(attributes, `is not allowed to modify labels: ${wrong.join(', ')}`);
  }
}

function checkClaim(attributes: AdmissionAttributes, nodeName: string): void {
  if (attributes.subresource !== 'status') throw refusal(attributes, 'may only update PVC status');
  if (attributes.operation !== 'UPDATE') throw refusal(attributes, `unexpected operation ${quote(attributes.operation)}`);
  const plain = (object: KubeObject | undefined): unknown => {
    const { metadata, status, ...rest } = cloneJson(object) as unknown as PersistentVolumeClaim;
    const { resourceVersion: _version, managedFields: _fields, ...meta } = metadata;
    const { capacity: _capacity, conditions: _conditions, allocatedResources: _amounts, ...other } = status ?? {};
    const { allocatedResourceStatuses: _statuses, ...state } = other;
    return { ...rest, metadata: meta, status: state };
  };
  if (semanticEqual(plain(attributes.oldObject), plain(attributes.object))) return;
  throw refusal(
    attributes,
    `node ${quote(nodeName)} is not allowed to update fields other than status.quantity and status.conditions`,
  );
}

function checkLease(attributes: AdmissionAttributes, nodeName: string): void {
  if (attributes.namespace !== leaseNamespace)
    throw refusal(attributes, `can only access leases in the ${quote(leaseNamespace)} system namespace`);
  checkOwnName(attributes, nodeName, 'can only access node lease with the same name as the requesting node');
}

function checkOwnName(attributes: AdmissionAttributes, nodeName: string, text: string): void {
  const name = attributes.operation === 'CREATE' ? attributes.object?.metadata.name : attributes.name;
  if (name !== nodeName) throw refusal(attributes, text);
}

function checkResourceSlice(attributes: AdmissionAttributes, nodeName: string): void {
  const { operation } = attributes;
  if (operation !== 'CREATE' && operation !== 'DELETE') return;
  const slice = (operation === 'CREATE' ? attributes.object : attributes.oldObject) as
    | { spec?: { nodeName?: string } }
    | undefined;
  if (slice?.spec?.nodeName === nodeName) return;
  throw refusal(attributes, `can only ${operation.toLowerCase()} ResourceSlice with the same NodeName as the requesting node`);
}

function checkRequest(attributes: AdmissionAttributes, nodeName: string): void {
  if (attributes.operation !== 'CREATE' || attributes.subresource) return;
  const { signerName, request } = (attributes.object as unknown as CertificateSigningRequest).spec;
  if (!kubeletSigners.has(signerName)) return;
  let commonName: string;
  try {
    ({ commonName } = readCertificateRequest(Buffer.from(request ?? '', 'base64').toString('latin1')).subject);
  } catch (error) {
    throw refusal(attributes, `unable to parse csr: ${errorText(error)}`);
  }
  if (commonName !== `system:node:${nodeName}`)
    throw refusal(attributes, `can only create a node CSR with CN=system:node:${nodeName}`);
}
