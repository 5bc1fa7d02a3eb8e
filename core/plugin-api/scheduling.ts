/** What a scheduler of a third party needs to read pods and nodes as ours does. Re-exported by `index.ts`. */
export { preferredNodeAffinityScore, requiredNodeAffinityMatches } from '../api/node-affinity.js';
export { parseResourceList, podRequests } from '../api/pod-resources.js';
export type { PodResourceOptions, ResourceQuantities } from '../api/pod-resources.js';
export { isPodFinished } from '../api/pods.js';
