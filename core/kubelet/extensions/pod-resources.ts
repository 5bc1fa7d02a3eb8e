import type { Container, Pod } from '../../api/generated/types.js';
import { isRestartableInitContainer } from '../../api/pod-resources.js';
import { CodedError } from '../../base/errors.js';
import type { ClaimManager } from '../claims/claim-manager.js';
import type { DeviceManager } from '../devices/device-manager.js';
import type { PodResourcesContainerResources, PodResourcesPodResources } from './generated/wire-tables.js';
import { pluginServer } from './plugin-wire.js';
import type { PluginServer } from './plugin-wire.js';

export interface PodResourcesOptions {
  /** Pods that hold resources of the node; undefined while they are not all known. */
  readonly pods: () => readonly Pod[] | undefined;
  readonly devices: Pick<DeviceManager, 'healthy' | 'held'>;
  readonly claims: Pick<ClaimManager, 'held'>;
}

/** Messages of the first version are the same, with less in them; exporters of GPU metrics still ask in it. */
const oldList = '/v1alpha1.PodResourcesLister/List';

/**
 * Tells what watches the node which container has which devices. Source: pkg/kubelet/apis/podresources. CPUs and memory are given to
 * nobody alone here, and are left out.
 */
export function podResourcesServer(options: PodResourcesOptions): PluginServer {
  const list = async () => ({ podResources: (options.pods() ?? []).map(pod => ofPod(pod, options)) });
  return pluginServer()
    .handle('podResources.List', list)
    .handle('podResources.List', list, oldList)
    .handle('podResources.Get', async ({ podName = '', podNamespace = '' }) => {
      const pod = options.pods()?.find(({ metadata }) => metadata.name === podName && metadata.namespace === podNamespace);
      if (!pod) throw new CodedError('POD_RESOURCES', `pod ${podName} in namespace ${podNamespace} not found`);
      return { podResources: ofPod(pod, options) };
    })
    .handle('podResources.GetAllocatableResources', async () => ({ devices: options.devices.healthy() }));
}

function ofPod(pod: Pod, options: PodResourcesOptions): PodResourcesPodResources {
  const { name = '', namespace = '' } = pod.metadata;
  // Init containers that end hold nothing that others do not get.
  const sidecars = (pod.spec.initContainers ?? []).filter(isRestartableInitContainer);
  const containers = [...sidecars, ...pod.spec.containers].map(container => ofContainer(pod, container, options));
  return { name, namespace, containers };
}

function ofContainer(pod: Pod, container: Container, { claims, devices }: PodResourcesOptions): PodResourcesContainerResources {
  return {
    name: container.name,
    devices: devices.held(pod.metadata.uid ?? '', container.name),
    dynamicResources: claims.held(pod, container),
  };
}
