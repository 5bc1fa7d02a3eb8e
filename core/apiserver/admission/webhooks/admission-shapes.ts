import type { GroupVersionKind, KubeObject } from '../../../machinery/object.js';

export interface ResourceName {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

/** That a webhook is to be called, and under which name of the resource. */
export interface Invocation {
  readonly resource: ResourceName;
  readonly kind: GroupVersionKind;
}

/** What those outside the server see of objects: the kinds of resources and subresources, their JSON, their other versions. */
export interface AdmissionShapes {
  /** The kind of the bodies of a resource or subresource. */
  kind(resource: ResourceName, subresource: string): GroupVersionKind | undefined;
  /** An object, which may be a draft, as a client would read it. */
  toJson(resource: ResourceName, subresource: string, object: Readonly<KubeObject>): object;
  /** JSON from outside as a draft with defaults. Rejects what is not of the kind, as a StatusError or CodedError. */
  fromJson(resource: ResourceName, subresource: string, json: unknown): KubeObject;
  /** The same of whatever kind it is, where that is the body of a resource; else as it is. */
  fromAnyJson(json: KubeObject): KubeObject;
  /** The other names under which the same objects are served and that have this subresource. */
  equivalents(resource: ResourceName, subresource: string): readonly ResourceName[];
  /** An object of one name as one of the other. */
  convert(object: Readonly<KubeObject>, from: ResourceName, to: ResourceName): Promise<KubeObject>;
}
