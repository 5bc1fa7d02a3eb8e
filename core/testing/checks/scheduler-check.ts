import { schedulerSuite } from '../scheduler-suite.js';
import { schedulerCluster } from '../suite-cluster.js';
import type { SlotCheck } from './slot-check.js';

export const checkScheduler: SlotCheck = async ({ descriptor }, { directory, note }) => {
  note('may refuse pods for affinity between pods, topology spread, volumes or preemption: whether it does was not told apart');
  return runner => schedulerSuite(runner, () => schedulerCluster({ id: descriptor.id, package: directory, mayRefuse: true }));
};
