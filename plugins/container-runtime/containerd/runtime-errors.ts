import { CodedError, errorCode } from '../../../core/plugin-api/index.js';

/** What was asked for, because the same words of containerd mean different things. */
export type CallArea = 'sandbox' | 'container' | 'image' | 'exec';

/** Turns what containerd answered into the codes of the contract, keeping its words. Errors that have one of them stay as they are. */
export function runtimeError(error: unknown, area: CallArea): CodedError {
  const code = errorCode(error);
  const message = stripPrefix(error instanceof Error ? error.message : String(error));
  if (error instanceof CodedError && (code?.startsWith('RUNTIME_') || code === 'ABORTED')) return error;
  return new CodedError(contractCode(code, message, area), message, { cause: error });
}

export function isNotFound(error: unknown): boolean {
  return errorCode(error) === 'GRPC_NOT_FOUND' || errorCode(error) === 'RUNTIME_NOT_FOUND';
}

function contractCode(code: string | undefined, message: string, area: CallArea): string {
  if (code === 'GRPC_UNAVAILABLE' || code === 'GRPC_CANCELLED') return 'RUNTIME_UNAVAILABLE';
  // For a moment after containerd's start.
  if (message.includes('server is not initialized yet')) return 'RUNTIME_UNAVAILABLE';
  if (area === 'image') return imageCode(code, message);
  if (area === 'exec' && (code === 'GRPC_DEADLINE_EXCEEDED' || /timeout .* exceeded/.test(message))) return 'RUNTIME_TIMEOUT';
  if (code === 'GRPC_DEADLINE_EXCEEDED') return 'RUNTIME_UNAVAILABLE';
  if (area === 'sandbox' && /setup network|cni plugin not initialized|cni config|network plugin/i.test(message))
    return 'RUNTIME_NETWORK';
  if (code === 'GRPC_NOT_FOUND') return 'RUNTIME_NOT_FOUND';
  return 'RUNTIME_FAILED';
}

const unauthorized = /\b(401|403)\b|unauthorized|authorization failed|access denied|insufficient_scope|forbidden/i;
const unavailable =
  /connection (refused|reset)|no such host|i\/o timeout|dial tcp|TLS|x509|certificate|server gave HTTP response|EOF|temporary failure|network is unreachable|no route to host|server misbehaving|deadline exceeded|50[0-9] |429|too many requests/i;
const invalid =
  /invalid reference|unsupported media ?type|no match for platform|failed to (extract|unpack) layer|unexpected (media|commit)|invalid (checksum|tar)|failed commit|size validation|no unpack platforms|failed to parse|could not parse/i;

function imageCode(code: string | undefined, message: string): string {
  if (unauthorized.test(message)) return 'RUNTIME_IMAGE_UNAUTHORIZED';
  if (code === 'GRPC_NOT_FOUND' || /: not found/.test(message)) return 'RUNTIME_IMAGE_NOT_FOUND';
  if (code === 'GRPC_DEADLINE_EXCEEDED' || unavailable.test(message)) return 'RUNTIME_REGISTRY_UNAVAILABLE';
  if (code === 'GRPC_INVALID_ARGUMENT' || invalid.test(message)) return 'RUNTIME_IMAGE_INVALID';
  return 'RUNTIME_FAILED';
}

/** `rpc error: code = Unknown desc = ` says nothing to a user. */
function stripPrefix(message: string): string {
  return message.replace(/rpc error: code = \w+ desc = /g, '');
}
