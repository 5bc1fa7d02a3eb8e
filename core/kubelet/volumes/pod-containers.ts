import type { Container, Pod, Volume } from '../../api/generated/types.js';

/** Containers of every sort. */
export function allContainers({ spec }: Pod): Pick<Container, 'name' | 'volumeMounts' | 'volumeDevices' | 'env' | 'envFrom'>[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
}

/** The volumes that a container mounts: the others are not looked at. Source: pkg/kubelet/volumemanager/populator. */
export function usedVolumes(pod: Pod): Volume[] {
  const names = new Set(
    allContainers(pod).flatMap(({ volumeMounts = [], volumeDevices = [] }) =>
      [...volumeMounts, ...volumeDevices].map(({ name }) => name),
    ),
  );
  return (pod.spec.volumes ?? []).filter(({ name }) => names.has(name));
}
