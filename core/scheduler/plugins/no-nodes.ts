import { ClusterAction } from '../../contracts/scheduler-plugin.js';

/** Who turns pods away while there is no node at all, so that the first node brings them back at once. */
export const noNodes = {
  name: 'NoNodes',
  events: [{ resource: 'Node', action: ClusterAction.Add }],
} as const;
