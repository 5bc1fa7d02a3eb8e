import type { RouteExchange } from '../http/front.js';
import { serveContent } from '../http/serve-content.js';
import type { OpenApi } from '../openapi/openapi.js';
import { hashOf } from '../openapi/openapi.js';
import type { Aggregator } from './aggregator.js';

const prefix = '/openapi/v3/';

/** `/openapi/v3/KEY` of an extension server, as it answers itself. False: ours, or nobody's. */
export async function serveExtensionOpenApi(
  aggregator: Aggregator,
  openApi: OpenApi,
  { request, response, info, user }: RouteExchange,
): Promise<boolean> {
  const { path } = info;
  if (!path.startsWith(prefix) || request.method !== 'GET') return false;
  const key = path.slice(prefix.length);
  if (openApi.has(key)) return false;
  const found = await aggregator.openApi.find(key);
  if (!found) return false;
  if (!found.document) await aggregator.serve(found.server, { request, response, user, isDiscovery: false });
  else {
    const bytes = Buffer.from(JSON.stringify(found.document.content));
    const { modifiedMs } = found.document;
    response.setHeader('Vary', 'Accept');
    await serveContent(request, response, { bytes, contentType: 'application/json', etag: `"${hashOf(bytes)}"`, modifiedMs });
  }
  return true;
}
