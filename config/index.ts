export type { ClaimedFlag, CommandLine, EarlyConfig, Environment, LoadedConfig, LoadOptions } from './load-config.js';
export { loadConfig, loadEarlyConfig } from './load-config.js';
export type { ConfigFiles, FileValue } from './config-files.js';
export { configError } from './config-errors.js';
export { flags } from './flags/index.js';
export type { ConfigValues } from './flags/index.js';
export type { FlagDefinition } from './flag-definition.js';
export { k3sFlags } from './k3s-flags.js';
export type { FlagState, K3sFlag } from './k3s-flags.js';
