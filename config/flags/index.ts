import type { FlagValues } from '../flag-definition.js';
import { clusterFlags } from './cluster-flags.js';
import { datastoreFlags } from './datastore-flags.js';
import { networkFlags } from './network-flags.js';
import { nodeFlags } from './node-flags.js';

/** Every flag of `server` and `agent` that belongs to no plugin, by name. */
export const flags = { ...clusterFlags, ...networkFlags, ...datastoreFlags, ...nodeFlags };

/** Variables of K3s that belong to no flag, and why they do nothing here. One sorted line an entry. */
export const variablesWithoutEffect: Readonly<Record<string, string>> = {
  KINE_SCHEMA_MIGRATION: 'there is no kine',
  K3S_P2P_ENABLE_LATEST: 'nodes do not share images',
  K3S_P2P_PORT: 'nodes do not share images',
  K3S_ROOTLESS_CIDR: 'nodes do not run without root',
  K3S_ROOTLESS_DISABLE_HOST_LOOPBACK: 'nodes do not run without root',
  K3S_ROOTLESS_ENABLE_IPV6: 'nodes do not run without root',
  K3S_ROOTLESS_MTU: 'nodes do not run without root',
  K3S_ROOTLESS_PORT_DRIVER: 'nodes do not run without root',
};

export type ConfigValues = FlagValues<typeof flags>;
