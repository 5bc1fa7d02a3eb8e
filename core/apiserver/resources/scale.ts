import type { LabelSelector, Scale } from '../../api/generated/types.js';
import { fieldPath } from '../../machinery/field-errors.js';
import { labelSelectorFromObject } from '../../machinery/label-selector.js';
import type { KubeObject } from '../../machinery/object.js';
import { conflict } from '../../machinery/status-error.js';
import type { ObjectSubresource } from '../registry/resource-definition.js';

/** What a kind must have to be scaled. */
type Scalable = KubeObject & { spec: { replicas?: number; selector?: unknown }; status?: { replicas?: number } };

/**
 * The `scale` subresource over `spec.replicas` and `status.replicas`. `selector` gives the text that finds the pods; absent,
 * `spec.selector` is a LabelSelector. Source: the ScaleREST of kube-apiserver's registries.
 */
export function scaleSubresource<T extends Scalable>(options: {
  /** `deployments.apps` and so on, for error messages. */
  readonly subject: { readonly group: string; readonly resource: string };
  selector?(object: Readonly<T>): string;
}): ObjectSubresource<T> {
  const selectorOf = options.selector ?? (object => labelSelectorFromObject(object.spec.selector as LabelSelector).toString());
  return {
    type: 'object',
    kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
    get(parent) {
      const { name, namespace, uid, resourceVersion, creationTimestamp } = parent.metadata;
      const { replicas } = parent.spec;
      const selector = selectorOf(parent);
      return {
        apiVersion: 'autoscaling/v1',
        kind: 'Scale',
        metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
        // A Scale does not tell none from absent.
        spec: replicas ? { replicas } : {},
        status: { replicas: parent.status?.replicas ?? 0, ...(selector ? { selector } : {}) },
      } as Scale;
    },
    validateUpdate(body, _parent, errors) {
      const replicas = replicasOf(body);
      if (replicas < 0) errors.invalid(fieldPath('spec', 'replicas'), replicas, 'must be greater than or equal to 0');
    },
    update(body, parent) {
      const { uid } = body.metadata;
      if (uid && uid !== parent.metadata.uid) {
        const { group, resource } = options.subject;
        const text = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${parent.metadata.uid}`;
        throw conflict({ group, resource: `${resource}/scale`, name: parent.metadata.name! }, text);
      }
      parent.spec.replicas = replicasOf(body);
    },
  };
}

function replicasOf(body: KubeObject): number {
  return (body as Scale).spec?.replicas ?? 0;
}
