import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Pools } from './pools.js';
import { requestHeaders, responseHeaders } from './headers.js';
import { bodyFollows, refuse } from './proxy.js';
import type { Forwarding, ProxyOptions } from './proxy.js';

/** To an endpoint that speaks HTTP/2 (`kubernetes.io/h2c`): streams and trailers stay what they are, which gRPC needs. */
export function forwardHttp2(forwarding: Forwarding, pools: Pools, log: ProxyOptions['log'], attempt = 0): void {
  const { request, answer, backend, endpoints, path, facts } = forwarding;
  const { address, port } = endpoints[attempt]!;
  const one = answer as ServerResponse;
  const hasBody = bodyFollows(request);
  const { host, ...headers } = requestHeaders(request.headers, facts);
  let stream: ClientHttp2Stream;
  const session = pools.session(backend.scheme, address, port);
  const retry = (error: Error): void => {
    if (attempt + 1 < endpoints.length) forwardHttp2(forwarding, pools, log, attempt + 1);
    else {
      log('debug', 'an endpoint did not answer', { address, error: error.message });
      refuse(answer, 502);
    }
  };
  try {
    const outgoing: OutgoingHttpHeaders = {
      ...headers,
      ':method': request.method ?? 'GET',
      ':path': path,
      ':authority': String(host),
      ':scheme': 'http',
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
    one.writeHead(Number(incoming[':status'] ?? 502), responseHeaders(incoming));
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
