import type Router from '@koa/router';
import type { Context } from 'koa';
import { existsSync, readFileSync } from 'node:fs';
import { constants, createGzip } from 'node:zlib';
import { parseAccept } from '../handlers/negotiation.js';
import type { OpenApi, OpenApiDocument, OpenApiForm } from './openapi.js';
import type { DescriptionLookup, TypeDescription } from './schema-builder.js';

const gzipAboveBytes = 1400;
const never = 'Thu, 31 Dec 2037 23:55:55 GMT';

/** `/openapi/v2`, `/openapi/v3` and its documents; a document asked for by its hash may be kept for ever. */
export function openApiRoutes(router: Router, openApi: () => OpenApi): void {
  router.get('/openapi/v2', async context => {
    const form = negotiated(context, 'v2');
    if (!form) return;
    answer(context, await openApi().documentV2(form.form), form.contentType);
    context.set('Vary', 'Accept-Encoding, Accept');
  });
  router.get('/openapi/v3', async context => {
    // Go guesses the type of bytes that it is told none of.
    context.set('Content-Type', 'text/plain; charset=utf-8');
    context.body = (await openApi().index()).bytes;
  });
  router.get('/openapi/v3/*key', context => {
    const key = String(context.params['key']);
    const form = negotiated(context, 'v3');
    if (!form) return;
    const document = openApi().document(key, form.form);
    if (!document) {
      context.body = null;
      context.status = 404;
      return;
    }
    const asked = context.query['hash'];
    if (asked !== undefined && asked !== '' && asked !== document.hash) {
      context.redirect(`${context.path}?hash=${document.hash}`);
      context.status = 301;
      return;
    }
    if (asked) {
      context.set('Cache-Control', 'public, immutable');
      context.set('Expires', never);
    }
    answer(context, document, form.contentType);
  });
}

function answer(context: Context, { bytes, hash }: OpenApiDocument, contentType: string): void {
  context.status = 200;
  context.set('ETag', `"${hash}"`);
  context.set('Vary', 'Accept');
  context.set('Content-Type', contentType);
  if (context.fresh) {
    context.status = 304;
    return;
  }
  if (bytes.length <= gzipAboveBytes || !/\bgzip\b/.test(context.get('Accept-Encoding'))) {
    context.body = bytes;
    return;
  }
  context.vary('Accept-Encoding');
  context.set('Content-Encoding', 'gzip');
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  gzip.end(bytes);
  context.body = gzip;
}

/** What the client takes of JSON and protobuf; answers 406 when it takes neither. Source: kube-openapi's handlers, KEP-2896. */
function negotiated(context: Context, version: 'v2' | 'v3'): { form: OpenApiForm; contentType: string } | undefined {
  const protobuf = `application/com.github.proto-openapi.spec.${version}.v1.0+protobuf`;
  // `@` is no character of a media type; clients ask with it all the same.
  const accepted = context.get('Accept').replaceAll(`.spec.${version}@v1.0+`, `.spec.${version}.v1.0+`);
  for (const { type } of parseAccept(accepted || '*/*')) {
    if (type === 'application/json' || type === '*/*' || type === 'application/*')
      return { form: 'json', contentType: 'application/json' };
    if (type === protobuf) return { form: 'protobuf', contentType: protobuf };
  }
  context.status = 406;
  return undefined;
}

/** Descriptions that the build took from @kubernetes/client-node; none when it did not. Read when first asked for. */
export function builtDescriptions(): DescriptionLookup {
  let all: Readonly<Record<string, TypeDescription>> | undefined;
  return name => {
    if (!all) {
      const file = new URL('./descriptions.json', import.meta.url);
      all = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, TypeDescription>) : {};
    }
    return all[name];
  };
}
