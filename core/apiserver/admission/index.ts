import type { Clock } from '../../base/clock.js';
import type { AdmissionPlugin } from '../../contracts/admission.js';
import type { Authorizer } from '../auth/authorizer.js';
import type { ResourceStores } from '../registry/resource-definition.js';
import { CertificateApproval } from './certificate-approval.js';
import { CertificateSigning } from './certificate-signing.js';
import { CertificateSubjectRestriction } from './certificate-subject-restriction.js';
import { DefaultIngressClass } from './default-ingress-class.js';
import { DefaultStorageClass } from './default-storage-class.js';
import { DefaultTolerationSeconds } from './default-toleration-seconds.js';
import type { TolerationSeconds } from './default-toleration-seconds.js';
import { LimitRanger } from './limit-ranger.js';
import { NamespaceLifecycle } from './namespace-lifecycle.js';
import { NodeRestriction } from './node-restriction.js';
import { ObjectLookup } from './object-lookup.js';
import { PersistentVolumeClaimResize } from './persistent-volume-claim-resize.js';
import { PodResizeValidator } from './pod-resize-validator.js';
import { PodSecurity } from './pod-security/pod-security.js';
import { PodTopologyLabels } from './pod-topology-labels.js';
import { Priority } from './priority.js';
import { ResourceQuotaAdmission } from './resource-quota.js';
import { RuntimeClassAdmission } from './runtime-class.js';
import { ServiceAccountAdmission } from './service-account.js';
import { StorageObjectInUseProtection } from './storage-object-in-use-protection.js';
import { TaintNodesByCondition } from './taint-nodes-by-condition.js';
import type { PolicyAdmission } from './policies/index.js';
import type { DynamicAdmission } from './webhooks/index.js';

/** What the built-in plugins look at. */
export interface AdmissionServices {
  readonly stores: ResourceStores;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  /** Names of plugins to leave out, as `--disable-admission-plugins` gives them. */
  readonly disabled?: readonly string[];
  readonly tolerationSeconds?: TolerationSeconds;
  readonly dynamic: DynamicAdmission;
  readonly policies: PolicyAdmission;
}

export interface BuiltInAdmission {
  /** Run these first, */
  readonly first: readonly AdmissionPlugin[];
  /** then what plugins bring, and last policies, webhooks and what must see the final object. */
  readonly last: readonly AdmissionPlugin[];
}

/** The plugins that are on by default, in upstream's order. */
export function builtInAdmission({
  stores,
  authorizer,
  clock,
  disabled = [],
  tolerationSeconds,
  dynamic,
  policies,
}: AdmissionServices): BuiltInAdmission {
  const lookup = new ObjectLookup(stores);
  const enabled = (plugins: readonly AdmissionPlugin[]): readonly AdmissionPlugin[] =>
    plugins.filter(plugin => !disabled.includes(plugin.name));
  return {
    first: enabled([
      new NamespaceLifecycle(lookup, clock),
      new LimitRanger(lookup),
      new ServiceAccountAdmission(lookup, clock),
      new NodeRestriction(lookup, authorizer),
      new TaintNodesByCondition(),
      new PodSecurity(lookup),
      new Priority(lookup),
      new DefaultTolerationSeconds(tolerationSeconds),
      new DefaultStorageClass(lookup),
      new StorageObjectInUseProtection(),
      new PersistentVolumeClaimResize(lookup),
      new RuntimeClassAdmission(lookup),
      new CertificateApproval(authorizer),
      new CertificateSigning(authorizer),
      new CertificateSubjectRestriction(),
      new DefaultIngressClass(lookup),
      new PodTopologyLabels(lookup),
      new PodResizeValidator(lookup),
    ]),
    last: enabled([
      policies.mutatingPlugin(lookup),
      dynamic.mutatingPlugin(lookup),
      policies.validatingPlugin(lookup),
      dynamic.validatingPlugin(lookup),
      new ResourceQuotaAdmission(lookup, stores, clock),
    ]),
  };
}
