import type Router from '@koa/router';
import type { Context } from 'koa';
import { existsSync, readFileSync } from 'node:fs';
import { parseAccept } from '../handlers/negotiation.js';
import { serveContent } from '../http/serve-content.js';
import type { OpenApi, OpenApiDocument, OpenApiForm } from './openapi.js';
import type { DescriptionLookup, TypeDescription } from './schema-builder.js';

const oneYearMs = 365 * 24 * 60 * 60_000;

/** `/openapi/v2`, `/openapi/v3` and its documents; a document asked for by its hash may be kept for a year. */
export function openApiRoutes(router: Router, openApi: () => OpenApi, nowMs: () => number): void {
  router.all('/openapi/v2', async context => {
    context.set('Vary', 'Accept-Encoding, Accept');
    const form = negotiated(context, 'v2');
    if (form) await answer(context, await openApi().documentV2(form.form), { contentType: form.contentType, compressed: true });
  });
  router.all('/openapi/v3', async context => {
    context.respond = false;
    const { bytes } = await openApi().index();
    // Go guesses the type of bytes that it is told none of, and upstream puts them together anew for each request.
    await serveContent(context.req, context.res, {
      bytes,
      contentType: 'text/plain; charset=utf-8',
      modifiedMs: nowMs(),
      isMadeAnew: true,
    });
  });
  router.all('/openapi/v3/*key', async context => {
    const key = String(context.params['key']);
    if (!openApi().has(key)) {
      context.body = Buffer.alloc(0);
      context.remove('Content-Type');
      context.status = 404;
      return;
    }
    context.set('Vary', 'Accept');
    const form = negotiated(context, 'v3');
    const document = form && openApi().document(key, form.form);
    if (!document) return;
    const asked = context.query['hash'];
    if (asked !== undefined && asked !== '' && asked !== document.hash) {
      context.respond = false;
      context.res.setHeader('Content-Type', form.contentType);
      context.res.setHeader('ETag', `"${document.hash}"`);
      context.res.setHeader('Location', `${context.path}?hash=${document.hash}`);
      context.res.writeHead(301).end();
      return;
    }
    if (asked) {
      context.set('Cache-Control', 'public, immutable');
      context.set('Expires', new Date(nowMs() + oneYearMs).toUTCString());
    }
    await answer(context, document, { contentType: form.contentType });
  });
}

function answer(
  context: Context,
  { bytes, hash, modifiedMs }: OpenApiDocument,
  form: { readonly contentType: string; readonly compressed?: boolean },
): Promise<void> {
  context.respond = false;
  context.res.setHeader('Content-Type', form.contentType);
  return serveContent(context.req, context.res, { bytes, etag: `"${hash}"`, modifiedMs, ...form });
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
  context.body = Buffer.alloc(0);
  context.remove('Content-Type');
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
