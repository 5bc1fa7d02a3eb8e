import { errorCode } from '../../base/errors.js';

const unknownAuthority = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

/** What Go's HTTP client says of a connection that failed: users and tests look for its words. */
export function goTransportError(error: unknown): string {
  const code = errorCode(error) ?? '';
  // Without the causes: those of the dialer say the same again.
  const message = error instanceof Error ? error.message : String(error);
  const certificate = certificateFault(error, code);
  if (certificate !== undefined) return `tls: failed to verify certificate: x509: ${certificate}`;
  if (code.startsWith('HPE_')) return `net/http: HTTP/1.x transport connection broken: malformed HTTP response (${message})`;
  switch (code) {
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return 'http: server gave HTTP response to HTTPS client';
    case 'ECONNRESET':
      // Node's own words for a connection that was closed in order, within or before an answer.
      if (message === 'aborted') return 'unexpected EOF';
      return /hang up|disconnected/.test(message) ? 'EOF' : 'read: connection reset by peer';
    case 'EPIPE':
      return 'write: broken pipe';
    default:
      return message;
  }
}

function certificateFault(error: unknown, code: string): string | undefined {
  if (unknownAuthority.has(code)) return 'certificate signed by unknown authority';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'certificate has expired or is not yet valid';
  if (code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return undefined;
  const { host = '', cert } = error as { host?: string; cert?: { subjectaltname?: string } };
  const names = cert?.subjectaltname;
  if (!names) return 'certificate relies on legacy Common Name field, use SANs instead';
  const all = names.split(', ');
  const valid = all
    .filter(name => name.startsWith(isAddress(host) ? 'IP Address:' : 'DNS:'))
    .map(name => name.slice(name.indexOf(':') + 1));
  if (valid.length) return `certificate is valid for ${valid.join(', ')}, not ${host}`;
  return isAddress(host)
    ? `cannot validate certificate for ${host} because it doesn't contain any IP SANs`
    : `certificate is not valid for any names, but wanted to match ${host}`;
}

const isAddress = (host: string): boolean => host.includes(':') || /^[\d.]+$/.test(host);
