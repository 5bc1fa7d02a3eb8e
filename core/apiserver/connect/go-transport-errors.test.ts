import { describe, expect, it } from '@jest/globals';
import { CodedError } from '../../base/errors.js';
import { goTransportError } from './go-transport-errors.js';

describe('an error of a connection in the words of Go', () => {
  const of = (code: string, message = 'm', fields: object = {}): string =>
    goTransportError(Object.assign(new Error(message), { code, ...fields }));
  const verify = 'tls: failed to verify certificate: x509: ';
  const altName = (host: string, subjectaltname?: string): string =>
    of('ERR_TLS_CERT_ALTNAME_INVALID', 'm', { host, cert: { subjectaltname } });

  it.each([
    [of('DEPTH_ZERO_SELF_SIGNED_CERT'), `${verify}certificate signed by unknown authority`],
    [of('CERT_HAS_EXPIRED'), `${verify}certificate has expired or is not yet valid`],
    [altName('a', 'DNS:b, DNS:c, IP Address:10.0.0.1'), `${verify}certificate is valid for b, c, not a`],
    [altName('10.0.0.2', 'DNS:b, IP Address:10.0.0.1'), `${verify}certificate is valid for 10.0.0.1, not 10.0.0.2`],
    [altName('a', 'IP Address:10.0.0.1'), `${verify}certificate is not valid for any names, but wanted to match a`],
    [altName('::1', 'DNS:b'), `${verify}cannot validate certificate for ::1 because it doesn't contain any IP SANs`],
    [altName('a'), `${verify}certificate relies on legacy Common Name field, use SANs instead`],
    [of('EPROTO'), 'http: server gave HTTP response to HTTPS client'],
    [of('ECONNRESET', 'socket hang up'), 'EOF'],
    [of('ECONNRESET', 'aborted'), 'unexpected EOF'],
    [of('ECONNRESET', 'read ECONNRESET'), 'read: connection reset by peer'],
    [of('EPIPE'), 'write: broken pipe'],
    [
      of('HPE_INVALID_CONSTANT', 'Expected HTTP/'),
      'net/http: HTTP/1.x transport connection broken: malformed HTTP response (Expected HTTP/)',
    ],
    [
      goTransportError(new CodedError('DIAL_FAILED', 'dial tcp a:1: refused', { cause: new Error('x') })),
      'dial tcp a:1: refused',
    ],
    [goTransportError('text'), 'text'],
  ])('%s', (said, expected) => expect(said).toBe(expected));
});
