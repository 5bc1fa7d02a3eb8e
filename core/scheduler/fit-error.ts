import type { FilterOutcome, SchedulingStatus } from '../contracts/scheduler-plugin.js';
import { isRejection } from './status.js';

const nothingSaid: SchedulingStatus = { code: 'UnschedulableAndUnresolvable', reasons: [] };

/** Why a pod fits on no node, node by node, in the words that users read in the pod's condition and events. */
export class FitError {
  readonly nodeCount: number;
  readonly byNode = new Map<string, SchedulingStatus>();
  /** Holds for nodes that were not asked. */
  absent: SchedulingStatus = nothingSaid;
  /** What a plugin said about all nodes at once. */
  preFilterMessage = '';
  postFilterMessage = '';
  readonly unschedulablePlugins = new Set<string>();
  readonly pendingPlugins = new Set<string>();

  constructor(nodeCount: number) {
    this.nodeCount = nodeCount;
  }

  get outcome(): FilterOutcome {
    return { byNode: this.byNode, absent: this.absent };
  }

  set(nodeName: string, status: SchedulingStatus): void {
    this.byNode.set(nodeName, status);
    this.blame(status);
  }

  /** Remembers who turned the pod away. */
  blame(status: SchedulingStatus): void {
    if (!status.plugin || !isRejection(status)) return;
    this.unschedulablePlugins.add(status.plugin);
    if (status.code === 'Pending') this.pendingPlugins.add(status.plugin);
  }

  /** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: ...` */
  get message(): string {
    let text = `0/${this.nodeCount} nodes are available:`;
    if (this.preFilterMessage) text += ` ${this.preFilterMessage}.`;
    else {
      const counts = new Map<string, number>();
      const count = (reason: string, by: number): void => void counts.set(reason, (counts.get(reason) ?? 0) + by);
      for (const status of this.byNode.values()) for (const reason of status.reasons) count(reason, 1);
      const absent = this.nodeCount - this.byNode.size;
      if (absent > 0) for (const reason of this.absent.reasons) count(reason, absent);
      const parts = [...counts].map(([reason, number]) => `${number} ${reason}`).sort(byBytes);
      if (parts.length > 0) text += ` ${parts.join(', ')}.`;
    }
    if (this.postFilterMessage) text += ` ${this.postFilterMessage}`;
    return text;
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
