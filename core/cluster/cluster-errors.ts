import { CodedError } from '../base/errors.js';

export type ClusterErrorCode =
  | 'COMMAND_FAILED'
  | 'COMMAND_TAKEN'
  | 'ADDRESS_FAMILIES'
  | 'FOREIGN_K3S'
  | 'NEEDS_ROOT'
  | 'NOT_BUILT'
  | 'NOT_OURS'
  | 'PLUGIN_INVALID'
  | 'PLUGIN_NOT_BUILT'
  | 'PLUGIN_NOT_INSTALLED'
  | 'PRESET_INVALID'
  | 'PRESET_UNKNOWN'
  | 'RUNTIME_NOT_HERE'
  | 'SERVER_RUNNING'
  | 'SLOT_UNKNOWN'
  | 'TOKEN_FILE';

export function clusterError(
  code: ClusterErrorCode,
  message: string,
  options: { cause?: unknown; mend?: string } = {},
): CodedError {
  return new CodedError(code, message, options);
}
