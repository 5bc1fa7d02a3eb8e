import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { errorCode } from '../../../../core/plugin-api/dataplane.js';
import type { EndpointFailures } from './endpoint-failures.js';
import type { Pools } from './pools.js';
import { requestHeaders, responseHeaders } from './headers.js';
import { addStickyCookie } from './sticky.js';
import { bodyFollows, refuse } from './proxy.js';
import type { Forwarding } from './proxy.js';

/** To an endpoint that speaks HTTP/2, by prior knowledge (`kubernetes.io/h2c`) or over TLS: streams and trailers stay what they are, which gRPC needs. */
export function forwardHttp2(forwarding: Forwarding, pools: Pools, failures: EndpointFailures, attempt = 0): void {
  const { request, answer, backend, endpoints, path, facts } = forwarding;
  const endpoint = endpoints[attempt]!;
  const { address, port } = endpoint;
  const one = answer as ServerResponse;
  const hasBody = bodyFollows(request);
  const { host, ...headers } = requestHeaders(request.headers, facts);
  let stream: ClientHttp2Stream;
  const session = pools.session(backend.scheme, address, port);
  const retry = (given: Error): void => {
    // Node says of each stream only that its session ended, and why below that.
    const error = given.cause instanceof Error ? given.cause : given;
    if (attempt + 1 < endpoints.length) forwardHttp2(forwarding, pools, failures, attempt + 1);
    else {
      failures.tell(endpoint, error);
      refuse(answer, errorCode(error) === 'CONNECT_TIMEOUT' ? 504 : 502);
    }
  };
  try {
    const outgoing: OutgoingHttpHeaders = {
      ...headers,
      ':method': request.method ?? 'GET',
      ':path': path,
      ':authority': String(host),
      ':scheme': backend.scheme === 'h2c' ? 'http' : 'https',
    };
    stream = session.request(outgoing, { endStream: !hasBody });
  } catch (error) {
    return retry(error as Error);
  }
  let connected = !session.connecting;
  const start = (): void => {
    connected = true;
    if (hasBody) request.pipe(stream);
  };
  if (connected) start();
  else session.once('connect', start);
  const onClientGone = (): void => {
    if (!answer.writableFinished) stream.close(constants.NGHTTP2_CANCEL);
  };
  answer.once('close', onClientGone);
  stream.on('response', (incoming: IncomingHttpHeaders) => {
    if (one.destroyed) return;
    const answered = addStickyCookie(responseHeaders(incoming), backend.sticky, endpoint, request.headers.cookie);
    one.writeHead(Number(incoming[':status'] ?? 502), answered);
    if (incoming['content-length'] === undefined) one.flushHeaders();
    stream.pipe(one);
  });
  stream.on('trailers', (trailers: IncomingHttpHeaders) => one.addTrailers(responseHeaders(trailers) as NodeJS.Dict<string>));
  stream.on('error', (error: Error) => {
    session.removeListener('connect', start);
    answer.removeListener('close', onClientGone);
    if (one.headersSent) one.destroy();
    else if (!connected) retry(error);
    else refuse(answer, 502);
  });
}
