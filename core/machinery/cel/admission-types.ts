import type { CelType } from './cel-type.js';
import { boolType, dynType, intType, listType, mapType, objectType, stringType, timestampType } from './cel-type.js';
import type { TypeProvider } from './environment.js';

const kindType = objectType('kubernetes.GroupVersionKind');
const resourceType = objectType('kubernetes.GroupVersionResource');
const userInfoType = objectType('kubernetes.UserInfo');
const namespaceMetadataType = objectType('kubernetes.NamespaceMetadata');
const namespaceSpecType = objectType('kubernetes.NamespaceSpec');
const namespaceStatusType = objectType('kubernetes.NamespaceStatus');
const namespaceConditionType = objectType('kubernetes.NamespaceCondition');
const textsType = listType(stringType);
const textMapType = mapType(stringType, stringType);

/** `request` of an admission expression. */
export const requestType = objectType('kubernetes.AdmissionRequest');
/** `namespaceObject` of an admission expression. */
export const namespaceType = objectType('kubernetes.Namespace');

/** Source: BuildRequestType and BuildNamespaceType of apiserver pkg/admission/plugin/cel/compile.go, `UID` included. */
const fields = new Map<string, Readonly<Record<string, CelType>>>([
  [kindType.name, { group: stringType, version: stringType, kind: stringType }],
  [resourceType.name, { group: stringType, version: stringType, resource: stringType }],
  [userInfoType.name, { username: stringType, uid: stringType, groups: textsType, extra: mapType(stringType, textsType) }],
  [
    requestType.name,
    {
      kind: kindType,
      resource: resourceType,
      subResource: stringType,
      requestKind: kindType,
      requestResource: resourceType,
      requestSubResource: stringType,
      name: stringType,
      namespace: stringType,
      operation: stringType,
      userInfo: userInfoType,
      dryRun: boolType,
      options: dynType,
    },
  ],
  [namespaceSpecType.name, { finalizers: textsType }],
  [
    namespaceConditionType.name,
    { status: stringType, type: stringType, lastTransitionTime: timestampType, message: stringType, reason: stringType },
  ],
  [namespaceStatusType.name, { conditions: listType(namespaceConditionType), phase: stringType }],
  [
    namespaceMetadataType.name,
    {
      name: stringType,
      generateName: stringType,
      namespace: stringType,
      labels: textMapType,
      annotations: textMapType,
      UID: stringType,
      creationTimestamp: timestampType,
      deletionGracePeriodSeconds: intType,
      deletionTimestamp: timestampType,
      generation: intType,
      resourceVersion: stringType,
      finalizers: textsType,
    },
  ],
  [namespaceType.name, { metadata: namespaceMetadataType, spec: namespaceSpecType, status: namespaceStatusType }],
]);

/** The fields of `request` and `namespaceObject`. */
export class AdmissionTypes implements TypeProvider {
  hasType(typeName: string): boolean {
    return fields.has(typeName);
  }

  fieldType(typeName: string, field: string): CelType | undefined {
    const known = fields.get(typeName);
    return known && Object.hasOwn(known, field) ? known[field] : undefined;
  }
}
