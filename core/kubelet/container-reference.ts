import type { Container, Pod } from '../api/generated/types.js';
import type { EventObjectReference } from '../client/event-recorder.js';

/** What an event about one container of a pod refers to. Source: pkg/kubelet/container GenerateContainerRef. */
export function containerReference(pod: Pod, container: Container): EventObjectReference {
  const { name, namespace, uid, resourceVersion } = pod.metadata;
  const { spec } = pod;
  const list = spec.containers.some(own => own.name === container.name)
    ? 'containers'
    : spec.initContainers?.some(own => own.name === container.name)
      ? 'initContainers'
      : 'ephemeralContainers';
  return { kind: 'Pod', apiVersion: 'v1', name, namespace, uid, resourceVersion, fieldPath: `spec.${list}{${container.name}}` };
}
