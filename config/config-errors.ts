import { CodedError } from '../core/base/errors.js';

export type ConfigErrorCode =
  | 'CONFIG_FILE'
  | 'CONFIG_KEY_UNKNOWN'
  | 'FLAG_CONFLICT'
  | 'FLAG_NOT_BUILT'
  | 'FLAG_UNKNOWN'
  | 'FLAG_VALUE'
  | 'PLUGIN_FLAG_INVALID';

export function configError(
  code: ConfigErrorCode,
  message: string,
  options: { cause?: unknown; mend?: string } = {},
): CodedError {
  return new CodedError(code, message, options);
}
