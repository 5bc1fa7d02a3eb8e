import { Namespaces } from '../../api/generated/resources.js';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { Client } from '../../client/client.js';
import type { EventRecorder } from '../../client/event-recorder.js';
import type { SchedulerPlugin } from '../../contracts/scheduler-plugin.js';
import type { SchedulerCache } from '../cache.js';
import { KnownDeviceClasses } from '../devices/extended-resources.js';
import type { Framework } from '../framework.js';
import type { LabelMatcher } from '../label-matcher.js';
import type { UsedInformers } from '../used-informers.js';
import { StorageObjects } from '../volumes/claims.js';
import { NodeVolumeLimits } from '../volumes/node-volume-limits.js';
import { VolumeBinder } from '../volumes/volume-binder.js';
import { VolumeBinding } from '../volumes/volume-binding.js';
import { VolumeRestrictions } from '../volumes/volume-restrictions.js';
import { VolumeZone } from '../volumes/volume-zone.js';
import { DefaultPreemption } from './default-preemption.js';
import { DefaultSelectors } from './default-selector.js';
import { DynamicResources } from './dynamic-resources.js';
import { ImageLocality } from './image-locality.js';
import { InterPodAffinity } from './inter-pod-affinity.js';
import type { NamespaceLabels } from './inter-pod-affinity.js';
import { NodeName, NodeUnschedulable, TaintToleration } from './node-admission.js';
import { NodeAffinity } from './node-affinity.js';
import { NodePorts } from './node-ports.js';
import { NodeResourcesBalancedAllocation, NodeResourcesFit } from './node-resources.js';
import { PodTopologySpread } from './pod-topology-spread.js';
import { PreemptionExecutor } from './preemption-executor.js';
import type { PreemptionHandle } from './preemption-executor.js';
import { SchedulingGates } from './scheduling-gates.js';

export interface DefaultPluginsOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventRecorder;
  readonly random: () => number;
  readonly cache: SchedulerCache;
  readonly informers: UsedInformers;
  readonly handle: PreemptionHandle;
  readonly framework: () => Framework;
}

/** Upstream's default plugins, in its order and with its weights. */
export function defaultPlugins(options: DefaultPluginsOptions): SchedulerPlugin[] {
  const { cache, informers } = options;
  const executor = new PreemptionExecutor(options);
  const storage = new StorageObjects(informers);
  const classes = new KnownDeviceClasses(informers);
  return [
    new SchedulingGates(),
    new NodeUnschedulable(),
    new NodeName(),
    new TaintToleration(),
    new NodeAffinity(),
    new NodePorts(),
    new NodeResourcesFit(resource => classes.forResource(resource) !== undefined),
    new VolumeRestrictions(cache, storage),
    new NodeVolumeLimits(storage),
    new VolumeBinding(new VolumeBinder({ ...options, storage }), storage),
    new VolumeZone(storage),
    new PodTopologySpread(cache, new DefaultSelectors(informers)),
    new InterPodAffinity(cache, namespaceLabels(informers)),
    new DynamicResources({ ...options, classes }),
    new DefaultPreemption({ ...options, executor }),
    new NodeResourcesBalancedAllocation(),
    new ImageLocality(cache),
  ];
}

function namespaceLabels(informers: UsedInformers): NamespaceLabels {
  const informer = informers.informer(Namespaces);
  return {
    of: namespace => informer.entry('', namespace)?.labels,
    matching: (selector: LabelMatcher) =>
      [...informer.entries()].filter(({ labels }) => selector.matches(labels)).map(({ name }) => name),
  };
}
