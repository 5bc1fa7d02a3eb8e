import type { FlagValues } from '../flag-definition.js';
import { clusterFlags } from './cluster-flags.js';
import { datastoreFlags } from './datastore-flags.js';
import { networkFlags } from './network-flags.js';
import { nodeFlags } from './node-flags.js';

/** Every flag of `server` and `agent` that belongs to no plugin, by name. */
export const flags = { ...clusterFlags, ...networkFlags, ...datastoreFlags, ...nodeFlags };

export type ConfigValues = FlagValues<typeof flags>;
