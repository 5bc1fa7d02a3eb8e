// A bare HTTP/2 server of Node's own: every POST is written to every open GET. What fan-out costs without Kubernetes around it.
import { readFileSync } from 'node:fs';
import type { ServerHttp2Stream } from 'node:http2';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';

const [certificate = '', key = ''] = process.argv.slice(2);
const streams = new Set<ServerHttp2Stream>();
const server = createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key) });
server.on('stream', (stream, headers) => {
  stream.respond({ ':status': 200 });
  stream.on('error', () => streams.delete(stream));
  if (headers[':method'] === 'GET') {
    streams.add(stream);
    return;
  }
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    const body = Buffer.concat(chunks);
    for (const each of streams) each.write(body);
    stream.end();
  });
});
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
